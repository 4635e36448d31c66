//! Families without files of their library here: each file is built in the layout of its library, and what it computes is written out in f64 beside it,
//! sharing nothing with the reader.

use std::path::Path;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use super::{Recorded, check};
use crate::dims::Matrix;
use crate::formats::{self, Format};
use crate::sae::{Sae, Selection, TopK};
use crate::tensor_file::npz_tests::{header, npy};
use crate::tensor_file::pickle::tests::Saved;
use crate::tensor_file::zip_tests::archive;

pub(super) const D: usize = 6;
pub(super) const F: usize = 24;
pub(super) const N: usize = 20;

/// Row-major numbers under a name, in f64 for the definition.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl Part {
    pub(super) fn drawn(seed: u64, shape: &[usize]) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let values = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0));
        Self {
            shape: shape.to_vec(),
            values: values.collect(),
        }
    }

    pub(super) fn positive(seed: u64, shape: &[usize], least: f32, most: f32) -> Self {
        let mut part = Self::drawn(seed, shape);
        for v in &mut part.values {
            *v = least + (most - least) * v.abs();
        }
        part
    }

    pub(super) fn at(&self, i: usize, j: usize) -> f64 {
        f64::from(self.values[i * self.shape[1] + j])
    }

    pub(super) fn one(&self, i: usize) -> f64 {
        f64::from(self.values[i])
    }

    pub(super) fn turned(&self) -> Self {
        let (rows, columns) = (self.shape[0], self.shape[1]);
        let mut values = Vec::new();
        for j in 0..columns {
            for i in 0..rows {
                values.push(self.values[i * columns + j]);
            }
        }
        Self {
            shape: vec![columns, rows],
            values,
        }
    }
}

/// The four parts that all have, feature-major.
pub(super) struct Four {
    pub(super) w_enc: Part,
    pub(super) b_enc: Part,
    pub(super) w_dec: Part,
    pub(super) b_dec: Part,
}

pub(super) fn four() -> Four {
    Four {
        w_enc: Part::drawn(1, &[F, D]),
        b_enc: Part::drawn(2, &[F]),
        w_dec: Part::drawn(3, &[F, D]),
        b_dec: Part::drawn(4, &[D]),
    }
}

pub(super) fn inputs() -> Part {
    Part::drawn(5, &[N, D])
}

/// Outputs of a library: `pre` of a token, codes by `select`, the output without `b_dec`, `b_dec` and what else is added.
pub(super) fn defined(
    parts: &Four,
    subtracts: bool,
    scale: f64,
    select: impl Fn(&[f64], &[f64]) -> Vec<f64>,
    added: impl Fn(&[f64], usize) -> f64,
) -> Recorded {
    let x = inputs();
    let mut codes = Matrix::zeros(N, F);
    let mut recon = Matrix::zeros(N, D);
    for i in 0..N {
        let raw: Vec<f64> = (0..D).map(|j| x.at(i, j)).collect();
        let read: Vec<f64> = (0..D)
            .map(|j| raw[j] * scale - if subtracts { parts.b_dec.one(j) } else { 0.0 })
            .collect();
        let pre: Vec<f64> = (0..F)
            .map(|f| {
                (0..D).map(|j| read[j] * parts.w_enc.at(f, j)).sum::<f64>() + parts.b_enc.one(f)
            })
            .collect();
        let acts = select(&pre, &read);
        for (code, act) in codes.row_mut(i).iter_mut().zip(&acts) {
            *code = *act as f32;
        }
        for j in 0..D {
            let sum: f64 = (0..F).map(|f| acts[f] * parts.w_dec.at(f, j)).sum();
            recon.row_mut(i)[j] = ((sum + parts.b_dec.one(j)) / scale + added(&raw, j)) as f32;
        }
    }
    let x = Matrix::new(N, D, x.values).unwrap();
    Recorded { x, codes, recon }
}

pub(super) fn nothing(_: &[f64], _: usize) -> f64 {
    0.0
}

pub(super) fn relu(pre: &[f64], _: &[f64]) -> Vec<f64> {
    pre.iter().map(|p| p.max(0.0)).collect()
}

pub(super) fn topk(k: usize, then_relu: bool) -> impl Fn(&[f64], &[f64]) -> Vec<f64> {
    move |pre, _| {
        let mut order: Vec<usize> = (0..pre.len()).collect();
        order.sort_by(|a, b| pre[*b].total_cmp(&pre[*a]));
        let mut acts = vec![0.0; pre.len()];
        for f in &order[..k] {
            acts[*f] = if then_relu { pre[*f].max(0.0) } else { pre[*f] };
        }
        acts
    }
}

