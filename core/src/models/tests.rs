//! Golden comparisons with transformers, and what loading refuses.

use std::path::PathBuf;

use candle_core::DType;

use super::*;
use crate::dims::Matrix;

fn repository(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

fn open(path: &str) -> Model {
    Model::open(&repository(path)).unwrap().0
}

fn reference(path: &str) -> BTreeMap<String, Tensor> {
    candle_core::safetensors::load(repository(path), &Device::Cpu)
        .unwrap()
        .into_iter()
        .collect()
}

fn difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values(a)
        .iter()
        .zip(values(b))
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn the_demo_model_equals_transformers_at_every_hook() {
    let path = "../shared/data/demo-model/reference.safetensors";
    if !repository(path).exists() {
        println!("skipped: {path} is absent");
        return;
    }
    let reference = read_tensors(&repository(path)).unwrap();
    let model = open("assets/demo/model");
    let compared = verify::against(&model, &reference, &mut |_| Flow::Continue(()))
        .unwrap()
        .into_value();
    assert!(compared.agrees(), "{:?}", compared.worst());
    assert!(compared.rows.len() >= 25);
}

/// Values of one row `[1, t, …]` at positions `range`.
fn part(x: &Tensor, range: std::ops::Range<usize>) -> Tensor {
    x.narrow(1, range.start, range.len()).unwrap()
}

#[test]
fn documents_kept_apart_are_read_as_if_each_stood_alone() {
    // Learned positions, rotary ones, with windows shorter than a document, with local and global layers.
    for family in [
        "gpt2", "gpt-neox", "llama", "mistral", "gemma2", "gemma3", "gpt-neo",
    ] {
        let across = open(&format!("tests/golden/tiny-{family}"));
        let bos = TokenId(0);
        let apart = across.clone().apart_at(bos);
        let text = |from: u32, n: u32| (from..from + n).map(|i| TokenId(i * 37 % 500 + 5));
        let first: Vec<TokenId> = [bos].into_iter().chain(text(3, 18)).collect();
        let second: Vec<TokenId> = [bos].into_iter().chain(text(60, 24)).collect();
        let both = [first.as_slice(), &second].concat();
        let other: Vec<TokenId> = [bos].into_iter().chain(text(7, 43)).collect();
        let packed = token_tensor(&[&both, &other]).unwrap();
        let hooks: Vec<HookPoint> = across
            .hooks()
            .filter(|hook| *hook != HookPoint::PosEmbed)
            .filter(|hook| {
                let table = [Some(Site::Pattern), Some(Site::AttnScores)];
                hook.layer().is_none_or(|layer| layer.index() == 1) && !table.contains(&hook.site())
            })
            .collect();
        let wanted: Vec<Quantity> = hooks
            .iter()
            .map(|hook| Quantity::Hook(*hook))
            .chain([Quantity::Logits])
            .collect();
        let got = apart.quantities(&packed, &wanted).unwrap();
        let mixed = across.quantities(&packed, &wanted).unwrap();
        let rows = [(0, 0, &first), (0, first.len(), &second), (1, 0, &other)];
        for (row, from, document) in rows {
            let alone = across
                .quantities(&token_tensor(&[document]).unwrap(), &wanted)
                .unwrap();
            let range = from..from + document.len();
            for quantity in &wanted {
                let of_row = |all: &BTreeMap<Quantity, Tensor>| {
                    part(&all[quantity].narrow(0, row, 1).unwrap(), range.clone())
                };
                let largest = difference(&alone[quantity], &alone[quantity].zeros_like().unwrap());
                let off = difference(&of_row(&got), &alone[quantity]);
                assert!(
                    off < 1e-5 * largest.max(1.0),
                    "{family} {quantity} {row}: {off}"
                );
                let mixed = difference(&of_row(&mixed), &alone[quantity]);
                let moves = from > 0 && *quantity == Quantity::Logits;
                assert!(!moves || mixed > 1e-3, "{family} {quantity}: {mixed}");
            }
        }
        gradients_and_later_passes_keep_them_apart(family, (&across, &apart), (&first, &second));
    }
}

/// Gradients of the second document's loss, and a pass from the middle of the stream.
fn gradients_and_later_passes_keep_them_apart(
    family: &str,
    (across, apart): (&Model, &Model),
    (first, second): (&[TokenId], &[TokenId]),
) {
    let both = [first, second].concat();
    let hook = HookPoint::block(1, Site::ResidPre);
    let scalar = |logits: &Tensor, tokens: &Tensor| {
        let t = tokens.dim(1)?;
        let from = t - second.len();
        next_token_loss(
            &part(logits, from..t).contiguous()?,
            &part(tokens, from..t).contiguous()?,
        )
    };
    let row = token_tensor(&[&both]).unwrap();
    let got = apart
        .gradients(&row, &Scalar::Of(&scalar), &[hook])
        .unwrap();
    let alone = token_tensor(&[second]).unwrap();
    let want = across
        .gradients(&alone, &Scalar::Of(&scalar), &[hook])
        .unwrap();
    assert!((got.value - want.value).abs() < 1e-4, "{family}");
    let own = part(&got.at[&hook], first.len()..both.len());
    assert!(difference(&own, &want.at[&hook]) < 1e-5, "{family}");
    let before = part(&got.at[&hook], 0..first.len());
    assert_eq!(
        difference(&before, &before.zeros_like().unwrap()),
        0.0,
        "{family}"
    );
    let stream = apart.capture(&row, &[hook]).unwrap().remove(&hook).unwrap();
    let whole = apart.logits(&row).unwrap();
    let start = Start::Residual(Layer(1), &stream, Some(&row));
    let rest = apart.run(start, &mut NoHooks).unwrap().unwrap();
    assert!(difference(&rest, &whole) < 1e-5, "{family}");
    let start = Start::Residual(Layer(1), &stream, None);
    let refused = apart.run(start, &mut NoHooks).unwrap_err().to_string();
    assert!(refused.contains("token ids"), "{refused}");
}

#[test]
fn documents_without_bos_and_generation_are_not_kept_apart() {
    let model = open("tests/golden/tiny-gpt2");
    let refused = model
        .clone()
        .with_codec(model.codec().without_bos())
        .with_separate_documents();
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("setting `no_bos`") && refused.contains("BOS"),
        "{refused}"
    );
    let apart = model.with_separate_documents().unwrap();
    let refused = apart.generator(&[TokenId(0)], &Sampling::default());
    assert!(refused.unwrap_err().to_string().contains("one text"));
}

