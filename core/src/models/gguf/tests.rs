//! Files written here from the golden models, and real ones where they are at hand.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};

use crate::ids::TokenId;
use crate::models::{Model, token_tensor};

fn repository(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

fn list<T>(items: impl IntoIterator<Item = T>, value: impl Fn(T) -> Value) -> Value {
    Value::Array(items.into_iter().map(value).collect())
}

/// Vocabulary and merges of a golden tokenizer, as llama.cpp's converter writes them.
fn tokenizer(folder: &Path) -> BTreeMap<String, Value> {
    let json = std::fs::read_to_string(folder.join("tokenizer.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let mut tokens: Vec<(u64, String)> = json["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(piece, id)| (id.as_u64().unwrap(), piece.clone()))
        .collect();
    tokens.sort_unstable();
    let merges = json["model"]["merges"].as_array().unwrap();
    let merges = merges.iter().map(|pair| {
        format!(
            "{} {}",
            pair[0].as_str().unwrap(),
            pair[1].as_str().unwrap()
        )
    });
    let kind = |(id, _): &(u64, String)| Value::I32(if *id == 0 { 3 } else { 1 });
    BTreeMap::from([
        ("tokenizer.ggml.model".to_owned(), text("gpt2")),
        ("tokenizer.ggml.pre".to_owned(), text("gpt-2")),
        ("tokenizer.ggml.token_type".to_owned(), list(&tokens, kind)),
        (
            "tokenizer.ggml.tokens".to_owned(),
            list(tokens, |(_, piece)| Value::String(piece)),
        ),
        (
            "tokenizer.ggml.merges".to_owned(),
            list(merges, Value::String),
        ),
        ("tokenizer.ggml.bos_token_id".to_owned(), Value::U32(0)),
    ])
}

/// A golden model as a GGUF file: names, orders and header as llama.cpp's converter writes them.
struct Writer {
    header: BTreeMap<String, Value>,
    tensors: BTreeMap<String, Tensor>,
}

impl Writer {
    fn of(family: &str) -> Self {
        let folder = repository(&format!("tests/golden/tiny-{family}"));
        let mut header = tokenizer(&folder);
        header.insert("general.architecture".to_owned(), text(family));
        let numbers = [
            ("embedding_length", 32),
            ("block_count", 3),
            ("context_length", 64),
            (
                "feed_forward_length",
                if family == "llama" { 64 } else { 128 },
            ),
            ("attention.head_count", 4),
        ];
        for (key, number) in numbers {
            header.insert(format!("{family}.{key}"), Value::U32(number));
        }
        if family == "llama" {
            header.insert("llama.attention.head_count_kv".to_owned(), Value::U32(2));
        }
        for key in ["layer_norm_epsilon", "layer_norm_rms_epsilon"] {
            header.insert(format!("{family}.attention.{key}"), Value::F32(1e-5));
        }
        let file = folder.join("model.safetensors");
        let tensors = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
        let tensors = tensors
            .into_iter()
            .map(|(name, tensor)| {
                let (stored, place) = super::names::stored(family, &name).unwrap();
                (stored, as_converted(&tensor, place))
            })
            .collect();
        Self { header, tensors }
    }

    fn write(&self, path: &Path, dtype: GgmlDType) {
        let header: Vec<_> = self.header.iter().map(|(k, v)| (k.as_str(), v)).collect();
        let quantised: Vec<_> = self
            .tensors
            .iter()
            .map(|(name, tensor)| {
                let dtype = if tensor.rank() == 1 {
                    GgmlDType::F32
                } else {
                    dtype
                };
                (name.as_str(), QTensor::quantize(tensor, dtype).unwrap())
            })
            .collect();
        let quantised: Vec<_> = quantised.iter().map(|(name, t)| (*name, t)).collect();
        gguf_file::write(&mut File::create(path).unwrap(), &header, &quantised).unwrap();
    }
}

/// What the converter does to a tensor: the inverse of what reading does.
fn as_converted(tensor: &Tensor, place: super::Place) -> Tensor {
    let heads = match place {
        super::Place::AsStored => return tensor.clone(),
        super::Place::Transposed => return tensor.t().unwrap().contiguous().unwrap(),
        super::Place::Query => 4,
        super::Place::Key => 2,
    };
    // convert_hf_to_gguf.py, LlamaModel.permute
    let (rows, columns) = tensor.dims2().unwrap();
    let halves = tensor
        .reshape((heads, 2, rows / heads / 2, columns))
        .unwrap();
    let pairs = halves.transpose(1, 2).unwrap().contiguous().unwrap();
    pairs.reshape((rows, columns)).unwrap()
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    let off = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
    off.max(0).unwrap().to_scalar().unwrap()
}

#[test]
fn a_gguf_file_gives_the_outputs_of_the_folder_it_was_made_from() {
    let folder = tempfile::tempdir().unwrap();
    for family in ["gpt2", "llama"] {
        let path = folder.path().join(format!("{family}.gguf"));
        Writer::of(family).write(&path, GgmlDType::F32);
        let (model, _) = Model::open(&path).unwrap();
        let golden = repository(&format!("tests/golden/tiny-{family}"));
        let reference =
            candle_core::safetensors::load(golden.join("reference.safetensors"), &Device::Cpu)
                .unwrap();
        let tokens = reference["tokens"].to_dtype(DType::U32).unwrap();
        let off = largest_difference(&model.logits(&tokens).unwrap(), &reference["logits"]);
        assert!(off < 1e-4, "{family}: {off}");

        let (from_folder, _) = Model::open(&golden).unwrap();
        assert_eq!(model.config(), from_folder.config());
        for text in [
            "Once upon a time, 1234 kings\n\n  said <|endoftext|> “no”.",
            "",
        ] {
            let want = from_folder.codec().encode(text).unwrap();
            assert_eq!(model.codec().encode(text).unwrap(), want);
            assert_eq!(model.codec().decode(&want), text);
        }
        assert_eq!(model.codec().bos().id, None, "BPE without add_bos_token");

        let half = folder.path().join(format!("{family}-f16.gguf"));
        Writer::of(family).write(&half, GgmlDType::F16);
        let (model, _) = Model::open(&half).unwrap();
        let off = largest_difference(&model.logits(&tokens).unwrap(), &reference["logits"]);
        assert!(off > 1e-6 && off < 0.05, "{family} in f16: {off}");
    }
}

#[test]
fn rotation_factors_inside_the_file_are_applied() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::of("llama");
    let plain = folder.path().join("plain.gguf");
    writer.write(&plain, GgmlDType::F32);
    let tokens = token_tensor(&[&[TokenId(0), TokenId(5), TokenId(9)]]).unwrap();
    let logits = |path: &Path| Model::open(path).unwrap().0.logits(&tokens).unwrap();
    for (factor, moves) in [(1.0_f32, false), (8.0, true)] {
        let factors = Tensor::new(&[1.0, factor, factor, factor], &Device::Cpu).unwrap();
        writer
            .tensors
            .insert("rope_freqs.weight".to_owned(), factors);
        let path = folder.path().join("factors.gguf");
        writer.write(&path, GgmlDType::F32);
        let off = largest_difference(&logits(&path), &logits(&plain));
        assert_eq!(off > 1e-4, moves, "{off}");
    }
}

#[test]
fn bos_follows_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let mut writer = Writer::of("gpt2");
    let key = "tokenizer.ggml.add_bos_token".to_owned();
    for (flag, id) in [(true, Some(TokenId(0))), (false, None)] {
        writer.header.insert(key.clone(), Value::Bool(flag));
        writer.write(&path, GgmlDType::F32);
        let (model, _) = Model::open(&path).unwrap();
        assert_eq!(model.codec().bos().id, id);
        assert!(model.codec().bos().why.contains(&flag.to_string()));
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let refused = || Model::open(&path).unwrap_err().to_string();
    for (key, value, wanted) in [
        ("general.architecture", text("mamba"), "`mamba`"),
        ("tokenizer.ggml.pre", text("tekken"), "`tekken`"),
        ("tokenizer.ggml.model", text("t5"), "`t5`"),
        ("llama.rope.scaling.type", text("yarn"), "`yarn`"),
        (
            "llama.rope.dimension_count",
            Value::U32(4),
            "partial_rotary",
        ),
        ("llama.expert_count", Value::U32(8), "mixture of experts"),
        ("llama.block_count", text("many"), "`llama.block_count`"),
        ("llama.block_count", Value::U32(4), "model.layers.3."),
    ] {
        let mut writer = Writer::of("llama");
        writer.header.insert(key.to_owned(), value);
        writer.write(&path, GgmlDType::F32);
        assert!(refused().contains(wanted), "{}", refused());
    }
    Writer::of("llama").write(&path, GgmlDType::F32);
    let whole = std::fs::read(&path).unwrap();
    for length in [12, 3000, whole.len() - 5000] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = refused();
        assert!(error.contains("model.gguf"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn the_stories_vocabulary_splits_text_as_llama_cpp_does() {
    let folder = repository("../shared/data/stories260k");
    if !folder.exists() {
        println!("skipped: {} is absent", folder.display());
        return;
    }
    let (model, _) = Model::open(&folder.join("stories260K.gguf")).unwrap();
    let reference = std::fs::read_to_string(folder.join("stories260K_reference.json")).unwrap();
    let reference: serde_json::Value = serde_json::from_str(&reference).unwrap();
    for case in reference["tokenizer_cases"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let want: Vec<u32> = serde_json::from_value(case["ids_with_bos"].clone()).unwrap();
        let got = model.codec().encode_with_bos(text).unwrap();
        let got: Vec<u32> = got.iter().map(|t| t.0).collect();
        assert_eq!(got, want, "{text:?}");
        let shown = model.codec().encode(text).unwrap();
        assert_eq!(model.codec().decode(&shown), text);
    }
    assert_eq!(model.codec().display(TokenId(13)), "\n");
    assert_eq!(model.codec().display(TokenId(261)), " a");
}

/// The file from the environment or beside the references, if there is one.
fn smollm2() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("UMBRA_SMOLLM2_GGUF") {
        return Some(path.into());
    }
    let folder = repository("../shared/data/smollm2-reference");
    let files = std::fs::read_dir(folder).ok()?;
    files
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|e| e == "gguf"))
}

#[test]
fn smollm2_gives_the_reference_predictions() {
    let reference = repository("../shared/data/smollm2-reference/smollm2_reference.json");
    let (Some(file), true) = (smollm2(), reference.exists()) else {
        println!(
            "skipped: SmolLM2's GGUF or {} is absent",
            reference.display()
        );
        return;
    };
    let (model, _) = Model::open(&file).unwrap();
    let reference = std::fs::read_to_string(reference).unwrap();
    let reference: serde_json::Value = serde_json::from_str(&reference).unwrap();
    for case in reference["tokenizer_cases"].as_array().unwrap() {
        let want: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        let got = model
            .codec()
            .encode(case["text"].as_str().unwrap())
            .unwrap();
        assert_eq!(
            got,
            want.into_iter().map(TokenId).collect::<Vec<_>>(),
            "{case}"
        );
    }
    let mut worst = 0.0_f64;
    for prompt in reference["prompts"].as_array().unwrap() {
        let tokens: Vec<u32> = serde_json::from_value(prompt["token_ids"].clone()).unwrap();
        let tokens: Vec<_> = tokens.into_iter().map(TokenId).collect();
        let encoded = model.codec().encode(prompt["prompt"].as_str().unwrap());
        assert_eq!(encoded.unwrap(), tokens);
        let logits = model.logits(&token_tensor(&[&tokens]).unwrap()).unwrap();
        let last = logits
            .narrow(1, tokens.len() - 1, 1)
            .unwrap()
            .flatten_all()
            .unwrap();
        let log = candle_nn::ops::log_softmax(&last, 0)
            .unwrap()
            .to_vec1::<f32>()
            .unwrap();
        let mut order: Vec<usize> = (0..log.len()).collect();
        order.sort_by(|a, b| log[*b].total_cmp(&log[*a]));
        let top = prompt["torch_f32"]["top10"].as_array().unwrap();
        for (rank, want) in top.iter().enumerate() {
            assert_eq!(
                want["id"].as_u64().unwrap() as usize,
                order[rank],
                "{rank} of {prompt}"
            );
            let off = f64::from(log[order[rank]]) - want["logprob"].as_f64().unwrap();
            worst = worst.max(off.abs());
        }
    }
    println!("largest difference of a log-probability: {worst:.6}");
    assert!(worst < 0.02, "{worst}");
}
