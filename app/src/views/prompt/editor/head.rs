//! The line above the sentence: token count, BOS, text or chat, saved sentences.

use egui::{Align, Layout, Ui};
use umbra_core::prompt::Reading;

use super::TITLED;
use crate::state::AppState;
use crate::state::requests::{Commands, prompt};
use crate::theme::{Theme, caption, icons};
use crate::views::chat::{begun, switch_ui};
use crate::widgets::number::count;

/// Token count, BOS and saved sentences.
pub(super) fn head_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal(|ui| {
        if ui.available_width() > TITLED {
            ui.label(caption("Sentence").color(secondary)).on_hover_text(
                "Click a token to select it, hover it for its features. Alt+Up and Alt+Down walk from token to token",
            );
        }
        let model = state.model().map(|loaded| &*loaded.model);
        match switch_ui(ui, state.prompt.chat().is_some(), model) {
            Some(true) => commands.send(prompt::Command::Chat(begun(&state.prompt.text))),
            Some(false) => commands.send(prompt::Command::Text(state.prompt.text.clone())),
            None => {}
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            saved_ui(ui, state, commands);
            if let Some(reading) = state.prompt.reading.ready() {
                let tokens = match reading.tokens.len() {
                    1 => "1 token".to_owned(),
                    many => format!("{} tokens", count(many as u64)),
                };
                let text = if reading.cut > 0 {
                    format!("{tokens}, {} beyond the context", count(reading.cut as u64))
                } else {
                    tokens
                };
                let shown = ui.label(caption(text).color(secondary));
                if reading.cut > 0 {
                    shown.on_hover_text("The model's context ends here; the tokens behind are not read");
                }
                notes_ui(ui, reading);
            }
        });
    });
}

/// Says what was decided about the text or the chat.
fn notes_ui(ui: &mut Ui, reading: &Reading) {
    if reading.notes.is_empty() {
        return;
    }
    let what = match reading.roles {
        Some(_) => "notes on the chat",
        None => "begins with BOS",
    };
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(caption(what).color(secondary))
        .on_hover_text(reading.notes.join("\n"));
}

fn saved_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let Some(project) = state.project.open() else {
        return;
    };
    let text = state.prompt.text.trim();
    let (known, is_blank) = match state.prompt.chat() {
        Some(chat) => (
            project.chats.iter().any(|saved| saved == chat),
            chat.iter().all(|message| message.content.trim().is_empty()),
        ),
        None => (
            project.prompts.iter().any(|saved| saved == text),
            text.is_empty(),
        ),
    };
    if !project.prompts.is_empty() || !project.chats.is_empty() {
        ui.menu_button(format!("Saved {}", icons::CARET_DOWN), |ui| {
            ui.set_max_width(420.0);
            for saved in &project.prompts {
                let line = saved.replace('\n', " ");
                let button = egui::Button::new(line).truncate().frame(false);
                if ui.add(button).clicked() {
                    commands.send(prompt::Command::Text(saved.clone()));
                    ui.close();
                }
            }
            for saved in &project.chats {
                let last = saved.last().map_or("", |message| &message.content);
                let line = format!("Chat: {}", last.replace('\n', " "));
                let button = egui::Button::new(line).truncate().frame(false);
                if ui.add(button).clicked() {
                    commands.send(prompt::Command::Chat(saved.clone()));
                    ui.close();
                }
            }
        });
    }
    if !known && !is_blank {
        let keep = ui
            .button("Save")
            .on_hover_text("Save this sentence or chat with the project");
        if keep.clicked() {
            commands.send(prompt::Command::Save);
        }
    }
}
