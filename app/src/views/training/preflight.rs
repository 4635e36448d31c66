//! Needs of a run, before it begins: a small table, and a measurement of the speed.

use egui::{Button, Label, Ui, vec2};

use crate::state::requests::Commands;
use crate::state::requests::training::Command;
use crate::state::training::plan::{self, Plan};
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, mono, panel_title, size, space};
use crate::widgets::empty_state::failure_line;

/// Width of the names.
const LABEL: f32 = 72.0;

/// Draws the table.
pub(super) fn preflight_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let theme = Theme::from_ui(ui);
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = size::PANEL; // as high as a title alone
        ui.horizontal_wrapped(|ui| {
            ui.label(panel_title("Preflight"));
            let words = "What this run will need, before it starts";
            ui.label(caption(words).color(theme.ink.secondary));
        });
    });
    ui.add_space(space::CHIP);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for need in plan::needs(state, plan) {
            let row = row_ui(ui, need.label, |ui| {
                ui.add(Label::new(mono(&need.value)).truncate());
            });
            row.on_hover_text(need.definition);
        }
        measure_ui(ui, state, plan, commands);
    });
    if plan.specs().is_none() {
        let words = "Correct the marked fields to see it";
        ui.label(caption(words).color(theme.ink.secondary));
    } else if state.training.text.is_loading() {
        ui.label(caption("Counting the text…").color(theme.ink.secondary));
    }
}

/// Draws a name, what `value` draws beside it, and a hairline below.
fn row_ui(ui: &mut Ui, label: &str, value: impl FnOnce(&mut Ui)) -> egui::Response {
    let theme = Theme::from_ui(ui);
    let size = vec2(ui.available_width(), space::CONTROL_ROW);
    let layout = egui::Layout::left_to_right(egui::Align::Center);
    let row = ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.set_min_size(size);
        let cell = vec2(LABEL, space::CONTROL_ROW);
        ui.allocate_ui_with_layout(cell, layout, |ui| {
            ui.set_width(LABEL);
            ui.label(caption(label).color(theme.ink.secondary));
        });
        value(ui);
    });
    let rect = row.response.rect;
    ui.painter()
        .hline(rect.x_range(), rect.bottom(), (1.0, theme.line.hair));
    row.response
}

/// Draws the button that measures a step, where no past run gives the speed.
fn measure_ui(ui: &mut Ui, state: &AppState, plan: &Plan, commands: &mut Commands) {
    let known = plan::speed(state, &plan.first.spec);
    let (None, Some(sizes)) = (known, plan::sizes(state, plan)) else {
        return;
    };
    let measured = state.training.measured.as_ref();
    let measured = measured.filter(|(then, _)| *then == sizes);
    let load = measured.map(|(_, load)| load);
    if load.is_some_and(|load| load.ready().is_some()) {
        return;
    }
    if let Some(why) = load.and_then(Load::failure) {
        failure_line(ui, "Could not measure the speed", why);
    }
    row_ui(ui, "Time", |ui| {
        let secondary = Theme::from_ui(ui).ink.secondary;
        if load.is_some_and(Load::is_loading) {
            ui.label(caption("Measuring…").color(secondary));
            return;
        }
        let busy = state.training.running().is_some();
        let help = "Runs a few steps of these sizes on random activations for some seconds: the training step only, without the model";
        ui.spacing_mut().interact_size.y = space::TABLE_ROW;
        ui.spacing_mut().button_padding.y = 2.0;
        let button = Button::new("Measure speed");
        if ui.add_enabled(!busy, button).on_hover_text(help).clicked() {
            commands.send(Command::Measure(sizes));
        }
    });
}
