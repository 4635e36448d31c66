//! How much of the error reconstructions of other hooks predict.

use egui::Ui;

use super::super::panel::{Offer, offer_ui};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::predict::job;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::predict::Command;

/// Asks for the kept result.
pub(super) fn ask(state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if state.dark_matter.predict.study.of != Some(id) {
        commands.send(Command::Look(id));
    }
}

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    state.dark_matter.predict.study.result(&id)?;
    None
}

/// Draws the panel.
pub(super) fn predict_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    let name = state.catalogue.get(id).map_or("", |d| d.name.as_str());
    let offer = Offer {
        what: "Predicts the error and its parts from the reconstructions of other dictionaries of this model.",
        cost: "It reads the training text once and the held-out text once.",
        button: "Predict the error",
        again: "Predict again",
        job: &job(name),
    };
    if offer_ui(ui, state, &state.dark_matter.predict.study, &offer) {
        commands.send(Command::Compute(id));
    }
}
