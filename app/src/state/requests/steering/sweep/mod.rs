//! Requests of the tab Sweep.

use umbra_core::ids::FeatureId;

use crate::state::catalogue::DictionaryId;
use crate::state::steering::sweep::{Figure, Form};

/// Requests of the tab.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Look for the result kept with the project.
    Look(DictionaryId),
    /// The form was edited.
    Form(Box<Form>),
    /// Show the tab with these features of a dictionary.
    Take(DictionaryId, Vec<FeatureId>),
    /// Choose a file of prompts.
    ChoosePrompts,
    /// Sweep what the form says and keep the result with the project.
    Sweep(DictionaryId),
    /// Search for the largest strength of a feature and keep it with the project.
    Limit(DictionaryId, FeatureId),
    /// Show the curves of this feature.
    Show(FeatureId),
    /// Show this figure in the heat map.
    Figure(Figure),
}

impl From<Command> for crate::state::requests::Command {
    fn from(command: Command) -> Self {
        Self::Steering(super::Command::Sweep(command))
    }
}
