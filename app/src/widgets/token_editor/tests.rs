//! Types, clicks and walks in a token editor; 2,000 tokens stay cheap.

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::*;
use crate::theme::Hue;
use crate::widgets::staged;

#[derive(Debug, Default)]
struct Stage {
    text: String,
    /// The text that was read, and its tokens.
    read: String,
    tokens: Vec<String>,
    before: usize,
    chosen: Option<usize>,
    hovered: Option<usize>,
    caret: usize,
}

impl Stage {
    /// Reads the text: each of `tokens` is a part of it, but for the chips.
    fn new(before: &[&str], tokens: &[&str]) -> Self {
        let text = tokens.concat();
        let all = before.iter().chain(tokens);
        Self {
            read: text.clone(),
            text,
            tokens: all.map(|token| (*token).to_owned()).collect(),
            before: before.len(),
            ..Self::default()
        }
    }

    fn pieces(&self, theme: &Theme) -> Vec<Piece> {
        let mut at = 0;
        let mut spans = vec![0..0; self.before];
        for token in &self.tokens[self.before..] {
            spans.push(at..at + token.len());
            at += token.len();
        }
        let spans = carry(&self.read, &self.text, &spans);
        let piece = |(i, span)| Piece {
            span,
            tint: Some(theme.tint(Hue::Activation, 0.1)),
            negative: i % 2 == 1,
            marks: vec![0, 1, 2, 3, 4][..i % 6].to_vec(),
            ..Piece::default()
        };
        spans.into_iter().enumerate().map(piece).collect()
    }
}

fn harness(stage: Stage) -> Harness<'static, Stage> {
    let mut harness = staged(
        |ui, stage: &mut Stage| {
            let pieces = stage.pieces(Theme::from_ui(ui));
            let mut card = |ui: &mut Ui, token: usize| {
                ui.label(format!("card of {token}"));
            };
            let reply = TokenEditor {
                name: "Sentence",
                text: &stage.text,
                pieces: &pieces,
                tokens: &stage.tokens,
                before: stage.before,
                selected: stage.chosen,
                pointed: None,
                reveal: None,
                height: 200.0,
                card: &mut card,
            }
            .show(ui);
            stage.chosen = reply.chosen.or(stage.chosen);
            stage.hovered = reply.hovered;
            if let Some(text) = reply.typed {
                stage.caret = reply.caret;
                stage.text = text;
            }
        },
        stage,
    );
    harness.run();
    harness
}

fn small() -> Harness<'static, Stage> {
    harness(Stage::new(
        &["<s>"],
        &["The", " king", "\n", "sat", " down"],
    ))
}

fn field<'h>(harness: &'h Harness<'_, Stage>) -> egui_kittest::Node<'h> {
    harness.get_by_role_and_label(Role::MultilineTextInput, "Sentence")
}

#[test]
fn a_click_places_the_caret_and_chooses_the_token() {
    let mut harness = small();
    harness.get_by_label("king, token 2").click();
    harness.run();
    assert_eq!(harness.state().chosen, Some(2));
    field(&harness).type_text("x");
    harness.run();
    // In the middle of " king".
    let text = &harness.state().text;
    assert!(text.contains("kxing") || text.contains("kixng"), "{text}");
    assert_eq!(text.len(), "The king\nsat downx".len());
    assert_eq!(text[..harness.state().caret].chars().last(), Some('x'));
}

#[test]
fn chips_before_the_text_are_chosen_too() {
    let mut harness = small();
    harness.get_by_label("<s>, token 0").click();
    harness.run();
    assert_eq!(harness.state().chosen, Some(0));
}

#[test]
fn alt_with_arrows_walks_and_the_caret_stays() {
    let mut harness = small();
    field(&harness).focus();
    harness.run();
    for (key, want) in [
        (Key::ArrowDown, 0),
        (Key::ArrowDown, 1),
        (Key::ArrowUp, 0),
        (Key::ArrowUp, 0),
    ] {
        harness.key_press_modifiers(Modifiers::ALT, key);
        harness.run();
        assert_eq!(harness.state().chosen, Some(want));
    }
    field(&harness).type_text("!");
    harness.run();
    assert_eq!(harness.state().text, "The king\nsat down!");
}

#[test]
fn typing_undo_and_several_lines_work_as_in_any_field() {
    let mut harness = small();
    field(&harness).focus();
    harness.run();
    field(&harness).type_text(" now");
    harness.run();
    harness.key_press(Key::Enter);
    harness.run();
    assert_eq!(harness.state().text, "The king\nsat down now\n");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.key_press(Key::Backspace);
    harness.run();
    assert_eq!(harness.state().text, "");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run();
    assert!(
        harness.state().text.starts_with("The king"),
        "{}",
        harness.state().text
    );
}

#[test]
fn tokens_keep_their_tints_while_somebody_types() {
    let mut harness = small();
    field(&harness).focus();
    harness.run();
    let before = harness.get_by_label("king, token 2").rect();
    field(&harness).type_text(" and slept");
    harness.run();
    assert_eq!(harness.get_by_label("king, token 2").rect(), before);
    harness.get_by_label("down, token 5");
}

#[test]
fn hovering_a_token_shows_its_card() {
    let mut harness = small();
    harness.get_by_label("king, token 2").hover();
    harness.run_steps(30);
    harness.get_by_label("card of 2");
    assert_eq!(harness.state().hovered, Some(2));
}

#[test]
fn places_follow_lines_and_leave_the_space_before_a_new_line_out() {
    let words: Vec<String> = (0..60).map(|i| format!(" word{i}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let harness = harness(Stage::new(&[], &words));
    let mut lines: Vec<(f32, f32)> = vec![];
    for i in 0..20 {
        let rect = harness.get_by_label(&format!("word{i}, token {i}")).rect();
        assert!(rect.width() > 20.0, "{i}: {rect:?}");
        match lines.last_mut() {
            Some((y, right)) if *y == rect.top() => {
                assert!((rect.left() - *right).abs() < 1.0, "{i}: {rect:?}");
                *right = rect.right();
            }
            _ => lines.push((rect.top(), rect.right())),
        }
    }
    assert!(lines.len() > 2 && lines.is_sorted_by(|a, b| a.0 < b.0));
}

#[test]
fn signs_stand_for_what_cannot_be_seen_one_for_one() {
    for c in ['a', '\n', '\u{200B}', '\u{7}', '\u{FFFD}', '東'] {
        let sign = visible(c);
        assert_eq!(
            sign == c,
            !matches!(c, '\u{200B}' | '\u{7}' | '\u{FFFD}'),
            "{c:?}"
        );
    }
}

#[test]
fn of_two_thousand_tokens_only_what_is_seen_is_drawn() {
    let words = [" the", " king", "dom", " of", " Oz", ",", "\n", " said"];
    let tokens: Vec<&str> = (0..2000).map(|i| words[i * 7 % words.len()]).collect();
    let harness = harness(Stage::new(&["<s>"], &tokens));
    let tints = harness.output().shapes.len();
    assert!((1..1000).contains(&tints), "{tints} shapes are painted");
}
