//! The error by class of token and by position, and what predicts its size: bars with intervals.

use egui::{Label, Ui};
use umbra_core::dark_matter::places::{ByClass, Places, Share};

use crate::theme::{Hue, Theme, body_strong, caption, space};
use crate::widgets::number::{count, number, percent};
use crate::widgets::stacked_bars::{Portion, StackedBar, StackedBars};

/// Definition of the bars.
const DEFINITION: &str = "Σ‖x − x̂‖² / Σ‖x − mean x‖² over the tokens of the group, with the mean of all tokens measured: what the linear part of the error takes away, and what is left. The line is the 95 % interval by bootstrap over documents";

/// Definition of the baselines.
const BASELINES: &str = "R² on held-out text of the norm of the error ‖x − x̂‖, predicted by least squares with intercept from one thing each, fitted on the training text";

/// Number of tokens below which the share of a group says little.
const FEW: u64 = 30;

/// Explains labels and ticks.
const LABELS: &str = "Behind each name: its number of tokens; few tokens say little. The tick is the share over all tokens.";

/// Draws classes and positions, all on one scale.
pub(super) fn classes_ui(ui: &mut Ui, found: &Places) {
    let (apart, overlapping): (Vec<&ByClass>, Vec<&ByClass>) =
        found.by_class.iter().partition(|class| !class.overlaps);
    let (apart, overlapping) = (classes(&apart, found), classes(&overlapping, found));
    let positions = found.by_position.iter().map(|at| {
        let name = match at.to.saturating_sub(at.from) {
            0 | 1 => at.from.to_string(),
            _ => format!("{} to {}", at.from, at.to - 1),
        };
        bar(&name, &at.share, (at.interval, found))
    });
    let positions: Vec<StackedBar> = positions.collect();
    let all = [apart.as_slice(), &overlapping, &positions].concat();
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add(Label::new(caption(LABELS).color(secondary)).wrap());
    ui.add_space(space::CONTROL);
    ui.label(body_strong("By kind of token"));
    bars_ui(ui, "Unexplained by kind of token", (&apart, &all));
    if !overlapping.is_empty() {
        ui.add_space(space::CONTROL);
        ui.label(body_strong("By further kinds, which overlap with these"));
        bars_ui(ui, "Unexplained by further kinds", (&overlapping, &all));
    }
    ui.add_space(space::CONTROL);
    ui.label(body_strong("By position in the row"));
    bars_ui(ui, "Unexplained by position", (&positions, &all));
    basis_ui(ui, found);
}

/// Draws what predicts the norm of the error, and how well.
pub(super) fn baselines_ui(ui: &mut Ui, found: &Places) {
    let theme = Theme::from_ui(ui);
    let words = "R² of the norm of the error on held-out text, predicted from one thing each";
    ui.label(body_strong(words)).on_hover_text(BASELINES);
    let list = found.baselines.iter().map(|of| StackedBar {
        label: of.baseline.name().to_owned(),
        parts: vec![of.r2],
        text: number(of.r2),
        interval: of.interval,
        marks: vec![],
        hover: format!("Measured on {} tokens", count(of.tokens)),
    });
    let list: Vec<StackedBar> = list.collect();
    let bars = StackedBars {
        name: "R² of the norm of the error",
        title: "Predicted from",
        kinds: &[Portion {
            name: "R²",
            colour: theme.hue(Hue::Error),
        }],
        list: &list,
        most: Some(1.0),
        format: number,
        clickable: false,
        definition: BASELINES,
    };
    bars.show(ui);
    basis_ui(ui, found);
}

fn classes(classes: &[&ByClass], found: &Places) -> Vec<StackedBar> {
    let all = classes.iter();
    all.map(|class| {
        let bar = bar(&class.name, &class.share, (class.interval, found));
        StackedBar {
            hover: format!("{}\n{}", class.predicate, bar.hover),
            ..bar
        }
    })
    .collect()
}

fn bar(name: &str, share: &Share, (interval, found): (Option<[f64; 2]>, &Places)) -> StackedBar {
    let few = if share.tokens < FEW { ", few" } else { "" };
    StackedBar {
        label: format!("{name} · {}{few}", count(share.tokens)),
        parts: vec![share.fvu_linear(), share.fvu_nonlinear],
        text: percent(share.fvu),
        interval,
        marks: vec![("all tokens", found.all.fvu)],
        hover: format!(
            "{} tokens, {} of the whole error, mean norm {}",
            count(share.tokens),
            percent(share.of_error),
            number(share.norm)
        ),
    }
}

fn bars_ui(ui: &mut Ui, name: &str, (list, all): (&[StackedBar], &[StackedBar])) {
    let theme = Theme::from_ui(ui);
    let kinds = [
        Portion {
            name: "linear error",
            colour: theme.mark(Hue::Error, 0.5),
        },
        Portion {
            name: "nonlinear error",
            colour: theme.hue(Hue::Error),
        },
    ];
    let bars = StackedBars {
        name,
        title: "Tokens",
        kinds: &kinds,
        list,
        most: None,
        format: percent,
        clickable: false,
        definition: DEFINITION,
    };
    bars.show_beside(ui, all);
}

/// Says what the figures are over.
fn basis_ui(ui: &mut Ui, found: &Places) {
    let words = format!(
        "Over {} held-out tokens, fitted on {}; intervals: {}",
        count(found.all.tokens),
        count(found.fit_tokens),
        found.drawn
    );
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add(Label::new(caption(words).color(secondary)).wrap());
}
