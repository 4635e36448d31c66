//! The tab Causes: which features, heads and layers caused a prediction. Text and target above, one panel a question below.

mod attributed;
mod feature;
mod patching;
mod smallest;
mod target;

use egui::{Button, Label, RichText, ScrollArea, TextEdit, Ui};
use umbra_core::causes::Target;

use crate::state::AppState;
use crate::state::requests::Commands;
use crate::state::requests::steering::Command as Steering;
use crate::state::requests::steering::causes::Command;
use crate::state::steering::causes::Form;
use crate::state::steering::causes::question::Question;
use crate::theme::{Theme, caption, space};

/// Draws the tab.
pub(super) fn causes_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let causes = &state.steering.causes;
    ScrollArea::vertical().id_salt("causes").show(ui, |ui| {
        ui.set_width(ui.available_width());
        let mut form = causes.form.clone();
        form_ui(ui, state, &mut form, commands);
        ui.add_space(space::CONTROL);
        ui.horizontal_wrapped(|ui| {
            for question in Question::ALL {
                let shown = causes.question == question;
                let button = ui.add(Button::selectable(shown, question.title()));
                if button.on_hover_text(question.help()).clicked() {
                    commands.send(Steering::Causes(Command::Ask(question)));
                }
            }
        });
        ui.add_space(space::CONTROL);
        let text = form.text.as_ref().unwrap_or(&state.prompt.text).clone();
        let secondary = Theme::from_ui(ui).ink.secondary;
        match causes.question {
            question @ (Question::Features | Question::Parts) => {
                let of = (question, text.as_str(), form.target.as_str());
                attributed::attributed_ui(ui, state, of, commands);
            }
            Question::Where => {
                patching::patching_ui(ui, state, (&text, &form.target), commands);
            }
            Question::Least => {
                let dictionary = state.dictionary();
                if let Some(dictionary) = dictionary.filter(|of| state.pair(of.id).is_some()) {
                    let of = (text.as_str(), form.target.as_str(), dictionary.id);
                    smallest::smallest_ui(ui, state, of, commands);
                } else {
                    let words = "Choose a dictionary that fits the model in the bar above: its features are edited.";
                    ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
                }
            }
        }
        if form != causes.form {
            commands.send(Steering::Causes(Command::Form(form)));
        }
    });
}

/// Draws text and target.
fn form_ui(ui: &mut Ui, state: &AppState, form: &mut Form, commands: &mut Commands) {
    let theme = *Theme::from_ui(ui);
    let mut text = form.text.as_ref().unwrap_or(&state.prompt.text).clone();
    let differs = text != state.prompt.text;
    let (label, back) = ui
        .horizontal_wrapped(|ui| {
            ui.set_min_height(space::CONTROL_ROW);
            let label = ui.label("Text");
            let back = differs && ui.button("Use the sentence in Prompt").clicked();
            (label, back)
        })
        .inner;
    let edit = TextEdit::multiline(&mut text)
        .desired_rows(1)
        .desired_width(f32::INFINITY);
    if ui.add(edit).labelled_by(label.id).changed() {
        form.text = Some(text);
    }
    if back {
        form.text = None;
    }
    let label = ui.label("Target").on_hover_text(Target::FORMAT);
    let text = form.text.as_ref().unwrap_or(&state.prompt.text).clone();
    if let Some(other) = target::target_ui(ui, state, (&text, &form.target), commands) {
        form.target = other;
    }
    let edit = TextEdit::singleline(&mut form.target)
        .desired_width(f32::INFINITY)
        .hint_text("logit:  his -  her");
    ui.add(edit).labelled_by(label.id);
    let Some(loaded) = state.model().filter(|_| !form.target.is_empty()) else {
        return;
    };
    let (words, ink) = match Target::parse(&form.target, loaded.model.codec()) {
        Ok(target) => {
            let words = format!("Causes of {}", target.said(loaded.model.codec()));
            (words, theme.ink.secondary)
        }
        Err(why) => (crate::words::error(&why), theme.failure),
    };
    ui.add(Label::new(caption(words).color(ink)).wrap());
}
