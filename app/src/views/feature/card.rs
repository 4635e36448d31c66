//! A feature in short: name, figures, histogram, three examples, the tokens it moves most, and what can be done with it. The hover card of chips, and the panel
//! that the inspector and Prompt show of the selected feature.

use egui::{Ui, vec2};
use umbra_core::features::{Detail, Summary, fold};
use umbra_core::ids::FeatureId;

use super::chips;
use crate::state::AppState;
use crate::state::requests::{Commands, dictionary, features, navigation, steering};
use crate::theme::{Theme, body_strong, caption, mono_caption, space};
use crate::widgets::histogram::HistogramPlot;
use crate::widgets::number::{number, percent, signed};
use crate::widgets::token_strip::{Scale, TokenStrip};

/// Width of the hover card.
const WIDTH: f32 = 340.0;

/// Examples shown.
const EXAMPLES: usize = 3;

/// Tokens shown on each side.
const EFFECTS: usize = 5;

/// Whether the card stays, with room for whole examples and its actions, or floats beside the pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Hover,
    Panel,
}

/// Draws the hover card.
pub(crate) fn card_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands, feature: FeatureId) {
    ui.set_width(WIDTH);
    ui.label(body_strong(chips::title(state, feature)));
    known_ui(ui, state, (feature, Form::Hover), commands);
}

/// Draws the card of a feature of the selected dictionary over the width that is there, with its actions.
pub(crate) fn panel_ui(ui: &mut Ui, state: &AppState, feature: FeatureId, commands: &mut Commands) {
    let title = body_strong(chips::title(state, feature));
    ui.add(egui::Label::new(title).wrap());
    known_ui(ui, state, (feature, Form::Panel), commands);
    ui.add_space(space::CONTROL);
    ui.horizontal_wrapped(|ui| {
        if ui.button("Open its page").clicked() {
            commands.send(navigation::Command::Feature {
                feature,
                beside: false,
            });
        }
        let steer = ui.button("Steer");
        let help = "Adds this feature's decoder row while the model generates text";
        if steer.on_hover_text(help).clicked()
            && let Some(dictionary) = state.selection.dictionary
        {
            commands.send(steering::Command::Steer(dictionary, vec![feature]));
        }
        let sweep = ui.button("Sweep");
        let help = "Measures what this feature does at one strength after another, in Steering";
        if sweep.on_hover_text(help).clicked()
            && let Some(dictionary) = state.selection.dictionary
        {
            commands.send(steering::sweep::Command::Take(dictionary, vec![feature]));
        }
    });
}

/// Draws what the index knows, asks for what is not read yet, and says what is missing.
fn known_ui(
    ui: &mut Ui,
    state: &AppState,
    (feature, form): (FeatureId, Form),
    commands: &mut Commands,
) {
    let Some(of) = state.dictionary() else {
        return;
    };
    let secondary = Theme::from_ui(ui).ink.secondary;
    let known = state.features.detail(of.id, feature);
    if let Some(detail) = known.ready() {
        detail_ui(ui, detail, form);
    } else if let Some(why) = known.failure() {
        ui.add(egui::Label::new(caption(why).color(Theme::from_ui(ui).failure)).wrap());
    } else if state.index_of(of.id).is_some() {
        if known.is_absent() {
            commands.send(features::Command::Detail(feature));
        }
        ui.label(caption("…").color(secondary));
    } else if of.index.is_loading() {
        ui.label(caption("The index is loading").color(secondary));
    } else {
        let words = "Build an index to see where this feature fires";
        ui.add(egui::Label::new(caption(words).color(secondary)).wrap());
        if form == Form::Panel && ui.button("Build index…").clicked() {
            commands.send(dictionary::Command::BuildIndex(of.id));
        }
    }
}

fn detail_ui(ui: &mut Ui, detail: &Detail, form: Form) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let width = ui.available_width();
    if detail.top.is_empty() {
        ui.label(caption("Never active on the index's text").color(secondary));
    } else {
        let words = mono_caption(figures(&detail.summary)).color(secondary);
        ui.add(egui::Label::new(words).wrap());
        HistogramPlot::new(
            "Activations",
            &detail.histogram.edges,
            &detail.histogram.counts,
        )
        .size(vec2(width, 36.0))
        .sparkline(ui);
        ui.add_space(space::CHIP);
    }
    for (i, fold) in fold(&detail.top).iter().take(EXAMPLES).enumerate() {
        let example = &detail.top[fold.shown];
        TokenStrip::new(&format!("Card example {i}"), &example.tokens)
            .activations(&example.acts, Scale::from_summary(&detail.summary))
            .one_line(example.at)
            .show(ui);
        if form == Form::Panel {
            ui.add(egui::Label::new(caption(example.title()).color(secondary)).truncate())
                .on_hover_text(&example.document);
        }
    }
    for (what, effects) in [
        ("Promotes", &detail.promoted),
        ("Suppresses", &detail.suppressed),
    ] {
        if effects.is_empty() {
            continue;
        }
        let theme = Theme::from_ui(ui);
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(6.0, 2.0);
            ui.label(caption(what).color(theme.ink.secondary));
            for effect in effects.iter().take(EFFECTS) {
                let text = effect.text.replace('\n', "⏎");
                let text = mono_caption(text).background_color(theme.surface.hover);
                // A token is never broken inside.
                ui.add(egui::Label::new(text).extend())
                    .on_hover_text(signed(f64::from(effect.effect)));
            }
        });
    }
}

fn figures(summary: &Summary) -> String {
    format!(
        "density {}  mean {}  max {}",
        percent(summary.density),
        number(summary.mean),
        number(summary.strongest())
    )
}
