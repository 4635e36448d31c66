//! The architectures of GGUF files: one file and one line in [`ARCHITECTURES`] each. An architecture turns its header into the keys of `config.json`
//! and says how its tensors are named and laid out.

mod gated;
mod gemma2;
mod gemma3;
mod gpt2;
mod llama;
mod qwen2;
mod qwen3;

use serde_json::Value;

use super::Gguf;
use crate::error::{Error, Result};

/// Kind of file.
pub(super) struct Architecture {
    /// Value of `general.architecture`.
    pub(super) name: &'static str,
    /// Converts the header to the keys of `config.json`.
    pub(super) settings: fn(&Gguf) -> Result<Value>,
    /// Prefix of a layer's number in HuggingFace names.
    pub(super) layers: &'static str,
    /// Tensors of a layer: HuggingFace's name, and the one stored.
    pub(super) parts: &'static [&'static [(&'static str, &'static str)]],
    /// Tensors outside the layers, whole names.
    pub(super) outside: &'static [(&'static str, &'static str)],
    /// Whether rows of q and k heads have the two dimensions of a rotation side by side.
    pub(super) interleaved: bool,
    /// Whether HuggingFace stores matrices `[in, out]`.
    pub(super) transposed: bool,
}

/// All architectures.
const ARCHITECTURES: [Architecture; 6] = [
    gpt2::ARCHITECTURE,
    llama::ARCHITECTURE,
    qwen2::ARCHITECTURE,
    qwen3::ARCHITECTURE,
    gemma2::ARCHITECTURE,
    gemma3::ARCHITECTURE,
];

impl Architecture {
    /// Finds the architecture called `name` in the file at `path`.
    pub(super) fn named(name: &str, path: &std::path::Path) -> Result<&'static Self> {
        ARCHITECTURES
            .iter()
            .find(|known| known.name == name)
            .ok_or_else(|| {
                let known: Vec<_> = ARCHITECTURES.iter().map(|known| known.name).collect();
                Error::Unsupported {
                    what: format!("the GGUF architecture `{name}` in {}", path.display()),
                    remedy: format!("choose a file of one of these: {}", known.join(", ")),
                }
            })
    }
}