pub(super) fn jump(bars: Vec<f64>) -> impl Fn(&[f64], &[f64]) -> Vec<f64> {
    move |pre, _| {
        pre.iter()
            .zip(&bars)
            .map(|(p, bar)| if p > bar { *p } else { 0.0 })
            .collect()
    }
}

pub(super) fn norms(w_dec: &Part) -> Vec<f64> {
    (0..F)
        .map(|f| (0..D).map(|j| w_dec.at(f, j).powi(2)).sum::<f64>().sqrt())
        .collect()
}

/// A safetensors file in f32.
pub(super) fn safetensors(path: &Path, parts: &[(&str, &Part)]) {
    let bytes: Vec<Vec<u8>> = parts
        .iter()
        .map(|(_, part)| part.values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views = parts.iter().zip(&bytes).map(|((name, part), bytes)| {
        (
            *name,
            TensorView::new(Dtype::F32, part.shape.clone(), bytes).unwrap(),
        )
    });
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

pub(super) fn pickle(parts: &[(&str, &Part)]) -> Saved {
    let mut saved = Saved::new();
    for (name, part) in parts {
        saved.floats(name, &part.shape, &part.values);
    }
    saved
}

pub(super) fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[track_caller]
pub(super) fn opened(path: &Path, format: Format, hook: &str, want: &Recorded) -> Sae {
    assert_eq!(Format::detect(path).unwrap(), format);
    let (sae, notes) = formats::open(path).unwrap();
    assert!(
        notes.iter().all(|note| note.lines().count() == 1),
        "{notes:?}"
    );
    let named = sae.provenance.hook.map(|hook| hook.to_string());
    assert_eq!(named.unwrap_or_default(), hook, "{notes:?}");
    check(format.name(), &sae, want);
    sae
}

#[test]
fn sparsify_by_group_and_as_a_skip_transcoder() {
    let (root, parts) = (tempfile::tempdir().unwrap(), four());
    let skip = Part::drawn(9, &[D, D]);
    let folder = root.path().join("layers.3.mlp");
    let plain = [
        ("encoder.weight", &parts.w_enc),
        ("encoder.bias", &parts.b_enc),
        ("W_dec", &parts.w_dec),
        ("b_dec", &parts.b_dec),
    ];
    safetensors(&folder.join("sae.safetensors"), &plain);
    write(
        &root.path().join("config.json"),
        r#"{"model": "EleutherAI/pythia-160m"}"#,
    );
    let cfg = |change: serde_json::Value| {
        let mut cfg = json!({"activation": "groupmax", "d_in": D, "num_latents": F, "k": 8, "normalize_decoder": true});
        for (key, value) in change.as_object().unwrap() {
            cfg[key] = value.clone();
        }
        write(&folder.join("cfg.json"), cfg.to_string());
    };
    cfg(json!({}));
    let groups = |pre: &[f64], _: &[f64]| {
        let mut acts = vec![0.0; F];
        for group in 0..8 {
            let best = (group * 3..group * 3 + 3)
                .max_by(|a, b| pre[*a].total_cmp(&pre[*b]))
                .unwrap();
            acts[best] = pre[best].max(0.0);
        }
        acts
    };
    let want = defined(&parts, true, 1.0, groups, nothing);
    let sae = opened(&folder, Format::Sparsify, "blocks.3.hook_mlp_out", &want);
    assert_eq!(sae.provenance.model, "EleutherAI/pythia-160m");
    let said = formats::save(&sae, &root.path().join("out"), formats::Precision::F32)
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("8 groups") && said.contains("SAELens"),
        "{said}"
    );
    let skips = |raw: &[f64], j: usize| (0..D).map(|i| raw[i] * skip.at(j, i)).sum();
    safetensors(
        &folder.join("sae.safetensors"),
        &[&plain[..], &[("W_skip", &skip)]].concat(),
    );
    cfg(json!({"activation": "topk", "transcode": true, "skip_connection": true}));
    let want = defined(&parts, false, 1.0, topk(8, true), skips);
    opened(&folder, Format::Sparsify, "blocks.3.mlp.hook_in", &want);
    // With a skip connection but not transcoding, b_dec is subtracted.
    cfg(json!({"activation": "topk", "transcode": false, "skip_connection": true}));
    let want = defined(&parts, true, 1.0, topk(8, true), skips);
    opened(&folder, Format::Sparsify, "blocks.3.hook_mlp_out", &want);
}

/// A run of dictionary_learning: its class, its tensors.
fn run(folder: &Path, class: &str, saved: &Saved) {
    write(&folder.join("ae.pt"), saved.file());
    let cfg = json!({"trainer": {"dict_class": class, "activation_dim": D, "dict_size": F, "layer": 2, "submodule_name": "resid_post_layer_2"}});
    write(&folder.join("config.json"), cfg.to_string());
}

#[test]
fn dictionary_learning_in_every_class() {
    let (root, parts) = (tempfile::tempdir().unwrap(), four());
    let folder = root.path();
    let hook = "blocks.2.hook_resid_post";
    let dec = parts.w_dec.turned();
    let modules = |bias: &'static str, enc_bias: &'static str| {
        pickle(&[
            ("encoder.weight", &parts.w_enc),
            (enc_bias, &parts.b_enc),
            ("decoder.weight", &dec),
            (bias, &parts.b_dec),
        ])
    };
    run(
        folder,
        "AutoEncoderNew",
        &modules("decoder.bias", "encoder.bias"),
    );
    opened(
        folder,
        Format::DictionaryLearning,
        hook,
        &defined(&parts, false, 1.0, relu, nothing),
    );

    let lengths = norms(&parts.w_dec);
    run(folder, "AutoEncoder", &modules("bias", "encoder.bias"));
    let mut want = defined(&parts, true, 1.0, relu, nothing);
    for row in want.codes.values_mut().chunks_exact_mut(F) {
        row.iter_mut()
            .zip(&lengths)
            .for_each(|(act, length)| *act *= *length as f32);
    }
    opened(folder, Format::DictionaryLearning, hook, &want);

    let (b_mag, r_mag) = (Part::drawn(6, &[F]), Part::drawn(7, &[F]));
    let mut gated = modules("decoder_bias", "gate_bias");
    gated
        .floats("mag_bias", &[F], &b_mag.values)
        .floats("r_mag", &[F], &r_mag.values);
    run(folder, "GatedAutoEncoder", &gated);
    let gate = |pre: &[f64], _: &[f64]| {
        let act = |f: usize| {
            let e = pre[f] - parts.b_enc.one(f);
            let magnitude = (r_mag.one(f).exp() * e + b_mag.one(f)).max(0.0);
            if pre[f] > 0.0 { magnitude } else { 0.0 }
        };
        (0..F).map(act).collect::<Vec<_>>()
    };
    opened(
        folder,
        Format::DictionaryLearning,
        hook,
        &defined(&parts, true, 1.0, gate, nothing),
    );

    for (threshold, bar) in [(0.4_f32, 0.4), (-1.0, 0.0)] {
        let mut batch = modules("b_dec", "encoder.bias");
        batch.floats("threshold", &[], &[threshold]);
        batch
            .text("k")
            .tensor("IntStorage", &[], &[], 4_i32.to_le_bytes().to_vec());
        run(folder, "BatchTopKSAE", &batch);
        let want = defined(&parts, true, 1.0, jump(vec![bar; F]), nothing);
        opened(folder, Format::DictionaryLearning, hook, &want);
    }
}

#[test]
fn dictionary_learning_in_the_classes_of_other_names() {
    let (root, parts) = (tempfile::tempdir().unwrap(), four());
    let (folder, hook) = (root.path(), "blocks.2.hook_resid_post");
    let enc = parts.w_enc.turned();
    let mut named = pickle(&[
        ("W_enc", &enc),
        ("b_enc", &parts.b_enc),
        ("W_dec", &parts.w_dec),
        ("b_dec", &parts.b_dec),
    ]);
    let plain = named.clone();
    named.floats("threshold", &[], &[0.3]);
    named.text("group_sizes").tensor(
        "LongStorage",
        &[2],
        &[1],
        [8_i64, 16].map(i64::to_le_bytes).concat(),
    );
    run(folder, "MatryoshkaBatchTopKSAE", &named);
    opened(
        folder,
        Format::DictionaryLearning,
        hook,
        &defined(&parts, true, 1.0, jump(vec![0.3; F]), nothing),
    );

    let bars = Part::positive(8, &[F], 0.1, 0.6);
    let mut named = plain;
    named.floats("threshold", &[F], &bars.values);
    run(folder, "JumpReluAutoEncoder", &named);
    let want = defined(
        &parts,
        false,
        1.0,
        jump(bars.values.iter().map(|b| f64::from(*b)).collect()),
        nothing,
    );
    opened(folder, Format::DictionaryLearning, hook, &want);
    // The same without its configuration: the tensors tell the class, but not the hook.
    std::fs::remove_file(folder.join("config.json")).unwrap();
    opened(folder, Format::DictionaryLearning, "", &want);
}

#[test]
fn dictionary_learning_from_a_backup_and_from_a_checkpoint() {
    let (root, parts) = (tempfile::tempdir().unwrap(), four());
    let dec = parts.w_dec.turned();
    let mut saved = Saved::new();
    saved
        .text("step")
        .int(100)
        .text("norm_factor")
        .float(2.5)
        .text("ae")
        .op(b"ccollections\nOrderedDict\n)R(");
    for (name, part) in [
        ("encoder.weight", &parts.w_enc),
        ("encoder.bias", &parts.b_enc),
        ("decoder.weight", &dec),
        ("b_dec", &parts.b_dec),
    ] {
        saved.floats(name, &part.shape, &part.values);
    }
    saved
        .text("k")
        .tensor("IntStorage", &[], &[], 4_i32.to_le_bytes().to_vec());
    saved.floats("threshold", &[], &[-1.0]).op(b"u");
    saved
        .text("optimizer")
        .op(b"}")
        .text("config")
        .op(b"}(")
        .text("dict_class")
        .text("AutoEncoderTopK");
    saved
        .text("layer")
        .int(1)
        .text("submodule_name")
        .text("mlp_out_layer_1")
        .op(b"u");
    let path = root.path().join("ae.pt");
    write(&path, saved.file());
    // In units 2.5 times as large: biases grow, directions stay.
    let grown = |part: &Part| Part {
        shape: part.shape.clone(),
        values: part.values.iter().map(|v| v * 2.5).collect(),
    };
    let in_units = Four {
        b_enc: grown(&parts.b_enc),
        b_dec: grown(&parts.b_dec),
        ..four()
    };
    let want = defined(&in_units, true, 1.0, topk(4, true), nothing);
    opened(
        &path,
        Format::DictionaryLearning,
        "blocks.1.hook_mlp_out",
        &want,
    );
    // A checkpoint finds the run's configuration one folder above.
    let mut saved = pickle(&[
        ("encoder.weight", &parts.w_enc),
        ("encoder.bias", &parts.b_enc),
        ("decoder.weight", &dec),
        ("b_dec", &parts.b_dec),
    ]);
    saved
        .text("k")
        .tensor("IntStorage", &[], &[], 4_i32.to_le_bytes().to_vec());
    run(&root.path().join("trainer_0"), "AutoEncoderTopK", &saved);
    let checkpoint = root.path().join("trainer_0/checkpoints/ae_500.pt");
    write(&checkpoint, saved.file());
    let want = defined(&parts, true, 1.0, topk(4, true), nothing);
    opened(
        &checkpoint,
        Format::DictionaryLearning,
        "blocks.2.hook_resid_post",
        &want,
    );
}

#[test]
fn openai_without_top_k() {
    let (root, parts) = (tempfile::tempdir().unwrap(), four());
    let dec = parts.w_dec.turned();
    let mut saved = pickle(&[
        ("pre_bias", &parts.b_dec),
        ("encoder.weight", &parts.w_enc),
        ("latent_bias", &parts.b_enc),
        ("decoder.weight", &dec),
    ]);
    saved
        .text("activation")
        .text("ReLU")
        .text("activation_state_dict")
        .op(b"}");
    let path = root.path().join("resid_delta_mlp/autoencoders/4.pt");
    write(&path, saved.file());
    let want = defined(&parts, true, 1.0, relu, nothing);
    opened(&path, Format::OpenAi, "blocks.4.hook_mlp_out", &want);
}

fn npz(path: &Path, parts: &[(&str, &Part)]) {
    let arrays: Vec<(String, Vec<u8>)> = parts
        .iter()
        .map(|(name, part)| {
            let shape = part
                .shape
                .iter()
                .fold(String::new(), |text, n| format!("{text}{n},"));
            let bytes: Vec<u8> = part.values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (
                format!("{name}.npy"),
                npy(&header("<f4", &format!("({shape})")), &bytes),
            )
        })
        .collect();
    let entries: Vec<_> = arrays
        .iter()
        .map(|(name, bytes)| (name.as_str(), &bytes[..], true))
        .collect();
    write(path, archive(&entries));
}

#[test]
fn gemma_scope_as_transcoder_and_of_the_embedding() {
    let (root, parts) = (tempfile::tempdir().unwrap(), four());
    let bars = Part::positive(8, &[F], 0.1, 0.6);
    let passes = || jump(bars.values.iter().map(|b| f64::from(*b)).collect());
    let enc = parts.w_enc.turned();
    let names = [
        ("w_enc", &enc),
        ("b_enc", &parts.b_enc),
        ("w_dec", &parts.w_dec),
        ("b_dec", &parts.b_dec),
        ("threshold", &bars),
    ];
    let folder = root
        .path()
        .join("gemma-scope-2b-pt-transcoders/layer_5/width_16k/average_l0_9");
    npz(&folder.join("params.npz"), &names);
    let want = defined(&parts, false, 1.0, passes(), nothing);
    let sae = opened(
        &folder,
        Format::GemmaScope,
        "blocks.5.ln2.hook_normalized",
        &want,
    );
    assert_eq!(sae.writes().unwrap().to_string(), "blocks.5.hook_mlp_out");
    let folder = root
        .path()
        .join("gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6");
    npz(&folder.join("params.npz"), &names);
    let root_d = (D as f32).sqrt();
    let scaled = |part: &Part, by: f32| Part {
        shape: part.shape.clone(),
        values: part.values.iter().map(|v| v * by).collect(),
    };
    let of_embedding = Four {
        w_enc: scaled(&parts.w_enc, 1.0 / root_d),
        w_dec: scaled(&parts.w_dec, root_d),
        ..four()
    };
    let want = defined(&of_embedding, false, 1.0, passes(), nothing);
    let sae = opened(
        &folder.join("params.npz"),
        Format::GemmaScope,
        "hook_embed",
        &want,
    );
    assert_eq!(sae.provenance.model, "gemma-2-2b");
}

#[test]
fn gemma_scope_2_with_an_affine_skip_connection() {
    let (root, parts) = (tempfile::tempdir().unwrap(), four());
    let bars = Part::positive(8, &[F], 0.1, 0.6);
    let passes = || jump(bars.values.iter().map(|b| f64::from(*b)).collect());
    let (enc, skip) = (parts.w_enc.turned(), Part::drawn(9, &[D, D]));
    let names = [
        ("w_enc", &enc),
        ("b_enc", &parts.b_enc),
        ("w_dec", &parts.w_dec),
        ("b_dec", &parts.b_dec),
        ("threshold", &bars),
    ];
    let folder = root
        .path()
        .join("gemma-scope-2-1b-pt/transcoder_all/layer_7_width_16k_l0_small_affine");
    safetensors(
        &folder.join("params.safetensors"),
        &[&names[..], &[("affine_skip_connection", &skip)]].concat(),
    );
    // As stored, not transposed.
    let skips = |raw: &[f64], j: usize| (0..D).map(|i| raw[i] * skip.at(i, j)).sum();
    let want = defined(&parts, false, 1.0, passes(), skips);
    opened(&folder, Format::GemmaScope2, "blocks.7.mlp.hook_in", &want);
    let folder = root
        .path()
        .join("gemma-scope-2-1b-pt/attn_out/layer_7_width_16k_l0_small");
    safetensors(&folder.join("params.safetensors"), &names);
    let want = defined(&parts, false, 1.0, passes(), nothing);
    opened(&folder, Format::GemmaScope2, "blocks.7.attn.hook_z", &want);
}

#[test]
fn llama_scope_with_its_scale_and_its_successor() {
    let (root, parts) = (tempfile::tempdir().unwrap(), four());
    let dec = parts.w_dec.turned();
    let names = [
        ("encoder.weight", &parts.w_enc),
        ("encoder.bias", &parts.b_enc),
        ("decoder.weight", &dec),
        ("decoder.bias", &parts.b_dec),
    ];
    let folder = root.path().join("Llama3_1-8B-Base-L15R-8x");
    safetensors(&folder.join("checkpoints/final.safetensors"), &names);
    let hyper = json!({"d_model": D, "d_sae": F, "jump_relu_threshold": 0.2, "dataset_average_activation_norm": {"in": 7.5, "out": 7.5},
        "hook_point_in": "blocks.15.hook_resid_post", "hook_point_out": "blocks.15.hook_resid_post"});
    write(&folder.join("hyperparams.json"), hyper.to_string());
    let s = (D as f64).sqrt() / 7.5;
    let want = defined(&parts, false, s, jump(vec![0.2 * s; F]), nothing);
    let sae = opened(
        &folder,
        Format::LlamaScope,
        "blocks.15.hook_resid_post",
        &want,
    );
    assert_eq!(
        (sae.name.as_str(), sae.provenance.model.as_str()),
        ("Llama3_1-8B-Base-L15R-8x", "meta-llama/Llama-3.1-8B")
    );
    opened(
        &folder.join("checkpoints/final.safetensors"),
        Format::LlamaScope,
        "blocks.15.hook_resid_post",
        &want,
    );

    let folder = root.path().join("R1-Distill-L15R");
    let logs = Part::drawn(8, &[F]);
    safetensors(
        &folder.join("sae_weights.safetensors"),
        &[&names[..], &[("log_jumprelu_threshold", &logs)]].concat(),
    );
    write(
        &folder.join("config.json"),
        json!({"d_model": D, "expansion_factor": 4, "hook_point_in": "blocks.15.hook_resid_post"})
            .to_string(),
    );
    let want = defined(
        &parts,
        false,
        1.0,
        jump((0..F).map(|f| logs.one(f).exp()).collect()),
        nothing,
    );
    opened(
        &folder,
        Format::LlamaScopeR1,
        "blocks.15.hook_resid_post",
        &want,
    );
}

#[test]
fn pairs_of_linear_layers_and_what_only_paths_tell() {
    let (root, parts) = (tempfile::tempdir().unwrap(), four());
    let (enc, dec) = (parts.w_enc.turned(), parts.w_dec.turned());
    let want = defined(&parts, false, 1.0, relu, nothing);
    let saved = pickle(&[
        ("encoder_linear.weight", &parts.w_enc),
        ("encoder_linear.bias", &parts.b_enc),
        ("decoder_linear.weight", &dec),
        ("decoder_linear.bias", &parts.b_dec),
    ]);
    let path = root
        .path()
        .join("Llama-3.1-8B-Instruct-SAE-l19/Llama-3.1-8B-Instruct-SAE-l19.pth");
    write(&path, saved.file());
    opened(&path, Format::Goodfire, "blocks.19.hook_resid_post", &want);
    opened(
        path.parent().unwrap(),
        Format::Goodfire,
        "blocks.19.hook_resid_post",
        &want,
    );

    let saved = pickle(&[
        ("encoder.weight", &parts.w_enc),
        ("encoder.bias", &parts.b_enc),
        ("decoder.weight", &dec),
        ("decoder.bias", &parts.b_dec),
    ]);
    let path = root
        .path()
        .join("r1/DeepSeek-R1-Distill-Llama-8B-SAE-l19.pt");
    write(&path, saved.file());
    opened(
        &path,
        Format::DeepSeekR1,
        "blocks.19.hook_resid_post",
        &want,
    );

    let saved = pickle(&[
        ("W_enc", &parts.w_enc),
        ("b_enc", &parts.b_enc),
        ("W_dec", &dec),
        ("b_dec", &parts.b_dec),
    ]);
    let path = root
        .path()
        .join("models--Qwen--SAE-Res-Qwen3-8B-Base-W0K-L0_5/snapshots/1/layer3.sae.pt");
    write(&path, saved.file());
    let said = formats::open(&path).unwrap_err().to_string();
    assert!(said.contains("claims 0 features"), "{said}");
    let path = root.path().join("SAE-Res-Qwen3-8B-Base-L0_5/layer3.sae.pt");
    write(&path, saved.file());
    let said = formats::open(&path).unwrap_err().to_string();
    assert!(said.contains("name of its repository"), "{said}");

    let saved = pickle(&[
        ("W_enc", &enc),
        ("b_enc", &parts.b_enc),
        ("W_dec", &parts.w_dec),
        ("b_dec", &parts.b_dec),
    ]);
    let path = root.path().join("z/gpt2-small_L2_Hcat_z_lr.pt");
    write(&path, saved.file());
    let cfg = json!({"act_size": D, "dict_size": F, "act_name": "blocks.2.attn.hook_z"});
    write(
        &root.path().join("z/gpt2-small_L2_Hcat_z_lr_cfg.json"),
        cfg.to_string(),
    );
    let want = defined(&parts, true, 1.0, relu, nothing);
    opened(&path, Format::HookZ, "blocks.2.attn.hook_z", &want);
}

#[test]
fn qwen_scope_has_its_k_from_the_repository() {
    // Its width counts in thousands and twenty-four.
    let f = 1024;
    let (w_enc, b_enc) = (Part::drawn(1, &[f, D]), Part::drawn(2, &[f]));
    let (w_dec, b_dec) = (Part::drawn(3, &[f, D]), Part::drawn(4, &[D]));
    let root = tempfile::tempdir().unwrap();
    let saved = pickle(&[
        ("W_enc", &w_enc),
        ("b_enc", &b_enc),
        ("W_dec", &w_dec.turned()),
        ("b_dec", &b_dec),
    ]);
    let path = root
        .path()
        .join("models--Qwen--SAE-Res-Qwen3-8B-Base-W1K-L0_50/snapshots/1/layer3.sae.pt");
    write(&path, saved.file());
    let (sae, _) = formats::open(&path).unwrap();
    assert_eq!(Format::detect(&path).unwrap(), Format::QwenScope);
    assert_eq!(
        sae.provenance.hook.unwrap().to_string(),
        "blocks.3.hook_resid_post"
    );
    let x = Matrix::new(N, D, inputs().values).unwrap();
    let (codes, _) = super::codes(&sae, &x);
    for (i, x) in x.iter_rows().enumerate() {
        let pre: Vec<f64> = (0..f)
            .map(|f| {
                (0..D)
                    .map(|j| f64::from(x[j]) * w_enc.at(f, j))
                    .sum::<f64>()
                    + b_enc.one(f)
            })
            .collect();
        let want = topk(50, true)(&pre, &[]);
        for (code, want) in codes.row(i).iter().zip(&want) {
            assert!((f64::from(*code) - want).abs() < 1e-5);
        }
    }
}

#[test]
fn circuit_tracer_keeps_what_is_negative() {
    let (root, parts) = (tempfile::tempdir().unwrap(), four());
    let skip = Part::drawn(9, &[D, D]);
    let path = root.path().join("layer_6.safetensors");
    let names = [
        ("W_enc", &parts.w_enc),
        ("b_enc", &parts.b_enc),
        ("W_dec", &parts.w_dec),
        ("b_dec", &parts.b_dec),
    ];
    safetensors(&path, &names);
    let hook = "blocks.6.mlp.hook_in";
    opened(
        &path,
        Format::CircuitTracer,
        hook,
        &defined(&parts, false, 1.0, relu, nothing),
    );
    let cfg = "model_name: \"google/gemma-2-2b\"\nfeature_input_hook: hook_resid_mid # read here\nfeature_output_hook: hook_mlp_out\nactivation: topk\nk: 20\ntranscoders:\n  - a\n";
    write(&root.path().join("config.yaml"), cfg);
    let want = defined(&parts, false, 1.0, topk(20, false), nothing);
    assert!(want.codes.values().iter().any(|act| *act < 0.0));
    let sae = opened(
        &path,
        Format::CircuitTracer,
        "blocks.6.hook_resid_mid",
        &want,
    );
    assert_eq!(sae.provenance.model, "google/gemma-2-2b");
    let skips = |raw: &[f64], j: usize| (0..D).map(|i| raw[i] * skip.at(j, i)).sum();
    let bars = Part::drawn(8, &[F]);
    safetensors(
        &path,
        &[
            &names[..],
            &[("activation_function.threshold", &bars), ("W_skip", &skip)],
        ]
        .concat(),
    );
    let want = defined(
        &parts,
        false,
        1.0,
        jump((0..F).map(|f| bars.one(f)).collect()),
        skips,
    );
    assert!(want.codes.values().iter().any(|act| *act < 0.0));
    opened(
        &path,
        Format::CircuitTracer,
        "blocks.6.hook_resid_mid",
        &want,
    );
    opened(
        root.path(),
        Format::CircuitTracer,
        "blocks.6.hook_resid_mid",
        &want,
    );
}

const OF_LLAMASCOPIUM: &str = "blocks.4.hook_resid_post";

/// Weights of Llamascopium with logarithms of thresholds, and `more`.
fn llamascopium(folder: &Path, more: &[(&str, &Part)]) -> (Four, Vec<f64>) {
    let (parts, logs) = (four(), Part::drawn(8, &[F]));
    let enc = parts.w_enc.turned();
    let names = [
        ("W_E", &enc),
        ("b_E", &parts.b_enc),
        ("W_D", &parts.w_dec),
        ("b_D", &parts.b_dec),
        ("activation_function.log_jumprelu_threshold", &logs),
    ];
    let file = folder.join("sae_weights.safetensors");
    safetensors(&file, &[&names[..], more].concat());
    let bars = (0..F).map(|f| logs.one(f).exp()).collect();
    (parts, bars)
}

/// Its configuration: activation, whether lengths of decoder rows are in the rule, norm.
fn llamascopium_cfg(folder: &Path, act: &str, include: bool, norm: &str) {
    let hook = OF_LLAMASCOPIUM;
    let cfg = json!({"sae_type": "sae", "hook_point_in": hook, "hook_point_out": hook, "d_model": D, "expansion_factor": 4, "act_fn": act, "top_k": 5,
        "norm_activation": norm, "sparsity_include_decoder_norm": include, "use_decoder_bias": true});
    write(&folder.join("config.json"), cfg.to_string());
}

/// Pre-activations that pass their bar times the length of the decoder's row.
fn by_length<'a>(lengths: &'a [f64], bars: &'a [f64]) -> impl Fn(&[f64], &[f64]) -> Vec<f64> + 'a {
    move |pre, _| {
        let passes = |f: usize| pre[f] * lengths[f] > bars[f];
        (0..F)
            .map(|f| if passes(f) { pre[f] } else { 0.0 })
            .collect()
    }
}

#[test]
fn llamascopium_with_the_decoder_in_its_rule() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let (parts, bars) = llamascopium(folder, &[]);
    let lengths = norms(&parts.w_dec);
    let check = |want: &Recorded| opened(folder, Format::Llamascopium, OF_LLAMASCOPIUM, want);
    let with_norms = by_length(&lengths, &bars);
    llamascopium_cfg(folder, "jumprelu", true, "inference");
    check(&defined(&parts, false, 1.0, &with_norms, nothing));
    llamascopium_cfg(folder, "jumprelu", false, "inference");
    let plain = jump(bars.clone());
    check(&defined(&parts, false, 1.0, plain, nothing));
    llamascopium_cfg(folder, "relu", true, "inference");
    check(&defined(&parts, false, 1.0, relu, nothing));
    // Each token brought to norm by its own length.
    llamascopium_cfg(folder, "jumprelu", true, "token-wise");
    let x = inputs();
    let mut want = defined(&parts, false, 1.0, &with_norms, nothing);
    for i in 0..N {
        let length: f64 = (0..D).map(|j| x.at(i, j).powi(2)).sum::<f64>().sqrt();
        let scale = (D as f64).sqrt() / length;
        let row = defined(&parts, false, scale, &with_norms, nothing);
        want.codes.row_mut(i).copy_from_slice(row.codes.row(i));
        want.recon.row_mut(i).copy_from_slice(row.recon.row(i));
    }
    check(&want);
    let norm = Part {
        shape: vec![],
        values: vec![7.5],
    };
    let name = format!("dataset_average_activation_norm.{OF_LLAMASCOPIUM}");
    llamascopium(folder, &[(name.as_str(), &norm)]);
    llamascopium_cfg(folder, "jumprelu", true, "dataset-wise");
    let scale = (D as f64).sqrt() / 7.5;
    check(&defined(&parts, false, scale, &with_norms, nothing));
}

