//! Notifications: what happened, its buttons, a close button. They float at the lower right of a roomy window. In a smaller one they take a strip of their
//! own, so that they cover no button.

use egui::{Align, Align2, Area, Frame, Id, Margin, Stroke, Ui};

use crate::state::AppState;
use crate::state::log::{Kind, Shown};
use crate::state::requests::{Commands, shell};
use crate::theme::{self, Theme, icons, space};
use crate::widgets::parts::icon_button;

const WIDTH: f32 = 340.0;
/// The latest ones on screen; older ones stand in the log.
const MOST: usize = 4;
/// The latest ones in the strip of a small window.
const MOST_IN_STRIP: usize = 2;

/// Identifies the place of floating notifications.
pub(super) fn id() -> Id {
    Id::unique("notices")
}

/// Draws the latest notifications over a roomy window.
pub(super) fn notices_ui(ui: &Ui, state: &AppState, roomy: bool, commands: &mut Commands) {
    let latest = latest(state, MOST);
    if !roomy || latest.is_empty() {
        return;
    }
    let above = -space::GROUP - 30.0 * state.jobs.running().count() as f32;
    Area::new(id())
        .order(egui::Order::Foreground)
        .anchor(Align2::RIGHT_BOTTOM, (-space::GROUP, above))
        .show(ui.ctx(), |ui| {
            ui.set_width(WIDTH);
            for shown in latest {
                notice_ui(ui, shown, commands);
            }
        });
}

/// Draws the latest notifications in a strip of their own at the bottom of a small window.
pub(super) fn strip_ui(ui: &mut Ui, state: &AppState, roomy: bool, commands: &mut Commands) {
    let latest = latest(state, MOST_IN_STRIP);
    if roomy || latest.is_empty() {
        return;
    }
    let theme = Theme::from_ui(ui);
    let frame = Frame::new()
        .fill(theme.surface.raised)
        .inner_margin(Margin::symmetric(space::PANEL as i8, 2));
    egui::Panel::bottom("notices")
        .resizable(false)
        .frame(frame)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for shown in latest {
                line_ui(ui, shown, commands);
            }
        });
}

fn latest(state: &AppState, most: usize) -> &[Shown] {
    let notices = &state.log.notices;
    &notices[notices.len().saturating_sub(most)..]
}

fn sign_ui(ui: &mut Ui, kind: Kind) {
    let theme = Theme::from_ui(ui);
    let (icon, colour) = match kind {
        Kind::Info => (icons::INFO, theme.ink.secondary),
        Kind::Success => (icons::CHECK_CIRCLE, theme.promoted),
        Kind::Failure => (icons::WARNING_CIRCLE, theme.failure),
    };
    ui.label(theme::icon(icon).color(colour));
}

/// One notification in the strip: text, buttons behind it, the close button right.
fn line_ui(ui: &mut Ui, shown: &Shown, commands: &mut Commands) {
    ui.horizontal(|ui| {
        sign_ui(ui, shown.notice.kind);
        let width = ui.available_width() - space::CONTROL_ROW - space::CONTROL;
        ui.vertical(|ui| {
            ui.set_width(width);
            ui.spacing_mut().item_spacing.y = space::CHIP;
            ui.horizontal_wrapped(|ui| {
                ui.set_min_height(space::CONTROL_ROW);
                ui.label(&shown.notice.text);
                buttons_ui(ui, shown, commands);
            });
        });
        close_ui(ui, shown, commands);
    });
}

fn notice_ui(ui: &mut Ui, shown: &Shown, commands: &mut Commands) {
    let theme = Theme::from_ui(ui);
    let visuals = ui.visuals();
    Frame::new()
        .fill(theme.surface.raised)
        .stroke(Stroke::new(1.0, theme.line.strong))
        .shadow(visuals.popup_shadow)
        .corner_radius(6)
        .inner_margin(space::PANEL)
        .show(ui, |ui| {
            ui.horizontal_top(|ui| {
                sign_ui(ui, shown.notice.kind);
                ui.vertical(|ui| {
                    ui.set_width(WIDTH - 96.0);
                    ui.add(egui::Label::new(&shown.notice.text).wrap());
                    let failed = shown.notice.kind == Kind::Failure;
                    if failed || !shown.notice.actions.is_empty() {
                        ui.horizontal_wrapped(|ui| buttons_ui(ui, shown, commands));
                    }
                });
                ui.with_layout(egui::Layout::right_to_left(Align::Min), |ui| {
                    close_ui(ui, shown, commands);
                });
            });
        });
}

fn close_ui(ui: &mut Ui, shown: &Shown, commands: &mut Commands) {
    if icon_button(ui, icons::X, "Close").clicked() {
        commands.send(shell::Command::DismissNotice(shown.id));
    }
}

fn buttons_ui(ui: &mut Ui, shown: &Shown, commands: &mut Commands) {
    for (words, command) in &shown.notice.actions {
        if ui.button(words).clicked() {
            commands.send(command.clone());
            commands.send(shell::Command::DismissNotice(shown.id));
        }
    }
    if shown.notice.kind == Kind::Failure && ui.button("Copy details").clicked() {
        ui.ctx().copy_text(shown.notice.text.clone());
    }
}
