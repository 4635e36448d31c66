//! The steering lab in three tabs: the model's text with and without edits, effects along strengths, and the causes of a prediction.

mod causes;
mod edit;
pub(crate) mod form;
mod place;
mod prompt;
pub(crate) mod run;
mod stack;
mod sweep;
#[cfg(test)]
mod tests;

use egui::{Button, RichText, Ui, Vec2, vec2};

use super::view::View;
use crate::state::requests::{Commands, navigation, steering};
use crate::state::steering::Draft;
use crate::state::steering::tab::Tab;
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

/// The steering lab.
#[derive(Debug, Default)]
pub(crate) struct SteeringView {
    following: form::Following,
    shown: run::Shown,
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
        tabs_ui(ui, state.selection.tab, commands);
        ui.add_space(space::CONTROL);
        match state.selection.tab {
            Tab::Steer => self.steer_ui(ui, state, commands),
            Tab::Sweep => sweep::sweep_ui(ui, state, commands),
            Tab::Causes => causes::causes_ui(ui, state, commands),
        }
    }

    fn least(&self) -> Vec2 {
        LEAST
    }
}

impl SteeringView {
    /// Draws the stack of edits and both texts.
    fn steer_ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        without_dictionary_ui(ui, state, "heads and activations can be edited", commands);
        let shown = form::shown(state);
        let mut draft = shown.clone();
        let was_stale = self.is_stale;
        with_footer(ui, "steering", |ui, part| match part {
            Part::Content => {
                form::form_ui(ui, &mut draft, state, commands);
                ui.add_space(space::GROUP);
                let of = (state, &draft, was_stale);
                result_ui(ui, of, &mut self.shown, commands);
            }
            Part::Footer => {
                let request = draft.request(state);
                let live = request.as_ref().map(|asked| state.steering.live(asked).on);
                let asked = (&request, state.steering.run.as_ref(), live.unwrap_or(false));
                self.is_stale = self.following.is_stale(ui, asked, |request| {
                    commands.send(steering::Command::Run(request));
                });
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
}

/// Draws the tabs.
fn tabs_ui(ui: &mut Ui, shown: Tab, commands: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        for tab in Tab::ALL {
            let button = ui.add(Button::selectable(shown == tab, tab.title()));
            if button.on_hover_text(tab.help()).clicked() {
                commands.send(steering::Command::Show(tab));
            }
        }
    });
}

/// Draws both texts, or what they will be.
fn result_ui(
    ui: &mut Ui,
    (state, draft, is_stale): (&AppState, &Draft, bool),
    seen: &mut run::Shown,
    commands: &mut Commands,
) {
    let Some(run) = &state.steering.run else {
        return run::before_ui(ui, &draft.prompt_in(state).shown());
    };
    let opacity = if is_stale { STALE } else { 1.0 };
    ui.scope(|ui| {
        ui.multiply_opacity(opacity);
        run::run_ui(ui, (state, run), seen, commands);
    });
}
