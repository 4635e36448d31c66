//! The training screen: the form, the running run, past runs.

mod also;
mod browse;
mod curves;
mod fields;
mod firing;
mod form;
mod past;
mod run;
mod table;
#[cfg(test)]
mod tests;

use egui::{ScrollArea, Ui, vec2};

use super::view::View;
use crate::state::AppState;
use crate::state::requests::{Commands, navigation, training};
use crate::state::training::plan;
use crate::state::view::ViewId;
use crate::theme::{icons, space};
use crate::widgets::empty_state::empty_state;

/// Width of the form.
const FORM: f32 = 388.0;

/// Narrowest place for the curves beside the form.
const CURVES: f32 = 292.0;

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
        let run_first = state.training.run.is_some();
        if ui.available_width() >= FORM + CURVES {
            beside_ui(ui, state, &plan, (&mut self.looking, commands));
        } else {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                if run_first {
                    curves_ui(ui, state, &mut self.looking, commands);
                    ui.add_space(space::GROUP);
                    form::form_ui(ui, state, &plan, commands);
                } else {
                    form::form_ui(ui, state, &plan, commands);
                    ui.add_space(space::GROUP);
                    curves_ui(ui, state, &mut self.looking, commands);
                }
            });
        }
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

fn beside_ui(
    ui: &mut Ui,
    state: &AppState,
    plan: &plan::Plan,
    (looking, commands): (&mut Looking, &mut Commands),
) {
    let height = ui.available_height();
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = space::GROUP;
        ui.allocate_ui(vec2(FORM, height), |ui| {
            ScrollArea::vertical()
                .id_salt("form")
                .auto_shrink(false)
                .show(ui, |ui| {
                    ui.set_width(FORM - space::PANEL);
                    ui.vertical(|ui| form::form_ui(ui, state, plan, commands));
                });
        });
        let rest = vec2(ui.available_width(), height);
        ui.allocate_ui(rest, |ui| {
            ScrollArea::vertical()
                .id_salt("curves")
                .auto_shrink(false)
                .show(ui, |ui| {
                    ui.vertical(|ui| curves_ui(ui, state, looking, commands));
                });
        });
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
