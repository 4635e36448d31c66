//! Dictionaries trained on the error.

use egui::Ui;

use super::super::panel::{Offer, offer_ui};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::train::job;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::train::Command;

/// Asks for the kept result.
pub(super) fn ask(state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if state.dark_matter.train.study.of != Some(id) {
        commands.send(Command::Look(id));
    }
}

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    state.dark_matter.train.study.result(&id)?;
    None
}

/// Draws the panel.
pub(super) fn train_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    let name = state.catalogue.get(id).map_or("", |d| d.name.as_str());
    let offer = Offer {
        what: "Trains a dictionary on the error of this one and compares the two.",
        cost: "It trains on the training text.",
        button: "Train on the error",
        again: "Train again",
        job: &job(name),
    };
    if offer_ui(ui, state, &state.dark_matter.train.study, &offer) {
        commands.send(Command::Compute(id));
    }
}
