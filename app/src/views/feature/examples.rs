//! Where the feature fires: the strongest places, then examples from five equal intervals of activation.

use egui::{Align, Layout, Ui, vec2};
use umbra_core::features::{Detail, Example};

use crate::state::requests::{Commands, prompt};
use crate::theme::{Theme, caption, mono_caption, panel_title, space};
use crate::widgets::legend;
use crate::widgets::number::{number, percent};
use crate::widgets::token_strip::{Scale, TokenStrip};

/// Width of the activation before each example.
const ACT: f32 = 44.0;

/// Strongest places shown before "Show all".
const FEW: usize = 10;

/// Draws them; answers the activation of the example under the pointer.
pub(super) fn examples_ui(
    ui: &mut Ui,
    detail: &Detail,
    all: &mut bool,
    commands: &mut Commands,
) -> Option<f64> {
    let theme = Theme::from_ui(ui);
    let mut hovered = None;
    let scale = Scale::from_summary(&detail.summary);
    ui.horizontal(|ui| {
        ui.label(panel_title("Strongest examples"));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.allocate_ui_with_layout(
                vec2(230.0, space::TABLE_ROW),
                Layout::left_to_right(Align::Center),
                |ui| legend::activation(ui, scale),
            );
        });
    });
    let shown = if *all { detail.top.len() } else { FEW };
    for (i, example) in detail.top.iter().take(shown).enumerate() {
        let name = format!("Top example {}", i + 1);
        hovered = example_ui(ui, &name, example, scale, commands).or(hovered);
    }
    if detail.top.len() > FEW {
        let words = if *all {
            format!("Show {FEW}")
        } else {
            format!("Show all {}", detail.top.len())
        };
        if ui.button(words).clicked() {
            *all = !*all;
        }
    }
    ui.add_space(space::GROUP);
    ui.label(panel_title("Examples by activation interval"))
        .on_hover_text(
            "Five equal intervals from 0 (or from the least activation) to the largest, with five random examples from each. The share is of the tokens on which the feature is \
             active: most of what a feature does is seldom its strongest.",
        );
    for (i, interval) in detail.intervals.iter().enumerate() {
        ui.add_space(space::CHIP);
        let head = format!("{} to {}", number(interval.from), number(interval.to));
        ui.horizontal(|ui| {
            ui.label(mono_caption(head).color(theme.ink.secondary));
            let share = format!("{} of active tokens", percent(interval.share));
            ui.label(caption(share).color(theme.ink.secondary));
        });
        if interval.examples.is_empty() {
            ui.label(caption("None").color(theme.ink.disabled));
        }
        for (j, example) in interval.examples.iter().enumerate() {
            let name = format!("Interval {} example {}", i + 1, j + 1);
            hovered = example_ui(ui, &name, example, scale, commands).or(hovered);
        }
    }
    hovered
}

/// One example; its activation if the pointer is over it.
fn example_ui(
    ui: &mut Ui,
    name: &str,
    example: &Example,
    scale: Scale,
    commands: &mut Commands,
) -> Option<f64> {
    let row = ui.horizontal(|ui| {
        ui.set_min_height(space::TABLE_ROW);
        let act = f64::from(example.act());
        ui.allocate_ui_with_layout(
            vec2(ACT, space::TABLE_ROW),
            Layout::right_to_left(Align::Center),
            |ui| {
                ui.label(mono_caption(number(act)).color(Theme::from_ui(ui).ink.secondary))
                    .on_hover_text(format!(
                        "Activation at the underlined token\n{}",
                        example.document
                    ));
            },
        );
        let mut card = |ui: &mut Ui, token: usize| {
            let text = example.tokens[token].replace('\n', "⏎");
            ui.label(mono_caption(format!("“{text}”  id {}", example.ids[token])));
            let act = f64::from(example.acts[token]);
            ui.label(caption(format!("activation {}", number(act))));
            ui.label(caption(&example.document).color(Theme::from_ui(ui).ink.secondary));
            ui.label(caption("Click to open in Prompt").color(Theme::from_ui(ui).ink.secondary));
        };
        let strip = TokenStrip::new(name, &example.tokens)
            .activations(&example.acts, scale)
            .one_line(example.at)
            .card(&mut card)
            .show(ui);
        if let Some(token) = strip.chosen {
            commands.send(prompt::Command::Example {
                example: Box::new(example.clone()),
                at: token,
            });
        }
    });
    let over = ui.rect_contains_pointer(row.response.rect);
    over.then(|| f64::from(example.act()))
}
