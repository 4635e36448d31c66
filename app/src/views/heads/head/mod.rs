//! The head step: the chosen head, or the one that stands for it until a person chooses one. One panel per file.

mod features;
mod figures;
mod patterns;
mod profile;
mod roles;

use egui::{RichText, Ui};
use umbra_core::ids::{Head, Layer};

use super::shown::Shown;
use crate::state::AppState;
use crate::state::requests::Commands;
use crate::theme::{Theme, space};

/// Width from which the pattern stands beside the context.
const BESIDE: f32 = 760.0;

/// Share of the width that the context takes.
const LEFT: f32 = 0.56;

/// State of the panels of the step.
#[derive(Debug, Default)]
pub(super) struct Panels {
    patterns: patterns::Patterns,
    features: features::Panel,
    roles: roles::Panel,
}

/// Draws the step.
pub(super) fn head_ui(
    ui: &mut Ui,
    state: &AppState,
    (shown, panels): (Shown, &mut Panels),
    commands: &mut Commands,
) {
    let Some(head) = shown.head else {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.label(RichText::new("Choose a head on the map").color(secondary));
        return;
    };
    profile::title_ui(ui, state, (head, shown.by), commands);
    ui.add_space(space::CONTROL);
    behaviour_ui(ui, state, (head, &mut panels.patterns), commands);
    ui.add_space(space::GROUP);
    features::features_ui(ui, state, head, &mut panels.features, commands);
    ui.add_space(space::GROUP);
    roles::roles_ui(ui, state, head, &mut panels.roles, commands);
}

/// Draws what the head attends to: contexts with all figures below, and the whole pattern of one.
fn behaviour_ui(
    ui: &mut Ui,
    state: &AppState,
    (head, patterns): ((Layer, Head), &mut patterns::Patterns),
    commands: &mut Commands,
) {
    let width = ui.available_width();
    if width < BESIDE {
        patterns.context_ui(ui, state, head, commands);
        ui.add_space(space::CONTROL);
        patterns.pattern_ui(ui, state, head, commands);
        figures::figures_ui(ui, state, head);
        return;
    }
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = space::GROUP;
        let left = (width * LEFT - space::GROUP).floor();
        ui.vertical(|ui| {
            ui.set_width(left);
            ui.spacing_mut().item_spacing.x = space::CONTROL;
            patterns.context_ui(ui, state, head, commands);
            ui.add_space(space::GROUP);
            figures::figures_ui(ui, state, head);
        });
        ui.vertical(|ui| {
            ui.set_width(width - left - space::GROUP);
            ui.spacing_mut().item_spacing.x = space::CONTROL;
            patterns.pattern_ui(ui, state, head, commands);
        });
    });
}
