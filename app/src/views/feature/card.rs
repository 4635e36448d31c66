//! The hover card of a feature: figures, histogram, three examples, the tokens it moves most. Asks for what it lacks.

use egui::{Ui, vec2};
use umbra_core::features::{Detail, Summary};
use umbra_core::ids::FeatureId;

use super::chips;
use crate::state::AppState;
use crate::state::requests::{Commands, features};
use crate::theme::{Theme, body_strong, caption, mono_caption, space};
use crate::widgets::histogram::HistogramPlot;
use crate::widgets::number::{number, percent, signed};
use crate::widgets::token_strip::{Scale, TokenStrip};

/// Width of the card.
const WIDTH: f32 = 340.0;

/// Examples shown.
const EXAMPLES: usize = 3;

/// Tokens shown on each side.
const EFFECTS: usize = 5;

/// Draws the card.
pub(super) fn card_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands, feature: FeatureId) {
    ui.set_width(WIDTH);
    ui.label(body_strong(chips::title(state, feature)));
    let Some(dictionary) = state.dictionary() else {
        return;
    };
    let known = state.features.detail(dictionary.id, feature);
    if let Some(detail) = known.ready() {
        detail_ui(ui, detail);
    } else if let Some(why) = known.failure() {
        ui.label(caption(why).color(Theme::from_ui(ui).failure));
    } else if dictionary.index.ready().is_some() {
        if known.is_absent() {
            commands.send(features::Command::Detail(feature));
        }
        ui.label(caption("…").color(Theme::from_ui(ui).ink.secondary));
    } else {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.label(caption("Build an index to see where this feature fires").color(secondary));
    }
}

fn detail_ui(ui: &mut Ui, detail: &Detail) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    if detail.top.is_empty() {
        ui.label(caption("Never active on the index's text").color(secondary));
    } else {
        ui.label(mono_caption(figures(&detail.summary)).color(secondary));
        HistogramPlot::new(
            "Activations",
            &detail.histogram.edges,
            &detail.histogram.counts,
        )
        .size(vec2(WIDTH, 36.0))
        .sparkline(ui);
        ui.add_space(space::CHIP);
    }
    for (i, example) in detail.top.iter().take(EXAMPLES).enumerate() {
        TokenStrip::new(&format!("Card example {i}"), &example.tokens)
            .activations(&example.acts, Scale::from_summary(&detail.summary))
            .one_line(example.at)
            .show(ui);
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
                ui.label(mono_caption(text).background_color(theme.surface.hover))
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
