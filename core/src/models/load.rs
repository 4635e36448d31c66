//! From a path to a model: which files, which family, which tokenizer. The only file of `models` that opens files besides `weights`.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Config;
use super::decoder::Decoder;
use super::families::Family;
use super::gguf::Gguf;
use super::settings::Settings;
use super::weights::{Fetch, Safetensors};
use crate::error::{Error, Notes, Result};
use crate::text::TextCodec;

/// Everything read from disk.
pub(super) struct Loaded {
    /// The model's shape.
    pub(super) config: Config,
    /// Its weights.
    pub(super) decoder: Decoder,
    /// Its tokenizer.
    pub(super) codec: TextCodec,
    /// Files whose bytes are its weights.
    pub(super) files: Vec<PathBuf>,
}

/// Reads the model at `path`; `notes` gets what was decided.
pub(super) fn open(path: &Path, notes: &mut Notes) -> Result<Loaded> {
    if !path.exists() {
        return Err(Error::input(
            "does not exist: give a model folder or a .gguf file",
            path,
        ));
    }
    if path.is_file() {
        return gguf(path, notes);
    }
    folder(path, notes)
}

fn gguf(path: &Path, notes: &mut Notes) -> Result<Loaded> {
    let file = Gguf::open(path)?;
    let settings = file.settings()?;
    let codec = file.codec()?;
    let (config, decoder) = Family::of(&settings)?.build(settings, &Fetch::new(&file))?;
    notes.add("GGUF: weights are dequantised to f32, q and k rows are in half-split rotary order");
    Ok(Loaded {
        config,
        decoder,
        codec,
        files: vec![path.to_path_buf()],
    })
}

fn folder(path: &Path, notes: &mut Notes) -> Result<Loaded> {
    let settings_path = path.join("config.json");
    if !settings_path.exists() {
        return Err(Error::input(
            "is no model folder, config.json is missing",
            path,
        ));
    }
    let settings = Settings::open(&settings_path)?;
    if settings.get("quantization_config").is_some() {
        return Err(settings.unsupported("`quantization_config`"));
    }
    let family = Family::of(&settings)?;
    let files = Safetensors::open(path)?;
    let (config, decoder) = family.build(settings, &Fetch::new(&files))?;
    let codec = if path.join("tokenizer.json").exists() {
        TextCodec::open(path)?
    } else {
        notes.add("No tokenizer.json: tokens are numbers, text cannot be read");
        TextCodec::numbers(path, config.vocab)?
    };
    if codec.vocab_size() > config.vocab {
        notes.add(format!(
            "The tokenizer has {} tokens, the model reads {}: those beyond are refused where a text holds them",
            codec.vocab_size(),
            config.vocab
        ));
    }
    Ok(Loaded {
        config,
        decoder,
        codec,
        files: files.files().to_vec(),
    })
}

/// Hex SHA-256 over the bytes of `files` in order.
pub(super) fn fingerprint(files: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    for path in files {
        let mut file = std::fs::File::open(path)
            .map_err(|e| Error::io("reading the weights for their checksum", path, e))?;
        std::io::copy(&mut file, &mut hash)
            .map_err(|e| Error::io("reading the weights for their checksum", path, e))?;
    }
    Ok(format!("{:x}", hash.finalize()))
}
