//! A question before something that changes more than it shows: what will happen, a button that does it, one that does not.

use egui::{Align2, Label, Ui};

use crate::state::requests::Commands;
use crate::state::requests::shell::{Command, Question};
use crate::theme::{self, space};
use crate::widgets::form::{self, Part};

const WIDTH: f32 = 420.0;

/// Height of the title and the margins, and the distance from the top and the bottom of the window.
const AROUND: f32 = 160.0;

/// Draws the question.
pub(super) fn question_ui(ui: &Ui, question: &Question, commands: &mut Commands) {
    egui::Window::new(theme::panel_title(question.title))
        .id(egui::Id::unique("question"))
        .collapsible(false)
        .resizable(false)
        .anchor(Align2::CENTER_CENTER, (0.0, -40.0))
        .order(egui::Order::Foreground)
        .show(ui.ctx(), |ui| {
            let layer = ui.layer_id();
            let appears = !ui.memory(|memory| memory.areas().visible_last_frame(&layer));
            let room = ui.ctx().content_rect().height() - AROUND;
            form::dialog(ui, ("question", WIDTH, room), |ui, part| {
                if part == Part::Content {
                    ui.add(Label::new(&question.text).wrap());
                    return ui.add_space(space::CONTROL);
                }
                let answer = form::main_button(ui, true, "", question.button);
                if appears {
                    answer.request_focus(); // Enter does it, Esc does not
                }
                if answer.clicked() {
                    commands.send(Command::Ask(None));
                    commands.send((*question.command).clone());
                }
                if form::side_button(ui, true, "Cancel").clicked() {
                    commands.send(Command::Ask(None));
                }
            });
        });
}
