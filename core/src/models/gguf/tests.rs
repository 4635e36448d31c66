//! Files written here from the golden models, and real ones where they are at hand.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};

use super::{Architecture, Gguf};
use crate::error::Result;
use crate::ids::{Layer, TokenId};
use crate::models::{Form, Model, token_tensor};

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

/// The architectures, and the golden models they are written from.
const ARCHITECTURES: [&str; 6] = ["gpt2", "llama", "qwen2", "qwen3", "gemma2", "gemma3"];

/// A golden model as a GGUF file: names, orders and header as llama.cpp's converter writes them.
struct Writer {
    header: BTreeMap<String, Value>,
    tensors: BTreeMap<String, Tensor>,
}

impl Writer {
    fn new(family: &str) -> Self {
        let folder = repository(&format!("tests/golden/tiny-{family}"));
        let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        let mut header = tokenizer(&repository("tests/golden/tiny-gpt2"));
        header.insert("general.architecture".to_owned(), text(family));
        header.extend(described(family, &config));
        let architecture = Architecture::named(family, &folder).unwrap();
        let heads = |key: &str| config[key].as_u64().unwrap_or(1) as usize;
        let heads = (heads("num_attention_heads"), heads("num_key_value_heads"));
        let file = folder.join("model.safetensors");
        let tensors = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
        let tensors = tensors
            .into_iter()
            .map(|(name, tensor)| {
                let (stored, place) = super::names::stored(architecture, &name).unwrap();
                let tensor = as_gemma(family, &name, &config, tensor);
                (stored, as_converted(&tensor, place, heads))
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

/// The keys of a header, from a HuggingFace configuration.
fn described(family: &str, config: &serde_json::Value) -> BTreeMap<String, Value> {
    let count = |keys: &[&str]| keys.iter().find_map(|key| config[*key].as_u64());
    let mut header = BTreeMap::new();
    let mut put = |key: &str, value: Value| {
        header.insert(format!("{family}.{key}"), value);
    };
    let counts: [(&str, &[&str]); 8] = [
        ("embedding_length", &["hidden_size", "n_embd"]),
        ("block_count", &["num_hidden_layers", "n_layer"]),
        (
            "context_length",
            &["max_position_embeddings", "n_positions"],
        ),
        ("feed_forward_length", &["intermediate_size"]),
        ("attention.head_count", &["num_attention_heads", "n_head"]),
        ("attention.head_count_kv", &["num_key_value_heads"]),
        ("attention.key_length", &["head_dim"]),
        ("attention.sliding_window", &["sliding_window"]),
    ];
    for (key, names) in counts {
        if let Some(count) = count(names) {
            put(key, Value::U32(count as u32));
        }
    }
    if family == "gpt2" {
        put("feed_forward_length", Value::U32(128));
    }
    let full = &config["rope_parameters"]["full_attention"]["rope_theta"];
    let numbers = [
        (
            "attention.layer_norm_epsilon",
            &config["layer_norm_epsilon"],
        ),
        ("attention.layer_norm_rms_epsilon", &config["rms_norm_eps"]),
        ("attn_logit_softcapping", &config["attn_logit_softcapping"]),
        (
            "final_logit_softcapping",
            &config["final_logit_softcapping"],
        ),
        ("rope.freq_base", &config["rope_parameters"]["rope_theta"]),
        ("rope.freq_base", full),
    ];
    for (key, number) in numbers {
        if let Some(number) = number.as_f64() {
            put(key, Value::F32(number as f32));
        }
    }
    header
}

/// Gemma's norms hold 1 + w. GGUF has no key for the query scale, so one that is not the head's width goes into what makes the queries.
fn as_gemma(family: &str, name: &str, config: &serde_json::Value, tensor: Tensor) -> Tensor {
    if !family.starts_with("gemma") {
        return tensor;
    }
    let tensor = if name.ends_with("norm.weight") {
        (tensor + 1.0).unwrap()
    } else {
        tensor
    };
    let scaled = match family {
        "gemma2" => "q_proj.weight",
        _ => "q_norm.weight",
    };
    if !name.ends_with(scaled) {
        return tensor;
    }
    let number = |key: &str| config[key].as_f64().unwrap();
    (tensor * (number("head_dim") / number("query_pre_attn_scalar")).sqrt()).unwrap()
}

/// Converts a tensor as the converter does, the inverse of reading.
fn as_converted(tensor: &Tensor, place: super::Place, heads: (usize, usize)) -> Tensor {
    let heads = match place {
        super::Place::AsStored => return tensor.clone(),
        super::Place::Transposed => return tensor.t().unwrap().contiguous().unwrap(),
        super::Place::Query => heads.0,
        super::Place::Key => heads.1,
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

/// Tokens and logits of a golden model.
fn reference(family: &str) -> (Tensor, Tensor) {
    let golden = repository(&format!("tests/golden/tiny-{family}"));
    let file = golden.join("reference.safetensors");
    let reference = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
    let tokens = reference["tokens"].to_dtype(DType::U32).unwrap();
    (tokens, reference["logits"].clone())
}

#[test]
fn a_gguf_file_gives_the_logits_of_the_folder_it_was_made_from() {
    let folder = tempfile::tempdir().unwrap();
    for family in ARCHITECTURES {
        let path = folder.path().join(format!("{family}.gguf"));
        Writer::new(family).write(&path, GgmlDType::F32);
        let (tokens, want) = reference(family);
        let largest = largest_difference(&want, &want.zeros_like().unwrap());
        let (model, _) = Model::open(&path).unwrap();
        let off = largest_difference(&model.logits(&tokens).unwrap(), &want);
        assert!(off < 1e-4 * largest.max(1.0), "{family}: {off}");
        let (from_folder, _) =
            Model::open(&repository(&format!("tests/golden/tiny-{family}"))).unwrap();
        assert_eq!(model.config(), from_folder.config());
        let parameters = model.config().parameters as u64;
        assert_eq!(model.footprint().parameters, parameters);

        let half = folder.path().join(format!("{family}-f16.gguf"));
        Writer::new(family).write(&half, GgmlDType::F16);
        let (model, _) = Model::open(&half).unwrap();
        let off = largest_difference(&model.logits(&tokens).unwrap(), &want);
        assert!(off > 1e-6 && off < 0.05, "{family} in f16: {off}");
    }
}

#[test]
fn matrices_kept_as_stored_give_the_logits_of_dequantised_ones_in_less_memory() {
    let folder = tempfile::tempdir().unwrap();
    for (family, dtype) in ARCHITECTURES.into_iter().flat_map(|family| {
        [
            (family, GgmlDType::F16),
            (family, GgmlDType::Q8_0),
            (family, GgmlDType::Q4_1),
        ]
    }) {
        let path = folder.path().join(format!("{family}.gguf"));
        Writer::new(family).write(&path, dtype);
        let (tokens, _) = reference(family);
        let (wide, _) = Model::open(&path).unwrap();
        let (kept, notes) = Model::open_as(&path, Form::Stored.into()).unwrap();
        assert!(notes.iter().any(|note| note.contains("as stored")));
        let want = wide.logits(&tokens).unwrap();
        let largest = largest_difference(&want, &want.zeros_like().unwrap());
        let off = largest_difference(&kept.logits(&tokens).unwrap(), &want);
        assert!(
            off < 1e-5 * largest.max(1.0),
            "{family} in {dtype:?}: {off}"
        );
        assert_eq!(kept.config(), wide.config());
        let bytes = |model: &Model| model.footprint().memory_bytes;
        assert_eq!(bytes(&wide), 4 * wide.footprint().parameters);
        let share = bytes(&kept) as f64 / bytes(&wide) as f64;
        let stored = dtype.type_size() as f64 / dtype.block_size() as f64 / 4.0;
        assert!(
            share > stored && share < stored + 0.1,
            "{family} in {dtype:?}: {share}"
        );
        let w_o = (wide.w_o(Layer(1)).unwrap(), kept.w_o(Layer(1)).unwrap());
        assert_eq!(w_o.0, w_o.1);
    }
}

#[test]
fn a_text_is_split_as_by_the_folder_and_bos_is_left_to_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    Writer::new("gpt2").write(&path, GgmlDType::F32);
    let (model, _) = Model::open(&path).unwrap();
    let (from_folder, _) = Model::open(&repository("tests/golden/tiny-gpt2")).unwrap();
    for text in [
        "Once upon a time, 1234 kings\n\n  said <|endoftext|> “no”.",
        "",
    ] {
        let want = from_folder.codec().encode(text).unwrap();
        assert_eq!(model.codec().encode(text).unwrap(), want);
        assert_eq!(model.codec().decode(&want), text);
    }
    assert_eq!(model.codec().bos().id, None, "BPE without add_bos_token");
}

#[test]
fn the_query_scale_of_gemma_goes_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    for (family, layers, scalar) in [
        ("gemma2", 3, 16),
        ("gemma2", 42, 16),
        ("gemma2", 46, 8),
        ("gemma3", 46, 16),
        ("gemma3", 62, 8),
    ] {
        let mut writer = Writer::new(family);
        let key = format!("{family}.block_count");
        writer.header.insert(key, Value::U32(layers));
        writer.write(&path, GgmlDType::F32);
        let settings = Gguf::open(&path, Form::F32).unwrap().settings().unwrap();
        let told = settings.count("query_pre_attn_scalar").unwrap();
        assert_eq!(told, scalar, "{family} with {layers} layers");
    }
}

#[test]
fn which_layers_slide_is_told_by_architecture_or_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let kinds = |writer: &Writer| -> Result<Vec<bool>> {
        writer.write(&path, GgmlDType::F32);
        let settings = Gguf::open(&path, Form::F32)?.settings()?;
        let kinds = settings
            .get("layer_types")
            .unwrap()
            .as_array()
            .unwrap()
            .clone();
        let slides = kinds.iter().map(|kind| kind == "sliding_attention");
        Ok(slides.collect())
    };
    let mut writer = Writer::new("gemma3");
    assert_eq!(
        kinds(&writer).unwrap(),
        [true, true, true, true, true, false]
    );
    assert_eq!(kinds(&Writer::new("gemma2")).unwrap(), [true, false, true]);
    let key = "gemma3.attention.sliding_window_pattern".to_owned();
    writer.header.insert(key.clone(), Value::U32(3));
    assert_eq!(
        kinds(&writer).unwrap(),
        [true, true, false, true, true, false]
    );
    let flags = [true, false, false, false, false, true];
    writer.header.insert(key.clone(), list(flags, Value::Bool));
    assert_eq!(kinds(&writer).unwrap(), flags);
    writer.header.insert(key, list([true], Value::Bool));
    assert!(kinds(&writer).is_err());
}

/// Logits of `writer`'s model on a few tokens.
fn logits_of(writer: &Writer) -> Tensor {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    writer.write(&path, GgmlDType::F32);
    let ids: Vec<TokenId> = (0..24).map(|i| TokenId(i * 7 + 1)).collect();
    let model = Model::open(&path).unwrap().0;
    model.logits(&token_tensor(&[&ids]).unwrap()).unwrap()
}

#[test]
fn keys_that_change_nothing_are_taken() {
    let mut writer = Writer::new("qwen3");
    let plain = logits_of(&writer);
    for (key, value) in [
        ("attention.sliding_window", Value::U32(64)),
        ("attention.sliding_window", Value::U32(0)),
        ("attention.causal", Value::Bool(true)),
        ("attention.scale", Value::F32(0.0)),
        ("logit_scale", Value::F32(1.0)),
        ("expert_count", Value::U32(0)),
        ("use_parallel_residual", Value::Bool(false)),
        ("rope.scaling.type", text("none")),
        ("rope.scaling.type", text("linear")),
    ] {
        writer.header.insert(format!("qwen3.{key}"), value);
        assert_eq!(
            largest_difference(&logits_of(&writer), &plain),
            0.0,
            "{key}"
        );
    }
}

#[test]
fn a_window_is_refused_where_the_header_does_not_say_for_which_layers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    for family in ["gpt2", "llama", "qwen2", "qwen3"] {
        let mut writer = Writer::new(family);
        let key = format!("{family}.attention.sliding_window");
        writer.header.insert(key.clone(), Value::U32(63));
        writer.write(&path, GgmlDType::F32);
        let refused = Model::open(&path).unwrap_err().to_string();
        assert!(refused.contains(&format!("`{key}` 63")), "{refused}");
    }
}

#[test]
fn gemma_3_slides_nowhere_and_gemma_2_by_its_own_window_where_none_is_named() {
    let mut third = Writer::new("gemma3");
    let slides = logits_of(&third);
    let key = "gemma3.attention.sliding_window".to_owned();
    third.header.remove(&key);
    let none = logits_of(&third);
    third.header.insert(key.clone(), Value::U32(0));
    assert_eq!(largest_difference(&logits_of(&third), &none), 0.0);
    // Another window and another rotation.
    assert!(largest_difference(&slides, &none) > 1e-3);
    let mut second = Writer::new("gemma2");
    second.header.remove("gemma2.attention.sliding_window");
    logits_of(&second);
    second
        .header
        .insert("gemma2.attention.sliding_window".to_owned(), Value::U32(0));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    second.write(&path, GgmlDType::F32);
    let refused = Model::open(&path).unwrap_err().to_string();
    assert!(refused.contains("`sliding_window`"), "{refused}");
}

#[test]
fn a_rotation_factor_is_linear_under_either_name_unless_its_type_is_none() {
    let with = |keys: &[(&str, Value)]| {
        let mut writer = Writer::new("llama");
        for (key, value) in keys {
            let key = format!("llama.rope.{key}");
            writer.header.insert(key, value.clone());
        }
        logits_of(&writer)
    };
    let (factor, linear) = (Value::F32(4.0), text("linear"));
    let plain = with(&[]);
    let scaled = with(&[("scaling.factor", factor.clone()), ("scaling.type", linear)]);
    assert!(largest_difference(&scaled, &plain) > 1e-3);
    for other in [
        with(&[("scaling.factor", factor.clone())]),
        with(&[("scale_linear", factor.clone())]),
    ] {
        assert_eq!(largest_difference(&scaled, &other), 0.0);
    }
    let none = with(&[("scaling.factor", factor), ("scaling.type", text("none"))]);
    assert_eq!(largest_difference(&plain, &none), 0.0);
}

#[test]
fn rotation_factors_inside_the_file_are_applied() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::new("llama");
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
    let mut writer = Writer::new("gpt2");
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
fn without_a_flag_bos_goes_by_the_pre_tokenizer_as_in_llama_cpp() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let mut writer = Writer::new("gpt2");
    let with = [
        "llama-bpe",
        "llama3",
        "llama-v3",
        "falcon3",
        "falcon-h1",
        "pixtral",
        "midm-2.0",
        "lfm2",
        "tekken",
        "chameleon",
    ];
    let without = ["gpt-2", "qwen2", "smollm", "default"];
    for pre in with.into_iter().chain(without) {
        let key = "tokenizer.ggml.pre".to_owned();
        writer.header.insert(key, text(pre));
        writer.write(&path, GgmlDType::F32);
        let (model, _) = Model::open(&path).unwrap();
        let bos = model.codec().bos();
        let want = with.contains(&pre).then_some(TokenId(0));
        assert_eq!(bos.id, want, "{pre}: {}", bos.why);
        assert!(bos.why.contains(pre), "{}", bos.why);
        // Named, whether or not it precedes a text.
        assert!(model.codec().special().eq([TokenId(0)]), "{pre}");
        let tokens = model.codec().encode("Two words, 1234").unwrap();
        assert_eq!(model.codec().decode(&tokens), "Two words, 1234", "{pre}");
    }
    let key = "tokenizer.ggml.add_bos_token".to_owned();
    writer.header.insert(key, Value::Bool(false));
    let key = "tokenizer.ggml.pre".to_owned();
    writer.header.insert(key, text("llama-bpe"));
    writer.write(&path, GgmlDType::F32);
    let (model, _) = Model::open(&path).unwrap();
    assert_eq!(model.codec().bos().id, None, "the flag wins");
}

#[test]
fn a_sentence_piece_file_that_numbers_no_special_tokens_has_the_usual_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let mut writer = Writer::new("llama");
    let special = ["<unk>", "<s>", "</s>"].map(str::to_owned);
    let bytes = (0..=255).map(|byte| format!("<0x{byte:02X}>"));
    let pieces = (0..253).map(|n| format!("▁{n}"));
    let tokens: Vec<String> = special.into_iter().chain(bytes).chain(pieces).collect();
    let kind = |id: usize| Value::I32(if id < 3 { 3 } else { 1 });
    let scores = (0..tokens.len()).map(|id| -(id as f32));
    let parts = [
        ("model", text("llama")),
        ("token_type", list(0..tokens.len(), kind)),
        ("scores", list(scores, Value::F32)),
        ("tokens", list(tokens, Value::String)),
    ];
    for key in ["pre", "merges", "bos_token_id"] {
        writer.header.remove(&format!("tokenizer.ggml.{key}"));
    }
    for (key, value) in parts {
        writer.header.insert(format!("tokenizer.ggml.{key}"), value);
    }
    for (number, id) in [(None, 1), (Some(2), 2), (Some(9_999), 1)] {
        let key = "tokenizer.ggml.bos_token_id".to_owned();
        if let Some(number) = number {
            writer.header.insert(key, Value::U32(number));
        }
        writer.write(&path, GgmlDType::F32);
        let (model, _) = Model::open(&path).unwrap();
        let bos = model.codec().bos();
        assert_eq!(bos.id, Some(TokenId(id)), "{number:?}: {}", bos.why);
        assert_eq!(model.codec().specials().eos, Some(TokenId(2)));
    }
}

