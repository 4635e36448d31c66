//! What happens when the model is changed while it runs?

mod form;
mod run;
mod stack;
#[cfg(test)]
mod tests;

use egui::{RichText, ScrollArea, Ui};

use super::View;
use crate::commands::{Commands, navigation};
use crate::state::{AppState, Load};
use crate::theme::{Theme, icons, space};
use crate::views::ViewId;
use crate::views::without_dictionary_ui;
use crate::widgets::empty_state::{empty_state, failure_line};

/// What happens when the model is changed while it runs?
#[derive(Debug, Default)]
pub struct SteeringView {}

impl View for SteeringView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let secondary = Theme::of(ui).ink.secondary;
        match &state.catalogue.model {
            Load::Ready(_) => {}
            Load::Failed(why) => return failure_line(ui, "The model did not load", why),
            Load::Absent | Load::Loading if state.catalogue.model_path.is_some() => {
                ui.label(RichText::new("Loading…").color(secondary));
                return;
            }
            Load::Absent | Load::Loading => {
                let sentence = "Here two texts stream side by side: untouched, and with features turned up or down, heads silenced, or values patched.";
                let symbol = icons::SLIDERS_HORIZONTAL;
                if empty_state(ui, symbol, sentence, Some("Open a model")) {
                    commands.send(navigation::Command::Go(ViewId::Library));
                }
                return;
            }
        }
        without_dictionary_ui(ui, state, "heads and activations can be edited", commands);
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            form::form_ui(ui, state, commands);
            ui.add_space(space::GROUP);
            if let Some(run) = &state.steering.run {
                run::run_ui(ui, state, run);
            } else {
                let words = "Both texts and the changes of the next token stand here once it runs";
                ui.label(RichText::new(words).color(secondary));
            }
        });
    }
}
