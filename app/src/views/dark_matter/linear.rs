//! Is the error linear: how well a linear map predicts it, whether its norm is that of a sparse sum of features, and whether the split can be trusted.

use egui::{Label, Ui};
use umbra_core::dark_matter::places::{Component, Places};

use super::{fit, panels, places, self_test};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::requests::Commands;
use crate::theme::{Hue, Theme, panel_title, space};
use crate::widgets::number;
use crate::widgets::stacked_bars::{Portion, StackedBar, StackedBars};

/// Definition of the norm test.
const NORMS: &str = "R² on held-out text of the squared norm of each vector, predicted from the activation by least squares. A sum of few nearly orthogonal features with steady coefficients has a predictable norm; the nonlinear error is the least like one";

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    let probe = state.dark_matter.fit.of(id)?;
    Some(format!("{}.", probe.conclusion()))
}

/// Draws the panel.
pub(super) fn linear_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if let Some(probe) = state.dark_matter.fit.of(id) {
        panels::r2_ui(ui, probe);
        ui.add_space(space::CONTROL);
    }
    fit::fit_ui(ui, state, id, commands);
    ui.add_space(space::GROUP);
    ui.label(panel_title("Is it a sum of features?"));
    places::offer::offer_ui(ui, state, id, commands);
    if let Some(found) = state.dark_matter.places.study.result(&id) {
        let answer = format!("{}.", found.norms_conclusion());
        ui.add(Label::new(answer).wrap().selectable(true));
        ui.add_space(space::CHIP);
        norms_ui(ui, found);
    }
    ui.add_space(space::GROUP);
    ui.label(panel_title("Can the split be trusted?"));
    if let Some(answer) = self_test::answer(state, id) {
        ui.add(Label::new(answer).wrap().selectable(true));
    }
    self_test::self_test_ui(ui, state, id, commands);
}

/// Draws how well the squared norm of each component is predicted.
fn norms_ui(ui: &mut Ui, found: &Places) {
    let theme = Theme::from_ui(ui);
    let list = found.norms.iter().map(|norm| StackedBar {
        label: norm.component.name().to_owned(),
        parts: match norm.component {
            Component::Activation
            | Component::Reconstruction
            | Component::ReconstructionAndLinear => vec![norm.r2, 0.0, 0.0],
            Component::Linear => vec![0.0, norm.r2, 0.0],
            Component::Error | Component::Nonlinear => vec![0.0, 0.0, norm.r2],
        },
        text: number::number(norm.r2),
        interval: norm.interval,
        marks: vec![],
        hover: String::new(),
    });
    let list: Vec<StackedBar> = list.collect();
    let kinds = [
        Portion {
            name: "activation and reconstructions",
            colour: theme.hue(Hue::Activation),
        },
        Portion {
            name: "linear error",
            colour: theme.mark(Hue::Error, 0.5),
        },
        Portion {
            name: "whole and nonlinear error",
            colour: theme.hue(Hue::Error),
        },
    ];
    let bars = StackedBars {
        name: "R² of squared norms",
        title: "Vector",
        kinds: &kinds,
        list: &list,
        most: Some(1.0),
        format: number::number,
        clickable: false,
        definition: NORMS,
    };
    bars.show(ui);
    let words = "R² of each vector's squared norm, predicted from the activation";
    ui.add(Label::new(crate::theme::caption(words).color(theme.ink.secondary)).wrap())
        .on_hover_text(NORMS);
}
