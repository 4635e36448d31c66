//! How much of the error reconstructions of other hooks predict.

use egui::{Label, Ui};
use umbra_core::dark_matter::predict::{Accuracy, DEFINITIONS, Predictions, Row};

use super::super::panel::{Offer, offer_ui};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::predict::job;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::predict::Command;
use crate::theme::{Hue, Theme, body_strong, caption, space};
use crate::views::report;
use crate::widgets::heat_map::{Cell, HeatMap, Scale, Side};
use crate::widgets::meaning::sentence;
use crate::widgets::number::{count, number, percent};
use crate::widgets::stacked_bars::{Portion, StackedBar, StackedBars};
use crate::words;

/// Parts that are predicted, in the order of the columns.
const PARTS: [&str; 3] = ["error", "linear part", "nonlinear part"];

/// Asks for the kept result.
pub(super) fn ask(state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if state.dark_matter.predict.study.of != Some(id) {
        commands.send(Command::Look(id));
    }
}

/// Returns the answer in one sentence, once it is known.
pub(super) fn answer(state: &AppState, id: DictionaryId) -> Option<String> {
    let found = state.dark_matter.predict.study.result(&id)?;
    Some(format!("{}.", found.conclusion()))
}

/// Draws the panel.
pub(super) fn predict_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    let name = state.catalogue.get(id).map_or("", |d| d.name.as_str());
    if let Some(found) = state.dark_matter.predict.study.result(&id) {
        predictions_ui(ui, found);
        report::add_ui(ui, commands, || found.section());
    }
    let offer = Offer {
        what: "Predicts the error and its parts from the reconstructions of the project's other dictionaries, of earlier, the same and later hooks.",
        cost: "It reads part of the training text once and part of the held-out text once.",
        button: "Predict the error",
        again: "Predict again",
        job: &job(name),
    };
    if offer_ui(ui, state, &state.dark_matter.predict.study, &offer) {
        commands.send(Command::Compute(id));
    }
}

fn predictions_ui(ui: &mut Ui, found: &Predictions) {
    matrix_ui(ui, found);
    ui.add_space(space::CONTROL);
    let list = reductions(found);
    ui.label(body_strong(
        "Share of the nonlinear error that each source predicts",
    ))
    .on_hover_text(sentence(definition("reduction")));
    let bars = StackedBars {
        name: "Nonlinear error predicted",
        title: "Source",
        kinds: &[Portion {
            name: "share of the nonlinear FVU",
            colour: Theme::from_ui(ui).hue(Hue::Error),
        }],
        list: &list,
        most: None,
        format: percent,
        clickable: false,
        definition: definition("reduction"),
    };
    bars.show(ui);
    note_ui(ui, &basis(found));
    for note in &found.notes {
        note_ui(ui, note);
    }
    ui.add_space(space::CONTROL);
}

fn matrix_ui(ui: &mut Ui, found: &Predictions) {
    let names: Vec<String> = found.rows.iter().map(source).collect();
    let columns = PARTS.map(str::to_owned);
    let values: Vec<Option<f64>> = found.rows.iter().flat_map(r2).collect();
    let cell = |value: &Option<f64>| value.map_or(Cell::Unknown, |r2| Cell::Value(r2 as f32));
    let cells: Vec<Cell> = values.iter().map(cell).collect();
    let words: Vec<Option<String>> = values.iter().map(|value| value.map(number)).collect();
    // Cells wide enough for the names of the columns.
    let labels = vec![None; cells.len()];
    let map = HeatMap {
        title: "R² on held-out text",
        rows: Side {
            title: "Source",
            names: &names,
        },
        columns: Side {
            title: "Predicted",
            names: &columns,
        },
        cells: &cells,
        range: (0.0, 1.0),
        scale: Scale::Sequential(Hue::Error),
        labels: &labels,
        selected: None,
        pictures: None,
        most: None,
        definition: definition("r2"),
        open: None,
    };
    let describe = |row: usize, column: usize| {
        let of = &found.rows[row];
        let accuracy = [of.error, of.linear, of.nonlinear][column];
        let words = words[row * PARTS.len() + column].as_deref();
        format!(
            "{} from {}: R² {}{}",
            sentence(PARTS[column]),
            of.name(),
            words.unwrap_or("not defined, it does not vary"),
            interval(accuracy)
        )
    };
    map.ui(ui, &describe);
}

fn interval(of: Accuracy) -> String {
    of.interval.map_or(String::new(), |[low, high]| {
        format!(" ({} to {})", number(low), number(high))
    })
}

fn r2(row: &Row) -> [Option<f64>; 3] {
    [row.error, row.linear, row.nonlinear].map(|of| of.r2)
}

/// Name of a source with its place in the pass.
fn source(row: &Row) -> String {
    match &row.source {
        None => "the activation".to_owned(),
        Some(name) => format!("{name}, {}", row.relation.name()),
    }
}

/// Shares of the nonlinear error that sources predict; the activation predicts none of it.
fn reductions(found: &Predictions) -> Vec<StackedBar> {
    let sources = found.rows.iter().filter(|row| row.source.is_some());
    let bar = |row: &Row| StackedBar {
        label: source(row),
        parts: vec![row.reduction],
        text: percent(row.reduction),
        interval: row.reduction_interval,
        hover: format!("{}; FVU left {}", row.hook, number(row.fvu_left)),
        ..StackedBar::default()
    };
    sources.map(bar).collect()
}

/// Describes the texts that the figures rest on.
fn basis(found: &Predictions) -> String {
    format!(
        "FVU {}, with the linear part {}. Fitted on {} activations, measured on {} held out, {}; intervals of 95 % over {}.",
        number(found.fvu_total),
        number(found.fvu_nonlinear),
        count(found.fit_tokens),
        count(found.held_out_tokens),
        words::said(&found.positions.said(None)),
        found.blocks
    )
}

fn note_ui(ui: &mut Ui, words: &str) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add(Label::new(caption(words).color(secondary)).wrap());
}

fn definition(key: &str) -> &'static str {
    words::defined(DEFINITIONS, key)
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::state::dark_matter::question::Question;
    use crate::state::requests;
    use crate::testing::error_parts::{predictions, shown};

    #[test]
    fn the_matrix_has_a_row_a_source_and_bars_leave_the_activation_out() {
        let found = predictions();
        let names: Vec<String> = found.rows.iter().map(source).collect();
        let want = [
            "the activation",
            "z0, same hook",
            "attn-1, earlier",
            "attn-3, later",
        ];
        assert_eq!(names, want);
        assert_eq!(r2(&found.rows[1]), [Some(0.5), Some(0.75), Some(0.25)]);
        let bars = reductions(&found);
        assert_eq!((bars.len(), bars[1].parts[0]), (3, 0.25));
        assert_eq!(interval(found.rows[0].error), " (0.375 to 0.625)");
    }

    #[test]
    fn the_panel_shows_its_answer_and_every_cell() {
        let mut harness = shown(Question::Back);
        let said = "predicts 25.0\u{202F}% of the nonlinear part";
        assert!(harness.query_all_by_label_contains(said).count() > 0);
        harness.get_by_label("Linear part from attn-1: R² 0.750 (0.625 to 0.875)");
        harness.get_by_label_contains("attn-1, earlier, 25.0");
        harness.get_by_label("Predict again").click();
        harness.run();
        let sent = harness.state_mut().commands.take();
        let asked = requests::dark_matter::Command::Predict(Command::Compute(DictionaryId(0)));
        assert!(
            sent.contains(&requests::Command::DarkMatter(asked)),
            "{sent:?}"
        );
    }
}
