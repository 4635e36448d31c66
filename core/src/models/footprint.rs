//! Size of a model on disk and in memory, read from the headers of its files alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::families::Family;
use super::load::Source;
use super::settings::Settings;
use super::weights::{Weights, is_buffer};
use super::{Config, Opening};
use crate::error::{Error, Result};

/// Bytes of a number in memory.
const F32: u64 = 4;

/// Unembeddings, by the ends of their names.
const HEADS: [&str; 2] = ["lm_head.weight", "embed_out.weight"];

/// Form of weights in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Every number as f32.
    #[default]
    F32,
    /// Matrices of a GGUF file as it stores them, made f32 a few rows at a time when they are used.
    Stored,
}

/// Size of a model, known before a weight is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footprint {
    /// Family name as in `model_type`.
    pub family: &'static str,
    /// Numbers in its weights; buffers and a repeated tied unembedding do not count.
    pub parameters: u64,
    /// Bytes of its weight files.
    pub disk_bytes: u64,
    /// Bytes of its weights once loaded.
    pub memory_bytes: u64,
    /// Form of the weights once loaded.
    pub form: Form,
    /// Types of the stored numbers (`F16`, `Q4_K`) and how many are of each, most first.
    pub stored: Vec<(&'static str, u64)>,
    /// The weight files.
    pub files: Vec<PathBuf>,
}

impl Footprint {
    /// Measures the model at `path` as `opening` would load it; reads headers alone.
    pub fn from_path(path: &Path, opening: Opening) -> Result<Self> {
        Source::find(path, opening)?.footprint()
    }

    /// Measures from headers.
    pub(super) fn new(settings: &Settings, weights: &dyn Weights, form: Form) -> Result<Self> {
        let family = Family::from_settings(settings)?.name();
        let tied = settings.flag("tie_word_embeddings")?;
        let (mut parameters, mut memory_bytes) = (0_u64, 0_u64);
        let mut stored = BTreeMap::<_, u64>::new();
        for entry in weights.entries() {
            let repeated = tied && HEADS.iter().any(|head| entry.name.ends_with(head));
            if !repeated && !is_buffer(&entry.name) {
                parameters += entry.elements;
                memory_bytes += match form {
                    Form::Stored if entry.matrix => entry.bytes,
                    _ => F32 * entry.elements,
                };
                *stored.entry(entry.kind).or_default() += entry.elements;
            }
        }
        let mut stored: Vec<_> = stored.into_iter().collect();
        stored.sort_by_key(|(kind, numbers)| (std::cmp::Reverse(*numbers), *kind));
        Ok(Self {
            family,
            parameters,
            disk_bytes: weights.file_bytes(),
            memory_bytes,
            form,
            stored,
            files: weights.files(),
        })
    }

    /// Counts the unembedding apart from the embedding, where the file has one matrix for both.
    pub(super) fn untied(self, settings: &Settings, config: &Config) -> Result<Self> {
        let shared = if settings.flag("tie_word_embeddings")? {
            F32 * config.vocab as u64 * config.d_model as u64
        } else {
            0
        };
        Ok(Self {
            memory_bytes: self.memory_bytes + shared,
            ..self
        })
    }

    /// Checks that the weights need no more than `free` bytes.
    pub(super) fn fits(&self, free: u64) -> Result<()> {
        if self.memory_bytes <= free {
            return Ok(());
        }
        let file = self.files.first().map(|path| path.display().to_string());
        Err(Error::OutOfMemory {
            what: format!("the model in {}", file.unwrap_or_default()),
            needed: self.memory_bytes,
            available: free,
        })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, safetensors};

    use super::*;
    use crate::models::{Card, Model};

    fn repository(path: &str) -> PathBuf {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
    }

    fn told(path: &Path) -> Footprint {
        Footprint::from_path(path, Opening::default()).unwrap()
    }

