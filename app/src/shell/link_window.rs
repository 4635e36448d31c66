//! The dialog that asks for a link to a feature.

use egui::{Key, TextEdit, Ui, Window};
use umbra_core::workbench::link::{BEGIN, Link};

use crate::state::requests::{Commands, navigation};
use crate::widgets::form::{self, Part, Row};

const WIDTH: f32 = form::WIDTH;

/// Height of the title and the margins, and the distance from the top and the bottom of the window.
const AROUND: f32 = 180.0;

/// The link as it is written.
#[derive(Debug, Default)]
pub(crate) struct LinkWindow {
    text: String,
    open: bool,
}

impl LinkWindow {
    /// Forgets what was written.
    pub(super) fn closed(&mut self) {
        if self.open {
            *self = Self::default();
        }
    }

    /// Draws the dialog and sends the link.
    pub(super) fn link_ui(&mut self, ui: &Ui, commands: &mut Commands) {
        let first = !std::mem::replace(&mut self.open, true);
        let width = WIDTH.min(ui.ctx().content_rect().width() - 64.0);
        let mut shown = true;
        Window::new("Open a link")
            .open(&mut shown)
            .collapsible(false)
            .resizable(false)
            .anchor(egui::Align2::CENTER_TOP, (0.0, 96.0))
            .show(ui.ctx(), |ui| {
                let room = ui.ctx().content_rect().height() - AROUND;
                let mut entered = false;
                form::dialog(ui, ("link", width, room), |ui, part| match part {
                    Part::Content => entered = self.field_ui(ui, first),
                    Part::Footer => self.buttons_ui(ui, entered, commands),
                });
            });
        let escaped = ui.input(|input| input.key_pressed(Key::Escape));
        if !shown || escaped {
            commands.send(navigation::Command::AskLink(false));
        }
    }

    /// Draws the field; whether Enter was pressed in it.
    fn field_ui(&mut self, ui: &mut Ui, first: bool) -> bool {
        let link = self.text.parse::<Link>();
        let wrong = link.err().map(|why| why.to_string());
        let row = Row {
            label: "Link to a feature",
            help: "Copy link in a feature's menu makes one",
            error: wrong.as_deref().filter(|_| !self.text.trim().is_empty()),
            wide: true,
            ..Row::default()
        };
        let mut entered = false;
        row.ui(ui, |ui, width| {
            let field = TextEdit::singleline(&mut self.text)
                .hint_text(format!("{BEGIN}…"))
                .desired_width(width - 8.0);
            let field = ui.add(field);
            if first {
                field.request_focus();
            }
            entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
            field
        });
        entered
    }

    fn buttons_ui(&self, ui: &mut Ui, entered: bool, commands: &mut Commands) {
        let good = self.text.parse::<Link>().ok();
        let clicked = form::main_button(ui, good.is_some(), "", "Open link").clicked();
        let is_empty = self.text.trim().is_empty();
        if let Some(link) = good.filter(|_| clicked || entered) {
            commands.send(navigation::Command::OpenLink(link));
        }
        if form::side_button(ui, true, "Cancel").clicked() {
            commands.send(navigation::Command::AskLink(false));
        }
        if is_empty {
            form::reason(ui, "Copy link in a feature's menu makes one");
        }
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::widgets::staged;

    #[test]
    fn a_link_is_sent_and_a_wrong_one_is_explained() {
        let stage = (LinkWindow::default(), Commands::default());
        let mut harness = staged(|ui, (window, commands)| window.link_ui(ui, commands), stage);
        harness.run();
        let field = || egui::accesskit::Role::TextInput;
        harness
            .get_by_role(field())
            .type_text("umbra://feature?project=/p");
        harness.run();
        let missing = "`dictionary` is missing";
        assert!(harness.query_by_label_contains(missing).is_none());
        harness.key_press(Key::Enter);
        harness.run();
        harness.get_by_label_contains(missing);
        harness.get_by_role(field()).focus();
        harness.run();
        let rest = format!("&dictionary=d&fingerprint={}&feature=3", "a".repeat(64));
        harness.get_by_role(field()).type_text(&rest);
        harness.run();
        harness.get_by_label("Open link").click();
        harness.run();
        let sent = harness.state_mut().1.take();
        let link = format!("umbra://feature?project=/p{rest}").parse().unwrap();
        assert_eq!(sent, [navigation::Command::OpenLink(link).into()]);
    }
}
