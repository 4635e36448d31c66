//! The training screen: the form, the running run, past runs.

mod also;
mod browse;
mod curves;
mod dictionary;
mod fields;
mod firing;
mod past;
mod preflight;
mod run;
mod table;
#[cfg(test)]
mod tests;

use egui::{Rect, ScrollArea, Ui, UiBuilder, Vec2, pos2, vec2};

use self::dictionary::{footer_ui, form_ui};
use self::preflight::preflight_ui;
use super::view::View;
use crate::state::AppState;
use crate::state::requests::{Commands, navigation, training};
use crate::state::training::plan;
use crate::state::view::ViewId;
use crate::theme::{Theme, icons, space};
use crate::widgets::empty_state::empty_state;
use crate::widgets::form::{self, Part, WIDTH};

/// Narrowest place for the form beside the curves.
const FORM: f32 = 392.0;

/// Narrowest place for the curves beside the form.
const CURVES: f32 = 292.0;

/// Distance of the form from the curves, with a line in the middle.
const GAP: f32 = 2.0 * space::GROUP;

/// Smallest place in which the screen is laid out.
const LEAST: Vec2 = vec2(FORM, 160.0);

/// The training screen: the form, the running run, past runs.
#[derive(Debug, Default)]
pub(crate) struct TrainingView {
    looking: Looking,
}

/// The user's choices for the dictionary shown.
#[derive(Debug, Default)]
struct Looking {
    firing: firing::Firing,
    browsing: browse::Browsing,
}

impl View for TrainingView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let nothing = state.project.open().is_none() && state.catalogue.model.is_absent();
        if nothing && state.training.run.is_none() {
            let sentence = "This screen trains dictionaries on a model's activations.";
            if empty_state(ui, icons::CHART_LINE_UP, sentence, Some("Open a model")) {
                commands.send(navigation::Command::Go(ViewId::Library));
            }
            return;
        }
        let plan = plan::plan(state);
        ask_for_what_is_missing(state, &plan, commands);
        if ui.available_width() >= FORM + GAP + CURVES {
            beside_ui(ui, state, &plan, (&mut self.looking, commands));
        } else {
            below_ui(ui, state, &plan, (&mut self.looking, commands));
        }
    }

    fn least(&self) -> Vec2 {
        LEAST
    }
}

/// Asks, once the screen is shown, to count the form's text, open its store and list past runs.
fn ask_for_what_is_missing(state: &AppState, plan: &plan::Plan, commands: &mut Commands) {
    let training = &state.training;
    if let Some(key) = &plan.key
        && state.model().is_some()
        && training.text_of.as_ref() != Some(key)
    {
        commands.send(training::Command::CountText(key.clone()));
    }
    if let Some(folder) = &plan.store
        && training.store_of.as_ref() != Some(folder)
    {
        commands.send(training::Command::OpenStore(folder.clone()));
    }
    if let Some(folder) = &training.form.from
        && state.catalogue.by_folder(folder).is_none()
        && training.start_of.as_ref() != Some(folder)
    {
        commands.send(training::Command::OpenStart(folder.clone()));
    }
    if let Some(project) = state.project.folder() {
        let other = training.past.of.as_deref() != Some(project);
        let stale = training.past.is_stale && training.running().is_none();
        if other || stale {
            commands.send(training::Command::ListPast(project.to_path_buf()));
        }
    }
}

/// Draws the form with its footer, and beside it what the run needs and its curves.
fn beside_ui(
    ui: &mut Ui,
    state: &AppState,
    plan: &plan::Plan,
    (looking, commands): (&mut Looking, &mut Commands),
) {
    let whole = ui.available_rect_before_wrap();
    let most = whole.width() - GAP - CURVES;
    let form = most.min(WIDTH + space::PANEL);
    let split = whole.left() + form;
    let left = Rect::from_min_max(whole.min, pos2(split, whole.bottom()));
    let right = Rect::from_min_max(pos2(split + GAP, whole.top()), whole.max);
    ui.scope_builder(UiBuilder::new().max_rect(left), |ui| {
        form::with_footer(ui, "form", |ui, part| {
            if part == Part::Footer {
                return footer_ui(ui, state, plan, commands);
            }
            form_ui(ui, state, plan, commands);
            // Below the form while a run takes the place beside it.
            if state.training.run.is_some() && state.training.running().is_none() {
                ui.add_space(space::GROUP);
                preflight_ui(ui, state, plan, commands);
            }
        });
    });
    let hair = Theme::from_ui(ui).line.hair;
    let x = split + GAP / 2.0;
    ui.painter().vline(x, whole.y_range(), (1.0, hair));
    ui.scope_builder(UiBuilder::new().max_rect(right), |ui| {
        let area = ScrollArea::vertical().id_salt("curves");
        area.auto_shrink(false).show(ui, |ui| {
            if state.training.run.is_none() {
                preflight_ui(ui, state, plan, commands);
                ui.add_space(space::GROUP);
            }
            curves_ui(ui, state, looking, commands);
        });
    });
    ui.advance_cursor_after_rect(whole);
}

/// Draws all in one column above the footer: the run first, once there is one.
fn below_ui(
    ui: &mut Ui,
    state: &AppState,
    plan: &plan::Plan,
    (looking, commands): (&mut Looking, &mut Commands),
) {
    let run_first = state.training.run.is_some();
    form::with_footer(ui, "training", |ui, part| {
        if part == Part::Footer {
            return footer_ui(ui, state, plan, commands);
        }
        if run_first {
            curves_ui(ui, state, looking, commands);
            ui.add_space(space::GROUP);
        }
        form_ui(ui, state, plan, commands);
        ui.add_space(space::GROUP);
        preflight_ui(ui, state, plan, commands);
        if !run_first {
            ui.add_space(space::GROUP);
            curves_ui(ui, state, looking, commands);
        }
    });
}

fn curves_ui(ui: &mut Ui, state: &AppState, looking: &mut Looking, commands: &mut Commands) {
    match &state.training.run {
        Some(run) => {
            run::run_ui(ui, state, run, commands);
            run::choice_ui(ui, run, commands);
            // Of one that ended before there was anything to look at, nothing is promised.
            if let Some(member) = run.shown().filter(|member| {
                member.ended.is_none() || member.ranking.is_some() || member.browsed.is_some()
            }) {
                looking.firing.ui(ui, member.ranking.as_deref());
                looking.browsing.ui(ui, member);
            }
        }
        None => past::past_ui(ui, state, commands),
    }
}
