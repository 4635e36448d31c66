//! Dose and response: a conclusion, a heat map of features by strength, and one plot for each figure of the feature that is shown.

use egui::{Button, Label, Role, Ui, WidgetInfo, vec2};
use umbra_core::steer::limit::Limit;
use umbra_core::steer::sweep::{Curve, DEFINITIONS, Point, Spread, Sweep};

use super::carry::{CARRY, Carrier};
use crate::state::AppState;
use crate::state::requests::Commands;
use crate::state::requests::steering::sweep::Command;
use crate::state::steering::sweep::Figure;
use crate::theme::{Hue, Theme, caption, space};
use crate::views::feature::chips::title;
use crate::views::report;
use crate::widgets::band_plot::{BandPlot, BandPoint};
use crate::widgets::heat_map::{Cell, HeatMap, Scale, Side};
use crate::widgets::number::{number, percent};
use crate::widgets::parts::shortened;

/// Least width of a plot beside another, and height of a plot.
const BESIDE: f32 = 250.0;
const HEIGHT: f32 = 168.0;

/// Letters of a feature's name at most.
const NAME: usize = 28;

/// Returns the definition of `figure`.
fn definition(figure: Figure) -> &'static str {
    let name = match figure {
        Figure::Kl => "kl",
        Figure::Probability => "probability",
        Figure::Repetition => "repetition",
        Figure::Perplexity => "perplexity",
    };
    let found = DEFINITIONS.iter().find(|(known, _)| *known == name);
    found.map_or("", |(_, definition)| definition)
}

/// Returns the values of `figure` at `point`.
fn of(figure: Figure, point: &Point) -> Option<Spread> {
    match figure {
        Figure::Kl => Some(point.kl),
        Figure::Probability => point.probability,
        Figure::Repetition => point.repetition,
        Figure::Perplexity => point.perplexity,
    }
}

fn format_of(figure: Figure) -> fn(f64) -> String {
    match figure {
        Figure::Kl | Figure::Perplexity => number,
        Figure::Probability | Figure::Repetition => percent,
    }
}

/// Draws the sweep, with the limits of its features; `carrier` puts strengths into the stack.
pub(super) fn sweep_ui(
    ui: &mut Ui,
    state: &AppState,
    (sweep, limits): (&Sweep, &[Limit]),
    carrier: &Carrier<'_>,
    commands: &mut Commands,
) {
    let tab = &state.steering.sweep;
    let answer = format!("{}.", sweep.conclusion());
    ui.add(Label::new(answer).wrap().selectable(true));
    report::add_ui(ui, commands, || sweep.section());
    ui.add_space(space::CHIP);
    if sweep.curves.len() > 1 {
        map_ui(ui, state, sweep, commands);
        ui.add_space(space::CONTROL);
    }
    let shown = sweep
        .curves
        .iter()
        .find(|curve| Some(curve.feature) == tab.shown);
    let Some(curve) = shown.or(sweep.curves.first()) else {
        return;
    };
    let secondary = Theme::from_ui(ui).ink.secondary;
    let mut words = format!(
        "{}: median over {} prompts, band from 10 % to 90 %, untouched model dashed",
        title(state, curve.feature),
        sweep.prompts
    );
    if let Some(target) = &curve.target {
        words = format!("{words}. Target: {target}");
    }
    ui.add(Label::new(caption(words).color(secondary)).wrap());
    let picked = plots_ui(ui, curve, limits);
    let pressed = strengths_ui(ui, curve);
    if let Some(strength) = pressed.or(picked) {
        carrier.carry(curve.feature, strength, commands);
    }
    if sweep.unreached > 0 {
        let words = format!(
            "{} of {} prompts have one token, which no edit reaches.",
            sweep.unreached, sweep.prompts
        );
        ui.add(Label::new(caption(words).color(secondary)).wrap());
    }
}

/// Writes a strength as a person does.
fn written(strength: f64) -> String {
    strength.to_string().replace('-', "−")
}

/// Draws a button for each strength but 0, and returns the one that was pressed.
fn strengths_ui(ui: &mut Ui, curve: &Curve) -> Option<f64> {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let mut pressed = None;
    ui.horizontal_wrapped(|ui| {
        ui.label(caption("Steer with").color(secondary));
        let strengths = curve.points.iter().map(|point| point.strength);
        for strength in strengths.filter(|strength| *strength != 0.0) {
            let written = written(strength);
            let name = format!("Steer with feature {} at {written}", curve.feature);
            let button = ui.small_button(written);
            button.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
            if button.on_hover_text(CARRY).clicked() {
                pressed = Some(strength);
            }
        }
    });
    pressed
}

