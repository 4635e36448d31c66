//! The label editor: inline, Enter saves, Esc takes the edit back, leaving saves.

use egui::{FontId, Key, TextEdit, Ui, vec2};
use umbra_core::ids::FeatureId;

use crate::state::AppState;
use crate::state::requests::{Commands, features};
use crate::theme::{size, space};
use crate::widgets::anchor::Anchor;

/// The label being typed, and its feature and dictionary.
#[derive(Debug, Default)]
pub(super) struct LabelEditor {
    of: Option<(String, FeatureId, u64)>,
    text: String,
    /// The label that was sent to be saved and is not in the state yet.
    sent: Option<String>,
}

impl LabelEditor {
    /// Draws it `width` wide.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        width: f32,
        state: &AppState,
        feature: FeatureId,
        commands: &mut Commands,
    ) {
        let saved = state.label(feature).unwrap_or_default();
        let name = state.dictionary().map_or("", |d| d.name.as_str());
        let of = (name.to_owned(), feature, state.project.labels_revision);
        if self.of.as_ref() != Some(&of) {
            saved.clone_into(&mut self.text);
            self.of = Some(of);
            self.sent = None;
        }
        let edit = TextEdit::singleline(&mut self.text)
            .align(egui::Align2::LEFT_CENTER)
            .hint_text("Add a label…")
            .font(FontId::proportional(size::PANEL))
            .align(egui::Align2::LEFT_CENTER)
            .desired_width(width);
        let response = ui.add_sized(vec2(width, space::CONTROL_ROW + 2.0), edit);
        Anchor::Label.mark(&response);
        let id = response.id;
        response.widget_info(|| {
            let mut info = egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Label");
            info.current_text_value = Some(saved.to_owned());
            info
        });
        if response.has_focus() && ui.input(|input| input.key_pressed(Key::Escape)) {
            saved.clone_into(&mut self.text);
            ui.memory_mut(|memory| memory.surrender_focus(id));
            return;
        }
        if response.lost_focus() {
            if ui.input(|input| input.key_pressed(Key::Escape)) {
                saved.clone_into(&mut self.text);
            } else if self.text.trim() != saved && self.sent.as_deref() != Some(self.text.trim()) {
                self.sent = Some(self.text.trim().to_owned());
                commands.send(features::Command::SetLabel {
                    feature,
                    text: self.text.trim().to_owned(),
                });
            }
        }
        response.on_hover_text("Your name for this feature. Enter saves, Esc cancels");
    }
}
