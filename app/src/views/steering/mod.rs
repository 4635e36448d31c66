//! The steering lab: the model's text with and without edits.

mod diff;
mod edit;
mod form;
mod place;
pub(crate) mod run;
mod stack;
#[cfg(test)]
mod tests;

use egui::{RichText, Ui, Vec2, vec2};

use super::view::View;
use crate::state::requests::{Commands, navigation};
use crate::state::steering::Draft;
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, icons, space};
use crate::views::missing::without_dictionary_ui;
use crate::widgets::empty_state::{empty_state, failure_state};
use crate::widgets::form::{Part, with_footer};

/// Opacity of texts that were written with settings other than the form's.
const STALE: f32 = 0.35;

/// Smallest place in which the screen is laid out.
const LEAST: Vec2 = vec2(472.0, 160.0);

/// The steering lab: the model's text with and without edits.
#[derive(Debug, Default)]
pub(crate) struct SteeringView {
    following: form::Following,
    marks: run::Marks,
    /// Whether the texts on screen were written with other settings, as of the previous frame.
    is_stale: bool,
}

impl View for SteeringView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        match &state.catalogue.model {
            Load::Ready(_) => {}
            Load::Failed(why) => {
                if failure_state(ui, "The model did not load", why, Some("Open the Library")) {
                    commands.send(navigation::Command::Go(ViewId::Library));
                }
                return;
            }
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
        let shown = form::shown(state);
        let mut draft = shown.clone();
        let was_stale = self.is_stale;
        with_footer(ui, "steering", |ui, part| match part {
            Part::Content => {
                form::form_ui(ui, &mut draft, state, commands);
                ui.add_space(space::GROUP);
                result_ui(ui, (state, &draft), was_stale, &mut self.marks);
            }
            Part::Footer => {
                let request = draft.request(state);
                self.is_stale = self.following.is_stale(ui, (&request, state), commands);
                let told = (&request, self.is_stale);
                if form::footer_ui(ui, told, state, commands) {
                    draft = draft.pinned(state);
                }
            }
        });
        if self.is_stale != was_stale {
            ui.ctx().request_repaint();
        }
        form::keep(&shown, draft, state, commands);
    }

    fn least(&self) -> Vec2 {
        LEAST
    }
}

/// Draws both texts, or what they will be.
fn result_ui(
    ui: &mut Ui,
    (state, draft): (&AppState, &Draft),
    is_stale: bool,
    marks: &mut run::Marks,
) {
    let Some(run) = &state.steering.run else {
        let prompt = draft.prompt.as_ref().unwrap_or(&state.prompt.text);
        return run::before_ui(ui, prompt);
    };
    let opacity = if is_stale { STALE } else { 1.0 };
    ui.scope(|ui| {
        ui.multiply_opacity(opacity);
        run::run_ui(ui, state, run, marks);
    });
}
