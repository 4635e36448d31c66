//! A training run as settings: what it reads, what it trains and where to, whoever asks for it.

use std::path::PathBuf;
use std::time::Duration;

use super::OnError;
use crate::device::DeviceWish;
use crate::models::Opening;
use crate::train::Spec;
use crate::workbench::text::TextRequest;

/// Everything that decides a training run. The command line reads and writes it as `umbra train …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Source of the activations.
    pub reads: Reads,
    /// Folder of the dictionary that the first one starts from; its [`Spec::start`] is that dictionary.
    pub from: Option<PathBuf>,
    /// Part of a dictionary's error that all of them read in place of the activation; none: the activation.
    pub on: Option<OnError>,
    /// Dictionaries with the folders that they are saved in. Those after the first are trained from the same model pass.
    pub dictionaries: Vec<(Spec, PathBuf)>,
    /// Time between checkpoints, in whole minutes.
    pub checkpoint: Option<Duration>,
    /// Device that computes the steps.
    pub device: DeviceWish,
}

/// Source of the activations of a training run.
#[derive(Debug, Clone, PartialEq)]
pub enum Reads {
    /// A model that reads a text.
    Text {
        /// Folder, file or name of the model.
        model: PathBuf,
        /// How the model is opened.
        opening: Opening,
        /// Text; the settings of the run decide positions and separate documents.
        text: TextRequest,
    },
    /// Activation store.
    Store(PathBuf),
}
