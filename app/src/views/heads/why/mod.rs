//! The why step: where a feature's activation comes from, a tab per question. One panel per file.

mod attribution;
mod circuit;
mod induction;

use egui::{Button, Ui};
use umbra_core::ids::{Head, Layer};

use crate::state::AppState;
use crate::state::heads::step::Tab;
use crate::state::requests::{Commands, heads};
use crate::theme::space;

/// Draws the step for the chosen feature, else for those of `head`.
pub(super) fn why_ui(
    ui: &mut Ui,
    state: &AppState,
    head: Option<(Layer, Head)>,
    commands: &mut Commands,
) {
    let shown = state.selection.shown.tab;
    if Tab::ALL.len() > 1 {
        ui.horizontal_wrapped(|ui| {
            for tab in Tab::ALL {
                let button = Button::selectable(shown == tab, tab.title());
                if ui.add(button).clicked() {
                    commands.send(heads::Command::Tab(tab));
                }
            }
        });
        ui.add_space(space::CONTROL);
    }
    match shown {
        Tab::Attribution => attribution::attribution_ui(ui, state, head, commands),
        Tab::Circuit => circuit::circuit_ui(ui, state, head, commands),
        Tab::Induction => induction::induction_ui(ui, state, commands),
        Tab::Names => induction::names_ui(ui, state, head, commands),
    }
}
