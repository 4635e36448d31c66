//! The head step: the chosen head, or the one that stands for it until a person chooses one. One panel per file.

mod features;
mod profile;
mod roles;

use egui::{RichText, Ui};

use super::Shown;
use crate::state::AppState;
use crate::state::heads::name;
use crate::state::requests::Commands;
use crate::theme::{Theme, caption, panel_title, space};

/// State of the panels of the step.
#[derive(Debug, Default)]
pub(super) struct Panels {
    features: features::Panel,
    roles: roles::Panel,
}

/// Draws the step.
pub(super) fn head_ui(
    ui: &mut Ui,
    state: &AppState,
    shown: Shown,
    panels: &mut Panels,
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some((layer, head)) = shown.head else {
        let words = "Choose a head on the map";
        ui.label(RichText::new(words).color(secondary));
        return;
    };
    ui.horizontal_wrapped(|ui| {
        ui.label(panel_title(format!("Head {}", name((layer, head)))));
        if let Some(figure) = shown.by {
            let words = format!(
                "shown first for the largest {}; choose another on the map",
                figure.scale().to_lowercase()
            );
            ui.label(caption(words).color(secondary));
        }
    });
    profile::profile_ui(ui, state, (layer, head), commands);
    ui.add_space(space::GROUP);
    let of = (layer, head);
    features::features_ui(ui, state, of, &mut panels.features, commands);
    ui.add_space(space::GROUP);
    roles::roles_ui(ui, state, of, &mut panels.roles, commands);
}