/// Draws one plot for each figure that was measured, in one or two columns, and returns the strength of a point that was clicked.
fn plots_ui(ui: &mut Ui, curve: &Curve, limits: &[Limit]) -> Option<f64> {
    let mut picked = None;
    let has = |figure: &Figure| {
        curve
            .points
            .iter()
            .any(|point| of(*figure, point).is_some())
    };
    let figures: Vec<Figure> = Figure::ALL.into_iter().filter(has).collect();
    let columns = if ui.available_width() < 2.0 * BESIDE + space::GROUP {
        1
    } else {
        2
    };
    let gaps = space::GROUP * (columns - 1) as f32;
    let width = ((ui.available_width() - gaps) / columns as f32).floor();
    let strengths = curve.points.iter().map(|point| point.strength);
    let range = strengths.fold([f64::INFINITY, f64::NEG_INFINITY], |[least, most], x| {
        [least.min(x), most.max(x)]
    });
    let inside = |limit: &&Limit| {
        limit.feature == curve.feature && limit.limit >= range[0] && limit.limit <= range[1]
    };
    let marks: Vec<(f64, String)> = limits
        .iter()
        .filter(inside)
        .map(|limit| (limit.limit, format!("holds to {}", number(limit.limit))))
        .collect();
    let group = ui.scope_id().with("strengths");
    for (at, row) in figures.chunks(columns).enumerate() {
        let is_last = (at + 1) * columns >= figures.len();
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = space::GROUP;
            for figure in row {
                let points: Vec<BandPoint> = curve
                    .points
                    .iter()
                    .filter_map(|point| {
                        let spread = of(*figure, point)?;
                        Some(BandPoint {
                            x: point.strength,
                            spread: [spread.low, spread.median, spread.high],
                        })
                    })
                    .collect();
                let plot = BandPlot {
                    name: figure.title(),
                    y: match figure {
                        Figure::Kl => "KL (nats)",
                        other => other.title(),
                    },
                    x: if is_last {
                        "strength (decoder rows)"
                    } else {
                        ""
                    },
                    range,
                    points: &points,
                    base: of(*figure, &curve.untouched).map(|spread| spread.median),
                    marks: &marks,
                    colour: Theme::from_ui(ui).hue(Hue::Edit),
                    format: format_of(*figure),
                    group,
                    definition: definition(*figure),
                };
                let clicked = plot.show(ui, vec2(width, HEIGHT));
                picked = picked.or(clicked);
            }
        });
    }
    picked.filter(|strength| *strength != 0.0)
}

/// Draws the features by strength in one figure; a click shows a feature's curves.
fn map_ui(ui: &mut Ui, state: &AppState, sweep: &Sweep, commands: &mut Commands) {
    let tab = &state.steering.sweep;
    let has = |figure: Figure| {
        let mut points = sweep.curves.iter().flat_map(|curve| &curve.points);
        points.any(|point| of(figure, point).is_some())
    };
    ui.horizontal_wrapped(|ui| {
        for figure in Figure::ALL.into_iter().filter(|figure| has(*figure)) {
            let button = Button::selectable(tab.figure == figure, figure.title());
            if ui.add(button).on_hover_text(definition(figure)).clicked() {
                commands.send(Command::Figure(figure));
            }
        }
    });
    let figure = if has(tab.figure) {
        tab.figure
    } else {
        Figure::Kl
    };
    let names = sweep
        .curves
        .iter()
        .map(|curve| shortened(&title(state, curve.feature), NAME));
    let names: Vec<String> = names.collect();
    let strengths = sweep.settings.strengths.iter();
    let strengths: Vec<String> = strengths.map(|by| written(*by)).collect();
    let values: Vec<Option<f64>> = sweep
        .curves
        .iter()
        .flat_map(|curve| &curve.points)
        .map(|point| of(figure, point).map(|spread| spread.median))
        .collect();
    let cells: Vec<Cell> = values
        .iter()
        .map(|value| value.map_or(Cell::Unknown, |value| Cell::Value(value as f32)))
        .collect();
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let shown = tab
        .shown
        .or(sweep.curves.first().map(|curve| curve.feature));
    let row = sweep
        .curves
        .iter()
        .position(|curve| Some(curve.feature) == shown);
    let title = format!("{}, median over prompts", figure.title());
    let map = HeatMap {
        title: &title,
        rows: Side {
            title: "Feature",
            names: &names,
        },
        columns: Side {
            title: "Strength (decoder rows)",
            names: &strengths,
        },
        cells: &cells,
        range: (0.0, if most > 0.0 { most as f32 } else { 1.0 }),
        scale: Scale::Sequential(Hue::Edit),
        labels: &[],
        selected: row.map(|row| (row, 0)),
        pictures: None,
        most: Some(320.0),
        definition: definition(figure),
        open: Some("Show its curves"),
    };
    let columns = strengths.len();
    let answer = map.ui(ui, &|row, column| {
        let value = values.get(row * columns + column).copied().flatten();
        let value = value.map_or_else(|| "–".to_owned(), format_of(figure));
        format!("{} at strength {}: {value}", names[row], strengths[column])
    });
    let chosen = answer.clicked.or(answer.walked);
    if let Some(curve) = chosen.and_then(|(row, _)| sweep.curves.get(row)) {
        commands.send(Command::Show(curve.feature));
    }
}
