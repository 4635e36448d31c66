//! How much is missing: the share of the variance that the dictionary leaves unexplained, and its parts.

use egui::{Label, Ui};

use super::{depth, fit, panels};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::requests::Commands;
use crate::theme::{panel_title, space};
use crate::widgets::number;

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    let probe = state.dark_matter.fit.of(id)?;
    Some(format!(
        "{} of the variance of the activations is unexplained, {} by neither the dictionary nor a linear map.",
        number::percent(probe.fvu_total),
        number::percent(probe.fvu_nonlinear)
    ))
}

/// Draws the panel.
pub(super) fn missing_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if let Some(probe) = state.dark_matter.fit.of(id) {
        let measured = state.catalogue.get(id).and_then(|d| d.evaluation.ready());
        panels::panels_ui(ui, probe, measured);
    }
    fit::fit_ui(ui, state, id, commands);
    ui.add_space(space::GROUP);
    ui.label(panel_title("Along depth"));
    if let Some(answer) = depth::answer(state, id) {
        ui.add(Label::new(answer).wrap().selectable(true));
    }
    depth::depth_ui(ui, state, id, commands);
}
