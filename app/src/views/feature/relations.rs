//! Other features and neurons that the feature has to do with, by the index: features active on the same tokens, neurons that its decoder row points along.

use egui::{Align, Label, Layout, Ui};
use umbra_core::features::{Coactive, Counting, Detail, Neuron};

use super::chips::chip_ui;
use crate::state::AppState;
use crate::state::requests::Commands;
use crate::theme::{Hue, Theme, caption, mono, panel_title, space};
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::number::{count, number, percent, signed};

/// Features and neurons shown.
const SHOWN: usize = 10;

const COACTIVE: &str = "Features that are active on the same tokens of the index's text: tokens on which both are active, divided by tokens on which either is (Jaccard index)";
const NEURONS: &str = "Neurons of the hook that the decoder row points along: its entry there over its norm. One large cosine means that the feature is a neuron";

/// Draws the features that are active together with this one.
pub(super) fn coactive_ui(ui: &mut Ui, detail: &Detail, state: &AppState, commands: &mut Commands) {
    let Some(relations) = detail.relations.as_ref() else {
        return;
    };
    if relations.coactive.is_empty() {
        return;
    }
    ui.label(panel_title("Active together"))
        .on_hover_text(COACTIVE);
    for other in relations.coactive.iter().take(SHOWN) {
        one_ui(ui, *other, state, commands);
    }
    if relations.counting == Counting::Sketched {
        let words = "Candidates came from a sketch of bounded size and were counted exactly; a feature outside them is missing";
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.add(Label::new(caption(words).color(secondary)).wrap());
    }
    ui.add_space(space::GROUP);
}

fn one_ui(ui: &mut Ui, other: Coactive, state: &AppState, commands: &mut Commands) {
    let width = (ui.available_width() - 70.0).max(90.0);
    let strength = other.jaccard as f32;
    ui.horizontal(|ui| {
        chip_ui(ui, state, commands, other.feature, (strength, width));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let help = format!(
                "Jaccard index {}: both are active on {} tokens",
                number(other.jaccard),
                count(other.both)
            );
            ui.label(mono(percent(other.jaccard))).on_hover_text(help);
        });
    });
}

/// Draws the neurons that the decoder row points along, at a hook that has neurons.
pub(super) fn neurons_ui(ui: &mut Ui, detail: &Detail) {
    let neurons = detail.relations.as_ref().map(|known| &known.neurons);
    let Some(neurons) = neurons.filter(|neurons| !neurons.is_empty()) else {
        return;
    };
    ui.label(panel_title("Neurons")).on_hover_text(NEURONS);
    let bar = |neuron: &Neuron| {
        let cosine = f64::from(neuron.cosine);
        Bar::new(format!("neuron {}", neuron.neuron), cosine).text(signed(cosine))
    };
    let bars: Vec<Bar> = neurons.iter().take(SHOWN).map(bar).collect();
    Bars::new("Neurons", &bars, Fill::Hue(Hue::Model))
        .label_width(96.0)
        .definition(NEURONS)
        .show(ui);
    ui.add_space(space::GROUP);
}
