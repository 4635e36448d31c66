//! Requests of the steering lab.

use umbra_core::ids::{FeatureId, Head, Layer};

use crate::state::catalogue::DictionaryId;
use crate::state::steering::{Draft, Request};

/// Requests of this area.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// The form was edited.
    Draft(Box<Draft>),
    /// Add an edit that turns up each of these features of a dictionary, and show the last one.
    Steer(DictionaryId, Vec<FeatureId>),
    /// Add an edit that silences this head and show it.
    Silence(Layer, Head),
    /// Stream baseline and steered text.
    Run(Request),
    /// Do the same in small, on a feature's page.
    Try(Request),
    /// Put an edit that adds this many decoder rows of a dictionary's feature into the stack, and show it.
    Carry(DictionaryId, FeatureId, f32),
    /// Stop the run; what was written stays.
    Stop,
    /// Say why the command line of a run cannot be written.
    NoLine(String),
}
