//! Places of the graph's parts: a column for each token, a row for each place in the model, boxes stacked in their cell. Knows numbers only.

use egui::{Pos2, Rect, Vec2, pos2, vec2};
use umbra_core::heads::circuit::{Circuit, Kind, Node};
use umbra_core::ids::{HookPoint, Site};

use crate::theme::{size, space};

/// Room for the names of rows.
pub(super) const GUTTER: f32 = 92.0;

/// Height of a box.
pub(super) const BOX: f32 = 20.0;

/// Narrowest and widest box.
const WIDTHS: (f32, f32) = (76.0, 192.0);

/// Room left of a box, in which lines within a column run.
const INSET: f32 = 14.0;

/// Width of a token without nodes.
const EMPTY: f32 = 14.0;

/// Room between rows, in which lines are seen.
const BETWEEN: f32 = 22.0;

/// Height of the tokens below.
const FOOT: f32 = size::BODY + 2.0 * space::CHIP;

/// Place in the model, in the order of a pass: `6 · layer` and a step within the block. A stream behind a block is that before the next.
fn level(circuit: &Circuit, kind: Kind) -> usize {
    let of_block = |layer: usize, step: usize| 1 + 6 * layer + step;
    match kind {
        Kind::Embedding(_) | Kind::Position => 0,
        Kind::Head(layer, _) => of_block(layer.index(), 1),
        Kind::Mlp(layer) => of_block(layer.index(), 4),
        Kind::Feature(i, _) | Kind::Error(i) => match circuit.dictionaries[i].hook {
            HookPoint::Block(layer, site) => of_block(
                layer.index(),
                match site {
                    Site::ResidPre => 0,
                    Site::Z => 1,
                    Site::AttnOut => 2,
                    Site::ResidMid => 3,
                    Site::MlpOut => 5,
                    _ => 6,
                },
            ),
            _ => 0,
        },
    }
}

/// Returns the name of a level.
fn level_name(level: usize) -> String {
    let Some(below) = level.checked_sub(1) else {
        return "Embedding".to_owned();
    };
    let layer = below / 6;
    match below % 6 {
        0 if layer == 0 => "Residual".to_owned(),
        0 => format!("Residual {}", layer - 1),
        1 => format!("Attention {layer}"),
        2 => format!("Attn out {layer}"),
        3 => format!("Mid {layer}"),
        4 => format!("MLP {layer}"),
        _ => format!("MLP out {layer}"),
    }
}

/// A row of the graph.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// Its name.
    pub(super) name: String,
    /// Middle of its boxes.
    pub(super) middle: f32,
}

/// A column of the graph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Column {
    /// Position of its token.
    pub(super) at: usize,
    /// Left edge.
    pub(super) left: f32,
    /// Width.
    pub(super) width: f32,
    /// Whether it holds nodes.
    pub(super) used: bool,
}

/// Places of everything, from the upper left corner.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    /// Whole size, names and tokens included.
    pub(super) size: Vec2,
    /// Rows, from the top.
    pub(super) rows: Vec<Row>,
    /// Columns, from the left.
    pub(super) columns: Vec<Column>,
    /// Box of each node.
    pub(super) boxes: Vec<Rect>,
    /// Upper edge of the tokens.
    pub(super) foot: f32,
}

impl Layout {
    /// Lays `circuit` out, as wide as `room` if that is enough.
    pub(super) fn new(circuit: &Circuit, room: f32) -> Self {
        let at = circuit.root().at;
        let used = |token: &usize| circuit.nodes.iter().any(|node| node.at == *token);
        let many = (0..=at).filter(used).count();
        let free = room - GUTTER - EMPTY * (at + 1 - many) as f32;
        let width = (free / many.max(1) as f32).clamp(WIDTHS.0, WIDTHS.1);
        let mut left = GUTTER;
        let mut columns = Vec::with_capacity(at + 1);
        for token in 0..=at {
            let used = used(&token);
            let width = if used { width } else { EMPTY };
            columns.push(Column {
                at: token,
                left,
                width,
                used,
            });
            left += width;
        }
        let (rows, tops, foot) = rows(circuit);
        let boxes = boxes(circuit, &columns, &tops);
        Self {
            size: vec2(left, foot + FOOT),
            rows,
            columns,
            boxes,
            foot,
        }
    }

