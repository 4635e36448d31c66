//! Requests for projects, and to open models, dictionaries, indexes and texts.

use std::path::PathBuf;

use umbra_core::models::Opening;

use crate::state::catalogue::DictionaryId;

/// Purpose of a file dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pick {
    /// A project's folder.
    Project,
    /// A folder for a new project.
    NewProject,
    /// A folder to save the open project in.
    SaveProject,
    /// An index file.
    Index,
    /// A file of reference values for the model.
    Reference,
    /// A text file; held out or not.
    Text {
        /// Whether no dictionary may train on it.
        held_out: bool,
    },
}

/// Something that is named and not loaded yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The model.
    Model,
    /// The weights of a dictionary.
    Sae(DictionaryId),
    /// The index of a dictionary.
    Index(DictionaryId),
    /// Whether that index belongs to the dictionary and the model.
    IndexFit(DictionaryId),
}

/// Requests of this area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Open the bundled demo over the user's data folder.
    OpenDemo,
    /// Open the project in this folder.
    OpenProject(PathBuf),
    /// Make a new project in this folder and open it.
    NewProject(PathBuf),
    /// Ask whether to restore the demo.
    AskToRestore,
    /// Restore the user's copy of the demo and open it.
    RestoreDemo,
    /// Copy the open project to this folder and continue there.
    SaveAs(PathBuf),
    /// Drop a folder from the recent projects, or a path from the recent models.
    Forget(PathBuf),
    /// Ask for a path by the system's dialog.
    Pick(Pick),
    /// Load a model into the project; from the demo, into a new project.
    OpenModel(PathBuf, Opening),
    /// Add a dictionary to the project.
    OpenSae(PathBuf),
    /// Open an index and tie it to its dictionary.
    OpenIndex(PathBuf),
    /// Add a text to the project.
    AddText {
        /// A file or a folder of files.
        path: PathBuf,
        /// Whether no dictionary may train on it.
        held_out: bool,
    },
    /// Read the project's texts like this.
    Reading {
        /// Folders in folders too.
        recursive: bool,
        /// Column or field to read; by default the usual ones.
        column: Option<String>,
    },
    /// Compare the model with the reference values in a file, else in the one beside it, else with itself.
    Verify(Option<PathBuf>),
    /// Open these files or folders.
    Dropped(Vec<PathBuf>),
    /// Load what is named and absent.
    Load(Missing),
    /// Give the memory of models and dictionaries that are no longer open back to the system.
    GiveBack,
    /// Write what is loaded into `umbra.toml`.
    Keep,
}
