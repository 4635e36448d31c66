//! Is the error linear: how well a linear map of the activation predicts it, and whether the split can be trusted.

use egui::{Label, Ui};

use super::{fit, panels, self_test};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::requests::Commands;
use crate::theme::{panel_title, space};
use crate::widgets::number;

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    let probe = state.dark_matter.fit.of(id)?;
    Some(format!(
        "A linear map of the activation predicts {} of the variance of the error on held-out text.",
        number::percent(probe.r2_weighted)
    ))
}

/// Draws the panel.
pub(super) fn linear_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if let Some(probe) = state.dark_matter.fit.of(id) {
        let measured = state.catalogue.get(id).and_then(|d| d.evaluation.ready());
        panels::panels_ui(ui, probe, measured);
    }
    fit::fit_ui(ui, state, id, commands);
    ui.add_space(space::GROUP);
    ui.label(panel_title("Can the split be trusted?"));
    if let Some(answer) = self_test::answer(state, id) {
        ui.add(Label::new(answer).wrap().selectable(true));
    }
    self_test::self_test_ui(ui, state, id, commands);
}
