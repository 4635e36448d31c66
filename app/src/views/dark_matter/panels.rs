//! The fit's figures: how much of the error a linear map predicts, on held-out text with intervals and on the text that was fitted on.

use egui::{Label, Ui};
use umbra_core::dark_matter::{DEFINITIONS, Intervals, OnFit, Probe};

use crate::state::catalogue::Evaluation;
use crate::theme::{Hue, Theme, body_strong, caption};
use crate::widgets::number;
use crate::widgets::stacked_bars::{Portion, StackedBar, StackedBars};
use crate::words;

/// One figure: its key, its name, its values.
struct Figure {
    key: &'static str,
    title: &'static str,
    held_out: f64,
    interval: Option<[f64; 2]>,
    on_fit: Option<f64>,
}

/// Returns the three R² of a fit.
fn figures(probe: &Probe) -> [Figure; 3] {
    let ends = |of: fn(&Intervals) -> [f64; 2]| probe.facts.intervals.as_ref().map(of);
    let on_fit = |of: fn(&OnFit) -> f64| probe.facts.on_fit.as_ref().map(of);
    [
        Figure {
            key: "r2_weighted",
            title: "Error vector, by variance",
            held_out: probe.r2_weighted,
            interval: ends(|of| of.r2_weighted),
            on_fit: on_fit(|of| of.r2_weighted),
        },
        Figure {
            key: "r2_mean",
            title: "Error vector, mean over dimensions",
            held_out: probe.r2_mean,
            interval: ends(|of| of.r2_mean),
            on_fit: on_fit(|of| of.r2_mean),
        },
        Figure {
            key: "r2_norm",
            title: "Squared norm of the error",
            held_out: probe.r2_norm,
            interval: ends(|of| of.r2_norm),
            on_fit: on_fit(|of| of.r2_norm),
        },
    ]
}

/// Draws R² of the fit: on held-out text with intervals, and what the fit has on its own text.
pub(super) fn r2_ui(ui: &mut Ui, probe: &Probe) {
    let theme = Theme::from_ui(ui);
    let bar = |figure: &Figure| {
        let on_fit = figure.on_fit.map_or_else(String::new, |on_fit| {
            format!("\nOn the text fitted on: {}", number::number(on_fit))
        });
        StackedBar {
            label: figure.title.to_owned(),
            parts: vec![figure.held_out],
            text: number::number(figure.held_out),
            interval: figure.interval,
            marks: vec![],
            hover: format!("{}{on_fit}", definition(figure.key)),
        }
    };
    let figures = figures(probe);
    let list: Vec<StackedBar> = figures.iter().map(bar).collect();
    let held_out = [Portion {
        name: "R², held-out text",
        colour: theme.mark(Hue::Error, 0.5),
    }];
    ui.label(body_strong("R² on held-out text"));
    let bars = StackedBars {
        name: "R² of the error on held-out text",
        title: "Predicted",
        kinds: &held_out,
        list: &list,
        most: Some(1.0),
        format: number::number,
        clickable: false,
        definition: "Share of the variance on held-out text that the linear map predicts; below 0 it predicts worse than the mean. The line is the 95 % interval by bootstrap over documents",
    };
    bars.show(ui);
    if probe.facts.intervals.is_none() {
        let words = "This probe was kept without intervals; fitting again gives them.";
        ui.add(Label::new(caption(words).color(theme.ink.secondary)).wrap());
    }
    let on_fit = figures.iter().filter_map(|figure| {
        let value = number::number(figure.on_fit?);
        Some(format!("{} {value}", figure.title.to_lowercase()))
    });
    let on_fit: Vec<String> = on_fit.collect();
    if !on_fit.is_empty() {
        let words = format!(
            "R² on the text that was fitted on: {}. What it is above held-out text, the fit learnt by heart.",
            on_fit.join(", ")
        );
        ui.add(Label::new(caption(words).color(theme.ink.secondary)).wrap());
    }
}

/// Says which text the FVU here and the one in Library are measured on.
pub(super) fn texts(probe: &Probe, measured: Option<&Evaluation>) -> String {
    let here = number::count(probe.held_out_tokens);
    let here = format!("Measured on {here} held-out activations.");
    let Some(measured) = measured else {
        return here;
    };
    format!(
        "{here} Library has FVU {}, measured on {} tokens of {}.",
        number::number(measured.figures.fvu),
        number::count(measured.figures.tokens),
        measured.text
    )
}

/// A figure's definition.
pub(super) fn definition(key: &str) -> &'static str {
    words::defined(DEFINITIONS, key)
}

/// Describes the fit and the text that the figures are measured on.
pub(super) fn basis(probe: &Probe) -> String {
    let facts = &probe.facts;
    let ridge = match facts.lambda {
        lambda if lambda > 0.0 => format!(" with ridge λ = {}", number::number(lambda)),
        _ => String::new(),
    };
    let mut text = format!(
        "Fitted from {}{ridge} on {} activations of the training text, measured on {} held out, {}",
        facts.predictor,
        number::count(probe.fit_tokens),
        number::count(probe.held_out_tokens),
        words::said(&(probe.positions).said(probe.left_out.map(|(fit, held_out)| fit + held_out))),
    );
    if facts.skip > 0 {
        let skip = number::counted(facts.skip as u64, "first position");
        text = format!("{text}, without the {skip} of each row");
    }
    if let Some(note) = probe.note() {
        text.push_str("; ");
        text.push_str(&note);
    }
    text
}
