//! The clusters of a criterion: the tokens that name each, what it explains of the head's output, and what ablation costs there.

use egui::Ui;
use umbra_core::heads::roles::{Cluster, HeadRoles, Judged};

use crate::widgets::csv::Value;
use crate::widgets::feature_chip::quoted;
use crate::widgets::grid::{self, Column, Grid, Selection};
use crate::widgets::number;

/// Name of the table in the settings.
const TABLE: &str = "clusters of a head";

const COLUMNS: [Column<'_>; 6] = [
    Column::text("tokens", "Peaks on")
        .width(120.0, 180.0)
        .fills()
        .always()
        .mono()
        .unsorted()
        .definition("Tokens at which the cluster's features peak most often, with case and leading space folded"),
    Column::number("features", "Features")
        .width(56.0, 64.0)
        .unsorted()
        .definition("Number of features in the cluster"),
    Column::number("explained", "Explains")
        .width(56.0, 68.0)
        .unsorted()
        .definition("Share of the head's output on the text that the cluster explains: Σₜ⟨Σ aᵢ dᵢ W_O, o⟩ / Σₜ‖o‖²"),
    Column::number("rise", "Ablation")
        .unit("nats")
        .width(64.0, 84.0)
        .unsorted()
        .definition("Mean rise of cross-entropy on the cluster's tokens when the head's z is replaced by its mean"),
    Column::text("interval", "Interval of 95 %")
        .width(120.0, 160.0)
        .mono()
        .unsorted()
        .definition("Interval of that rise, by bootstrap over blocks of the text"),
    Column::number("count", "Tokens")
        .width(56.0, 64.0)
        .unsorted()
        .definition("Sampled tokens on which a feature of the cluster is active"),
];

/// The table's selection.
#[derive(Debug, Default)]
pub(super) struct Table {
    selection: Selection,
}

impl Table {
    /// Draws it.
    pub(super) fn ui(&mut self, ui: &mut Ui, (roles, judged): (&HeadRoles, &Judged)) {
        let mut rows = Rows {
            roles,
            clusters: &judged.clusters,
        };
        let grid = Grid::new(TABLE, &COLUMNS).title("Clusters of the head's features");
        grid.show(ui, &mut rows, &mut self.selection);
    }
}

struct Rows<'a> {
    roles: &'a HeadRoles,
    clusters: &'a [Cluster],
}

impl Rows<'_> {
    fn features(&self, row: usize) -> Vec<String> {
        let members = self.clusters[row].members.iter();
        members
            .map(|at| format!("#{}", self.roles.features[*at]))
            .collect()
    }
}

impl grid::Rows for Rows<'_> {
    fn count(&self) -> usize {
        self.clusters.len()
    }

    fn words(&self, row: usize) -> String {
        format!("Cluster of {}", self.features(row).join(", "))
    }

    fn value(&self, row: usize, column: &str) -> Value {
        let cluster = &self.clusters[row];
        let rise = cluster.rise;
        match column {
            "tokens" => Value::Text(cluster.tokens.join(", ")),
            "features" => cluster.members.len().into(),
            "explained" => Value::Number(cluster.explained),
            "rise" => rise.map_or(Value::Nothing, |rise| Value::Number(rise.mean)),
            "interval" => rise.map_or(Value::Nothing, |rise| {
                Value::Text(format!(
                    "{} to {}",
                    number::signed(rise.low),
                    number::signed(rise.high)
                ))
            }),
            "count" => rise.map_or(Value::Nothing, |rise| Value::Count(rise.tokens)),
            _ => Value::Nothing,
        }
    }

    fn text(&self, row: usize, column: &str) -> String {
        match (column, self.value(row, column)) {
            ("tokens", _) => {
                let tokens = self.clusters[row].tokens.iter();
                tokens
                    .map(|token| quoted(token))
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            ("explained", Value::Number(share)) => number::percent(share),
            ("rise", Value::Number(rise)) => number::signed(rise),
            (_, value) => grid::short(&value),
        }
    }

    fn has_cards(&self) -> bool {
        true
    }

    fn card_ui(&mut self, ui: &mut Ui, row: usize) {
        ui.label(format!("Features {}", self.features(row).join(", ")));
    }
}