    /// Points of a line from the box of a child to that of its parent: from the side that faces a later token to the lower edge there; around the left side within a
    /// column, where other boxes may lie between.
    pub(super) fn line(&self, child: usize, parent: usize) -> [Pos2; 4] {
        let (from, to) = (self.boxes[child], self.boxes[parent]);
        if to.left() < from.right() {
            let (start, end) = (from.left_center(), to.left_center());
            let aside = vec2(INSET, 0.0);
            return [start, start - aside, end - aside, end];
        }
        let (start, end) = (from.right_center(), to.center_bottom());
        let across = vec2((end.x - start.x) / 2.0, 0.0);
        let down = vec2(0.0, ((start.y - end.y) / 2.0).max(BETWEEN / 2.0));
        [start, start + across, end + down, end]
    }

    /// Returns the node whose box holds `at`.
    pub(super) fn node_at(&self, at: Pos2) -> Option<usize> {
        self.boxes.iter().position(|rect| rect.contains(at))
    }
}

/// Members of each row from the top: a level and its nodes, those of one cell by influence.
fn members(circuit: &Circuit) -> Vec<(usize, Vec<usize>)> {
    let mut levels: Vec<usize> = circuit
        .nodes
        .iter()
        .map(|node| level(circuit, node.kind))
        .collect();
    let of_node = levels.clone();
    levels.sort_unstable_by(|a, b| b.cmp(a));
    levels.dedup();
    let members = |wanted: usize| {
        let nodes = 0..circuit.nodes.len();
        let mut nodes: Vec<usize> = nodes.filter(|i| of_node[*i] == wanted).collect();
        let influence = |i: &usize| circuit.nodes[*i].influence;
        nodes.sort_by(|a, b| influence(b).total_cmp(&influence(a)).then(a.cmp(b)));
        (wanted, nodes)
    };
    levels.into_iter().map(members).collect()
}

/// Number of boxes in the fullest cell of a row.
fn fullest(nodes: &[Node], row: &[usize]) -> usize {
    let of_token = |at: usize| row.iter().filter(|i| nodes[**i].at == at).count();
    row.iter()
        .map(|i| of_token(nodes[*i].at))
        .max()
        .unwrap_or(0)
}

/// Returns the rows, the top of each node's row with its place in the cell, and the lower edge of all.
fn rows(circuit: &Circuit) -> (Vec<Row>, Vec<f32>, f32) {
    let mut rows = Vec::new();
    let mut tops = vec![0.0; circuit.nodes.len()];
    let mut y = space::CHIP;
    for (level, nodes) in members(circuit) {
        let step = BOX + space::CHIP;
        let height = fullest(&circuit.nodes, &nodes) as f32 * step - space::CHIP;
        rows.push(Row {
            name: level_name(level),
            middle: y + height / 2.0,
        });
        let mut filled = std::collections::BTreeMap::new();
        for i in nodes {
            let place: &mut usize = filled.entry(circuit.nodes[i].at).or_default();
            tops[i] = y + *place as f32 * step;
            *place += 1;
        }
        y += height + BETWEEN;
    }
    (rows, tops, y - BETWEEN + space::CONTROL)
}

fn boxes(circuit: &Circuit, columns: &[Column], tops: &[f32]) -> Vec<Rect> {
    let of_node = |(node, top): (&Node, &f32)| {
        let column = columns[node.at];
        let min = pos2(column.left + INSET, *top);
        Rect::from_min_size(min, vec2(column.width - INSET - space::CHIP, BOX))
    };
    circuit.nodes.iter().zip(tops).map(of_node).collect()
}
