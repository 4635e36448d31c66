//! Error by width: stacked by cause, with the power law and the limit that it approaches.

use egui::{Label, Ui};
use umbra_core::dark_matter::ladder::{Ladder, Law, Rung};

use super::definition;
use crate::theme::{Hue, Theme, caption};
use crate::widgets::number::number;
use crate::widgets::stack_plot::{Part, StackPlot};

/// Height of the plot.
const HEIGHT: f32 = 240.0;

/// Draws the plot and the law in numbers.
pub(super) fn width_ui(ui: &mut Ui, ladder: &Ladder) {
    let theme = Theme::from_ui(ui);
    let mut order: Vec<usize> = (0..ladder.rungs.len()).collect();
    order.sort_by_key(|i| ladder.rungs[*i].features);
    let rungs: Vec<&Rung> = order.iter().map(|i| &ladder.rungs[*i]).collect();
    let at: Vec<f64> = rungs.iter().map(|rung| rung.features as f64).collect();
    let names: Vec<String> = rungs
        .iter()
        .map(|rung| crate::widgets::number::count(rung.features as u64))
        .collect();
    let stacked = stacked(ladder, &order);
    let parts: Vec<Part<'_>> = stacked
        .iter()
        .map(|(name, share, heights)| Part {
            name,
            colour: theme.mark(Hue::Error, *share),
            heights,
        })
        .collect();
    let intervals: Vec<Option<[f64; 2]>> = rungs.iter().map(|rung| rung.fvu_interval).collect();
    let law = ladder.law.as_ref().filter(|law| law.law.falls());
    let at_width = |features: f64| law.map_or(0.0, |law| law.law.at(features));
    let plot = StackPlot {
        name: "Error by width",
        definition: definition("fit"),
        x: "features",
        y: "FVU",
        at: &at,
        names: &names,
        parts: &parts,
        intervals: &intervals,
        curve: law.map(|_| (&at_width as &dyn Fn(f64) -> f64, "Power law")),
        level: law.map(|law| law.law.c),
        height: HEIGHT,
    };
    plot.show(ui);
    let words = match &ladder.law {
        Some(law) => law_words(law),
        None => format!("No power law: {}.", ladder.why_no_law()),
    };
    for words in std::iter::once(words).chain(introduced(ladder)) {
        let words = caption(words).color(theme.ink.secondary);
        ui.add(Label::new(words).wrap().selectable(true));
    }
}

/// Says how much of the widest dictionary's error its encoder adds, where pursuit told that.
fn introduced(ladder: &Ladder) -> Option<String> {
    let wide = ladder.rungs.iter().max_by_key(|rung| rung.features)?;
    let (introduced, tokens) = (wide.introduced?, ladder.pursued?);
    Some(format!(
        "On {} tokens, gradient pursuit over the decoder of {} finds codes of equal L0 that leave {} less FVU: the encoder adds that much to the parts above.",
        crate::widgets::number::count(tokens),
        wide.name,
        number(introduced)
    ))
}

/// Parts from the ground up: name, strength of the colour and heights in the order of the columns. The whole alone where a part is unknown or negative.
fn stacked(ladder: &Ladder, order: &[usize]) -> Vec<(&'static str, f32, Vec<f64>)> {
    let whole = || {
        let heights = order.iter().map(|i| ladder.rungs[*i].fvu);
        vec![("Error", 1.0, heights.collect())]
    };
    let Some(causes) = ladder.causes() else {
        return whole();
    };
    let is_negative = causes
        .iter()
        .any(|one| one.unlearnt < 0.0 || one.linear.is_some_and(|linear| linear < 0.0));
    if is_negative || !ladder.law.is_some_and(|law| law.law.falls()) {
        return whole();
    }
    let of = |get: &dyn Fn(usize) -> f64| order.iter().map(|i| get(*i)).collect::<Vec<f64>>();
    let unlearnt = of(&|i| causes[i].unlearnt);
    let rest = of(&|i| causes[i].rest);
    if causes.iter().all(|one| one.linear.is_some()) {
        let linear = of(&|i| causes[i].linear.unwrap_or_default());
        return vec![
            ("Nonlinear error", 1.0, rest),
            ("Linear error", 0.6, linear),
            ("Features not yet learnt", 0.3, unlearnt),
        ];
    }
    vec![
        ("Left at any width", 1.0, rest),
        ("Features not yet learnt", 0.3, unlearnt),
    ]
}

fn law_words(law: &Law) -> String {
    let with = |value: f64, interval: Option<[f64; 2]>| {
        let interval = interval.map_or(String::new(), |[low, high]| {
            format!(" ({} to {})", number(low), number(high))
        });
        format!("{}{interval}", number(value))
    };
    let of = law.intervals;
    format!(
        "FVU = c + a · features^(−b), with a {}, b {}, c {}; R² {}.",
        with(law.law.a, of.map(|of| of.a)),
        with(law.law.b, of.map(|of| of.b)),
        with(law.law.c, of.map(|of| of.c)),
        number(law.law.r2)
    )
}
