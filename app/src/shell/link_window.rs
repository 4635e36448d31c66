//! The dialog that asks for a link to a feature.

use egui::{Key, RichText, TextEdit, Ui, Window};
use umbra_core::workbench::link::{BEGIN, Link};

use crate::state::requests::{Commands, navigation};
use crate::theme::{Theme, space};

const WIDTH: f32 = 480.0;

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
                ui.set_width(width);
                self.inner_ui(ui, first, commands);
            });
        let escaped = ui.input(|input| input.key_pressed(Key::Escape));
        if !shown || escaped {
            commands.send(navigation::Command::AskLink(false));
        }
    }

    fn inner_ui(&mut self, ui: &mut Ui, first: bool, commands: &mut Commands) {
        let theme = Theme::from_ui(ui);
        let name = ui.label("Link to a feature");
        let field = TextEdit::singleline(&mut self.text)
            .hint_text(format!("{BEGIN}…"))
            .desired_width(f32::INFINITY);
        let field = ui.add(field).labelled_by(name.id);
        if first {
            field.request_focus();
        }
        let entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let link = self.text.parse::<Link>();
        let written = !self.text.trim().is_empty();
        match &link {
            Err(why) if written => {
                ui.label(
                    RichText::new(format!("{} {why}", crate::theme::icons::WARNING))
                        .color(theme.failure),
                );
            }
            _ => {
                let hint = "Copy link in a feature's menu makes one.";
                ui.label(RichText::new(hint).color(theme.ink.secondary));
            }
        }
        ui.add_space(space::CONTROL);
        let good = link.ok();
        ui.horizontal(|ui| {
            let button = egui::Button::new("Open link");
            let clicked = ui.add_enabled(good.is_some(), button).clicked();
            if let Some(link) = good.filter(|_| clicked || entered) {
                commands.send(navigation::Command::OpenLink(link));
            }
            if ui.button("Cancel").clicked() {
                commands.send(navigation::Command::AskLink(false));
            }
        });
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
        harness.get_by_label_contains("`dictionary` is missing");
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
