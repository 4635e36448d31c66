//! Whether the split can be trusted: planted errors found again on the settings in use.

use egui::Ui;

use super::panel::{Offer, offer_ui};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::self_test::job;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::self_test::Command;

/// Asks for the kept result.
pub(super) fn ask(state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if state.dark_matter.self_test.study.of != Some(id) {
        commands.send(Command::Look(id));
    }
}

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    state.dark_matter.self_test.study.result(&id)?;
    None
}

/// Draws the panel.
pub(super) fn self_test_ui(
    ui: &mut Ui,
    state: &AppState,
    id: DictionaryId,
    commands: &mut Commands,
) {
    let name = state.catalogue.get(id).map_or("", |d| d.name.as_str());
    let offer = Offer {
        what: "Plants a linear, an absent-feature and a nonlinear error of known size, and shows whether the split finds them.",
        cost: "It reads the training text once.",
        button: "Run the self-test",
        again: "Run again",
        job: &job(name),
    };
    if offer_ui(ui, state, &state.dark_matter.self_test.study, &offer) {
        commands.send(Command::Compute(id));
    }
}
