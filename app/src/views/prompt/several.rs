//! The features that colour the sentence together, in bands below its tokens.

use egui::Ui;
use umbra_core::ids::FeatureId;
use umbra_core::prompt::Reading;

use super::model;
use crate::state::AppState;
use crate::state::prompt::Reader;
use crate::theme::{Theme, caption};
use crate::views::feature::chips;
use crate::widgets::token_editor::SHAPES;

/// Definition of the bands.
pub(super) const BANDS: &str = "Each chosen feature has a band below the tokens on which it is active. Its height is the activation over the feature's largest in the index, or without an index over the largest here; the bands of the token with the largest sum fill the height";

/// The chosen features.
#[derive(Debug, Default)]
pub(super) struct Several {
    /// The features in the order of their bands.
    chosen: Vec<FeatureId>,
    /// Their dictionary.
    of: Reader,
}

impl Several {
    /// The features in the order of their bands.
    pub(super) fn chosen(&self) -> &[FeatureId] {
        &self.chosen
    }

    /// Begins with `first` where nothing is chosen, and anew for another dictionary.
    pub(super) fn follow(&mut self, state: &AppState, first: impl FnOnce() -> Vec<FeatureId>) {
        let reader = state.reader().flatten();
        if self.of != reader {
            self.chosen.clear();
            self.of = reader;
        }
        if self.chosen.is_empty() {
            self.chosen = first();
        }
    }

    /// The bands of every token.
    pub(super) fn bands(&self, state: &AppState, reading: &Reading) -> Vec<Vec<(usize, f32)>> {
        let table = state.selection.dictionary;
        let table = table.and_then(|id| state.features.table_for(id));
        let most = |feature| {
            let most = table?.most(feature) as f32;
            (most.is_finite() && most > 0.0).then_some(most)
        };
        model::bands(reading, &self.chosen, most)
    }

    /// Draws what adds the selected feature or takes one out; whether the features changed.
    pub(super) fn change_ui(&mut self, ui: &mut Ui, state: &AppState) -> bool {
        let (mut out, before) = (None, self.chosen.len());
        ui.menu_button(caption("Change…"), |ui| {
            let selected = state.selection.feature;
            let new = selected.filter(|feature| !self.chosen.contains(feature));
            if let Some(feature) = new {
                let room = self.chosen.len() < SHAPES;
                let words = format!("Add {}", chips::title(state, feature));
                let button = ui.add_enabled(room, egui::Button::new(words));
                let full = "Five features have bands: remove one first";
                if button.on_disabled_hover_text(full).clicked() {
                    self.chosen.push(feature);
                    ui.close();
                }
            } else {
                let secondary = Theme::from_ui(ui).ink.secondary;
                let words = "Select another feature to add it";
                ui.label(caption(words).color(secondary));
            }
            for (place, feature) in self.chosen.iter().enumerate() {
                let words = format!("Remove {}", chips::title(state, *feature));
                let rest = self.chosen.len() > 1;
                if ui.add_enabled(rest, egui::Button::new(words)).clicked() {
                    out = Some(place);
                    ui.close();
                }
            }
        })
        .response
        .on_hover_text(BANDS);
        if let Some(place) = out {
            self.chosen.remove(place);
        }
        self.chosen.len() != before
    }
}
