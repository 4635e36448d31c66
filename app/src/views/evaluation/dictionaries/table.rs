//! The table: a row for each dictionary, a column for each number.

use egui::{Button, Label, Ui};
use umbra_core::workbench::scores::{NUMBERS, Number};

use super::model::{Line, Measured};
use crate::state::AppState;
use crate::state::requests::{Commands, evaluation, navigation};
use crate::theme::{Theme, mono_caption};
use crate::views::actions::actions_ui;
use crate::views::dark_matter::panel::table_room;
use crate::widgets::csv::Value;
use crate::widgets::grid::{self, Column, Grid, Selection};
use crate::widgets::number;

/// Name of the table in the settings.
pub(super) const NAME: &str = "evaluation";

/// Rows that are seen without scrolling, at most.
const MOST: f32 = 12.0;

/// Numbers that are shown at first.
const FIRST: [&str; 8] = [
    "features",
    "l0",
    "fvu",
    "ce_recovered_zero",
    "ce_increase",
    "kl_sae",
    "l2_ratio",
    "dead_fraction",
];

/// The table with its selection.
#[derive(Debug, Default)]
pub(super) struct Table {
    selection: Selection,
}

impl Table {
    /// Draws the table; a click uses the dictionary on all screens.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        lines: &[Line],
        commands: &mut Commands,
    ) {
        let used = state.selection.dictionary.map(|id| u64::from(id.0));
        if self.selection.cursor() != used {
            match used {
                Some(key) => self.selection.only(key),
                None => self.selection.clear(),
            }
        }
        let columns = columns();
        let mut rows = Rows {
            state,
            lines,
            commands,
        };
        let selection = &mut self.selection;
        let reply = table_room(ui, (lines.len(), MOST), |ui| {
            Grid::new(NAME, &columns)
                .title("Numbers of the dictionaries")
                .show(ui, &mut rows, selection)
        });
        if let Some(line) = reply.chosen.and_then(|row| lines.get(row)) {
            commands.send(navigation::Command::SelectDictionary(line.id));
        }
    }
}

fn columns() -> Vec<Column<'static>> {
    let mut columns = vec![
        Column::text("name", "Dictionary")
            .definition("Name of the dictionary's folder")
            .width(96.0, 112.0)
            .always()
            .fills(),
        Column::text("hook", "Hook")
            .definition("Activation that the dictionary reads, by its name in TransformerLens")
            .width(112.0, 176.0)
            .fills(),
        Column::text("kind", "Kind")
            .definition("Whether the dictionary reconstructs an activation, writes another one, reads the error of another dictionary, or is a classical baseline")
            .width(80.0, 96.0)
            .hidden(),
    ];
    columns.extend(NUMBERS.map(column));
    columns.push(
        Column::text("text", "Measured on")
            .definition("Text on which the numbers were measured")
            .width(84.0, 112.0)
            .fills(),
    );
    columns
}

fn column(number: Number) -> Column<'static> {
    let (least, first) = match number.key {
        "l0" => (44.0, 52.0),
        "ce_recovered_zero" => (84.0, 92.0),
        "ce_recovered_mean" | "explained_variance_legacy" => (120.0, 160.0),
        "explained_variance" | "fvu_pair" | "ce_pair" => (104.0, 120.0),
        "features" | "ce_increase" | "l2_ratio" | "ce_clean" | "ce_sae" | "ce_zero" | "ce_mean" => {
            (64.0, 72.0)
        }
        _ => (56.0, 64.0),
    };
    let column = Column::number(number.key, number.title)
        .definition(number.definition())
        .width(least, first);
    if FIRST.contains(&number.key) {
        column
    } else {
        column.hidden()
    }
}

struct Rows<'a> {
    state: &'a AppState,
    lines: &'a [Line],
    commands: &'a mut Commands,
}

impl grid::Rows for Rows<'_> {
    fn count(&self) -> usize {
        self.lines.len()
    }

    fn key(&self, row: usize) -> u64 {
        u64::from(self.lines[row].id.0)
    }

    fn words(&self, row: usize) -> String {
        format!("Numbers of {}", self.lines[row].row.name)
    }

    fn value(&self, row: usize, column: &str) -> Value {
        self.lines[row].value(column)
    }

    fn text(&self, row: usize, column: &str) -> String {
        match (column, self.value(row, column)) {
            ("dead_fraction" | "rare_fraction", Value::Number(share)) => number::percent(share),
            (_, value) => grid::short(&value),
        }
    }

    fn cell_ui(&mut self, ui: &mut Ui, row: usize, column: &str) -> bool {
        let line = &self.lines[row];
        match column {
            "hook" => {
                let Some(hook) = line.hook() else {
                    return false;
                };
                let words = Label::new(mono_caption(&hook)).truncate();
                ui.add(words.selectable(false)).on_hover_text(hook);
                true
            }
            "text" => {
                measured_ui(ui, line, self.commands);
                true
            }
            _ => false,
        }
    }

    fn menu_ui(&mut self, ui: &mut Ui, row: usize, _selected: &[u64]) -> bool {
        let Some(dictionary) = self.state.catalogue.get(self.lines[row].id) else {
            return false;
        };
        actions_ui(ui, self.state, dictionary, self.commands);
        true
    }
}

/// Draws the text that the numbers are over, or the way to them.
fn measured_ui(ui: &mut Ui, line: &Line, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let name = &line.row.name;
    let words = match &line.measured {
        Measured::On(text) => {
            let words = Label::new(text.as_str()).truncate().selectable(false);
            ui.add(words).on_hover_text(text);
            return;
        }
        Measured::NotYet => {
            let button = ui.add(Button::new("Measure").small());
            button.widget_info(|| {
                let words = format!("Measure {name}");
                egui::WidgetInfo::labeled(egui::Role::Button, true, &words)
            });
            let why = &line.row.verdict.why;
            if button.on_hover_text(why).clicked() {
                commands.send(evaluation::Command::Measure(vec![line.id]));
            }
            return;
        }
        Measured::Running => ("measuring…", "A job measures it"),
        Measured::Not(why) => ("cannot be measured", why.as_str()),
    };
    let label = Label::new(egui::RichText::new(words.0).color(secondary));
    ui.add(label.truncate().selectable(false))
        .on_hover_text(crate::words::said(words.1));
}
