//! How much is missing: the share of the variance that the dictionary leaves unexplained, and its parts.

use egui::{Label, Ui};
use umbra_core::dark_matter::Probe;

use super::{depth, fit, panels};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::requests::Commands;
use crate::theme::{Hue, Theme, panel_title, space};
use crate::widgets::number::percent;
use crate::widgets::stacked_bars::{Portion, StackedBar, StackedBars};

/// Definition of the bar.
const SPLIT: &str = "Variance of the activations on held-out text: explained = 1 − Σ‖x − x̂‖² / Σ‖x − mean x‖²; linear = what adding the linear part of the error explains beyond that; nonlinear = what reconstruction and linear part leave together";

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    let probe = state.dark_matter.fit.of(id)?;
    Some(format!(
        "{} of the variance of the activations is unexplained, {} by neither the dictionary nor a linear map.",
        percent(probe.fvu_total),
        percent(probe.fvu_nonlinear)
    ))
}

/// Draws the panel.
pub(super) fn missing_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if let Some(probe) = state.dark_matter.fit.of(id) {
        let name = state.catalogue.get(id).map_or("", |d| d.name.as_str());
        split_ui(ui, probe, name);
        ui.add_space(space::CONTROL);
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

/// Draws the variance as one bar: what the dictionary explains, and both parts of what it does not.
fn split_ui(ui: &mut Ui, probe: &Probe, name: &str) {
    let theme = Theme::from_ui(ui);
    let parts = [
        1.0 - probe.fvu_total,
        probe.fvu_total - probe.fvu_nonlinear,
        probe.fvu_nonlinear,
    ];
    let colours = [
        theme.hue(Hue::Activation),
        theme.mark(Hue::Error, 0.5),
        theme.hue(Hue::Error),
    ];
    let names = ["explained", "linear error", "nonlinear error"];
    let names = names.iter().zip(parts);
    let names: Vec<String> = names
        .map(|(name, part)| format!("{name} {}", percent(part)))
        .collect();
    let kinds: Vec<Portion<'_>> = (names.iter().zip(colours))
        .map(|(name, colour)| Portion { name, colour })
        .collect();
    let bar = StackedBar {
        label: name.to_owned(),
        parts: parts.to_vec(),
        text: format!("{} missing", percent(probe.fvu_total)),
        ..StackedBar::default()
    };
    let bars = StackedBars {
        name: "Variance explained and missing",
        title: "Dictionary",
        kinds: &kinds,
        list: &[bar],
        most: Some(1.0),
        format: percent,
        clickable: false,
        definition: SPLIT,
    };
    bars.show(ui);
}
