//! Detects that something was copied, by a button, a menu or Ctrl+C on a selection.

use egui::{Context, FullOutput, OutputCommand, Plugin};

use crate::widgets::to_save;

/// Sees what is handed to the system's clipboard.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    copied: bool,
}

impl Copies {
    /// Takes what was copied since the last call, as the sentence that says so.
    pub(crate) fn taken(ctx: &Context) -> Option<String> {
        let copies = ctx.plugin_or_default::<Self>();
        let what = to_save::copied(ctx);
        let said = what.map_or_else(|| "Copied".to_owned(), |what| format!("Copied {what}"));
        std::mem::take(&mut copies.lock().copied).then_some(said)
    }
}

impl Plugin for Copies {
    fn debug_name(&self) -> &'static str {
        "copies"
    }

    fn output_hook(&mut self, ctx: &Context, output: &mut FullOutput) {
        let copies = |command: &OutputCommand| match command {
            OutputCommand::CopyText(text) => !text.is_empty(),
            OutputCommand::CopyImage(_) => true,
            _ => false,
        };
        if output.platform_output.commands.iter().any(copies) {
            self.copied = true;
            ctx.request_repaint();
        }
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::widgets::staged;

    #[test]
    fn every_copy_is_seen_once() {
        let mut harness = staged(
            |ui, text: &mut String| {
                if ui.button("Copy").clicked() {
                    to_save::copy(ui.ctx(), "7".to_owned(), "1 row".to_owned());
                }
                ui.add(egui::TextEdit::singleline(text).hint_text("field"));
            },
            "words".to_owned(),
        );
        assert_eq!(Copies::taken(&harness.ctx), None);
        harness.get_by_label("Copy").click();
        harness.step();
        assert_eq!(Copies::taken(&harness.ctx).as_deref(), Some("Copied 1 row"));
        harness.run();
        assert_eq!(Copies::taken(&harness.ctx), None);
        // What a person selects in a field and copies by the keyboard.
        let field = harness.get_by_role(egui::accesskit::Role::TextInput);
        field.focus();
        harness.run();
        harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
        harness.run();
        harness.event(egui::Event::Copy);
        harness.step();
        assert_eq!(Copies::taken(&harness.ctx).as_deref(), Some("Copied"));
    }
}
