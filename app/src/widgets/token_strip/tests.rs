//! Drives a token strip by the names of its parts; 2,000 tokens stay cheap.

use std::ops::RangeInclusive;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::{Tint, TokenStrip};
use crate::widgets::staged;

#[derive(Debug, Default)]
struct Seen {
    selected: Option<RangeInclusive<usize>>,
    opened: Option<usize>,
}

fn harness(tokens: &[&str]) -> Harness<'static, Seen> {
    let tokens: Vec<String> = tokens.iter().map(|t| (*t).to_owned()).collect();
    let values: Vec<f32> = (0..tokens.len()).map(|i| i as f32 - 1.0).collect();
    Harness::builder()
        .with_size((400.0, 300.0))
        .with_context_setup(crate::theme::install)
        .build_ui_state(
            move |ui, seen: &mut Seen| {
                let mut card = |ui: &mut egui::Ui, token: usize| {
                    ui.label(format!("card of {token}"));
                };
                let reply = TokenStrip::new("Prompt tokens", &tokens)
                    .values(&values, 3.0)
                    .tint(Tint::Diverging)
                    .selected(seen.selected.clone())
                    .card(&mut card)
                    .show(ui);
                seen.selected = reply.selected.or(seen.selected.take());
                seen.opened = reply.opened.or(seen.opened);
            },
            Seen::default(),
        )
}

const TOKENS: [&str; 6] = ["The", " king", "\n", " of", "⟨E2⟩", " Oz"];

#[test]
fn a_click_selects_and_shift_click_selects_a_range() {
    let mut harness = harness(&TOKENS);
    harness.get_by_label("Prompt tokens");
    harness.get_by_label("king, token 1").click();
    harness.run();
    assert_eq!(harness.state().selected, Some(1..=1));
    harness
        .get_by_label("Oz, token 5")
        .click_modifiers(Modifiers::SHIFT);
    harness.run();
    assert_eq!(harness.state().selected, Some(1..=5));
    harness
        .get_by_label("The, token 0")
        .click_modifiers(Modifiers::SHIFT);
    harness.run();
    assert_eq!(harness.state().selected, Some(0..=1));
}

#[test]
fn arrow_keys_walk_and_shift_extends() {
    let mut harness = harness(&TOKENS);
    harness.get_by_label("king, token 1").click();
    harness.run();
    harness.key_press(Key::ArrowRight);
    harness.run();
    harness.key_press(Key::ArrowRight);
    harness.run();
    assert_eq!(harness.state().selected, Some(3..=3));
    harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowRight);
    harness.run();
    assert_eq!(harness.state().selected, Some(3..=4));
    harness.key_press(Key::ArrowUp);
    harness.run();
    assert_eq!(harness.state().selected, Some(1..=1));
    harness.key_press(Key::End);
    harness.run();
    assert_eq!(harness.state().selected, Some(5..=5));
}

#[test]
fn hovering_shows_the_card() {
    let mut harness = harness(&TOKENS);
    harness.get_by_label("king, token 1").hover();
    harness.run_steps(30);
    harness.get_by_label("card of 1");
}

#[test]
fn of_two_thousand_tokens_only_what_is_seen_is_drawn() {
    let words = [" the", " king", "dom", " of", " Oz", ",", "\n", " said"];
    let tokens: Vec<&str> = (0..2000).map(|i| words[i * 7 % words.len()]).collect();
    let mut harness = harness(&tokens);
    harness.run();
    let tints = harness.output().shapes.len();
    assert!((1..1000).contains(&tints), "{tints} shapes are painted");
}

#[test]
fn a_single_line_shows_whole_tokens_around_the_peak_and_says_that_it_is_cut() {
    let tokens: Vec<String> = (0..20).map(|i| format!(" word{i:02}")).collect();
    let mut harness = staged(
        move |ui, (): &mut ()| {
            ui.set_width(200.0);
            TokenStrip::new("Cut", &tokens).one_line(10).show(ui);
        },
        (),
    );
    harness.run();
    let strip = harness.get_by_label("Cut").rect();
    let shown = harness.get_all_by_role(Role::ListItem);
    let rects: Vec<_> = shown.map(|token| token.rect()).collect();
    assert!(rects.len() >= 2, "{rects:?}");
    let width = rects[0].width();
    for rect in rects {
        assert!((rect.width() - width).abs() < 0.6, "{rect} is cut");
        assert!(rect.left() > strip.left() && rect.right() < strip.right());
    }
    let shapes = &harness.output().shapes;
    let dots = shapes.iter().filter(
        |shape| matches!(&shape.shape, egui::Shape::Text(text) if text.galley.text() == "…"),
    );
    assert_eq!(dots.count(), 2);
}
