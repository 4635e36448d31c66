//! GGUF files of the architecture `llama`: settings and tensors under HuggingFace names (dequantised to f32, q and k rows put back into
//! half-split rotary order), and the tokenizer inside.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Device, Tensor};
use serde_json::{Value as Json, json};

use super::gguf_tokenizer;
use super::settings::Settings;
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::text::TextCodec;

/// An opened GGUF file.
pub(super) struct Gguf {
    content: Content,
    reader: RefCell<BufReader<File>>,
    /// GGUF names by HuggingFace names.
    names: HashMap<String, String>,
    heads: usize,
    kv_heads: usize,
    path: PathBuf,
}

impl Gguf {
    /// Reads the header; any architecture but `llama` is refused by name.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io("opening the model", path, e))?;
        let mut reader = BufReader::new(file);
        let content = Content::read(&mut reader).map_err(|e| {
            Error::input(
                format!("is no complete GGUF file ({e}): copy or download it again"),
                path,
            )
        })?;
        let mut gguf = Self {
            content,
            reader: RefCell::new(reader),
            names: HashMap::new(),
            heads: 0,
            kv_heads: 0,
            path: path.to_path_buf(),
        };
        let architecture = gguf.text("general.architecture")?;
        if architecture != "llama" {
            return Err(Error::Unsupported {
                what: format!(
                    "the GGUF architecture `{architecture}` in {}",
                    path.display()
                ),
                remedy:
                    "choose a file of the architecture llama, or the model's HuggingFace folder"
                        .to_owned(),
            });
        }
        gguf.heads = gguf.count("llama.attention.head_count")?;
        gguf.kv_heads = gguf
            .count_if_any("llama.attention.head_count_kv")?
            .unwrap_or(gguf.heads);
        gguf.names = gguf.huggingface_names();
        Ok(gguf)
    }

    /// The header as the keys of a `config.json`.
    pub(super) fn settings(&self) -> Result<Settings> {
        let d_model = self.count("llama.embedding_length")?;
        let d_head = self
            .count_if_any("llama.attention.key_length")?
            .unwrap_or(d_model / self.heads);
        if let Some(rotated) = self.count_if_any("llama.rope.dimension_count")?
            && rotated != d_head
        {
            return Err(
                self.unsupported(&format!("rotating {rotated} of {d_head} head dimensions"))
            );
        }
        if let Some(scaling) = self.content.metadata.get("llama.rope.scaling.type")
            && scaling.to_string().is_ok_and(|kind| kind != "none")
        {
            return Err(self.unsupported("`llama.rope.scaling.type`"));
        }
        if self.content.tensor_infos.contains_key("rope_freqs.weight") {
            return Err(self.unsupported("rotary scaling by `rope_freqs.weight`"));
        }
        let vocab = self
            .content
            .tensor_infos
            .get("token_embd.weight")
            .map(|info| info.shape.dims()[0]);
        let values = json!({
            "model_type": "llama",
            "hidden_size": d_model,
            "num_hidden_layers": self.count("llama.block_count")?,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": d_head,
            "intermediate_size": self.count("llama.feed_forward_length")?,
            "vocab_size": vocab,
            "max_position_embeddings": self.count("llama.context_length")?,
            "rms_norm_eps": self.number("llama.attention.layer_norm_rms_epsilon")?,
            "rope_theta": self.number("llama.rope.freq_base").unwrap_or(10_000.0),
            "attention_bias": self.content.tensor_infos.contains_key("blk.0.attn_q.bias"),
            "tie_word_embeddings": !self.content.tensor_infos.contains_key("output.weight"),
        });
        Ok(Settings::new(values, &self.path))
    }

    /// The tokenizer in the header.
    pub(super) fn codec(&self) -> Result<TextCodec> {
        gguf_tokenizer::read(self)
    }

    /// Named in errors.
    pub(super) fn file(&self) -> &Path {
        &self.path
    }

    /// A value of the header, if it is there.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.content.metadata.get(key)
    }

    /// A text of the header.
    pub(super) fn text(&self, key: &str) -> Result<&str> {
        let text = self.value(key).and_then(|value| value.to_string().ok());
        text.map(String::as_str).ok_or_else(|| self.missing(key))
    }

    /// A list of the header, each entry as JSON.
    pub(super) fn list(&self, key: &str) -> Result<Vec<Json>> {
        let list = self
            .value(key)
            .and_then(|value| value.to_vec().ok())
            .ok_or_else(|| self.missing(key))?;
        Ok(list.iter().map(json_from_value).collect())
    }

    /// A whole number of the header, if it is there.
    pub(super) fn count_if_any(&self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let count = json_from_value(value)
            .as_u64()
            .and_then(|count| usize::try_from(count).ok());
        count.map(Some).ok_or_else(|| self.missing(key))
    }

    /// An error that names a key the header lacks or holds in another form.
    pub(super) fn missing(&self, key: &str) -> Error {
        Error::input(
            format!("the GGUF header holds no usable `{key}`"),
            &self.path,
        )
    }

    /// Something real in this file that this version does not do.
    pub(super) fn unsupported(&self, what: &str) -> Error {
        Error::Unsupported {
            what: format!("{what} in {}", self.path.display()),
            remedy: "use the model's HuggingFace folder or another file".to_owned(),
        }
    }

    fn count(&self, key: &str) -> Result<usize> {
        self.count_if_any(key)?
            .filter(|count| *count > 0)
            .ok_or_else(|| self.missing(key))
    }

    fn number(&self, key: &str) -> Result<f64> {
        self.value(key)
            .and_then(|value| json_from_value(value).as_f64())
            .ok_or_else(|| self.missing(key))
    }

    fn huggingface_names(&self) -> HashMap<String, String> {
        const OUTER: [(&str, &str); 3] = [
            ("token_embd.", "model.embed_tokens."),
            ("output_norm.", "model.norm."),
            ("output.", "lm_head."),
        ];
        const INNER: [(&str, &str); 9] = [
            ("attn_norm.", "input_layernorm."),
            ("attn_q.", "self_attn.q_proj."),
            ("attn_k.", "self_attn.k_proj."),
            ("attn_v.", "self_attn.v_proj."),
            ("attn_output.", "self_attn.o_proj."),
            ("ffn_norm.", "post_attention_layernorm."),
            ("ffn_gate.", "mlp.gate_proj."),
            ("ffn_up.", "mlp.up_proj."),
            ("ffn_down.", "mlp.down_proj."),
        ];
        let renamed = |name: &String| {
            if let Some((layer, rest)) = name
                .strip_prefix("blk.")
                .and_then(|rest| rest.split_once('.'))
            {
                let (from, to) = INNER.iter().find(|(from, _)| rest.starts_with(from))?;
                return Some(format!("model.layers.{layer}.{to}{}", &rest[from.len()..]));
            }
            let (from, to) = OUTER.iter().find(|(from, _)| name.starts_with(from))?;
            Some(format!("{to}{}", &name[from.len()..]))
        };
        let names = self.content.tensor_infos.keys();
        names
            .filter_map(|name| Some((renamed(name)?, name.clone())))
            .collect()
    }

    /// Rows of `heads` heads from interleaved rotary pairs (as llama.cpp wants them) to halves (as HuggingFace has them).
    fn halved(&self, rows: &Tensor, heads: usize) -> Result<Tensor> {
        let shape = rows.dims().to_vec();
        let e = shape[0] / heads;
        if !shape[0].is_multiple_of(heads) || !e.is_multiple_of(2) {
            return Err(Error::input(
                format!("{heads} heads cannot share {} rows", shape[0]),
                &self.path,
            ));
        }
        let pairs = rows.reshape((heads, e / 2, 2, ()))?; // [h, e/2, 2, in]
        Ok(pairs.transpose(1, 2)?.contiguous()?.reshape(shape)?)
    }
}

