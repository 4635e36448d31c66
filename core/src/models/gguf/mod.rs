//! GGUF files: header to settings, tensors to HuggingFace names and order, dequantised to f32. The tokenizer inside is built by `tokenizer`.

mod header;
mod names;
mod tokenizer;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use serde_json::{Value, json};

use self::header::Header;
use self::names::Place;
use super::settings::Settings;
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::text::TextCodec;

/// An open GGUF file.
pub(super) struct Gguf {
    content: Content,
    file: RefCell<BufReader<File>>,
    path: PathBuf,
    /// `general.architecture`.
    family: String,
    heads: usize,
    kv_heads: usize,
}

impl Gguf {
    /// Reads the header of `path`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io("opening the model file", path, e))?;
        let mut file = BufReader::new(file);
        let content = Content::read(&mut file).map_err(|e| {
            Error::input(
                format!(
                    "is no complete GGUF file ({}): give a model folder or a whole .gguf file",
                    reason(&e)
                ),
                path,
            )
        })?;
        let header = Header::new(&content.metadata, path);
        let family = header.text("general.architecture")?.to_owned();
        let key = |rest: &str| format!("{family}.attention.{rest}");
        let heads = header.count(&key("head_count")).unwrap_or(1);
        let kv_heads = header.count(&key("head_count_kv")).unwrap_or(heads);
        Ok(Self {
            file: RefCell::new(file),
            path: path.to_path_buf(),
            family,
            heads,
            kv_heads,
            content,
        })
    }

    /// The header under the keys of `config.json`.
    pub(super) fn settings(&self) -> Result<Settings> {
        let header = self.header();
        let values = match self.family.as_str() {
            "llama" => self.llama(&header)?,
            "gpt2" => self.gpt2(&header)?,
            _ => json!({ "model_type": self.family }),
        };
        Ok(Settings::new(values, &self.path))
    }

    /// The tokenizer inside, with its BOS policy.
    pub(super) fn codec(&self) -> Result<TextCodec> {
        let (tokenizer, bos) = tokenizer::read(&self.header())?;
        TextCodec::from_tokenizer(tokenizer, bos, &self.path)
    }

    fn header(&self) -> Header<'_> {
        Header::new(&self.content.metadata, &self.path)
    }

    fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    fn vocab(&self) -> Result<usize> {
        let embed = self.content.tensor_infos.get("token_embd.weight");
        embed
            .and_then(|info| info.shape.dims().first().copied())
            .ok_or_else(|| Error::input("has no tensor `token_embd.weight`", &self.path))
    }

    fn llama(&self, header: &Header<'_>) -> Result<Value> {
        let key = |rest: &str| format!("llama.{rest}");
        if header.count(&key("expert_count")).is_some_and(|n| n > 0) {
            return Err(Error::Unsupported {
                what: format!("a mixture of experts in {}", self.path.display()),
                remedy: "choose a model without `llama.expert_count`".to_owned(),
            });
        }
        let scaling = header.text_if_any(&key("rope.scaling.type"));
        if let Some(kind @ ("yarn" | "longrope")) = scaling {
            return Err(Error::Unsupported {
                what: format!("the rope type `{kind}` in {}", self.path.display()),
                remedy: "choose a model without it, or its HuggingFace folder".to_owned(),
            });
        }
        let d_model = header.needed(&key("embedding_length"))?;
        let d_head = header
            .count(&key("attention.key_length"))
            .unwrap_or(d_model / self.heads.max(1));
        let turned = header.count(&key("rope.dimension_count")).unwrap_or(d_head);
        let mut rope = json!({
            "rope_theta": header.number(&key("rope.freq_base")).unwrap_or(10_000.0),
            "rope_type": header.text_if_any(&key("rope.scaling.type")).filter(|kind| *kind != "none").unwrap_or("default"),
            "partial_rotary_factor": turned as f64 / d_head.max(1) as f64,
        });
        if let Some(factor) = header.number(&key("rope.scaling.factor")) {
            rope["factor"] = json!(factor);
        }
        Ok(json!({
            "model_type": "llama",
            "hidden_size": d_model,
            "num_hidden_layers": header.needed(&key("block_count"))?,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": d_head,
            "intermediate_size": header.needed(&key("feed_forward_length"))?,
            "max_position_embeddings": header.needed(&key("context_length"))?,
            "vocab_size": self.vocab()?,
            "rms_norm_eps": header.number(&key("attention.layer_norm_rms_epsilon")),
            "hidden_act": "silu",
            "attention_bias": self.has("blk.0.attn_q.bias"),
            "mlp_bias": self.has("blk.0.ffn_gate.bias"),
            "tie_word_embeddings": !self.has("output.weight"),
            "rope_parameters": rope,
        }))
    }

    fn gpt2(&self, header: &Header<'_>) -> Result<Value> {
        let key = |rest: &str| format!("gpt2.{rest}");
        Ok(json!({
            "model_type": "gpt2",
            "n_embd": header.needed(&key("embedding_length"))?,
            "n_layer": header.needed(&key("block_count"))?,
            "n_head": self.heads,
            "n_inner": header.needed(&key("feed_forward_length"))?,
            "n_positions": header.needed(&key("context_length"))?,
            "vocab_size": self.vocab()?,
            "layer_norm_epsilon": header.number(&key("attention.layer_norm_epsilon")),
            "activation_function": "gelu_new",
            "tie_word_embeddings": !self.has("output.weight"),
        }))
    }
}

impl Weights for Gguf {
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let (stored, place) = names::stored(&self.family, name)?;
        let mut dims = self
            .content
            .tensor_infos
            .get(&stored)?
            .shape
            .dims()
            .to_vec();
        if place == Place::Transposed {
            dims.reverse();
        }
        Some(dims)
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        let unreadable = |e: &candle_core::Error| {
            Error::input(
                format!(
                    "tensor `{name}` cannot be read ({}): copy or download the file again",
                    reason(e)
                ),
                &self.path,
            )
        };
        let (stored, place) = names::stored(&self.family, name)
            .ok_or_else(|| Error::input(format!("has no tensor `{name}`"), &self.path))?;
        let mut file = self.file.borrow_mut();
        let tensor = self
            .content
            .tensor(&mut *file, &stored, &Device::Cpu)
            .and_then(|quantised| quantised.dequantize(&Device::Cpu))
            .map_err(|e| unreadable(&e))?;
        match place {
            Place::AsStored => Ok(tensor),
            Place::Transposed => Ok(tensor.t()?.contiguous()?),
            Place::Query => halves(&tensor, self.heads),
            Place::Key => halves(&tensor, self.kv_heads),
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

/// Rows of a query or key projection from GGUF's order, where the two dimensions of a rotation lie side by side, to the half-split one.
fn halves(tensor: &Tensor, heads: usize) -> Result<Tensor> {
    let dims = tensor.dims().to_vec();
    let (rows, columns) = (dims[0], tensor.elem_count() / dims[0].max(1));
    let pairs = tensor.reshape((heads, rows / heads / 2, 2, columns))?;
    Ok(pairs.transpose(1, 2)?.contiguous()?.reshape(dims)?)
}

/// The first line of a candle error, without its backtrace.
fn reason(error: &candle_core::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}