#[test]
fn a_pass_ends_after_the_last_hook_and_replacing_moves_what_follows() {
    struct Zero;
    impl Hooks for Zero {
        fn wants(&self, hook: HookPoint) -> bool {
            hook == HookPoint::block(1, Site::AttnOut)
        }
        fn visit(&mut self, _: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
            Ok(Some(value.zeros_like()?))
        }
    }
    struct Ends(Vec<HookPoint>);
    impl Hooks for Ends {
        fn wants(&self, _: HookPoint) -> bool {
            true
        }
        fn visit(&mut self, hook: HookPoint, _: usize, _: &Tensor) -> Result<Option<Tensor>> {
            self.0.push(hook);
            Ok(None)
        }
        fn last(&self) -> Option<HookPoint> {
            Some(HookPoint::block(0, Site::Z))
        }
    }
    let model = open("tests/golden/tiny-gpt2");
    let tokens = Tensor::new(&[[0_u32, 5, 17, 9]], &Device::Cpu).unwrap();
    let mut ends = Ends(Vec::new());
    assert!(
        model
            .run(Start::Tokens(&tokens), &mut ends)
            .unwrap()
            .is_none()
    );
    let last = HookPoint::block(0, Site::Z);
    let expected: Vec<_> = model.hooks().filter(|hook| *hook <= last).collect();
    assert_eq!(expected.len(), 11);
    assert_eq!(ends.0, expected);
    let moved = model
        .run(Start::Tokens(&tokens), &mut Zero)
        .unwrap()
        .unwrap();
    assert!(difference(&moved, &model.logits(&tokens).unwrap()) > 1e-3);
}

