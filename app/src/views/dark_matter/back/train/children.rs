//! Table of the dictionaries that were trained on the error of the selected one.

use egui::Ui;
use umbra_core::eval::{DEFINITIONS, Figures};
use umbra_core::sae::ErrorPart;

use super::super::super::panel::table_room;
use crate::state::catalogue::Dictionary;
use crate::state::dark_matter::train::part_label;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::train::Command;
use crate::theme::space;
use crate::widgets::csv::Value;
use crate::widgets::grid::{self, Column, Grid, Rows, Selection};
use crate::widgets::number;

/// Name of the table in the settings and for screen readers.
const NAME: &str = "dictionaries of the error";

/// Rows that are shown before the table scrolls.
const ROWS: f32 = 6.0;

/// Child with the part of the error that it reads.
type Child<'a> = (ErrorPart, &'a Dictionary);

/// Draws the table; a child without figures has a button that measures it with its parent.
pub(super) fn children_ui(ui: &mut Ui, all: &[Child<'_>], commands: &mut Commands) {
    let columns = columns();
    let sort = grid::sort(ui.ctx(), NAME);
    let order = grid::order(all.len(), sort.as_ref(), |at, column| {
        value(all[at], column)
    });
    let mut rows = Shown {
        all,
        order,
        measure: None,
    };
    let mut selection = Selection::default();
    let grid = Grid::new(NAME, &columns).most(ROWS * space::TABLE_ROW);
    table_room(ui, (all.len(), ROWS), |ui| {
        grid.show(ui, &mut rows, &mut selection)
    });
    if let Some(at) = rows.measure {
        commands.send(Command::Measure(all[at].1.id));
    }
}

fn columns() -> Vec<Column<'static>> {
    let figure = |key: &'static str, title: &'static str| {
        let found = DEFINITIONS.iter().find(|(name, _)| *name == key);
        Column::number(key, title)
            .definition(found.map_or("", |(_, definition)| *definition))
            .width(64.0, 84.0)
    };
    vec![
        Column::text("name", "Name")
            .definition("Folder of the dictionary that was trained on the error")
            .width(96.0, 160.0)
            .fills()
            .always(),
        Column::text("part", "Part")
            .definition("Part of the error that it reads")
            .width(72.0, 104.0),
        Column::number("features", "Features")
            .definition("Number of features in the dictionary")
            .width(56.0, 72.0),
        figure("fvu", "Own FVU"),
        figure("fvu_parent", "FVU, parent"),
        figure("fvu_pair", "FVU, pair"),
        figure("ce_parent", "CE, parent"),
        figure("ce_pair", "CE, pair").width(72.0, 88.0),
    ]
}

fn figures(child: Child<'_>) -> Option<&Figures> {
    let figures = &child.1.evaluation.ready()?.figures;
    figures.pair.is_some().then_some(figures)
}

fn value(child: Child<'_>, column: &str) -> Value {
    let (part, dictionary) = child;
    match column {
        "name" => return dictionary.name.as_str().into(),
        "part" => return part_label(part).into(),
        "features" => {
            let loaded = dictionary.load.ready();
            return loaded.map(|loaded| loaded.sae.features() as u64).into();
        }
        _ => {}
    }
    let found = figures(child).and_then(|figures| {
        let pair = figures.pair?;
        Some(match column {
            "fvu" => figures.fvu,
            "fvu_parent" => pair.fvu_parent,
            "fvu_pair" => pair.fvu_pair,
            "ce_parent" => pair.ce_parent,
            _ => pair.ce_pair,
        })
    });
    found.into()
}

/// The table in the order in force.
struct Shown<'a> {
    all: &'a [Child<'a>],
    order: Vec<usize>,
    /// Child whose button was clicked.
    measure: Option<usize>,
}

impl Shown<'_> {
    fn child(&self, row: usize) -> Child<'_> {
        self.all[self.order[row]]
    }
}

impl Rows for Shown<'_> {
    fn count(&self) -> usize {
        self.order.len()
    }

    fn key(&self, row: usize) -> u64 {
        u64::from(self.child(row).1.id.0)
    }

    fn words(&self, row: usize) -> String {
        format!("Row of {}", self.child(row).1.name)
    }

    fn value(&self, row: usize, column: &str) -> Value {
        value(self.child(row), column)
    }

    fn text(&self, row: usize, column: &str) -> String {
        match column {
            "features" => {
                let loaded = self.child(row).1.load.ready();
                loaded.map_or_else(String::new, |loaded| {
                    number::count(loaded.sae.features() as u64)
                })
            }
            _ => grid::short(&self.value(row, column)),
        }
    }

    fn cell_ui(&mut self, ui: &mut Ui, row: usize, column: &str) -> bool {
        let child = self.child(row);
        if column != "ce_pair" || figures(child).is_some() {
            return false;
        }
        let measuring = child.1.evaluation.is_loading();
        let button = ui.add_enabled(!measuring, egui::Button::new("Measure").small());
        let help = "Measures it together with its parent on held-out text";
        if button.on_hover_text(help).clicked() {
            self.measure = Some(self.order[row]);
        }
        true
    }
}
