//! Steering as settings: everything that decides the two texts of a run, whoever asks for it.

use std::path::{Path, PathBuf};

use super::materials::Sources;
use crate::device::DeviceWish;
use crate::error::Result;
use crate::ids::{HookPoint, TokenId};
use crate::models::{BosWish, Form, Model, Processing, Sampling};
use crate::prompt::Input;
use crate::steer::{self, EditSpec, Edits, Outcome, Proof};

/// A dictionary of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dictionary {
    /// Name by which edits name it; none: that of its folder or file.
    pub name: Option<String>,
    /// Folder, file or name on the hub.
    pub path: PathBuf,
}

impl Dictionary {
    /// Reads `PATH` or `NAME=PATH`; a name has no `/`, `\` or `:`.
    pub fn from_written(written: &Path) -> Self {
        let named = written.to_str().and_then(|text| text.split_once('='));
        let named = named.filter(|(name, path)| {
            !name.is_empty() && !path.is_empty() && !name.contains(['/', '\\', ':'])
        });
        match named {
            Some((name, path)) => Self {
                name: Some(name.to_owned()),
                path: path.into(),
            },
            None => Self {
                name: None,
                path: written.to_path_buf(),
            },
        }
    }

    /// Writes what [`Dictionary::from_written`] reads.
    pub fn written(&self) -> PathBuf {
        let Some(name) = &self.name else {
            return self.path.clone();
        };
        let mut written = std::ffi::OsString::from(format!("{name}="));
        written.push(&self.path);
        written.into()
    }
}

/// Everything that decides a steered text. The command line reads and writes it as `umbra steer …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Folder, file or name of the model.
    pub model: PathBuf,
    /// Form of the model's weights in memory.
    pub form: Form,
    /// Processing of the weights; none: as the dictionary's file says.
    pub processing: Option<Processing>,
    /// Use of BOS.
    pub bos: BosWish,
    /// The dictionaries whose features edits name.
    pub saes: Vec<Dictionary>,
    /// Hook of the only dictionary, in place of the one its file names.
    pub hook: Option<HookPoint>,
    /// Edits, in their order.
    pub edits: Vec<EditSpec>,
    /// Sources of the materials of edits.
    pub sources: Sources,
    /// Device that runs the dictionary.
    pub device: DeviceWish,
    /// Text or chat that both continuations begin with.
    pub prompt: Input,
    /// Sampling of tokens; sample i has seed `seed + i`.
    pub sampling: Sampling,
    /// Number of samples, each of two texts.
    pub samples: usize,
}

/// Proves that the edits of a run acted, on the prompt and the first sample's steered text; see [`steer::prove`].
pub fn prove(model: &Model, edits: &Edits, prompt: &[TokenId], outcome: &Outcome) -> Result<Proof> {
    let mut row = prompt.to_vec();
    if let Some(sample) = outcome.samples.first() {
        // The last token was not read by any pass.
        let steered = &sample.steered.written.tokens;
        row.extend(steered.iter().take(steered.len().saturating_sub(1)));
    }
    steer::prove(model, edits, &row, prompt.len())
}
