//! A label written where the name stands: Enter or leaving keeps it, Esc takes it back.

use egui::{Key, TextEdit, Ui, vec2};
use umbra_core::ids::FeatureId;

use crate::state::requests::{Commands, features};
use crate::theme::space;

/// The label being written, if one is.
#[derive(Debug, Default)]
pub(super) struct NameEditor {
    of: Option<FeatureId>,
    before: String,
    text: String,
    /// It is yet to get the focus.
    begins: bool,
    /// It was drawn in the last frame.
    drawn: bool,
}

impl NameEditor {
    /// Whether the label of this feature is being written.
    pub(super) fn is_of(&self, feature: FeatureId) -> bool {
        self.of == Some(feature)
    }

    /// Begins with the label that the feature has.
    pub(super) fn begin(&mut self, feature: FeatureId, label: &str) {
        *self = Self {
            of: Some(feature),
            before: label.to_owned(),
            text: label.to_owned(),
            begins: true,
            drawn: true,
        };
    }

    /// Begins a frame. A label whose row went out of view is kept.
    pub(super) fn follow(&mut self, commands: &mut Commands) {
        if self.of.is_some() && !std::mem::take(&mut self.drawn) {
            self.end(commands);
        }
    }

    /// Draws the field; Enter and Esc give the focus back to `table`.
    pub(super) fn ui(&mut self, ui: &mut Ui, table: egui::Id, commands: &mut Commands) {
        let Some(feature) = self.of else { return };
        self.drawn = true;
        let edit = TextEdit::singleline(&mut self.text)
            .id(egui::Id::unique(("label in the table", feature)))
            .hint_text("Label")
            .margin(vec2(4.0, 1.0))
            .desired_width(ui.available_width());
        let size = vec2(ui.available_width(), space::TABLE_ROW - 2.0);
        let response = ui.add_sized(size, edit);
        response.widget_info(|| {
            let name = format!("Label of feature {feature}");
            egui::WidgetInfo::labeled(egui::Role::TextInput, true, name)
        });
        if std::mem::take(&mut self.begins) {
            response.request_focus();
            return;
        }
        if !response.lost_focus() {
            return;
        }
        let pressed = |key| ui.input(|input| input.key_pressed(key));
        if pressed(Key::Escape) || pressed(Key::Enter) {
            ui.memory_mut(|memory| memory.request_focus(table));
        }
        if pressed(Key::Escape) {
            *self = Self::default();
        } else {
            self.end(commands);
        }
    }

    fn end(&mut self, commands: &mut Commands) {
        let Self {
            of, before, text, ..
        } = std::mem::take(self);
        if let Some(feature) = of.filter(|_| before != text.trim()) {
            let text = text.trim().to_owned();
            commands.send(features::Command::SetLabel { feature, text });
        }
    }
}
