//! Steering as settings: everything that decides the two texts of a run, whoever asks for it.

use std::path::PathBuf;

use super::materials::Sources;
use crate::ids::HookPoint;
use crate::models::{BosWish, Form, Processing, Sampling};
use crate::steer::EditSpec;

/// Everything that decides a steered text. The command line reads and writes it as `umbra steer …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Folder, file or name of the model.
    pub model: PathBuf,
    /// How the model's weights are held.
    pub form: Form,
    /// How they are processed; none: as the dictionary's file says.
    pub processing: Option<Processing>,
    /// Use of BOS.
    pub bos: BosWish,
    /// Folder, file or name of the dictionary whose features edits name.
    pub sae: Option<PathBuf>,
    /// Hook of the dictionary, in place of the one its file names.
    pub hook: Option<HookPoint>,
    /// Edits, in their order.
    pub edits: Vec<EditSpec>,
    /// Where the materials of the edits are.
    pub sources: Sources,
    /// Text that both continuations begin with.
    pub prompt: String,
    /// How tokens are picked.
    pub sampling: Sampling,
}
