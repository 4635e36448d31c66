//! Pursuit: how much of the error a better choice of features recovers.

use egui::Ui;

use super::super::panel::{Offer, offer_ui};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::pursuit::job;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::pursuit::Command;

/// Asks for the kept result.
pub(super) fn ask(state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if state.dark_matter.pursuit.study.of != Some(id) {
        commands.send(Command::Look(id));
    }
}

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    state.dark_matter.pursuit.study.result(&id)?;
    None
}

/// Draws the panel.
pub(super) fn pursuit_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    let name = state.catalogue.get(id).map_or("", |d| d.name.as_str());
    let offer = Offer {
        what: "Chooses as many features as the encoder, one by one, each the best for what is still missing, and compares them with the encoder's token by token.",
        cost: "It reads part of the held-out text once.",
        button: "Pursue",
        again: "Pursue again",
        job: &job(name),
    };
    if offer_ui(ui, state, &state.dark_matter.pursuit.study, &offer) {
        commands.send(Command::Compute(id));
    }
}