    #[test]
    fn headers_tell_what_loading_finds() {
        let golden = std::fs::read_dir(repository("tests/golden")).unwrap();
        let mut all: Vec<_> = golden
            .map(|entry| (entry.unwrap().path(), "F32"))
            .filter(|(path, _)| {
                path.join("model.safetensors").exists() && path.join("config.json").exists()
            })
            .collect();
        assert!(all.len() >= 10, "{all:?}");
        all.push((repository("assets/demo/model"), "F16"));
        for (path, kind) in all {
            let (card, noted) = Card::from_path(&path, Opening::default()).unwrap();
            let told = told(&path);
            assert_eq!(card.footprint, told);
            let (model, notes) = Model::open(&path).unwrap();
            assert_eq!(&card.config, model.config());
            assert_eq!(card.name, model.name());
            assert_eq!(card.facts, model.facts());
            assert_eq!(card.fingerprint().unwrap(), model.fingerprint());
            assert_eq!(noted, notes);
            assert_eq!(told.parameters, model.config().parameters as u64);
            assert_eq!(told.memory_bytes, 4 * told.parameters);
            assert_eq!(told.stored, [(kind, told.parameters)]);
            assert_eq!(told.family, model.config().family);
            let file = std::fs::metadata(path.join("model.safetensors")).unwrap();
            assert_eq!(told.disk_bytes, file.len());
            assert_eq!(&told, model.footprint());
        }
    }

    #[test]
    fn a_model_larger_than_the_memory_is_refused_with_both_figures() {
        let told = told(&repository("tests/golden/tiny-gpt2"));
        told.fits(told.memory_bytes).unwrap();
        let said = told.fits(1000).unwrap_err().to_string();
        let needed = told.memory_bytes.to_string();
        for word in [needed.as_str(), "1000", "model.safetensors"] {
            assert!(said.contains(word), "{said}");
        }
    }

    #[test]
    fn a_tied_unembedding_stored_again_is_not_counted() {
        let golden = repository("tests/golden/tiny-gpt2");
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(
            golden.join("config.json"),
            folder.path().join("config.json"),
        )
        .unwrap();
        let mut tensors =
            safetensors::load(golden.join("model.safetensors"), &Device::Cpu).unwrap();
        let embed = tensors["transformer.wte.weight"].clone();
        tensors.insert("lm_head.weight".to_owned(), embed.clone());
        tensors.insert("transformer.h.0.attn.bias".to_owned(), embed);
        safetensors::save(&tensors, folder.path().join("model.safetensors")).unwrap();
        let (again, once) = (told(folder.path()), told(&golden));
        assert_eq!(again.parameters, once.parameters);
        assert!(again.disk_bytes > once.disk_bytes);
    }

    #[test]
    fn a_card_names_missing_and_misshapen_tensors_without_reading_any() {
        let golden = repository("tests/golden/tiny-llama");
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("model.safetensors");
        std::fs::copy(golden.join("model.safetensors"), &weights).unwrap();
        let config = std::fs::read_to_string(golden.join("config.json")).unwrap();
        let refused = |from: &str, to: &str| {
            assert!(config.contains(from));
            let path = folder.path().join("config.json");
            std::fs::write(path, config.replace(from, to)).unwrap();
            Card::from_path(folder.path(), Opening::default()).map(|_| ())
        };
        let said = |from, to| refused(from, to).unwrap_err().to_string();
        let layers = said("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4");
        assert!(layers.contains("layers.3.") && layers.contains(" is missing from "));
        let wider = said("\"vocab_size\": 512", "\"vocab_size\": 600");
        assert!(
            wider.contains("[512, 32]") && wider.contains("[600, 32]"),
            "{wider}"
        );
        // Only loading checks values for NaN.
        let mut bytes = std::fs::read(&weights).unwrap();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(&weights, bytes).unwrap();
        refused("\"vocab_size\": 512", "\"vocab_size\": 512").unwrap();
        let found = Model::open(folder.path()).unwrap_err().to_string();
        assert!(found.contains("NaN"), "{found}");
    }
}
