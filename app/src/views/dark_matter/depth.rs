//! The error along the depth of the model.

use egui::Ui;

use super::panel::{Offer, offer_ui};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::depth::job;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::depth::Command;

/// Asks for the kept result.
pub(super) fn ask(state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if state.dark_matter.depth.study.of != Some(id) {
        commands.send(Command::Look(id));
    }
}

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    state.dark_matter.depth.study.result(&id)?;
    None
}

/// Draws the panel.
pub(super) fn depth_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    let name = state.catalogue.get(id).map_or("", |d| d.name.as_str());
    let offer = Offer {
        what: "Measures the error of every dictionary of this model on the same text.",
        cost: "It reads the held-out text once for each hook.",
        button: "Measure all dictionaries",
        again: "Measure again",
        job: &job(name),
    };
    if offer_ui(ui, state, &state.dark_matter.depth.study, &offer) {
        commands.send(Command::Compute(id));
    }
}
