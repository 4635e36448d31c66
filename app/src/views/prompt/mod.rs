//! A sentence as the model reads it: features that fire, each layer's predictions, attention of the heads.

mod attention;
mod features;
mod lens;
#[cfg(test)]
mod tests;
mod token;
mod ways;

use egui::{Align, FontId, Layout, ScrollArea, TextEdit, Ui};

use self::attention::AttentionSide;
use self::features::FeaturesSide;
use self::lens::LensSide;
use super::view::View;
use crate::state::prompt::Side;
use crate::state::requests::{Commands, navigation, prompt};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, icons, size, space};
use crate::widgets::anchor::Anchor;
use crate::widgets::empty_state::{empty_state, failure_state};
use crate::widgets::focus;

/// The screen of one sentence as the model reads it.
#[derive(Debug, Default)]
pub(crate) struct PromptView {
    features: FeaturesSide,
    lens: LensSide,
    attention: AttentionSide,
}

impl View for PromptView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        if state.model().is_none() {
            without_model_ui(ui, state, commands);
            return;
        }
        editor_ui(ui, state, commands);
        ways::ways_ui(ui, state, commands);
        if let Some(left) = state.prompt.pause_left() {
            ui.request_repaint_after(left);
        }
        sides_ui(ui, state, commands);
        if state.prompt.input().is_none() {
            let sentence = match state.prompt.side {
                Side::Features => "Type a sentence above to see which features fire on its tokens.",
                Side::Lens => {
                    "Type a sentence above to see each layer's prediction after each token."
                }
                Side::Attention => {
                    "Type a sentence above to see the attention pattern of each head."
                }
            };
            empty_state(ui, icons::CURSOR_TEXT, sentence, None);
            return;
        }
        match state.prompt.side {
            Side::Features => self.features.ui(ui, state, commands),
            Side::Lens => self.lens.ui(ui, state, commands),
            Side::Attention => self.attention.ui(ui, state, commands),
        }
    }
}

fn without_model_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    match &state.catalogue.model {
        Load::Loading => {
            let sentence = "Loading the model…";
            empty_state(ui, icons::CURSOR_TEXT, sentence, None);
        }
        Load::Failed(why) => {
            failure_state(ui, "The model did not load", why, None);
        }
        Load::Absent | Load::Ready(_) => {
            let sentence = "This screen shows how the model reads a sentence. It needs a model, and a dictionary for features.";
            if empty_state(ui, icons::CURSOR_TEXT, sentence, Some("Open a model")) {
                commands.send(navigation::Command::Go(ViewId::Library));
            }
        }
    }
}

/// Panel shown for the sentence.
fn sides_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    ui.horizontal(|ui| {
        for side in Side::ALL {
            let chosen = state.prompt.side == side;
            if ui.selectable_label(chosen, side.title()).clicked() {
                commands.send(prompt::Command::Show(side));
            }
        }
    });
    ui.add_space(space::CONTROL);
}

/// The sentence with saved prompts beside it.
fn editor_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal(|ui| {
        ui.label(caption("Sentence").color(secondary));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            saved_ui(ui, state, commands);
            if let Some(reading) = state.prompt.reading.ready() {
                let mut text = format!("{} tokens", reading.tokens.len());
                if reading.cut > 0 {
                    text = format!(
                        "{text}, {} beyond the model's context not read",
                        reading.cut
                    );
                }
                let shown = ui.label(caption(text).color(secondary));
                if let Some(note) = &reading.bos {
                    shown.on_hover_text(note);
                    ui.label(caption("begins with BOS").color(secondary))
                        .on_hover_text(note);
                }
            }
        });
    });
    let mut text = state.prompt.text.clone();
    let edit = TextEdit::multiline(&mut text)
        .font(FontId::proportional(size::BODY))
        .hint_text("Type a sentence…")
        .desired_rows(3)
        .desired_width(f32::INFINITY);
    let response = ScrollArea::vertical()
        .id_salt("sentence")
        .max_height(96.0)
        .show(ui, |ui| ui.add(edit))
        .inner;
    response.widget_info(|| {
        let mut info = egui::WidgetInfo::labeled(egui::Role::MultilineTextInput, true, "Sentence");
        info.current_text_value = Some(state.prompt.text.clone());
        info
    });
    focus::main(&response);
    Anchor::Sentence.mark(&response);
    if response.changed() {
        commands.send(prompt::Command::Typed(text));
    }
    if let Some(tokens) = &state.prompt.tokens {
        let note = format!("Exact tokens of {}", tokens.of);
        ui.label(caption(note).color(secondary)).on_hover_text(
            "These are the token ids of the index's example. Typing above replaces them with a sentence",
        );
    }
    ui.add_space(space::CONTROL);
}

fn saved_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let Some(project) = state.project.open() else {
        return;
    };
    let text = state.prompt.text.trim();
    let known = project.prompts.iter().any(|saved| saved == text);
    if !known && !text.is_empty() {
        let keep = ui
            .button("Save")
            .on_hover_text("Save this sentence with the project");
        if keep.clicked() {
            commands.send(prompt::Command::Save);
        }
    }
    if project.prompts.is_empty() {
        return;
    }
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
    });
}
