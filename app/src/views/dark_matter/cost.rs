//! What the error costs: cross-entropy of the model with each part put back.

use egui::Ui;

use super::panel::{Offer, offer_ui};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::splice::job;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::splice::Command;

/// Asks for the kept result.
pub(super) fn ask(state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if state.dark_matter.splice.study.of != Some(id) {
        commands.send(Command::Look(id));
    }
}

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    state.dark_matter.splice.study.result(&id)?;
    None
}

/// Draws the panel.
pub(super) fn splice_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    let name = state.catalogue.get(id).map_or("", |d| d.name.as_str());
    let offer = Offer {
        what: "Replaces the activation by the reconstruction, alone and with each part of the error put back, and measures the cross-entropy of the model.",
        cost: "It reads the held-out text five times.",
        button: "Measure cross-entropy",
        again: "Measure again",
        job: &job(name),
    };
    if offer_ui(ui, state, &state.dark_matter.splice.study, &offer) {
        commands.send(Command::Compute(id));
    }
}