#[test]
fn whoever_only_looks_changes_no_bit() {
    struct All(usize);
    impl Hooks for All {
        fn wants(&self, _: HookPoint) -> bool {
            true
        }
        fn visit(&mut self, _: HookPoint, _: usize, _: &Tensor) -> Result<Option<Tensor>> {
            self.0 += 1;
            Ok(None)
        }
    }
    let tokens = Tensor::new(&[[0_u32, 5, 17, 9, 300, 41]], &Device::Cpu).unwrap();
    for tiny in ["gpt2", "gpt-neox", "qwen3", "gemma2", "phi3"] {
        let model = open(&format!("tests/golden/tiny-{tiny}"));
        let mut all = All(0);
        let looked = model.run(Start::Tokens(&tokens), &mut all).unwrap();
        assert_eq!(all.0, model.hooks().count());
        let plain = model.logits(&tokens).unwrap();
        assert_eq!(difference(&looked.unwrap(), &plain), 0.0, "{tiny}");
    }
}

#[test]
fn a_pass_from_the_residual_stream_is_the_rest_of_the_whole_pass() {
    let model = open("tests/golden/tiny-gpt2");
    let tokens = Tensor::new(&[[0_u32, 5, 17, 9]], &Device::Cpu).unwrap();
    let whole = model.logits(&tokens).unwrap();
    for layer in 0..=3 {
        let hook = if layer == 3 {
            HookPoint::block(2, Site::ResidPost)
        } else {
            HookPoint::block(layer, Site::ResidPre)
        };
        let residual = model
            .capture(&tokens, &[hook])
            .unwrap()
            .remove(&hook)
            .unwrap();
        let start = Start::Residual(Layer::from(layer), &residual, None);
        let rest = model.run(start, &mut NoHooks).unwrap().unwrap();
        assert_eq!(difference(&rest, &whole), 0.0, "from block {layer}");
    }
    let residual = Tensor::zeros((1, 2, 32), DType::F32, &Device::Cpu).unwrap();
    assert!(
        model
            .run(Start::Residual(Layer(4), &residual, None), &mut NoHooks)
            .is_err()
    );
}

#[test]
fn logit_effect_is_the_change_of_logits_along_a_direction() {
    let model = open("tests/golden/tiny-gpt2");
    let tokens = Tensor::new(&[[0_u32, 5, 17, 9]], &Device::Cpu).unwrap();
    let hook = HookPoint::block(2, Site::ResidPost);
    let x = model
        .capture(&tokens, &[hook])
        .unwrap()
        .remove(&hook)
        .unwrap();
    // Along x itself the norm cancels the length, so logits do not move; along the centred x the effect is γ∘x_c·W_U, σ times the bias-free logits.
    let direction = Matrix::from_tensor(&x.narrow(1, 3, 1).unwrap(), 32).unwrap();
    let effect = model.logit_effect(&direction).unwrap();
    let row = direction.row(0);
    let mean = row.iter().sum::<f32>() / 32.0;
    let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 32.0;
    let zero = Tensor::zeros((1, 1, 32), DType::F32, &Device::Cpu).unwrap();
    let logits = |x: &Tensor| {
        let last = Start::Residual(Layer(3), x, None);
        model
            .run(last, &mut NoHooks)
            .unwrap()
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
    };
    let (at_x, at_zero) = (logits(&x.narrow(1, 3, 1).unwrap()), logits(&zero));
    let moved = at_x.iter().zip(&at_zero).map(|(x, bias)| x - bias);
    let moved: Vec<f32> = moved.map(|m| m * (variance + 1e-5).sqrt()).collect();
    let mean = moved.iter().sum::<f32>() / moved.len() as f32;
    for (effect, moved) in effect.row(0).iter().zip(&moved) {
        let wanted = moved - mean;
        assert!((effect - wanted).abs() < 1e-4, "{effect} {wanted}");
    }
}

/// (γ ∘ centre(direction)) · W_U in f64, out of the file's tensors; `[v]`, and its mean.
fn effect_by_definition(
    tiny: &str,
    (gamma, w_u): (&str, &str),
    layer_norm: bool,
    direction: &[f32],
) -> (Vec<f64>, f64) {
    let weights = reference(&format!("tests/golden/{tiny}/model.safetensors"));
    let values = |name: &str| -> Vec<f64> {
        let flat = weights[name].to_dtype(DType::F64).unwrap();
        flat.flatten_all().unwrap().to_vec1().unwrap()
    };
    let (gamma, w_u) = (values(gamma), values(w_u));
    // Gemma's norms multiply by 1 + weight.
    let one = f64::from(u8::from(tiny.contains("gemma")));
    let d = direction.len();
    let mean = direction.iter().map(|v| f64::from(*v)).sum::<f64>() / d as f64;
    let centre = if layer_norm { mean } else { 0.0 };
    let read: Vec<f64> = direction
        .iter()
        .zip(&gamma)
        .map(|(v, gamma)| (f64::from(*v) - centre) * (one + gamma))
        .collect();
    let rows = w_u.chunks(d);
    let effect: Vec<f64> = rows
        .map(|row| row.iter().zip(&read).map(|(w, r)| w * r).sum())
        .collect();
    let mean = effect.iter().sum::<f64>() / effect.len() as f64;
    (effect, mean)
}

