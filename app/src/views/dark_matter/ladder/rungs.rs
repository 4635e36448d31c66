//! The dictionaries of a ladder: which stand on it, and their figures as a table.

use egui::{Label, Ui, vec2};
use umbra_core::dark_matter::ladder::{Ladder, Rung};

use super::definition;
use crate::state::AppState;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::dark_matter::ladder;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::ladder::Command;
use crate::theme::{Theme, caption, space};
use crate::widgets::csv::Value;
use crate::widgets::grid::{self, Column, Grid, Rows, Selection};
use crate::widgets::number;

/// Name of the table in the settings.
const NAME: &str = "ladder";

/// Height of the table, at most.
const HEIGHT: f32 = 260.0;

/// Room for the bar that moves a wide table sideways.
const BAR: f32 = 16.0;

/// Draws a box to tick for each dictionary of the hook.
pub(super) fn choice_ui(
    ui: &mut Ui,
    state: &AppState,
    (id, all): (DictionaryId, &[&Dictionary]),
    commands: &mut Commands,
) {
    let theme = Theme::from_ui(ui);
    ui.horizontal_wrapped(|ui| {
        ui.add(Label::new(
            caption("On the ladder").color(theme.ink.secondary),
        ));
        for dictionary in all {
            let features = dictionary.load.ready().map_or(0, |of| of.sae.features());
            let words = format!(
                "{} · {} features",
                dictionary.name,
                number::count(features as u64)
            );
            let was = ladder::is_on(state, id, dictionary.id);
            let mut is_on = was;
            ui.checkbox(&mut is_on, words);
            if is_on != was {
                commands.send(Command::Tick(dictionary.id, is_on));
            }
        }
    });
}

struct Shown<'a> {
    ladder: &'a Ladder,
    order: Vec<usize>,
}

fn value(rung: &Rung, column: &str) -> Value {
    let linear = rung.linear;
    match column {
        "name" => rung.name.as_str().into(),
        "features" => Value::Count(rung.features as u64),
        "l0" => rung.l0.into(),
        "fvu" => rung.fvu.into(),
        "fvu_low" => rung.fvu_interval.map(|ends| ends[0]).into(),
        "fvu_high" => rung.fvu_interval.map(|ends| ends[1]).into(),
        "norm_mean" => rung.norm_mean.into(),
        "fvu_nonlinear" => linear.map(|of| of.fvu_nonlinear).into(),
        "r2_weighted" => linear.map(|of| of.r2_weighted).into(),
        "r2_mean" => linear.map(|of| of.r2_mean).into(),
        "r2_norm" => linear.map(|of| of.r2_norm).into(),
        "introduced" => rung.introduced.into(),
        _ => Value::Nothing,
    }
}

impl Shown<'_> {
    fn rung(&self, row: usize) -> &Rung {
        &self.ladder.rungs[self.order[row]]
    }
}

impl Rows for Shown<'_> {
    fn count(&self) -> usize {
        self.order.len()
    }

    fn key(&self, row: usize) -> u64 {
        self.order[row] as u64
    }

    fn words(&self, row: usize) -> String {
        format!("Row of dictionary {}", self.rung(row).name)
    }

    fn value(&self, row: usize, column: &str) -> Value {
        value(self.rung(row), column)
    }
}

/// Draws the figures of each dictionary.
pub(super) fn table_ui(ui: &mut Ui, ladder: &Ladder) {
    let split = ladder.fit_tokens.is_some();
    let number = |id: &'static str, title: &'static str| {
        Column::number(id, title)
            .definition(definition(id))
            .width(64.0, 84.0)
    };
    let mut columns = vec![
        Column::text("name", "Dictionary")
            .width(96.0, 180.0)
            .fills()
            .always(),
        Column::number("features", "Features")
            .definition("Number of features of the dictionary")
            .width(64.0, 76.0),
        number("l0", "L0"),
        number("fvu", "FVU"),
        Column::number("fvu_low", "FVU from")
            .definition("Lower end of the 95 % interval of the FVU over documents")
            .width(64.0, 84.0),
        Column::number("fvu_high", "FVU to")
            .definition("Upper end of the 95 % interval of the FVU over documents")
            .width(64.0, 84.0),
        number("norm_mean", "Mean norm"),
    ];
    if split {
        columns.push(number("fvu_nonlinear", "Nonlinear FVU").width(88.0, 108.0));
        columns.push(number("r2_weighted", "R² of e"));
        columns.push(
            number("r2_mean", "R² of e, mean")
                .width(88.0, 108.0)
                .hidden(),
        );
        columns.push(number("r2_norm", "R² of norm²").width(72.0, 92.0));
    }
    if ladder.rungs.iter().any(|rung| rung.introduced.is_some()) {
        columns.push(number("introduced", "Encoder's FVU").width(88.0, 108.0));
    }
    let sort = grid::sort(ui.ctx(), NAME);
    let order = grid::order(ladder.rungs.len(), sort.as_ref(), |row, column| {
        value(&ladder.rungs[row], column)
    });
    let mut rows = Shown { ladder, order };
    // A table in a place that scrolls takes the room that it is given, not the room below the fold.
    let height = space::CONTROL_ROW + ladder.rungs.len() as f32 * space::TABLE_ROW + BAR;
    let size = vec2(ui.available_width(), height.min(HEIGHT));
    ui.allocate_ui(size, |ui| {
        Grid::new(NAME, &columns)
            .title("Dictionaries of the ladder")
            .most(HEIGHT)
            .show(ui, &mut rows, &mut Selection::default());
    });
}
