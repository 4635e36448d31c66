//! Can the error be got back: by a better choice of features, from other hooks, by a dictionary trained on it.

mod predict;
mod pursuit;
mod train;

use egui::Ui;

use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::requests::Commands;
use crate::theme::{panel_title, space};

/// Asks for what is kept.
pub(super) fn ask(state: &AppState, id: DictionaryId, commands: &mut Commands) {
    pursuit::ask(state, id, commands);
    predict::ask(state, id, commands);
    train::ask(state, id, commands);
}

/// Returns the answers that are known, as one sentence after the other.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    let known = [
        pursuit::answer(state, id),
        predict::answer(state, id),
        train::answer(state, id),
    ];
    let known: Vec<String> = known.into_iter().flatten().collect();
    (!known.is_empty()).then(|| known.join(" "))
}

/// Draws the three ways, one below the other.
pub(super) fn back_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    ui.label(panel_title("By a better choice of features"));
    pursuit::pursuit_ui(ui, state, id, commands);
    ui.add_space(space::GROUP);
    ui.label(panel_title("From other hooks"));
    predict::predict_ui(ui, state, id, commands);
    ui.add_space(space::GROUP);
    ui.label(panel_title("By a dictionary of the error"));
    train::train_ui(ui, state, id, commands);
}
