//! Notifications at the lower right: what happened, its buttons, a close button.

use egui::{Align, Align2, Area, Frame, Id, Stroke, Ui};

use crate::state::AppState;
use crate::state::log::{Kind, Shown};
use crate::state::requests::{Commands, shell};
use crate::theme::{self, Theme, icons, space};
use crate::widgets::parts::icon_button;

const WIDTH: f32 = 340.0;
/// The latest ones on screen; older ones stand in the log.
const MOST: usize = 4;

/// Draws the latest notifications.
pub(super) fn notices_ui(ui: &Ui, state: &AppState, commands: &mut Commands) {
    let notices = &state.log.notices;
    if notices.is_empty() {
        return;
    }
    let above = -space::GROUP - 30.0 * state.jobs.running().count() as f32;
    Area::new(Id::unique("notices"))
        .order(egui::Order::Foreground)
        .anchor(Align2::RIGHT_BOTTOM, (-space::GROUP, above))
        .show(ui.ctx(), |ui| {
            ui.set_width(WIDTH);
            for shown in &notices[notices.len().saturating_sub(MOST)..] {
                notice_ui(ui, shown, commands);
            }
        });
}

fn notice_ui(ui: &mut Ui, shown: &Shown, commands: &mut Commands) {
    let theme = Theme::from_ui(ui);
    let (icon, colour) = match shown.notice.kind {
        Kind::Info => (icons::INFO, theme.ink.secondary),
        Kind::Success => (icons::CHECK_CIRCLE, theme.promoted),
        Kind::Failure => (icons::WARNING_CIRCLE, theme.failure),
    };
    let visuals = ui.visuals();
    Frame::new()
        .fill(theme.surface.raised)
        .stroke(Stroke::new(1.0, theme.line.strong))
        .shadow(visuals.popup_shadow)
        .corner_radius(6)
        .inner_margin(space::PANEL)
        .show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.label(theme::icon(icon).color(colour));
                ui.vertical(|ui| {
                    ui.set_width(WIDTH - 96.0);
                    ui.add(egui::Label::new(&shown.notice.text).wrap());
                    actions_ui(ui, shown, commands);
                });
                ui.with_layout(egui::Layout::right_to_left(Align::Min), |ui| {
                    if icon_button(ui, icons::X, "Close").clicked() {
                        commands.send(shell::Command::DismissNotice(shown.id));
                    }
                });
            });
        });
}

fn actions_ui(ui: &mut Ui, shown: &Shown, commands: &mut Commands) {
    let failed = shown.notice.kind == Kind::Failure;
    if shown.notice.actions.is_empty() && !failed {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        for (words, command) in &shown.notice.actions {
            if ui.button(words).clicked() {
                commands.send(command.clone());
                commands.send(shell::Command::DismissNotice(shown.id));
            }
        }
        if failed && ui.button("Copy details").clicked() {
            ui.ctx().copy_text(shown.notice.text.clone());
        }
    });
}
