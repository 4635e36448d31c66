//! Requests of the dialog that opens a model or a dictionary.

use std::path::PathBuf;

use umbra_core::hub::Name;
use umbra_core::models::Opening;

use crate::state::opening::{Kind, Request};

/// Requests of this area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Show the dialog for a model or a dictionary.
    Show(Kind),
    /// Close it.
    Close,
    /// One more letter of the source.
    Typed(String),
    /// Show the dialog with this source.
    Source(Kind, PathBuf),
    /// Ask for a folder, or for a file, by the system's dialog.
    Pick {
        /// Whether a file is meant.
        file: bool,
    },
    /// Open it like this.
    How(Opening),
    /// Open this layer of a cross-layer transcoder.
    Layer(usize),
    /// Fetch nothing, or what is missing.
    Offline(bool),
    /// Look at the source: its headers, or the hub's cache.
    Look(Request),
    /// Fetch it from the hub.
    Fetch(Name),
    /// Open the source that was looked at.
    Open,
}
