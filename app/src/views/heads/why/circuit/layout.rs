//! Places of the graph's parts: a column for each token with nodes, a row for each place in the model, boxes side by side in their cell as
//! far as there is room, and lines that run between boxes. Knows numbers only.

use egui::{Pos2, Rect, Vec2, pos2, vec2};
use umbra_core::heads::circuit::{Circuit, Kind, Node};
use umbra_core::ids::{HookPoint, Site};

use crate::theme::{size, space};

/// Room for the names of rows.
pub(super) const GUTTER: f32 = 92.0;

/// Height of a box.
pub(super) const BOX: f32 = 20.0;

/// Narrowest and widest lane: a box with the room left of it.
const WIDTHS: (f32, f32) = (100.0, 212.0);

/// Width from which another lane is worth its room.
const ROOMY: f32 = 148.0;

/// Room left of a box, in which lines pass other boxes.
const INSET: f32 = 14.0;

/// Width of a run of tokens without nodes.
const EMPTY: f32 = 34.0;

/// Room between boxes of a row that lie above each other.
const APART: f32 = 8.0;

/// Room between rows, in which lines are seen.
const BETWEEN: f32 = 22.0;

/// Points of a bent piece of a line.
const PIECES: usize = 12;

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

/// A column of the graph: a token with nodes, or a run of tokens without.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Column {
    /// Position of its first token.
    pub(super) at: usize,
    /// Number of its tokens.
    pub(super) count: usize,
    /// Left edge.
    pub(super) left: f32,
    /// Width.
    pub(super) width: f32,
    /// Number of boxes side by side; 0 for tokens without nodes.
    pub(super) lanes: usize,
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
    /// Free height below each box.
    below: Vec<f32>,
    /// Upper edge of the tokens.
    pub(super) foot: f32,
}

impl Layout {
    /// Lays `circuit` out, as wide as `room` if that is enough.
    pub(super) fn new(circuit: &Circuit, room: f32) -> Self {
        let columns = columns(circuit, room);
        let (rows, boxes, below, foot) = rows(circuit, &columns);
        let right = columns.last().map_or(GUTTER, |last| last.left + last.width);
        Self {
            size: vec2(right, foot + FOOT),
            rows,
            columns,
            boxes,
            below,
            foot,
        }
    }