#[test]
fn llamascopium_ranks_by_the_decoder_and_keeps_its_codes() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let (parts, _) = llamascopium(folder, &[]);
    let lengths = norms(&parts.w_dec);
    llamascopium_cfg(folder, "topk", true, "inference");
    let ranked = |pre: &[f64], read: &[f64]| {
        let grown: Vec<f64> = (0..F).map(|f| pre[f] * lengths[f]).collect();
        let kept = topk(5, true)(&grown, read);
        (0..F).map(|f| kept[f] / lengths[f]).collect::<Vec<_>>()
    };
    let mut want = defined(&parts, false, 1.0, ranked, nothing);
    let mut sae = opened(folder, Format::Llamascopium, OF_LLAMASCOPIUM, &want);
    // With rows of length 1 codes are as much larger, and ranked as they are.
    sae.fold_decoder_norm().unwrap();
    for row in want.codes.values_mut().chunks_exact_mut(F) {
        row.iter_mut()
            .zip(&lengths)
            .for_each(|(act, length)| *act *= *length as f32);
    }
    assert_eq!(sae.selection, Selection::TopK(TopK { k: 5 }));
    check("folded", &sae, &want);
}

#[test]
fn llamascopium_of_other_kinds_is_refused_by_name() {
    let (root, parts) = (tempfile::tempdir().unwrap(), four());
    let (folder, enc) = (root.path(), parts.w_enc.turned());
    let names = [
        ("W_E", &enc),
        ("b_E", &parts.b_enc),
        ("W_D", &parts.w_dec),
        ("b_D", &parts.b_dec),
    ];
    safetensors(&folder.join("sae_weights.safetensors"), &names);
    for (key, value, want) in [
        ("sae_type", json!("clt"), "`sae_type` clt"),
        (
            "norm_activation",
            json!("batch-wise"),
            "`norm_activation` batch-wise",
        ),
        (
            "hook_point_out",
            json!("blocks.4.hook_mlp_out"),
            "`norm_activation` token-wise",
        ),
        ("act_fn", json!("batchtopk"), "`act_fn` batchtopk"),
        ("use_glu_encoder", json!(true), "`use_glu_encoder`"),
        (
            "d_model",
            json!(7),
            "`d_model` is 7, but by the weights it is 6",
        ),
    ] {
        let mut cfg = json!({"sae_type": "sae", "d_model": D, "act_fn": "relu", "norm_activation": "inference"});
        if key == "hook_point_out" {
            cfg["norm_activation"] = json!("token-wise");
        }
        cfg[key] = value;
        write(&folder.join("config.json"), cfg.to_string());
        let said = formats::open(folder).unwrap_err().to_string();
        assert!(
            said.contains(want) && said.contains("config.json"),
            "{said}"
        );
    }
}
