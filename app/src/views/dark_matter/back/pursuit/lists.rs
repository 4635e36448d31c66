//! Features that the encoder misses and invents most, each a link to the feature's page.

use egui::Ui;
use umbra_core::dark_matter::pursuit::FeatureRow;
use umbra_core::ids::FeatureId;

use super::super::super::panel::table_room;
use super::definition;
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::pursuit::Compared;
use crate::state::requests::{Commands, navigation};
use crate::theme::{body_strong, space};
use crate::widgets::csv::Value;
use crate::widgets::feature_chip::FeatureChip;
use crate::widgets::grid::{self, Column, Grid, Selection};
use crate::widgets::number;

/// Width from which the lists stand side by side.
const BESIDE: f32 = 760.0;

/// Rows of a list without scrolling.
const ROWS: f32 = 9.0;

/// A list of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Missed,
    Invented,
}

impl List {
    fn title(self) -> &'static str {
        match self {
            Self::Missed => "Missed by the encoder",
            Self::Invented => "Invented by the encoder",
        }
    }

    /// Name of the table in the settings.
    fn table(self) -> &'static str {
        match self {
            Self::Missed => "missed features",
            Self::Invented => "invented features",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Missed => "Pursuit picks these features where the encoder leaves them out",
            Self::Invented => "The encoder picks these features where pursuit leaves them out",
        }
    }

    fn columns(self) -> [Column<'static>; 4] {
        let (tokens, mean) = match self {
            Self::Missed => (
                "missed",
                "Mean weight that pursuit gives the feature at these tokens",
            ),
            Self::Invented => (
                "invented",
                "Mean activation that the encoder gives the feature at these tokens",
            ),
        };
        [
            Column::text("feature", "Feature")
                .width(96.0, 160.0)
                .fills()
                .always()
                .definition("A feature of the dictionary; a click opens its page"),
            Column::number("tokens", "Tokens")
                .width(56.0, 68.0)
                .definition(definition(tokens)),
            Column::number("mean", "Mean")
                .width(56.0, 68.0)
                .definition(mean),
            Column::number("both", "In both")
                .width(56.0, 68.0)
                .definition("Tokens at which both codes have the feature"),
        ]
    }

    fn value(self, row: &FeatureRow, column: &str) -> Value {
        let (count, sum) = match self {
            Self::Missed => (row.missed, row.missed_weight),
            Self::Invented => (row.invented, row.invented_activation),
        };
        match column {
            "feature" => row.feature.index().into(),
            "tokens" => Value::from(count),
            "mean" => Value::Number(sum / count.max(1) as f64),
            "both" => Value::from(row.shared),
            _ => Value::Nothing,
        }
    }
}

/// Draws both lists.
pub(super) fn lists_ui(
    ui: &mut Ui,
    state: &AppState,
    (id, compared): (DictionaryId, &Compared),
    commands: &mut Commands,
) {
    let lists = [
        (List::Missed, &compared.missed),
        (List::Invented, &compared.invented),
    ];
    if ui.available_width() < BESIDE {
        for (list, rows) in lists {
            list_ui(ui, (list, rows), (state, id), commands);
            ui.add_space(space::CONTROL);
        }
        return;
    }
    let width = (ui.available_width() - space::GROUP) / 2.0;
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = space::GROUP;
        for (list, rows) in lists {
            ui.vertical(|ui| {
                ui.set_width(width);
                list_ui(ui, (list, rows), (state, id), commands);
            });
        }
    });
}

fn list_ui(
    ui: &mut Ui,
    (list, all): (List, &[FeatureRow]),
    (state, id): (&AppState, DictionaryId),
    commands: &mut Commands,
) {
    ui.label(body_strong(list.title()))
        .on_hover_text(list.help());
    let columns = list.columns();
    let order = match grid::sort(ui.ctx(), list.table()) {
        // The given order is that of the sums: tokens times mean.
        None => (0..all.len()).collect(),
        Some(sort) => grid::order(all.len(), Some(&sort), |row, column| {
            list.value(&all[row], column)
        }),
    };
    let mut selection = Selection::default();
    let here = state.selection.dictionary == Some(id);
    if let Some(feature) = state.selection.feature.filter(|_| here) {
        selection.only(u64::from(feature.0));
    }
    let mut rows = Rows {
        list,
        shown: order.into_iter().map(|row: usize| &all[row]).collect(),
        state,
        id,
        commands,
    };
    let grid = Grid::new(list.table(), &columns)
        .title(list.title())
        .most(ROWS * space::TABLE_ROW);
    let reply = table_room(ui, (all.len(), ROWS), |ui| {
        grid.show(ui, &mut rows, &mut selection)
    });
    let at = |row: Option<usize>| row.and_then(|row| rows.shown.get(row).map(|row| row.feature));
    let (chosen, opened, beside) = (at(reply.chosen), at(reply.opened), at(reply.beside));
    if let Some(feature) = chosen {
        commands.send(navigation::Command::FollowDictionary(id));
        commands.send(navigation::Command::SelectFeature(Some(feature)));
    }
    if let Some(feature) = opened.or(beside) {
        open(commands, id, feature, beside.is_some());
    }
}

/// Opens the page of a feature.
pub(super) fn open(commands: &mut Commands, id: DictionaryId, feature: FeatureId, beside: bool) {
    commands.send(navigation::Command::FollowDictionary(id));
    commands.send(navigation::Command::Feature { feature, beside });
}

struct Rows<'a> {
    list: List,
    shown: Vec<&'a FeatureRow>,
    state: &'a AppState,
    id: DictionaryId,
    commands: &'a mut Commands,
}

impl grid::Rows for Rows<'_> {
    fn count(&self) -> usize {
        self.shown.len()
    }

    fn key(&self, row: usize) -> u64 {
        u64::from(self.shown[row].feature.0)
    }

    fn words(&self, row: usize) -> String {
        let row = self.shown[row];
        let (what, count) = match self.list {
            List::Missed => ("missed", row.missed),
            List::Invented => ("invented", row.invented),
        };
        let on = number::counted(count, "token");
        format!("Feature {} {what} on {on}", row.feature)
    }

    fn value(&self, row: usize, column: &str) -> Value {
        self.list.value(self.shown[row], column)
    }

    fn cell_ui(&mut self, ui: &mut Ui, row: usize, column: &str) -> bool {
        if column != "feature" {
            return false;
        }
        let row = self.shown[row];
        let name = self.state.name_of(self.id, row.feature);
        let chip = FeatureChip::new(row.feature, name).max_width(ui.available_width());
        let reply = chip.show(ui, |ui| {
            ui.label(format!(
                "Both codes {}, only pursuit {}, only the encoder {}",
                row.shared, row.missed, row.invented
            ));
        });
        if reply.open || reply.beside {
            open(self.commands, self.id, row.feature, reply.beside);
        }
        true
    }
}
