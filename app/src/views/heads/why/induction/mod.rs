//! The induction lab: attention to what followed an earlier copy, by the length of the copy, for the chosen head and all others; on held-out text, what is left
//! once the copy is cut; and sentences with two names.

mod cost;
mod names;
#[cfg(test)]
mod tests;
mod text;

use egui::{Button, Label, Ui};
use umbra_core::heads::induction::{Curve, DEFINITIONS, PREFIXES, Synthetic};

pub(super) use self::names::names_ui;
use crate::state::heads::induction::SYNTHETIC_JOB;
use crate::state::heads::name;
use crate::state::requests::{Commands, heads};
use crate::state::{AppState, Load};
use crate::theme::{Theme, body_strong, caption, icons, space};
use crate::widgets::curve_plot::{CurvePlot, Series};
use crate::widgets::empty_state::{empty_state, failure_state};
use crate::widgets::number;
use crate::widgets::scatter_plot::{ScatterPlot, ScatterPoint};

/// Width from which two figures stand side by side.
const BESIDE: f32 = 640.0;

/// Height of a plot.
const HEIGHT: f32 = 240.0;

/// Sentence on the measurement, for the place before it has.
const WHAT: &str = "An induction head attends to what followed the last time the same words came. This lab repeats 1 to 9 random tokens and measures how far each head does so.";

/// Returns a figure's definition.
fn definition(key: &str) -> &'static str {
    crate::words::defined(DEFINITIONS, key)
}

/// Draws the lab for the head that a person chose, else for the one with the most induction.
pub(super) fn induction_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    match &state.heads.induction.synthetic {
        Load::Absent => {
            let words = format!(
                "{}{WHAT} {}",
                cost::stopped(state.heads.induction.synthetic_stopped),
                cost::synthetic(state)
            );
            if empty_state(ui, icons::CHART_LINE_UP, &words, Some("Measure all heads")) {
                commands.send(heads::induction::Command::Measure);
            }
        }
        Load::Loading => {
            cost::standing_ui(
                ui,
                state,
                "Measuring all heads on random sequences",
                SYNTHETIC_JOB,
            );
        }
        Load::Failed(why) => {
            if failure_state(
                ui,
                "Could not measure induction",
                why,
                Some("Measure again"),
            ) {
                commands.send(heads::induction::Command::Measure);
            }
        }
        Load::Ready(found) => measured_ui(ui, state, found, commands),
    }
}

fn measured_ui(ui: &mut Ui, state: &AppState, found: &Synthetic, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let strongest = found.strongest();
    let chosen = state.head();
    let chosen = chosen.and_then(|(layer, head)| found.of(layer, head));
    let Some(chosen) = chosen.or_else(|| strongest.first().copied()) else {
        return;
    };
    strongest_ui(ui, &strongest, chosen, commands);
    let words = format!(
        "{}. Mean of {} sequences for each length.",
        found.protocol, found.options.sequences
    );
    ui.add(Label::new(caption(words).color(secondary)).wrap());
    ui.add_space(space::CONTROL);
    let all = ui.available_width();
    if all >= BESIDE {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = space::GROUP;
            let half = (all - space::GROUP) / 2.0;
            ui.vertical(|ui| {
                ui.set_width(half);
                curves_ui(ui, found, chosen);
            });
            ui.vertical(|ui| {
                ui.set_width(half);
                scatter_ui(ui, found, chosen, commands);
            });
        });
    } else {
        curves_ui(ui, found, chosen);
        ui.add_space(space::CONTROL);
        scatter_ui(ui, found, chosen, commands);
    }
    ui.add_space(space::GROUP);
    text::text_ui(ui, state, chosen, commands);
}

/// Buttons of the heads with the most induction.
fn strongest_ui(ui: &mut Ui, strongest: &[&Curve], chosen: &Curve, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal_wrapped(|ui| {
        ui.label(caption("Most induction").color(secondary));
        for curve in strongest.iter().take(4) {
            let is_chosen = (curve.layer, curve.head) == (chosen.layer, chosen.head);
            let of = name((curve.layer, curve.head));
            let button =
                Button::selectable(is_chosen, format!("{of}  {}", number::number(curve.mean())));
            let help =
                "Mean attention to the right source over all lengths; click to show the head";
            if ui.add(button).on_hover_text(help).clicked() {
                select(commands, curve);
            }
        }
    });
}

/// Selects a head and stays on this tab.
fn select(commands: &mut Commands, curve: &Curve) {
    commands.send(heads::induction::Command::Select(curve.layer, curve.head));
}

fn points(values: &[f64; PREFIXES]) -> Vec<[f64; 2]> {
    let at = |(i, value): (usize, &f64)| [(i + 1) as f64, *value];
    values.iter().enumerate().map(at).collect()
}

/// Attention and direct effect of the chosen head by prefix length, with the other heads' attention behind.
fn curves_ui(ui: &mut Ui, found: &Synthetic, chosen: &Curve) {
    let theme = Theme::from_ui(ui);
    let of = name((chosen.layer, chosen.head));
    ui.label(body_strong(format!(
        "{of} by length of the copy, other heads behind"
    )));
    let others: Vec<Vec<[f64; 2]>> = (found.curves.iter())
        .filter(|curve| (curve.layer, curve.head) != (chosen.layer, chosen.head))
        .map(|curve| points(&curve.by_prefix))
        .collect();
    let (attention, effect) = (points(&chosen.by_prefix), points(&chosen.dla_by_prefix));
    CurvePlot {
        name: "Attention to the right source",
        y: "Attention",
        x: "",
        series: &[Series {
            name: &of,
            colour: theme.series(1),
            points: &attention,
        }],
        faint: &others,
        height: HEIGHT * 0.6,
        group: None,
        format: number::number,
        definition: definition("by_prefix"),
    }
    .ui(ui);
    CurvePlot {
        name: "Effect on the right logit",
        y: "Logit effect",
        x: "Repeated tokens",
        series: &[Series {
            name: &of,
            colour: theme.series(0),
            points: &effect,
        }],
        faint: &[],
        height: HEIGHT * 0.5,
        group: None,
        format: number::number,
        definition: definition("dla_by_prefix"),
    }
    .ui(ui);
}

/// All heads: attention after one repeated token against attention after nine.
fn scatter_ui(ui: &mut Ui, found: &Synthetic, chosen: &Curve, commands: &mut Commands) {
    ui.label(body_strong("All heads: short against long copies"))
        .on_hover_text("Heads above the dashed line need a long copy; heads on it attend after a single repeated token");
    let points: Vec<ScatterPoint> = (found.curves.iter())
        .map(|curve| ScatterPoint {
            name: name((curve.layer, curve.head)),
            at: [curve.short(), curve.long()],
            chosen: (curve.layer, curve.head) == (chosen.layer, chosen.head),
        })
        .collect();
    let plot = ScatterPlot {
        name: "Heads by copy length",
        x: "Attention after 1 repeated token",
        y: "After 9",
        points: &points,
        height: HEIGHT * 1.1,
        shares: true,
        definition: definition("by_prefix"),
    };
    if let (_, Some(clicked)) = plot.show(ui) {
        select(commands, &found.curves[clicked]);
    }
}