    /// Points of a line from the upper edge of a child to the lower edge of its parent: straight there if no box lies between, otherwise up beside the child's
    /// lane, where no box is.
    pub(super) fn line(&self, child: usize, parent: usize) -> Vec<Pos2> {
        let (from, to) = (self.boxes[child], self.boxes[parent]);
        let (start, end) = (from.center_top(), to.center_bottom());
        let between = Rect::from_two_pos(start, end).shrink2(vec2(-1.0, 0.5));
        if !self.boxes.iter().any(|other| other.intersects(between)) {
            return bent(start, end).collect();
        }
        let aside = from.left() - INSET / 2.0;
        let low = pos2(aside, start.y - APART);
        let high = pos2(aside, end.y + self.below[parent]);
        bent(start, low).chain(bent(high, end)).collect()
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

/// Points of a line between two places that leaves and arrives upright, and stays within the rectangle of both.
fn bent(from: Pos2, to: Pos2) -> impl Iterator<Item = Pos2> {
    (0..=PIECES).map(move |i| {
        let t = i as f32 / PIECES as f32;
        let eased = t * t * (3.0 - 2.0 * t);
        pos2(
            from.x + (to.x - from.x) * eased,
            from.y + (to.y - from.y) * t,
        )
    })
}

/// Most nodes in one cell of a token's column.
fn needed(members: &[(usize, Vec<usize>)], nodes: &[Node], at: usize) -> usize {
    let of_row = |row: &[usize]| row.iter().filter(|i| nodes[**i].at == at).count();
    members
        .iter()
        .map(|(_, row)| of_row(row))
        .max()
        .unwrap_or(0)
}

/// Returns the columns up to the explained token; those with most nodes above each other get lanes while there is room.
fn columns(circuit: &Circuit, room: f32) -> Vec<Column> {
    let members = members(circuit);
    let mut columns: Vec<Column> = Vec::new();
    let mut needs = Vec::new();
    for at in 0..=circuit.root().at {
        let need = needed(&members, &circuit.nodes, at);
        match columns.last_mut() {
            Some(last) if need == 0 && last.lanes == 0 => last.count += 1,
            _ => {
                columns.push(Column {
                    at,
                    count: 1,
                    left: 0.0,
                    width: EMPTY,
                    lanes: need.min(1),
                });
                needs.push(need);
            }
        }
    }
    let empty = columns.iter().filter(|column| column.lanes == 0).count();
    let free = room - GUTTER - EMPTY * empty as f32;
    let mut lanes = columns.len() - empty;
    while (lanes + 1) as f32 * ROOMY <= free {
        let high = |i: &usize| needs[*i].div_ceil(columns[*i].lanes.max(1));
        let is_high = |i: &usize| high(i) > 1;
        let Some(highest) = (0..columns.len()).filter(is_high).max_by_key(high) else {
            break;
        };
        columns[highest].lanes += 1;
        lanes += 1;
    }
    let lane = (free / lanes.max(1) as f32).clamp(WIDTHS.0, WIDTHS.1);
    let mut left = GUTTER;
    for column in &mut columns {
        if column.lanes > 0 {
            column.width = lane * column.lanes as f32;
        }
        column.left = left;
        left += column.width;
    }
    columns
}

/// Returns a node with its line in its cell and its box: the `n`th of `many` nodes, side by side in the middle of each line, lines from 0 down.
fn place(column: &Column, many: usize, n: usize, node: usize) -> (usize, usize, Rect) {
    let lane = column.width / column.lanes as f32;
    let (line, place) = (n / column.lanes, n % column.lanes);
    let of_line = (many - line * column.lanes).min(column.lanes);
    let first = (column.lanes - of_line) / 2;
    let left = column.left + lane * (first + place) as f32 + INSET;
    let size = vec2(lane - INSET - space::CHIP, BOX);
    let top = (BOX + APART) * line as f32;
    (node, line, Rect::from_min_size(pos2(left, top), size))
}

/// Returns the rows, the box of each node with the free height below it, and the lower edge of all.
fn rows(circuit: &Circuit, columns: &[Column]) -> (Vec<Row>, Vec<Rect>, Vec<f32>, f32) {
    let mut rows = Vec::new();
    let mut boxes = vec![Rect::ZERO; circuit.nodes.len()];
    let mut below = vec![BETWEEN; circuit.nodes.len()];
    let mut y = space::CHIP;
    let step = BOX + APART;
    for (level, nodes) in members(circuit) {
        let cells = columns.iter().filter(|column| column.lanes > 0);
        let cells = cells.map(|column| {
            let is_here = |i: &usize| circuit.nodes[*i].at == column.at;
            let cell: Vec<usize> = nodes.iter().copied().filter(is_here).collect();
            (column, cell)
        });
        let cells: Vec<(&Column, Vec<usize>)> = cells.collect();
        let highest = cells
            .iter()
            .map(|(column, cell)| cell.len().div_ceil(column.lanes));
        let highest = highest.max().unwrap_or(1);
        let height = highest as f32 * step - APART;
        rows.push(Row {
            name: level_name(level),
            middle: y + height / 2.0,
        });
        for (column, cell) in cells {
            let places = cell.iter().enumerate();
            for (i, line, rect) in places.map(|(n, i)| place(column, cell.len(), n, *i)) {
                boxes[i] = rect.translate(vec2(0.0, y));
                below[i] = if line + 1 < highest { APART } else { BETWEEN };
            }
        }
        y += height + BETWEEN;
    }
    (rows, boxes, below, y - BETWEEN + space::CONTROL)
}
