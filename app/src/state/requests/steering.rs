//! Requests of the steering lab.

pub(crate) mod causes;
pub(crate) mod files;
pub(crate) mod sweep;

use umbra_core::ids::{FeatureId, Head, Layer};

use crate::state::catalogue::DictionaryId;
use crate::state::steering::tab::Tab;
use crate::state::steering::{Draft, EditDraft, Request};

/// Requests of this area.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Show a tab.
    Show(Tab),
    /// A request of the tab Sweep.
    Sweep(sweep::Command),
    /// The form was edited.
    Draft(Box<Draft>),
    /// Add an edit that turns up each of these features of a dictionary, and show the last one.
    Steer(DictionaryId, Vec<FeatureId>),
    /// Add an edit that silences this head and show it.
    Silence(Layer, Head),
    /// Add these edits to the stack and show them, with the text to continue if they are of one.
    Put(Vec<EditDraft>, Option<String>),
    /// See [`causes::Command`].
    Causes(causes::Command),
    /// Stream baseline and steered text.
    Run(Request),
    /// Do the same in small, on a feature's page.
    Try(Request),
    /// Put an edit that adds this many decoder rows of a dictionary's feature into the stack, and show it.
    Carry(DictionaryId, FeatureId, f32),
    /// See [`files::Command`].
    Files(files::Command),
    /// Stop the run; what was written stays.
    Stop,
    /// Let texts follow the form at once, or only on request.
    Live(bool),
    /// Say why the command line of a run cannot be written.
    NoLine(String),
}
