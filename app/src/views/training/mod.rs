//! How is the dictionary coming along?

mod form;
pub mod plan;
mod run;
#[cfg(test)]
mod tests;

use egui::{ScrollArea, Ui, vec2};

use super::View;
use crate::commands::{Commands, navigation, training};
use crate::state::{AppState, Load};
use crate::theme::{icons, space};
use crate::views::ViewId;
use crate::widgets::empty_state::empty_state;

/// Width of the form.
const FORM: f32 = 380.0;

/// Narrowest place for the curves beside the form.
const CURVES: f32 = 300.0;

/// How is the dictionary coming along?
#[derive(Debug, Default)]
pub struct TrainingView {}

impl View for TrainingView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let nothing = state.project.open().is_none() && state.catalogue.model.is_absent();
        if nothing && state.training.run.is_none() {
            let sentence =
                "Here you train a dictionary on a model's activations and watch it learn.";
            if empty_state(ui, icons::CHART_LINE_UP, sentence, Some("Open a model")) {
                commands.send(navigation::Command::Go(ViewId::Library));
            }
            return;
        }
        let plan = plan::plan(state);
        ask_for_text(state, &plan, commands);
        let run_first = state.training.run.is_some();
        if ui.available_width() >= FORM + CURVES {
            beside_ui(ui, state, &plan, commands);
        } else {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                if run_first {
                    curves_ui(ui, state, commands);
                    ui.add_space(space::GROUP);
                    form::form_ui(ui, state, &plan, commands);
                } else {
                    form::form_ui(ui, state, &plan, commands);
                    ui.add_space(space::GROUP);
                    curves_ui(ui, state, commands);
                }
            });
        }
    }
}

/// Once the screen is shown, the text that the form means is counted.
fn ask_for_text(state: &AppState, plan: &plan::Plan, commands: &mut Commands) {
    let Some(key) = &plan.key else {
        return;
    };
    if state.model().is_some() && state.training.text_of.as_ref() != Some(key) {
        commands.send(training::Command::CountText(key.clone()));
    }
}

fn beside_ui(ui: &mut Ui, state: &AppState, plan: &plan::Plan, commands: &mut Commands) {
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
                    ui.vertical(|ui| curves_ui(ui, state, commands));
                });
        });
    });
}

fn curves_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    if let Some(run) = &state.training.run {
        return run::run_ui(ui, state, run, commands);
    }
    let text = if matches!(state.catalogue.model, Load::Ready(_)) {
        "The curves of a run stand here: loss, FVU, L0, dead features, speed"
    } else {
        "The curves of a run stand here once a model is open"
    };
    empty_state(ui, icons::CHART_LINE_UP, text, None);
}
