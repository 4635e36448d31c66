//! Steering as settings: everything that decides the two texts of a run, whoever asks for it.

use std::path::PathBuf;

use super::materials::Sources;
use crate::device::DeviceWish;
use crate::ids::HookPoint;
use crate::models::{BosWish, Form, Processing, Sampling};
use crate::steer::EditSpec;

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
    /// Folder, file or name of the dictionary whose features edits name.
    pub sae: Option<PathBuf>,
    /// Hook of the dictionary, in place of the one its file names.
    pub hook: Option<HookPoint>,
    /// Edits, in their order.
    pub edits: Vec<EditSpec>,
    /// Sources of the materials of edits.
    pub sources: Sources,
    /// Device that runs the dictionary.
    pub device: DeviceWish,
    /// Text that both continuations begin with.
    pub prompt: String,
    /// Sampling of tokens.
    pub sampling: Sampling,
}
