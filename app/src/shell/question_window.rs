//! A question before something that changes more than it shows: what will happen, a button that does it, one that does not.

use egui::{Align2, Button, Label, Ui};

use crate::state::requests::Commands;
use crate::state::requests::shell::{Command, Question};
use crate::theme::{self, space};

const WIDTH: f32 = 420.0;

/// Draws the question.
pub(super) fn question_ui(ui: &Ui, question: &Question, commands: &mut Commands) {
    egui::Window::new(theme::panel_title(question.title))
        .id(egui::Id::unique("question"))
        .collapsible(false)
        .resizable(false)
        .anchor(Align2::CENTER_CENTER, (0.0, -40.0))
        .order(egui::Order::Foreground)
        .show(ui.ctx(), |ui| {
            ui.set_width(WIDTH);
            ui.add(Label::new(&question.text).wrap());
            ui.add_space(space::CONTROL);
            ui.horizontal(|ui| {
                let size = egui::vec2(0.0, space::CONTROL_ROW);
                if ui
                    .add(Button::new(question.button).min_size(size))
                    .clicked()
                {
                    commands.send(Command::Ask(None));
                    commands.send((*question.command).clone());
                }
                if ui.add(Button::new("Cancel").min_size(size)).clicked() {
                    commands.send(Command::Ask(None));
                }
            });
        });
}
