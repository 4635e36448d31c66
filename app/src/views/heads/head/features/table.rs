//! The table of a head's features with their places in three rankings.

use egui::Ui;
use umbra_core::heads::features::{FeatureRow, Ranking};
use umbra_core::ids::Head;

use crate::state::AppState;
use crate::state::catalogue::Dictionary;
use crate::state::heads::roles::Studied;
use crate::state::heads::step::Step;
use crate::state::requests::{Commands, heads, navigation};
use crate::widgets::csv::Value;
use crate::widgets::feature_chip::FeatureChip;
use crate::widgets::grid::{self, Column, Grid, Selection};
use crate::widgets::number;

/// Name of the table in the settings.
const TABLE: &str = "features of a head";

const COLUMNS: [Column<'_>; 9] = [
    Column::text("feature", "Feature")
        .width(140.0, 200.0)
        .fills()
        .always()
        .definition("A feature of the dictionary; a click opens its page"),
    Column::number("share", "Share")
        .width(64.0, 80.0)
        .definition("Norm of the feature's decoder row within this head's slice, over the sum of these norms for all heads"),
    Column::number("attribution_share", "Attribution")
        .width(64.0, 80.0)
        .definition("Share of the feature's direct attribution in this head: Σ |z_h · w_h| over the tokens where it is active, over the sum for all heads"),
    Column::number("attribution", "Sum")
        .width(56.0, 68.0)
        .definition("Σ |z_h · w_h| over the tokens of the text where the feature is active: the figure of the ranking by attribution"),
    Column::number("causal", "Effect")
        .unit("nats")
        .width(72.0, 84.0)
        .definition("Mean rise of cross-entropy where the feature is active when activation times decoder row is taken out of this head's z, in sampled rows"),
    Column::number("by_share", "By share")
        .width(56.0, 68.0)
        .definition("Place by decoder share among the live features"),
    Column::number("by_attribution", "By attribution")
        .width(56.0, 92.0)
        .definition("Place by summed attribution among the live features"),
    Column::number("by_causal", "By effect")
        .width(56.0, 68.0)
        .definition("Place by causal effect among the features of this table"),
    Column::number("agreement", "Agreement")
        .unit("ρ")
        .width(64.0, 88.0)
        .definition("Spearman correlation of decoder share and attribution share over the heads: 1 where weights and text rank the heads alike"),
];

/// The table's selection.
#[derive(Debug, Default)]
pub(super) struct Table {
    selection: Selection,
}

impl Table {
    /// Draws it.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (dictionary, studied, head): (&Dictionary, &Studied, Head),
        commands: &mut Commands,
    ) {
        let all = &studied.features[head.index()].rows;
        let first = grid::arrangement::Sort::new("share", true);
        let sort = grid::sort(ui.ctx(), TABLE).unwrap_or(first);
        let order = grid::order(all.len(), Some(&sort), |row, column| {
            cell(&all[row], column)
        });
        let here = state.selection.dictionary == Some(dictionary.id);
        let chosen = state.selection.feature.filter(|_| here);
        self.selection
            .select(chosen.map(|feature| feature.index() as u64));
        let mut rows = Rows {
            shown: order.into_iter().map(|at| &all[at]).collect(),
            dictionary,
            state,
            commands,
        };
        let grid = Grid::new(TABLE, &COLUMNS)
            .title("Features of the head")
            .ordered_by("share", true);
        let reply = grid.show(ui, &mut rows, &mut self.selection);
        let at = |row: Option<usize>| {
            row.and_then(|row| rows.shown.get(row))
                .map(|row| row.feature)
        };
        let (chosen, opened, beside) = (at(reply.chosen), at(reply.opened), at(reply.beside));
        if let Some(feature) = chosen {
            commands.send(navigation::Command::FollowDictionary(dictionary.id));
            commands.send(navigation::Command::SelectFeature(Some(feature)));
        }
        if let Some(feature) = opened.or(beside) {
            let beside = beside.is_some();
            commands.send(navigation::Command::FollowDictionary(dictionary.id));
            commands.send(navigation::Command::Feature { feature, beside });
        }
    }
}

struct Rows<'a> {
    shown: Vec<&'a FeatureRow>,
    dictionary: &'a Dictionary,
    state: &'a AppState,
    commands: &'a mut Commands,
}

fn cell(row: &FeatureRow, column: &str) -> Value {
    let place = |ranking: Ranking| row.places[ranking as usize].map_or(Value::Nothing, Value::from);
    let figure = |figure: Option<f64>| figure.map_or(Value::Nothing, Value::Number);
    match column {
        "feature" => row.feature.index().into(),
        "share" => Value::Number(row.share),
        "attribution_share" => Value::Number(row.attribution_share),
        "attribution" => Value::Number(row.attribution),
        "causal" => figure(row.effect.map(|effect| effect.rise)),
        "by_share" => place(Ranking::Share),
        "by_attribution" => place(Ranking::Attribution),
        "by_causal" => place(Ranking::Causal),
        "agreement" => figure(row.correlation.spearman),
        _ => Value::Nothing,
    }
}

impl grid::Rows for Rows<'_> {
    fn count(&self) -> usize {
        self.shown.len()
    }

    fn key(&self, row: usize) -> u64 {
        self.shown[row].feature.index() as u64
    }

    fn words(&self, row: usize) -> String {
        format!("Row of feature {}", self.shown[row].feature)
    }

    fn value(&self, row: usize, column: &str) -> Value {
        cell(self.shown[row], column)
    }

    fn text(&self, row: usize, column: &str) -> String {
        match (column, self.value(row, column)) {
            ("share" | "attribution_share", Value::Number(share)) => number::percent(share),
            ("causal", Value::Number(rise)) => number::signed(rise),
            (_, value) => grid::short(&value),
        }
    }

    fn cell_ui(&mut self, ui: &mut Ui, row: usize, column: &str) -> bool {
        if column != "feature" {
            return false;
        }
        let feature = self.shown[row].feature;
        let name = self.state.name_of(self.dictionary.id, feature);
        let chip = FeatureChip::new(feature, name).max_width(ui.available_width());
        let active = self.shown[row].active;
        let reply = chip.show(ui, |ui| {
            let words = format!("Active on {}", number::counted(active, "token"));
            ui.label(words);
        });
        if reply.open || reply.beside {
            let beside = reply.beside;
            self.commands
                .send(navigation::Command::FollowDictionary(self.dictionary.id));
            self.commands
                .send(navigation::Command::Feature { feature, beside });
        }
        true
    }

    fn menu_ui(&mut self, ui: &mut Ui, row: usize, _: &[u64]) -> bool {
        let feature = self.shown[row].feature;
        if ui.button("Attribute it to its sources").clicked() {
            self.commands
                .send(navigation::Command::FollowDictionary(self.dictionary.id));
            self.commands
                .send(navigation::Command::SelectFeature(Some(feature)));
            self.commands.send(heads::Command::Step(Step::Why));
            ui.close();
        }
        true
    }
}
