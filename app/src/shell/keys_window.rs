//! The list of keyboard shortcuts, under `?` and in Help.

use egui::{Align2, RichText, ScrollArea, Ui, vec2};

use super::shortcuts::{Group, LOCAL, SHORTCUTS};
use crate::state::layout::Keys;
use crate::state::requests::{Commands, shell};
use crate::theme::{self, Theme, body_strong, mono, space};

/// Width of one column.
const COLUMN: f32 = 330.0;

/// Width of the keys.
const KEYS: f32 = 116.0;

/// Draws the window with all shortcuts.
pub(super) fn keys_ui(ui: &Ui, commands: &mut Commands) {
    let mut open = true;
    let room = ui.ctx().content_rect().size() - vec2(64.0, 140.0);
    let columns = if room.x >= 2.0 * COLUMN + space::GROUP {
        2
    } else {
        1
    };
    egui::Window::new(theme::panel_title("Keyboard shortcuts"))
        .id(egui::Id::unique("keys"))
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .anchor(Align2::CENTER_TOP, (0.0, 48.0))
        .show(ui.ctx(), |ui| {
            let scroll = ScrollArea::vertical()
                .max_height(room.y)
                .min_scrolled_height(room.y);
            scroll.show(ui, |ui| halves_ui(ui, columns));
        });
    if !open {
        commands.send(shell::Command::Keys(Keys::Closed));
    }
}

/// Draws both halves of the list, side by side or one below the other.
fn halves_ui(ui: &mut Ui, columns: usize) {
    let half_ui = |ui: &mut Ui, half| {
        ui.vertical(|ui| {
            ui.set_width(COLUMN);
            half_ui(ui, half);
        });
    };
    if columns == 1 {
        (0..2).for_each(|half| half_ui(ui, half));
        return;
    }
    ui.horizontal_top(|ui| {
        half_ui(ui, 0);
        ui.add_space(space::GROUP);
        half_ui(ui, 1);
    });
}

/// Draws the places and screens, or everything else.
fn half_ui(ui: &mut Ui, half: usize) {
    ui.spacing_mut().item_spacing.y = space::CHIP;
    for (group, title) in Group::ALL {
        if (group == Group::Window) != (half == 1) {
            continue;
        }
        let of = SHORTCUTS.iter().filter(|shortcut| shortcut.group == group);
        group_ui(
            ui,
            title,
            of.map(|shortcut| (shortcut.shown, shortcut.words)),
        );
    }
    if half == 1 {
        group_ui(ui, "On a screen", LOCAL.into_iter());
    }
}

fn group_ui(ui: &mut Ui, title: &str, rows: impl Iterator<Item = (&'static str, &'static str)>) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(body_strong(title));
    for (keys, words) in rows {
        ui.horizontal_top(|ui| {
            let size = vec2(KEYS, 0.0);
            let left = egui::Layout::left_to_right(egui::Align::Min);
            ui.allocate_ui_with_layout(size, left, |ui| {
                ui.set_min_width(KEYS);
                ui.label(mono(keys));
            });
            let words = RichText::new(words).color(secondary);
            ui.add(egui::Label::new(words).wrap());
        });
    }
    ui.add_space(space::CONTROL);
}
