//! Settings: theme, text size, rail, purpose lines, layout.

use egui::{Align2, Button, Slider, Ui};

use crate::state::AppState;
use crate::state::requests::{Commands, shell};
use crate::state::settings::{Settings, TEXT_SIZES, ThemeChoice};
use crate::theme;
use crate::widgets::form::{self, Part, Row};

/// Width of the content.
const WIDTH: f32 = 440.0;

/// Height of the title and the margins, and the distance from the top and the bottom of the window.
const AROUND: f32 = 140.0;

/// Parts that a narrow window lacks.
const WIDER: &str = "This window is too narrow for the rail's labels and the inspector: they show once it is wider.";

/// Width of the number beside the slider.
const NUMBER: f32 = 80.0;

/// Draws the settings window.
pub(super) fn settings_ui(ui: &Ui, state: &AppState, roomy: bool, commands: &mut Commands) {
    let mut open = true;
    egui::Window::new(theme::panel_title("Settings"))
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .anchor(Align2::CENTER_CENTER, (0.0, -40.0))
        .show(ui.ctx(), |ui| {
            let layer = ui.layer_id();
            let appears = !ui.memory(|memory| memory.areas().visible_last_frame(&layer));
            let room = ui.ctx().content_rect().height() - AROUND;
            form::dialog(ui, ("settings", WIDTH, room), |ui, part| {
                if part == Part::Footer {
                    let done = form::main_button(ui, true, "", "Done");
                    if appears {
                        done.request_focus();
                    }
                    if done.clicked() {
                        commands.send(shell::Command::Settings(false));
                    }
                    return form::reason(ui, &format!("Umbra {}", umbra_core::VERSION));
                }
                theme_ui(ui, state, commands);
                text_ui(ui, state, commands);
                frame_ui(ui, state, roomy, commands);
            });
        });
    if !open {
        commands.send(shell::Command::Settings(false));
    }
}

fn theme_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    row("Theme").ui(ui, |ui, _| {
        let mut choose = |theme: ThemeChoice, words: &str| {
            let chosen = state.settings.theme == theme;
            let choice = ui.selectable_label(chosen, words);
            if choice.clicked() {
                commands.send(shell::Command::Theme(theme));
            }
            choice
        };
        let dark = choose(ThemeChoice::Dark, "Dark");
        choose(ThemeChoice::Light, "Light");
        dark
    });
}

fn text_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let usual = Settings::default().text_percent;
    let default = format!("{usual} %");
    let row = Row {
        label: "Text size",
        reset: (state.settings.text_percent != usual).then_some(default.as_str()),
        ..Row::default()
    };
    let mut asked = None;
    let reset = row.ui(ui, |ui, width| {
        let mut percent = state.settings.text_percent;
        ui.spacing_mut().slider_width = width - NUMBER;
        let slider = Slider::new(&mut percent, TEXT_SIZES)
            .step_by(10.0)
            .suffix(" %");
        let slider = ui.add(slider);
        // while dragged, the window would grow under the pointer
        let kept = ui.scope_id().with("dragged percent");
        if slider.dragged() {
            ui.data_mut(|data| data.insert_temp(kept, percent));
        } else if slider.drag_stopped() {
            let last = ui.data_mut(|data| data.remove_temp::<u16>(kept));
            asked = Some(last.unwrap_or(percent));
        } else if slider.changed() {
            asked = Some(percent);
        }
        slider
    });
    if let Some(percent) = asked.or(reset.then_some(usual)) {
        commands.send(shell::Command::TextPercent(percent));
    }
}

fn frame_ui(ui: &mut Ui, state: &AppState, roomy: bool, commands: &mut Commands) {
    let mut words = state.settings.rail_words;
    row("Rail").ui(ui, |ui, _| named(ui, &mut words, "Show labels in the rail"));
    if !roomy {
        let theme = theme::Theme::from_ui(ui);
        ui.add(egui::Label::new(theme::caption(WIDER).color(theme.ink.secondary)).wrap());
    }
    if words != state.settings.rail_words {
        commands.send(shell::Command::RailWords(words));
    }
    let mut inspector = state.settings.inspector;
    row("Side panel").ui(ui, |ui, _| named(ui, &mut inspector, "Inspector"));
    if inspector != state.settings.inspector {
        commands.send(shell::Command::Inspector(inspector));
    }
    row("Screens").ui(ui, |ui, _| {
        let dismissed = !state.settings.purposes_dismissed.is_empty();
        let restore = ui.add_enabled(dismissed, Button::new("Show purpose lines again"));
        if restore.clicked() {
            commands.send(shell::Command::RestorePurposes);
        }
        let reset = ui.button("Reset tiles");
        if reset.clicked() {
            commands.send(shell::Command::ResetLayout);
        }
        reset
    });
}

/// Draws a check mark with words of its own.
fn named(ui: &mut Ui, on: &mut bool, words: &str) -> egui::Response {
    let check = ui.checkbox(on, words);
    let now = *on;
    check.widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, now, words));
    check
}

fn row(label: &str) -> Row<'_> {
    Row {
        label,
        wide: true,
        ..Row::default()
    }
}
