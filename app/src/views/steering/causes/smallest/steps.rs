//! Every edit as a row: what was edited, and what it did.

use egui::Ui;
use umbra_core::causes::smallest::{Aim, DEFINITIONS, Smallest, Step};
use umbra_core::prompt::NextToken;

use super::super::feature::chip_ui;
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::requests::steering::causes::smallest::Command;
use crate::state::requests::{Commands, navigation};
use crate::theme::{Theme, caption};
use crate::views::dark_matter::panel::table_room;
use crate::widgets::csv::Value;
use crate::widgets::grid::{Column, Grid, Rows, Selection};

/// Rows of the table without scrolling.
const ROWS: f32 = 10.0;

/// Definition of a figure.
fn definition(name: &str) -> &'static str {
    let found = DEFINITIONS.iter().find(|(key, _)| *key == name);
    found.map_or("", |(_, definition)| definition)
}

/// Draws the table. A row that is clicked selects its feature, whose chip opens its page; the menu of a row puts the edits up to it into the stack.
pub(super) fn steps_ui(
    ui: &mut Ui,
    state: &AppState,
    (result, id): (&Smallest, DictionaryId),
    commands: &mut Commands,
) {
    if let Aim::Toward { top, .. } = &result.aim {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let words = format!(
            "With all of the second text's activation in place the likeliest next tokens are {}.",
            listed(top)
        );
        ui.add(egui::Label::new(caption(words).color(secondary)).wrap());
    }
    let toward = matches!(result.aim, Aim::Toward { .. });
    let distance = Column::number("distance", "Distance")
        .definition(definition("distance"))
        .width(72.0, 80.0);
    let target = Column::number("target", "Target")
        .definition(definition("target"))
        .width(72.0, 80.0);
    let columns = [
        Column::number("edit", "Edit").width(48.0, 52.0).always(),
        Column::text("feature", "Feature")
            .definition("Feature of the dictionary; a click opens its page")
            .width(88.0, 150.0)
            .always(),
        Column::text("token", "At").width(96.0, 120.0),
        Column::number("before", "Before")
            .definition(definition("before, after"))
            .width(64.0, 72.0),
        Column::number("after", "After")
            .definition(definition("before, after"))
            .width(64.0, 72.0),
        if toward { distance } else { distance.hidden() },
        if result.target.is_some() {
            target
        } else {
            target.hidden()
        },
        Column::number("weight", "Weight")
            .definition(definition("weight"))
            .width(64.0, 72.0)
            .hidden(),
        Column::number("magnitude", "Magnitude")
            .definition(definition("magnitude"))
            .width(80.0, 88.0),
        Column::text("top", "Likeliest next tokens")
            .definition(definition("top"))
            .width(200.0, 320.0)
            .fills(),
    ];
    let put = std::cell::Cell::new(None);
    let mut rows = Steps {
        result,
        of: (state, id),
        put: &put,
        commands,
    };
    let count = rows.count();
    let mut selection = Selection::default();
    let grid = Grid::new("least edits", &columns).title("Edits");
    let reply = table_room(ui, (count, ROWS), |ui| {
        grid.show(ui, &mut rows, &mut selection)
    });
    let clicked = reply
        .clicked
        .and_then(|row| result.steps.get(row.checked_sub(1)?));
    if let Some(step) = clicked {
        commands.send(navigation::Command::SelectDictionary(id));
        commands.send(navigation::Command::SelectFeature(Some(step.feature)));
    }
    if let Some(steps) = put.get() {
        commands.send(Command::Steer(id, steps));
    }
}

/// Rows of the table: the untouched text first.
struct Steps<'a> {
    result: &'a Smallest,
    /// Its dictionary.
    of: (&'a AppState, DictionaryId),
    /// The number of edits that a person put into the stack.
    put: &'a std::cell::Cell<Option<usize>>,
    commands: &'a mut Commands,
}

impl Steps<'_> {
    fn step(&self, row: usize) -> Option<&Step> {
        self.result.steps.get(row.checked_sub(1)?)
    }
}

impl Rows for Steps<'_> {
    fn count(&self) -> usize {
        self.result.steps.len() + 1
    }

    fn words(&self, row: usize) -> String {
        match self.step(row) {
            Some(step) => format!("Row of edit {row}, feature {}", step.feature),
            None => "Row without edits".to_owned(),
        }
    }

    fn value(&self, row: usize, column: &str) -> Value {
        let Some(step) = self.step(row) else {
            return match (column, &self.result.aim) {
                ("edit", _) => Value::Count(0),
                ("feature", _) => "no edit".into(),
                ("target", _) => self.result.target.into(),
                ("distance", Aim::Toward { distance, .. }) => Value::Number(*distance),
                ("top", _) => Value::Text(listed(&self.result.top)),
                _ => Value::Nothing,
            };
        };
        match column {
            "edit" => Value::Count(row as u64),
            "feature" => Value::Text(format!("#{}", step.feature)),
            "token" => {
                let token = self.result.texts.get(step.position);
                let token = token.map_or("", String::as_str);
                Value::Text(format!("{} “{}”", step.position, token.replace('\n', "⏎")))
            }
            "before" => Value::Single(step.before),
            "after" => Value::Single(step.after),
            "distance" => step.distance.into(),
            "target" => step.target.into(),
            "weight" => step.weight.into(),
            "magnitude" => Value::Number(step.magnitude),
            _ => Value::Text(listed(&step.top)),
        }
    }

    fn cell_ui(&mut self, ui: &mut Ui, row: usize, column: &str) -> bool {
        let (Some(step), "feature") = (self.step(row), column) else {
            return false;
        };
        let of = (step.feature, self.words(row));
        chip_ui(ui, self.of, (of.0, &of.1), self.commands);
        true
    }

    fn menu_ui(&mut self, ui: &mut Ui, row: usize, _: &[u64]) -> bool {
        if row == 0 {
            return false;
        }
        let words = if row == 1 {
            "Put this edit into the stack".to_owned()
        } else {
            format!("Put the first {row} edits into the stack")
        };
        let clicked = ui.button(words).clicked();
        if clicked {
            self.put.set(Some(row));
        }
        clicked
    }
}

/// Lists tokens with their probabilities.
fn listed(top: &[NextToken]) -> String {
    let each = top.iter().map(|next| {
        let text = next.text.replace('\n', "⏎");
        format!("“{text}” {:.0} %", 100.0 * next.probability)
    });
    each.collect::<Vec<_>>().join("  ")
}
