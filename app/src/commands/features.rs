//! Table, feature page, labels.

use umbra_core::ids::FeatureId;

use super::{Commands, Context};
use crate::state::project::LabelChange;
use crate::state::{AppState, Event, project};

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Label a feature of the selected dictionary; an empty text removes the label.
    SetLabel {
        /// Which.
        feature: FeatureId,
        /// The text.
        text: String,
    },
    /// Take the last label change back.
    UndoLabel,
}

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::SetLabel { feature, text } => set_label(context, feature, text.trim()),
            Self::UndoLabel => undo_label(context),
        }
    }
}

/// What the state calls for.
pub(super) fn follow(_state: &AppState, _commands: &mut Commands) {}

fn set_label(context: &mut Context<'_>, feature: FeatureId, text: &str) {
    let Some(sae) = context.state.dictionary().map(|d| d.name.clone()) else {
        return;
    };
    let before = context.state.label(feature).unwrap_or_default().to_owned();
    if before == text || !write_label(context, &sae, feature, text) {
        return;
    }
    context.apply(Event::Project(project::Event::LabelSet(LabelChange {
        sae,
        feature,
        before,
        after: text.to_owned(),
    })));
}

fn undo_label(context: &mut Context<'_>) {
    let Some(change) = context.state.project.label_changes.last().cloned() else {
        return;
    };
    if write_label(context, &change.sae, change.feature, &change.before) {
        context.apply(Event::Project(project::Event::LabelUndone));
    }
}

/// Writes one row of `labels.sqlite` (at once: it is one row, and edits must keep their order).
fn write_label(context: &mut Context<'_>, sae: &str, feature: FeatureId, text: &str) -> bool {
    let Some(project) = context.state.project.open() else {
        return false;
    };
    let written = project
        .labels()
        .and_then(|labels| labels.set(sae, feature, text));
    match written {
        Ok(_) => true,
        Err(error) => {
            context.fail(format!("The label was not kept: {error}"));
            false
        }
    }
}
