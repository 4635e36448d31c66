//! The chat in Prompt: its messages as cards, and its tokens turn by turn as the model reads them.

use std::ops::Range;
use std::sync::Arc;

use egui::{Align, Layout, ScrollArea, Ui, vec2};
use umbra_core::prompt::Reading;
use umbra_core::text::chat::{Message, Roles};

use super::{Editor, card_ui};
use crate::state::AppState;
use crate::state::prompt::Side;
use crate::state::requests::{Commands, navigation, prompt};
use crate::theme::{Theme, caption, space};
use crate::views::chat::rendered_ui;
use crate::widgets::anchor::Anchor;
use crate::widgets::messages::{Change, messages_ui};
use crate::widgets::token_strip::{Tint, TokenStrip};

/// Share of the screen's height that the chat takes at most, and its bounds.
const TALL: (f32, f32, f32) = (0.5, 96.0, 380.0);

/// Width of the name of a turn.
const TURN: f32 = 76.0;

/// Tokens of one turn.
#[derive(Debug, PartialEq, Eq)]
struct Turn {
    tokens: Range<usize>,
    title: String,
}

/// Returns the turns of a reading: tokens side by side of one message.
fn turns(roles: &Roles) -> Vec<Turn> {
    let of = |t: usize| {
        let place = roles.place(t);
        place.map(|place| (place.message, place.role.as_str()))
    };
    let mut turns: Vec<Turn> = Vec::new();
    for t in 0..roles.len() {
        match turns.last_mut() {
            Some(last) if of(last.tokens.start) == of(t) => last.tokens.end = t + 1,
            _ => turns.push(Turn {
                tokens: t..t + 1,
                title: of(t).map_or("template", |(_, role)| role).to_owned(),
            }),
        }
    }
    turns
}