#[test]
fn logit_effects_are_centred_over_the_vocabulary_but_under_a_soft_cap() {
    let files = [
        (
            "tiny-gpt2",
            ("transformer.ln_f.weight", "transformer.wte.weight"),
            true,
            Unembed::Centred,
        ),
        (
            "tiny-llama",
            ("model.norm.weight", "lm_head.weight"),
            false,
            Unembed::Centred,
        ),
        (
            "tiny-gemma2",
            ("model.norm.weight", "model.embed_tokens.weight"),
            false,
            Unembed::Raw,
        ),
    ];
    for (tiny, names, layer_norm, unembed) in files {
        let model = open(&format!("tests/golden/{tiny}"));
        assert_eq!(model.unembed(), unembed, "{tiny}");
        let d = model.config().d_model;
        let direction: Vec<f32> = (0..d).map(|i| (i as f32).sin() + 0.4).collect();
        let (wanted, mean) = effect_by_definition(tiny, names, layer_norm, &direction);
        assert_eq!(wanted.len(), model.config().vocab);
        let effect = model
            .logit_effect(&Matrix::new(1, d, direction).unwrap())
            .unwrap();
        let shift = match unembed {
            Unembed::Centred => mean,
            Unembed::Raw => 0.0,
        };
        assert!(
            mean.abs() > 1e-3,
            "{tiny}: a mean of {mean} tells nothing apart"
        );
        for (effect, wanted) in effect.row(0).iter().zip(&wanted) {
            let wanted = wanted - shift;
            assert!(
                (f64::from(*effect) - wanted).abs() < 1e-5,
                "{tiny}: {effect} {wanted}"
            );
        }
    }
}

#[test]
fn w_o_turns_z_into_attention_output() {
    let model = open("tests/golden/tiny-gpt2");
    let reference = reference("tests/golden/tiny-gpt2/reference.safetensors");
    let z = Matrix::from_tensor(&reference["blocks.1.attn.hook_z"], 32).unwrap();
    let out = Matrix::from_tensor(&reference["blocks.1.hook_attn_out"], 32).unwrap();
    let w_o = model.w_o(Layer(1)).unwrap();
    assert_eq!((z.rows(), out.rows()), (32, 32));
    let product = |row: &[f32], j: usize| -> f32 {
        row.iter().enumerate().map(|(i, z)| z * w_o.row(i)[j]).sum()
    };
    for j in 0..32 {
        let bias = out.row(0)[j] - product(z.row(0), j);
        let other = out.row(9)[j] - product(z.row(9), j);
        assert!((bias - other).abs() < 1e-4, "{bias} {other}");
    }
}

#[test]
fn w_o_holds_the_weight_of_a_norm_behind_attention() {
    let model = open("tests/golden/tiny-gemma2");
    let reference = reference("tests/golden/tiny-gemma2/reference.safetensors");
    let z = Matrix::from_tensor(&reference["blocks.1.attn.hook_z"], 64).unwrap();
    let out = Matrix::from_tensor(&reference["blocks.1.hook_attn_out"], 32).unwrap();
    let w_o = model.w_o(Layer(1)).unwrap();
    for row in [0, 13] {
        let write = |j: usize| -> f32 {
            let pairs = z.row(row).iter().enumerate();
            pairs.map(|(i, z)| z * w_o.row(i)[j]).sum()
        };
        // The norm's 1/σ is one factor for all of a token.
        let factors: Vec<f32> = (0..32).map(|j| out.row(row)[j] / write(j)).collect();
        for factor in &factors {
            assert!((factor / factors[0] - 1.0).abs() < 1e-2, "{factors:?}");
        }
    }
}

