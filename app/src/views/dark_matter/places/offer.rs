//! The offer to measure where the error is over the project's text.

use egui::Ui;

use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::places::job;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::places::Command;
use crate::views::dark_matter::panel::{self, Offer};

/// Asks for the kept result.
pub(in crate::views::dark_matter) fn ask(
    state: &AppState,
    id: DictionaryId,
    commands: &mut Commands,
) {
    if state.dark_matter.places.study.of != Some(id) {
        commands.send(Command::Look(id));
    }
}

/// Draws the offer, or how far the measurement is.
pub(in crate::views::dark_matter) fn offer_ui(
    ui: &mut Ui,
    state: &AppState,
    id: DictionaryId,
    commands: &mut Commands,
) {
    let name = state.catalogue.get(id).map_or("", |d| d.name.as_str());
    let offer = Offer {
        what: "Measures the error over the project's text: by kind of token, by position and by token, what predicts its size, and the contexts that are explained least and best.",
        cost: "It reads part of the training text for the fits, then the held-out text.",
        button: "Locate the error",
        again: "Measure again",
        job: &job(name),
    };
    if panel::offer_ui(ui, state, &state.dark_matter.places.study, &offer) {
        commands.send(Command::Compute(id));
    }
}