impl Editor {
    /// Draws the messages and, below them, their tokens.
    pub(super) fn chat_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        messages: &[Message],
        commands: &mut Commands,
    ) {
        let (share, least, most) = TALL;
        let height = (ui.available_height() * share).clamp(least, most);
        let area = ScrollArea::vertical()
            .id_salt("chat")
            .max_height(height)
            .auto_shrink([false, true]);
        let shown = area.show(ui, |ui| {
            let mut now = messages.to_vec();
            match messages_ui(ui, &mut now) {
                Some(Change::Typed) => commands.send(prompt::Command::TypedChat(now)),
                Some(Change::Arranged) => commands.send(prompt::Command::Chat(now)),
                None => {}
            }
            let reading = state.reading().filter(|_| state.prompt.input().is_some());
            if let Some(reading) = reading
                && let Some(roles) = &reading.roles
            {
                ui.add_space(space::CONTROL);
                self.turns_ui(ui, state, (reading, roles), commands);
                rendered_ui(ui, &reading.text);
            }
        });
        let place = ui.interact(
            shown.inner_rect,
            shown.id.with("place"),
            egui::Sense::hover(),
        );
        Anchor::Sentence.mark(&place);
    }

    fn turns_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (reading, roles): (&Arc<Reading>, &Roles),
        commands: &mut Commands,
    ) {
        self.hovered = None;
        let lit = state.prompt.side == Side::Features && state.sae().is_some();
        let hue = self.by.hue();
        let tints = self.tints(state, reading);
        let tint = if tints.scale.signed {
            Tint::Diverging
        } else {
            Tint::Sequential(hue)
        };
        let secondary = Theme::from_ui(ui).ink.secondary;
        let mut hovered = None;
        for (n, turn) in turns(roles).into_iter().enumerate() {
            let tokens = turn.tokens.start..turn.tokens.end.min(reading.texts.len());
            let faint: Vec<bool> = tokens
                .clone()
                .map(|t| roles.place(t).is_none_or(|place| place.is_marker))
                .collect();
            let name = format!("Turn {} of {}", n + 1, turn.title);
            let selected = state.selection.token.filter(|t| tokens.contains(t));
            let selected = selected.map(|t| t - tokens.start);
            let mut card = |ui: &mut Ui, at: usize| {
                card_ui(ui, state, reading, tokens.start + at);
            };
            ui.horizontal_top(|ui| {
                let size = vec2(TURN, space::TABLE_ROW);
                ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
                    ui.set_min_width(TURN);
                    ui.label(caption(turn.title.as_str()).color(secondary));
                });
                let mut strip = TokenStrip::new(&name, &reading.texts[tokens.clone()])
                    .faint(&faint)
                    .selected(selected.map(|t| t..=t))
                    .card(&mut card);
                if lit && let Some(values) = tints.values.get(tokens.clone()) {
                    strip = strip.values(values, tints.scale.most).tint(tint);
                }
                let reply = strip.definition(super::BY_TOKEN).show(ui);
                hovered = reply.hovered.map(|t| tokens.start + t).or(hovered);
                if let Some(t) = reply.chosen {
                    let chosen = navigation::Command::SelectToken(Some(tokens.start + t));
                    commands.send(chosen);
                }
            });
        }
        self.hovered = hovered;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use egui_kittest::kittest::Queryable as _;
    use umbra_core::text::TextCodec;

    use super::*;
    use crate::state::requests::Command;
    use crate::state::view::ViewId;
    use crate::testing::{self, chats};

    fn state() -> AppState {
        chats::with_template(testing::with_demo_model(testing::empty()))
    }

    #[test]
    fn messages_are_typed_read_and_shown_turn_by_turn() {
        let mut desk = testing::Desk::new(state());
        desk.run(prompt::Command::Chat(chats::question()));
        desk.run(prompt::Command::Read);
        let reading = desk.state.prompt.reading.ready().unwrap();
        assert_eq!(reading.text, "[user] Who are you?\n[assistant] ");
        let mut harness = testing::harness(ViewId::Prompt, desk.state);
        harness.run();
        for name in ["Message 1 of user", "Turn 1 of user", "Turn 2 of assistant"] {
            harness.get_by_label(name);
        }
        harness.get_by_label("Message 1 of user").focus();
        harness.run();
        harness.get_by_label("Message 1 of user").type_text("!");
        harness.run();
        let sent = harness.state_mut().commands.take();
        let typed = sent.iter().find_map(|command| match command {
            Command::Prompt(prompt::Command::TypedChat(messages)) => Some(messages),
            _ => None,
        });
        assert!(typed.unwrap()[0].content.contains('!'), "{sent:?}");
    }

    #[test]
    fn the_sentence_becomes_a_message_and_comes_back() {
        let mut desk = testing::Desk::new(state());
        desk.run(prompt::Command::Text("Once upon".to_owned()));
        let mut harness = testing::harness(ViewId::Prompt, desk.state);
        harness.get_by_label("Chat").click();
        harness.run();
        let sent = harness.state_mut().commands.take();
        let chat = prompt::Command::Chat(vec![Message::new("user", "Once upon")]);
        assert!(sent.contains(&chat.clone().into()), "{sent:?}");
        let mut desk = testing::Desk::new(state());
        desk.run(prompt::Command::Text("Once upon".to_owned()));
        desk.run(chat);
        assert!(desk.state.prompt.chat().is_some());
        let mut harness = testing::harness(ViewId::Prompt, desk.state);
        harness.get_by_label("Text").click();
        harness.run();
        let sent = harness.state_mut().commands.take();
        let back = prompt::Command::Text("Once upon".to_owned());
        assert!(sent.contains(&back.into()), "{sent:?}");
    }

    #[test]
    fn tokens_stand_in_the_turns_of_their_messages() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/chat/tiny");
        let codec = TextCodec::open(Path::new(folder)).unwrap();
        let messages = [Message::new("user", "Hi"), Message::new("assistant", "Yes")];
        let roles = codec.encode_chat(&messages, false).unwrap().roles;
        let turns = turns(&roles);
        let titles: Vec<&str> = turns.iter().map(|turn| turn.title.as_str()).collect();
        assert_eq!(titles, ["system", "user", "assistant"]);
        assert!(
            turns
                .windows(2)
                .all(|pair| pair[0].tokens.end == pair[1].tokens.start)
        );
        assert_eq!(turns[2].tokens.end, roles.len());
    }
}