#[track_caller]
fn refused(path: &Path, parts: &[&str]) {
    let error = Model::open(path).unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "{error}");
    }
}

/// A copy of a golden model that may be damaged.
fn copy_of(path: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(repository(path).join(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn edit_config(folder: &Path, from: &str, to: &str) {
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
}

#[test]
fn what_is_no_model_is_refused_in_one_sentence() {
    let empty = tempfile::tempdir().unwrap();
    refused(empty.path(), &["config.json is missing"]);
    refused(
        &empty.path().join("nowhere"),
        &["does not exist", "nowhere"],
    );

    let damaged = copy_of("tests/golden/tiny-gpt2");
    let weights = damaged.path().join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    refused(
        damaged.path(),
        &["is not a complete safetensors file", "model.safetensors"],
    );
    std::fs::remove_file(&weights).unwrap();
    refused(
        damaged.path(),
        &["none of model.safetensors", "pytorch_model.bin"],
    );

    let foreign = copy_of("tests/golden/tiny-gpt2");
    edit_config(foreign.path(), "\"gpt2\"", "\"mamba\"");
    refused(foreign.path(), &["`mamba`", "gpt2"]);
}

#[test]
fn missing_and_misshapen_tensors_are_named() {
    let deeper = copy_of("tests/golden/tiny-gpt2");
    edit_config(deeper.path(), "\"n_layer\": 3", "\"n_layer\": 4");
    refused(
        deeper.path(),
        &["transformer.h.3.", " is missing from ", "model.safetensors"],
    );
    let wider = copy_of("tests/golden/tiny-gpt2");
    edit_config(wider.path(), "\"vocab_size\": 512", "\"vocab_size\": 600");
    refused(
        wider.path(),
        &["transformer.wte.weight", "[512, 32]", "[600, 32]"],
    );
}

#[test]
fn shards_load_as_one_file_does() {
    let folder = copy_of("tests/golden/tiny-gpt2");
    let whole = folder.path().join("model.safetensors");
    let tensors: BTreeMap<_, _> = candle_core::safetensors::load(&whole, &Device::Cpu)
        .unwrap()
        .into_iter()
        .collect();
    let (mut first, mut second) = (
        std::collections::HashMap::new(),
        std::collections::HashMap::new(),
    );
    let mut map = serde_json::Map::new();
    for (name, tensor) in tensors {
        let (file, into) = if name.contains("h.1.") {
            ("model-00002-of-00002.safetensors", &mut second)
        } else {
            ("model-00001-of-00002.safetensors", &mut first)
        };
        map.insert(name.clone(), file.into());
        into.insert(name, tensor);
    }
    let save = |tensors, name: &str| {
        candle_core::safetensors::save(tensors, folder.path().join(name)).unwrap();
    };
    save(&first, "model-00001-of-00002.safetensors");
    save(&second, "model-00002-of-00002.safetensors");
    let index = serde_json::json!({ "weight_map": map }).to_string();
    std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    std::fs::remove_file(whole).unwrap();
    let sharded = Model::open(folder.path()).unwrap().0;
    let tokens = Tensor::new(&[[0_u32, 5, 17, 9]], &Device::Cpu).unwrap();
    let one = open("tests/golden/tiny-gpt2").logits(&tokens).unwrap();
    assert_eq!(difference(&sharded.logits(&tokens).unwrap(), &one), 0.0);
}

#[test]
fn what_does_not_fit_is_named_with_the_limit() {
    let model = open("tests/golden/tiny-gpt2");
    let long = Tensor::zeros((1, 65), DType::U32, &Device::Cpu).unwrap();
    let error = model.logits(&long).unwrap_err().to_string();
    assert!(error.contains("65") && error.contains("64"), "{error}");
    let beyond = Tensor::new(&[[512_u32]], &Device::Cpu).unwrap();
    let error = model.logits(&beyond).unwrap_err().to_string();
    assert!(error.contains("512"), "{error}");
    let error = model
        .check_hook(HookPoint::block(3, Site::Z))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("blocks.3.attn.hook_z") && error.contains("blocks.2"),
        "{error}"
    );
    assert_eq!(model.width(HookPoint::block(0, Site::Z)).unwrap(), 32);
    assert!(model.width(HookPoint::block(0, Site::Pattern)).is_err());
}
