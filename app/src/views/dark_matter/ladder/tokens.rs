//! Error norms of consecutive tokens, one line for each width.

use egui::{Button, Label, Ui};
use umbra_core::dark_matter::ladder::{Ladder, Passage};

use super::short_names;
use crate::theme::{Hue, Theme, caption, mono_caption};
use crate::widgets::curve_plot::{CurvePlot, Series};
use crate::widgets::number;

/// Height of the plot.
const HEIGHT: f32 = 200.0;

/// Passage that is shown.
#[derive(Debug, Default)]
pub(super) struct Choice {
    passage: usize,
    nonlinear: bool,
}

/// Draws a passage: its tokens, and the norm of each dictionary's error at each of them.
pub(super) fn tokens_ui(ui: &mut Ui, ladder: &Ladder, choice: &mut Choice) {
    let last = ladder.passages.len() - 1;
    choice.passage = choice.passage.min(last);
    let passage = &ladder.passages[choice.passage];
    let split = !passage.nonlinear.is_empty();
    ui.horizontal_wrapped(|ui| {
        let at = choice.passage;
        if ui
            .add_enabled(at > 0, Button::new("Previous passage"))
            .clicked()
        {
            choice.passage -= 1;
        }
        if ui
            .add_enabled(at < last, Button::new("Next passage"))
            .clicked()
        {
            choice.passage += 1;
        }
        let words = format!("{} of {} · {}", at + 1, last + 1, passage.document);
        let ink = Theme::from_ui(ui).ink.secondary;
        ui.add(Label::new(caption(words).color(ink)).wrap());
        if split {
            ui.selectable_value(&mut choice.nonlinear, false, "Whole error");
            ui.selectable_value(&mut choice.nonlinear, true, "Nonlinear part");
        }
    });
    plot_ui(ui, ladder, passage, choice.nonlinear && split);
    let text: String = passage.tokens.concat();
    let text = text.replace('\n', "⏎");
    let ink = Theme::from_ui(ui).ink.secondary;
    ui.add(
        Label::new(mono_caption(text).color(ink))
            .wrap()
            .selectable(true),
    );
}

fn plot_ui(ui: &mut Ui, ladder: &Ladder, passage: &Passage, nonlinear: bool) {
    let theme = Theme::from_ui(ui);
    let norms = if nonlinear {
        &passage.nonlinear
    } else {
        &passage.norms
    };
    let mut order: Vec<usize> = (0..ladder.rungs.len()).collect();
    order.sort_by_key(|i| ladder.rungs[*i].features);
    let points: Vec<Vec<[f64; 2]>> = order
        .iter()
        .map(|i| {
            let norms = norms[*i].iter().enumerate();
            norms
                .map(|(at, norm)| [(at + 1) as f64, f64::from(*norm)])
                .collect()
        })
        .collect();
    let names = short_names(ladder);
    let many = order.len().max(2) - 1;
    let series: Vec<Series<'_>> = order
        .iter()
        .zip(&points)
        .enumerate()
        .map(|(place, (i, points))| Series {
            name: &names[*i],
            // The widest in full: what it leaves is the question.
            colour: theme.mark(Hue::Error, 0.45 + 0.55 * place as f32 / many as f32),
            points,
        })
        .collect();
    let (y, definition) = if nonlinear {
        (
            "Norm of the nonlinear part",
            "Norm of the part of the error that the linear map does not predict, at each token",
        )
    } else {
        (
            "Norm of the error",
            "Norm of the activation less its reconstruction, at each token",
        )
    };
    CurvePlot {
        name: "Error token by token",
        y,
        x: "token of the passage",
        series: &series,
        faint: &[],
        height: HEIGHT,
        group: None,
        format: number::number,
        definition,
    }
    .ui(ui);
}
