//! Settings: theme, text size, rail, purpose lines, layout.

use egui::{Align2, Slider, Ui};

use crate::state::AppState;
use crate::state::requests::{Commands, shell};
use crate::state::settings::{TEXT_SIZES, ThemeChoice};
use crate::theme::{self, Theme, space};

/// Draws the settings window.
pub(super) fn settings_ui(ui: &Ui, state: &AppState, commands: &mut Commands) {
    let mut open = true;
    egui::Window::new(theme::panel_title("Settings"))
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .anchor(Align2::CENTER_CENTER, (0.0, -40.0))
        .show(ui.ctx(), |ui| {
            ui.set_width(340.0);
            theme_ui(ui, state, commands);
            text_ui(ui, state, commands);
            frame_ui(ui, state, commands);
            ui.separator();
            let about = format!("Umbra {}", umbra_core::VERSION);
            ui.label(theme::caption(about).color(Theme::from_ui(ui).ink.secondary));
        });
    if !open {
        commands.send(shell::Command::Settings(false));
    }
}

fn theme_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    row_ui(ui, "Theme", |ui, _| {
        for (theme, words) in [(ThemeChoice::Dark, "Dark"), (ThemeChoice::Light, "Light")] {
            let chosen = state.settings.theme == theme;
            if ui.selectable_label(chosen, words).clicked() {
                commands.send(shell::Command::Theme(theme));
            }
        }
    });
}

fn text_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    row_ui(ui, "Text size", |ui, label| {
        let mut percent = state.settings.text_percent;
        let slider = Slider::new(&mut percent, TEXT_SIZES)
            .step_by(10.0)
            .suffix(" %");
        let slider = ui.add(slider).labelled_by(label);
        // while dragged, the window would grow under the pointer
        let kept = ui.scope_id().with("dragged percent");
        if slider.dragged() {
            ui.data_mut(|data| data.insert_temp(kept, percent));
        } else if slider.drag_stopped() {
            let last = ui.data_mut(|data| data.remove_temp::<u16>(kept));
            commands.send(shell::Command::TextPercent(last.unwrap_or(percent)));
        } else if slider.changed() {
            commands.send(shell::Command::TextPercent(percent));
        }
    });
}

fn frame_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let mut words = state.settings.rail_words;
    if ui.checkbox(&mut words, "Show labels in the rail").changed() {
        commands.send(shell::Command::RailWords(words));
    }
    let mut inspector = state.settings.inspector;
    if ui.checkbox(&mut inspector, "Inspector").changed() {
        commands.send(shell::Command::Inspector(inspector));
    }
    ui.add_space(space::CONTROL);
    ui.horizontal(|ui| {
        let dismissed = !state.settings.purposes_dismissed.is_empty();
        let restore = egui::Button::new("Show purpose lines again");
        if ui.add_enabled(dismissed, restore).clicked() {
            commands.send(shell::Command::RestorePurposes);
        }
        if ui.button("Reset tiles").clicked() {
            commands.send(shell::Command::ResetLayout);
        }
    });
}

fn row_ui(ui: &mut Ui, label: &str, control: impl FnOnce(&mut Ui, egui::Id)) {
    ui.horizontal(|ui| {
        let text = egui::RichText::new(label).color(Theme::from_ui(ui).ink.secondary);
        let column = egui::vec2(90.0, space::CONTROL_ROW);
        let left = egui::Layout::left_to_right(egui::Align::Center);
        let label = ui.allocate_ui_with_layout(column, left, |ui| {
            ui.set_min_size(column);
            ui.label(text)
        });
        control(ui, label.inner.id);
    });
}
