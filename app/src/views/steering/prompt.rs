//! Text to continue, or chat whose answer is the continuation.

use std::time::SystemTime;

use egui::{Response, TextEdit, Ui};
use umbra_core::prompt::Input;
use umbra_core::text::chat::{ASSISTANT, Message, USER, awaits_answer};

use crate::state::AppState;
use crate::state::steering::{Draft, Ended};
use crate::theme::{Theme, caption, space};
use crate::views::chat::{begun, rendered_ui, switch_ui};
use crate::widgets::focus;
use crate::widgets::messages::messages_ui;

/// Draws what is continued. Where the text is out of view, the focus goes to the `first` control of the edits, so that opening the screen scrolls nothing away.
pub(super) fn prompt_ui(ui: &mut Ui, draft: &mut Draft, state: &AppState, first: &Response) {
    let here = state.prompt.asked();
    let differs = draft.prompt.as_ref().is_some_and(|own| *own != here);
    let now = draft.prompt_in(state);
    let is_chat = matches!(now, Input::Chat(_));
    let model = state.model().map(|loaded| &*loaded.model);
    let (label, switched, back) = ui
        .horizontal_wrapped(|ui| {
            ui.set_min_height(space::CONTROL_ROW);
            let title = if is_chat {
                "Chat to answer"
            } else {
                "Text to continue"
            };
            let label = ui.label(title);
            let switched = switch_ui(ui, is_chat, model);
            let back = differs && ui.button("Use the sentence in Prompt").clicked();
            (label, switched, back)
        })
        .inner;
    match &now {
        Input::Chat(messages) => chat_ui(ui, draft, messages, state),
        other => {
            let mut text = other.shown();
            let edit = TextEdit::multiline(&mut text)
                .desired_rows(2)
                .desired_width(f32::INFINITY)
                .hint_text("Beginning of both texts");
            let field = ui.add(edit).labelled_by(label.id);
            let is_seen = ui.clip_rect().contains_rect(field.rect);
            focus::main(if is_seen { &field } else { first });
            if field.changed() {
                draft.prompt = Some(text.into());
            }
        }
    }
    match switched {
        Some(true) => draft.prompt = Some(Input::Chat(begun(&now.shown()).into())),
        Some(false) => draft.prompt = Some(Input::Text(text_of(&now))),
        None => {}
    }
    if back {
        draft.prompt = None;
    }
}

/// Returns the text that takes the place of messages: that of the last one of the user.
fn text_of(input: &Input) -> String {
    match input {
        Input::Chat(messages) => {
            let users = messages.iter().rev();
            let last = users.into_iter().find(|message| message.role == USER);
            last.map(|message| message.content.clone())
                .unwrap_or_default()
        }
        other => other.shown(),
    }
}

/// Draws the messages, what goes on from the last run, and the text that the template writes.
fn chat_ui(ui: &mut Ui, draft: &mut Draft, messages: &[Message], state: &AppState) {
    let mut now = messages.to_vec();
    if messages_ui(ui, &mut now).is_some() {
        draft.prompt = Some(Input::Chat(now.into()));
    }
    for (name, text) in answers(messages, state) {
        let words = format!("Continue the conversation with the {name} answer");
        let button = ui.button(words);
        let help =
            "Appends the answer as a message of the assistant, and an empty message of the user";
        if button.on_hover_text(help).clicked() {
            let next = [Message::new(ASSISTANT, text.trim()), Message::new(USER, "")];
            draft.prompt = Some(Input::Chat(messages.iter().cloned().chain(next).collect()));
        }
    }
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some(model) = state.model() else {
        return;
    };
    let template = match model.model.codec().needed_chat_template() {
        Ok(template) => template,
        Err(why) => {
            ui.label(caption(crate::words::error(&why)).color(secondary));
            return;
        }
    };
    let rendered = template.render(messages, awaits_answer(messages), SystemTime::now());
    match rendered {
        Ok(text) => rendered_ui(ui, &text),
        Err(why) => {
            let failure = Theme::from_ui(ui).failure;
            ui.label(caption(crate::words::error(&why)).color(failure));
        }
    }
}

/// Returns the answers of the last run to these messages: the baseline's, and the steered one where it differs.
fn answers<'a>(messages: &[Message], state: &'a AppState) -> Vec<(&'static str, &'a str)> {
    let Some(run) = &state.steering.run else {
        return Vec::new();
    };
    let is_of = matches!(&run.request.prompt, Input::Chat(asked) if **asked == *messages);
    let Some(Ended::Done { outcome, .. }) = run.ended.as_ref().filter(|_| is_of) else {
        return Vec::new();
    };
    let Some(sample) = outcome.samples.first() else {
        return Vec::new();
    };
    let texts = [&sample.baseline, &sample.steered].map(|text| text.written.text.as_str());
    let mut answers = vec![("baseline", texts[0])];
    if texts[0] != texts[1] {
        answers.push(("steered", texts[1]));
    }
    answers.retain(|(_, text)| !text.trim().is_empty());
    answers
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::{NodeT as _, Queryable as _};

    use super::*;
    use crate::state::requests::{Command, steering};
    use crate::state::view::ViewId;
    use crate::testing::{self, chats};

    fn chatting() -> AppState {
        let mut state = chats::with_template(testing::with_demo_model(testing::empty()));
        state.prompt.chat = Some(chats::question());
        state
    }

    #[test]
    fn a_chat_is_answered_and_the_conversation_goes_on() {
        let mut harness = testing::harness(ViewId::Steering, chatting());
        harness.get_by_label("Chat to answer");
        harness.get_by_label("Message 1 of user");
        harness.get_by_label("Run").click();
        harness.run();
        let sent = harness.state_mut().commands.take();
        let [Command::Steering(steering::Command::Run(request))] = sent.as_slice() else {
            panic!("{sent:?}");
        };
        assert_eq!(request.prompt, Input::Chat(chats::question().into()));
        let mut request = request.clone();
        request.sampling.tokens = 3;
        let mut desk = testing::Desk::new(chatting());
        desk.run(steering::Command::Run(request));
        let mut harness = testing::harness(ViewId::Steering, desk.state);
        let words = "Continue the conversation with the baseline answer";
        harness.get_by_label(words).click();
        harness.run();
        let draft = &harness.state().state.steering.draft;
        let Some(Input::Chat(messages)) = &draft.prompt else {
            panic!("{:?}", draft.prompt);
        };
        let roles: Vec<&str> = messages.iter().map(|m| m.role.as_str()).collect();
        assert_eq!(roles, [USER, ASSISTANT, USER]);
        assert!(!messages[1].content.is_empty() && messages[2].content.is_empty());
        assert!(
            harness.query_by_label(words).is_none(),
            "another chat by now"
        );
    }

    #[test]
    fn a_text_becomes_a_message_and_a_model_without_a_template_takes_texts_alone() {
        let mut state = chats::with_template(testing::with_demo_model(testing::empty()));
        state.prompt.text = "Once upon".to_owned();
        let mut harness = testing::harness(ViewId::Steering, state);
        harness.get_by_label("Chat").click();
        harness.run();
        let draft = &harness.state().state.steering.draft;
        assert_eq!(draft.prompt, Some(Input::Chat(begun("Once upon").into())));
        harness.get_by_label("Text").click();
        harness.run();
        let draft = &harness.state().state.steering.draft;
        assert_eq!(draft.prompt, Some("Once upon".into()));
        let state = testing::with_demo_model(testing::empty());
        let harness = testing::harness(ViewId::Steering, state);
        assert!(harness.get_by_label("Chat").accesskit_node().is_disabled());
    }
}
