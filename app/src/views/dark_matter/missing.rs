//! How much is missing: the share of the variance that the dictionary leaves unexplained, its parts, and the same along the depth of the model.

use egui::{Label, Ui};
use umbra_core::dark_matter::Probe;

use super::{depth, fit, panels};
use crate::state::AppState;
use crate::state::catalogue::{DictionaryId, Evaluation};
use crate::state::requests::Commands;
use crate::theme::{Hue, Theme, caption, panel_title, space};
use crate::widgets::number::percent;
use crate::widgets::stacked_bars::{Portion, StackedBar, StackedBars};

/// Definition of the bar.
const SPLIT: &str = "Variance of the activations on held-out text: explained = 1 − Σ‖x − x̂‖² / Σ‖x − mean x‖²; linear = what adding the linear part of the error explains beyond that; nonlinear = what reconstruction and linear part leave together";

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    let probe = state.dark_matter.fit.of(id)?;
    Some(format!("{}.", probe.missing()))
}

/// Draws the panel.
pub(super) fn missing_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if let Some(probe) = state.dark_matter.fit.of(id) {
        let dictionary = state.catalogue.get(id);
        let name = dictionary.map_or("", |d| d.name.as_str());
        split_ui(ui, probe, name);
        let measured = dictionary.and_then(|d| d.evaluation.ready());
        parts_ui(ui, probe, measured);
        ui.add_space(space::CONTROL);
    }
    fit::fit_ui(ui, state, id, commands);
    ui.add_space(space::GROUP);
    ui.label(panel_title("Along depth"));
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

/// Writes FVU of both parts with their intervals.
fn parts_ui(ui: &mut Ui, probe: &Probe, measured: Option<&Evaluation>) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let ends = probe.facts.intervals.as_ref();
    let figure = |name: &str, value: f64, ends: Option<[f64; 2]>| {
        let between = ends.map_or_else(String::new, |[low, high]| {
            format!(" (95 % interval {} to {})", percent(low), percent(high))
        });
        format!("{name} {}{between}", percent(value))
    };
    let total = figure("FVU", probe.fvu_total, ends.map(|of| of.fvu_total));
    let nonlinear = figure(
        "FVU nonlinear",
        probe.fvu_nonlinear,
        ends.map(|of| of.fvu_nonlinear),
    );
    let words = format!("{total}, {nonlinear}. {}", panels::texts(probe, measured));
    let help = format!(
        "FVU: {}\nFVU nonlinear: {}",
        panels::definition("fvu_total"),
        panels::definition("fvu_nonlinear")
    );
    ui.add(
        Label::new(caption(words).color(secondary))
            .wrap()
            .selectable(true),
    )
    .on_hover_text(help);
}
