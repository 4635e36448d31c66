//! The chosen token: its strongest features and what the model expects next.

use egui::Ui;
use umbra_core::ids::FeatureId;
use umbra_core::prompt::Reading;

use crate::state::AppState;
use crate::state::requests::Commands;
use crate::theme::{Theme, caption, mono, panel_title, space};
use crate::views::feature::chips::chip_bars_ui;
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::number::percent;

/// Features listed.
const FEATURES: usize = 10;

/// Draws both lists; answers the feature whose bar was clicked.
pub(super) fn token_ui(
    ui: &mut Ui,
    state: &AppState,
    (reading, at): (&Reading, usize),
    commands: &mut Commands,
) -> Option<FeatureId> {
    let theme = Theme::from_ui(ui);
    let text = reading.texts.get(at)?;
    let reads = state.sae().is_some();
    ui.horizontal(|ui| {
        let words = if reads { "Features on" } else { "At" };
        ui.label(panel_title(words));
        let shown = text.replace('\n', "⏎");
        ui.label(mono(shown).background_color(theme.surface.hover));
        let place = format!("position {at}");
        ui.label(caption(place).color(theme.ink.secondary))
            .on_hover_text("Counted from 0, the beginning-of-sequence token included");
    });
    let chosen = if reads {
        features_ui(ui, state, (reading, at), commands)
    } else {
        None
    };
    ui.add_space(space::GROUP);
    ui.label(panel_title("Next token"))
        .on_hover_text("The model's probabilities for the token after this one");
    let next = reading.next.get(at).map_or(&[][..], Vec::as_slice);
    let bar = |next: &umbra_core::prompt::NextToken| {
        let share = f64::from(next.probability);
        Bar::new(next.text.as_str(), share)
            .text(percent(share))
            .hover(format!("Token {}", next.id))
    };
    let bars: Vec<Bar> = next.iter().map(bar).collect();
    Bars::new("Next tokens", &bars, Fill::Neutral)
        .tokens()
        .label_width(120.0)
        .show(ui);
    chosen
}

/// The strongest features of the token; answers the one whose bar was clicked.
fn features_ui(
    ui: &mut Ui,
    state: &AppState,
    (reading, at): (&Reading, usize),
    commands: &mut Commands,
) -> Option<FeatureId> {
    let theme = Theme::from_ui(ui);
    let strongest = reading.strongest(at, FEATURES);
    let most = strongest.first().map_or(0.0, |(_, act)| act.abs());
    let chosen = ui
        .scope(|ui| chip_bars_ui(ui, state, commands, &strongest, most))
        .inner;
    if strongest.is_empty() {
        let sentence = "No feature is active on this token.";
        ui.label(egui::RichText::new(sentence).color(theme.ink.secondary));
    }
    if !reading.counts.get(at).copied().unwrap_or(true) {
        let note = "dictionaries are not trained on the first position and special tokens, so these activations may mislead";
        ui.label(caption(note).color(theme.ink.secondary));
    }
    chosen
}
