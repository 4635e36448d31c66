//! Does more width help: the error of several dictionaries of one hook against their number of features.

use egui::Ui;

use super::panel::{Offer, offer_ui};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::ladder::job;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::ladder::Command;

/// Asks for the kept result.
pub(super) fn ask(state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if state.dark_matter.ladder.study.of != Some(id) {
        commands.send(Command::Look(id));
    }
}

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    state.dark_matter.ladder.study.result(&id)?;
    None
}

/// Draws the panel.
pub(super) fn ladder_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    let name = state.catalogue.get(id).map_or("", |d| d.name.as_str());
    let offer = Offer {
        what: "Compares the dictionaries of this hook on the same tokens: error by number of features, the law that it follows, and how well the error of one dictionary predicts that of another.",
        cost: "It reads the held-out text once.",
        button: "Compare widths",
        again: "Compare again",
        job: &job(name),
    };
    if offer_ui(ui, state, &state.dark_matter.ladder.study, &offer) {
        commands.send(Command::Compute(id));
    }
}
