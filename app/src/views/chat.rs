//! Text or chat: the switch between them, and the text that the chat template writes.

use egui::{Button, Label, Ui};
use umbra_core::models::Model;
use umbra_core::text::chat::{Message, USER};

use crate::theme::{Theme, caption, mono};

/// Draws the switch between a text and messages; returns whether messages were asked for. Without a chat template the model reads texts alone, and the switch
/// says so.
pub(crate) fn switch_ui(ui: &mut Ui, is_chat: bool, model: Option<&Model>) -> Option<bool> {
    let mut asked = None;
    if ui.selectable_label(!is_chat, "Text").clicked() && is_chat {
        asked = Some(false);
    }
    let has_template = model.is_some_and(|model| model.codec().chat_template().is_some());
    let chat = ui.add_enabled(has_template || is_chat, Button::selectable(is_chat, "Chat"));
    let chat = chat
        .on_hover_text("Messages with roles, written as text by the model's chat template")
        .on_disabled_hover_text(
            "This model has no chat template: its files hold no chat_template, so it reads plain text alone",
        );
    if chat.clicked() && !is_chat {
        asked = Some(true);
    }
    asked
}

/// Returns the messages that take the place of `text`.
pub(crate) fn begun(text: &str) -> Vec<Message> {
    vec![Message::new(USER, text)]
}

/// Draws the text that the template wrote, on demand.
pub(crate) fn rendered_ui(ui: &mut Ui, text: &str) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let words = caption("Text by the chat template").color(secondary);
    ui.collapsing(words, |ui| {
        ui.add(Label::new(mono(text)).wrap());
    });
}
