//! The sum of the selected node: its children, biases and what is discarded, in a table.

use egui::Ui;
use umbra_core::heads::circuit::{Circuit, Node};

use crate::widgets::csv::Value;
use crate::widgets::grid::{self, Column, Grid, Rows, Selection};
use crate::widgets::number;

/// Greatest height of the table.
const HIGH: f32 = 264.0;

const SHARE: &str = "Size of the part over the sizes of all contributions of the node, kept or not; biases are not counted";

/// A part of the sum.
#[derive(Debug, Clone, PartialEq)]
struct Part {
    name: String,
    at: Option<usize>,
    value: f64,
    share: Option<f64>,
    node: Option<usize>,
}

/// The user's action on the table.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reply {
    /// The node of a row that was opened.
    pub(super) chosen: Option<usize>,
    /// The page of this node's feature is wanted.
    pub(super) opened: Option<usize>,
}

/// Lists the parts of `node`: children from the largest, then biases, then the rest.
fn parts(circuit: &Circuit, node: &Node, name: &dyn Fn(&Node) -> String) -> Vec<Part> {
    let share = |value: f64| (node.mass > 0.0).then(|| value.abs() / node.mass);
    let children = node.children.iter().map(|child| {
        let of = &circuit.nodes[child.node];
        Part {
            name: name(of),
            at: Some(of.at),
            value: child.contribution,
            share: share(child.contribution),
            node: Some(child.node),
        }
    });
    let biases = node.biases.iter().map(|(kind, value)| Part {
        name: circuit.bias_name(*kind),
        at: None,
        value: *value,
        share: None,
        node: None,
    });
    let rest = (node.discarded_terms > 0).then(|| Part {
        name: format!(
            "{} discarded",
            number::counted(node.discarded_terms as u64, "contribution")
        ),
        at: None,
        value: node.discarded,
        share: Some(node.discarded_share()),
        node: None,
    });
    children.chain(biases).chain(rest).collect()
}

struct Table<'a> {
    circuit: &'a Circuit,
    parts: Vec<Part>,
    opened: Option<usize>,
}

impl Rows for Table<'_> {
    fn count(&self) -> usize {
        self.parts.len()
    }

    fn words(&self, row: usize) -> String {
        let part = &self.parts[row];
        format!("{}, {}", part.name, number::signed(part.value))
    }

    fn value(&self, row: usize, column: &str) -> Value {
        let part = &self.parts[row];
        match column {
            "part" => Value::from(part.name.as_str()),
            "token" => part.at.map_or(Value::Nothing, |at| {
                Value::Text(format!("{at} {}", self.circuit.texts[at]))
            }),
            "contribution" => Value::Number(part.value),
            _ => part
                .share
                .map_or(Value::Nothing, |share| Value::Number(100.0 * share)),
        }
    }

    fn text(&self, row: usize, column: &str) -> String {
        match (column, self.value(row, column)) {
            ("contribution", Value::Number(value)) => number::signed(value),
            (_, value) => grid::short(&value),
        }
    }

    fn menu_ui(&mut self, ui: &mut Ui, row: usize, _: &[u64]) -> bool {
        let node = self.parts[row].node;
        let feature = node.filter(|i| self.circuit.nodes[*i].activation.is_some());
        let Some(node) = feature else {
            return false;
        };
        if ui.button("Open the feature's page").clicked() {
            self.opened = Some(node);
        }
        true
    }
}

/// Draws the table of `node`; `name` names a node.
pub(super) fn sum_ui(
    ui: &mut Ui,
    circuit: &Circuit,
    node: &Node,
    name: &dyn Fn(&Node) -> String,
) -> Reply {
    let columns = [
        Column::text("part", "Part").width(140.0, 260.0),
        Column::text("token", "Token").width(64.0, 110.0),
        Column::number("contribution", "Contribution")
            .definition("Part of the node's value; all rows add up to it")
            .width(96.0, 110.0),
        Column::number("share", "Share")
            .unit("%")
            .definition(SHARE)
            .width(64.0, 80.0),
    ];
    let unsorted = parts(circuit, node, name);
    let table = Table {
        circuit,
        parts: unsorted.clone(),
        opened: None,
    };
    let sort = grid::sort(ui.ctx(), "circuit sum");
    let order = grid::order(unsorted.len(), sort.as_ref(), |row, column| {
        table.value(row, column)
    });
    let mut rows = Table {
        parts: order.into_iter().map(|row| unsorted[row].clone()).collect(),
        ..table
    };
    let grid = Grid::new("circuit sum", &columns).title("Parts of the sum");
    let reply = grid
        .most(HIGH)
        .show(ui, &mut rows, &mut Selection::default());
    let chosen = reply.opened.or(reply.clicked);
    Reply {
        chosen: chosen.and_then(|row| rows.parts.get(row)?.node),
        opened: rows.opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_add_up_to_the_node() {
        let circuit = super::super::tests::circuit();
        let node = circuit.root();
        let parts = parts(&circuit, node, &|node| circuit.name(node));
        let sum: f64 = parts.iter().map(|part| part.value).sum();
        let off = (sum - node.value).abs();
        assert!(off <= node.tolerance(), "{off} {parts:?}");
        let shares: f64 = parts.iter().filter_map(|part| part.share).sum();
        assert!((shares - 1.0).abs() < 1e-9, "{shares}");
        assert!(parts.iter().any(|part| part.name.ends_with("discarded")));
    }
}