impl Weights for Gguf {
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let info = self.content.tensor_infos.get(self.names.get(name)?)?;
        Some(info.shape.dims().to_vec())
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        let stored = self.names.get(name).ok_or_else(|| self.missing(name))?;
        let mut reader = self.reader.borrow_mut();
        let tensor = self
            .content
            .tensor(&mut *reader, stored, &Device::Cpu)
            .and_then(|tensor| tensor.dequantize(&Device::Cpu))
            .map_err(|e| {
                Error::input(
                    format!("tensor `{stored}` cannot be read ({e})"),
                    &self.path,
                )
            })?;
        if name.contains(".q_proj.") {
            self.halved(&tensor, self.heads)
        } else if name.contains(".k_proj.") {
            self.halved(&tensor, self.kv_heads)
        } else {
            Ok(tensor)
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

fn json_from_value(value: &Value) -> Json {
    match value {
        Value::U8(v) => json!(v),
        Value::I8(v) => json!(v),
        Value::U16(v) => json!(v),
        Value::I16(v) => json!(v),
        Value::U32(v) => json!(v),
        Value::I32(v) => json!(v),
        Value::U64(v) => json!(v),
        Value::I64(v) => json!(v),
        Value::F32(v) => json!(v),
        Value::F64(v) => json!(v),
        Value::Bool(v) => json!(v),
        Value::String(v) => json!(v),
        Value::Array(v) => v.iter().map(json_from_value).collect(),
    }
}

#[cfg(test)]
mod tests {
    use crate::models::Model;

    #[test]
    fn what_is_no_gguf_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gguf");
        std::fs::write(&path, b"GGUF\x03\0\0\0").unwrap();
        let refused = Model::open(&path).unwrap_err().to_string();
        assert!(
            refused.contains("a.gguf") && refused.contains("GGUF"),
            "{refused}"
        );
    }
}
