//! Requests for training runs.

use std::path::PathBuf;

use umbra_core::bench;
use umbra_core::ids::HookPoint;

use crate::state::training::{Form, TextKey};

/// Requests of this area.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// The form was edited.
    Fill(Form),
    /// Show the form ready to train on this layer's attention values.
    Preset(HookPoint),
    /// Ask for a text by the system's dialog.
    PickText,
    /// Ask for an activation store by the system's dialog.
    PickStore,
    /// Read and count the text of the form.
    CountText(TextKey),
    /// Open the store of the form.
    OpenStore(PathBuf),
    /// Measure how long a training step of these sizes takes.
    Measure(bench::Settings),
    /// Ask for a dictionary to continue from by the system's dialog.
    PickStart,
    /// Read the dictionary to continue from.
    OpenStart(PathBuf),
    /// Start the run that the form describes.
    Start,
    /// Say why the command line of the run cannot be written.
    NoLine(String),
    /// Stop the run and save its dictionaries as they are.
    Stop,
    /// Go on with the run that ended, from its checkpoints.
    GoOn,
    /// Show densities and features of this one of the run's dictionaries.
    Show(usize),
    /// List the runs that left records with the project.
    ListPast(PathBuf),
    /// Show the curves of a past run, or hide them.
    TogglePast(PathBuf),
    /// Read the curves of a past run.
    ReadCurves(PathBuf),
    /// Go on with a past run, from its checkpoint.
    GoOnPast(PathBuf),
    /// Write this one of the run's dictionaries, which could not be written.
    SaveAgain(usize),
    /// Close a finished run.
    Clear,
}
