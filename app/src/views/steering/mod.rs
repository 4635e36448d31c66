//! The steering lab: the model's text with and without edits.

mod form;
mod run;
mod stack;
#[cfg(test)]
mod tests;

use egui::{RichText, ScrollArea, Ui};

use super::view::View;
use crate::state::requests::{Commands, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, icons, space};
use crate::views::missing::without_dictionary_ui;
use crate::widgets::empty_state::{empty_state, failure_line};

/// Opacity of texts that were written with settings other than the form's.
const STALE: f32 = 0.35;

/// The steering lab: the model's text with and without edits.
#[derive(Debug, Default)]
pub(crate) struct SteeringView {
    following: form::Following,
}

impl View for SteeringView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        match &state.catalogue.model {
            Load::Ready(_) => {}
            Load::Failed(why) => return failure_line(ui, "The model did not load", why),
            Load::Absent | Load::Loading if state.catalogue.model_path.is_some() => {
                ui.label(RichText::new("Loading…").color(secondary));
                return;
            }
            Load::Absent | Load::Loading => {
                let sentence = "This screen writes two texts side by side: one by the model as it is, one with features turned up or down, heads silenced, or values patched.";
                let symbol = icons::SLIDERS_HORIZONTAL;
                if empty_state(ui, symbol, sentence, Some("Open a model")) {
                    commands.send(navigation::Command::Go(ViewId::Library));
                }
                return;
            }
        }
        without_dictionary_ui(ui, state, "heads and activations can be edited", commands);
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            let is_stale = form::form_ui(ui, state, &mut self.following, commands);
            ui.add_space(space::GROUP);
            if let Some(run) = &state.steering.run {
                let opacity = if is_stale { STALE } else { 1.0 };
                ui.scope(|ui| {
                    ui.multiply_opacity(opacity);
                    run::run_ui(ui, state, run);
                });
            } else {
                let words =
                    "Run to see both texts and the change of the next token's probabilities";
                ui.label(RichText::new(words).color(secondary));
            }
        });
    }
}