#[test]
fn keys_that_would_be_passed_over_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    for (key, value, wanted) in [
        (
            "llama.attention.sliding_window",
            Value::U32(8),
            "`llama.attention.sliding_window` 8",
        ),
        (
            "llama.attention.causal",
            Value::Bool(false),
            "`llama.attention.causal`",
        ),
        ("llama.logit_scale", Value::F32(0.5), "`llama.logit_scale`"),
        (
            "llama.final_logit_softcapping",
            Value::F32(30.0),
            "`llama.final_logit_softcapping`",
        ),
        (
            "llama.rope.freq_base_swa",
            Value::F32(1e4),
            "`llama.rope.freq_base_swa`",
        ),
        (
            "llama.rope.dimension_sections",
            list([2, 2], Value::U32),
            "`llama.rope.dimension_sections`",
        ),
        (
            "llama.rope.scaling.attn_factor",
            Value::F32(0.5),
            "`llama.rope.scaling.attn_factor`",
        ),
        (
            "llama.use_parallel_residual",
            Value::Bool(true),
            "`llama.use_parallel_residual`",
        ),
        (
            "llama.ssm.inner_size",
            Value::U32(4),
            "`llama.ssm.inner_size`",
        ),
        (
            "llama.rope.freq_base",
            text("high"),
            "`llama.rope.freq_base`",
        ),
        (
            "llama.attention.head_count_kv",
            list([2, 2, 1], Value::U32),
            "`llama.attention.head_count_kv`",
        ),
        ("llama.attention.key_length", Value::F32(7.5), "7.5"),
    ] {
        let mut writer = Writer::new("llama");
        writer.header.insert(key.to_owned(), value);
        writer.write(&path, GgmlDType::F32);
        let said = Model::open(&path).unwrap_err().to_string();
        assert!(said.contains(wanted) && !said.contains('\n'), "{said}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let refused = || Model::open(&path).unwrap_err().to_string();
    for (key, value, wanted) in [
        ("general.architecture", text("mamba"), "`mamba`"),
        ("tokenizer.ggml.pre", text("viking"), "`viking`"),
        ("tokenizer.ggml.model", text("t5"), "`t5`"),
        ("llama.rope.scaling.type", text("yarn"), "`yarn`"),
        (
            "llama.rope.dimension_count",
            Value::U32(4),
            "partial_rotary",
        ),
        ("llama.expert_count", Value::U32(8), "mixture of experts"),
        ("llama.block_count", text("many"), "`llama.block_count`"),
        ("llama.block_count", Value::U64(1 << 60), "2^31"),
        ("llama.attention.head_count", Value::U64(1 << 60), "heads"),
        ("llama.attention.head_count", Value::U32(0), "heads"),
        ("llama.attention.value_length", Value::U32(4), "value width"),
        (
            "llama.attention.scale",
            Value::F32(0.5),
            "`llama.attention.scale`",
        ),
        ("split.count", Value::U16(3), "3 GGUF files"),
        ("tokenizer.ggml.tokens", list(["a"], text), "token"),
        ("llama.block_count", Value::U32(4), "model.layers.3."),
    ] {
        let mut writer = Writer::new("llama");
        writer.header.insert(key.to_owned(), value);
        writer.write(&path, GgmlDType::F32);
        assert!(refused().contains(wanted), "{}", refused());
    }
    Writer::new("llama").write(&path, GgmlDType::F32);
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

#[test]
fn the_tokens_that_end_a_text_are_those_that_llama_cpp_collects() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let texts = |writer: &Writer, key: &str| -> Vec<String> {
        let Value::Array(all) = &writer.header[key] else {
            panic!("{key} is no list");
        };
        let text = |value: &Value| value.to_string().unwrap().clone();
        all.iter().map(text).collect()
    };
    // Entries that no merge is made of or makes can be called otherwise.
    let plain = Writer::new("llama");
    let merges = texts(&plain, "tokenizer.ggml.merges").join(" ");
    let pieces = texts(&plain, "tokenizer.ggml.tokens");
    let free: Vec<usize> = (1..200)
        .filter(|id| !merges.contains(&pieces[*id]))
        .collect();
    assert!(free.len() > 4, "{free:?}");
    let check = |keys: &[(&str, u32)], named: &[&str], want: &[u32]| {
        let mut writer = Writer::new("llama");
        let mut pieces = pieces.clone();
        for (name, id) in named.iter().zip(&free) {
            pieces[*id] = (*name).to_owned();
        }
        let pieces = pieces.iter().map(String::as_str);
        let list = Value::Array(pieces.map(text).collect());
        writer
            .header
            .insert("tokenizer.ggml.tokens".to_owned(), list);
        for (key, id) in keys {
            let key = format!("tokenizer.ggml.{key}_token_id");
            writer.header.insert(key, Value::U32(*id));
        }
        writer.write(&path, GgmlDType::F32);
        let (model, _) = Model::open(&path).unwrap();
        let got: Vec<u32> = model.ends().ids.iter().map(|id| id.0).collect();
        assert_eq!(got, want, "{keys:?} {named:?}: {}", model.ends().why);
    };
    let at = |i: usize| free[i] as u32;
    // Token 0 is <|endoftext|>, which ends a text by its name.
    check(&[], &[], &[0]);
    check(
        &[("eos", 500), ("eot", 501), ("eom", 502)],
        &[],
        &[0, 500, 501, 502],
    );
    check(&[("eos", 99_999)], &[], &[0]);
    check(
        &[],
        &["<|im_end|>", "<|eom_id|>", "<|im_start|>"],
        &[0, at(0), at(1)],
    );
    check(
        &[("fim_pad", 503)],
        &["<|repo_name|>", "<|fim_pad|>"],
        &[0, at(0), 503],
    );
    check(&[], &["<|end|>"], &[0, at(0)]);
    check(
        &[],
        &["<|end|>", "<|return|>", "<|call|>"],
        &[0, at(1), at(2)],
    );
    check(&[], &["</s>", "<|tool_response>"], &[0, at(1)]);
}
