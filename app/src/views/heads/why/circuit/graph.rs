//! The graph itself: boxes for nodes, lines for contributions, tokens below and places in the model at the left.

use std::sync::Arc;

use egui::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{
    Align2, Color32, CursorIcon, FontId, Galley, Pos2, Rect, Response, Role, ScrollArea, Sense,
    Shape, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};
use umbra_core::features::Name;
use umbra_core::heads::circuit::{Child, Circuit, Kind, Node};

use super::layout::{Column, GUTTER, Layout};
use crate::theme::{Theme, caption, mono, size, space};
use crate::widgets::csv::{self, Value};
use crate::widgets::meaning::{self, Meaning};
use crate::widgets::{feature_name, focus, menu, number, to_save};

/// Definition of the figure.
const DEFINITION: &str = "A line is the part of the upper node's value that comes from the lower one: activation times decoder row along the direction that the upper node reads. Attention patterns and norm scales are held fixed. Its width is the share of the explained feature that passes through it";

/// Width of a line that carries everything, and of one that carries nothing.
const LINES: (f32, f32) = (5.0, 0.75);

/// Room from which a feature's number stands behind its name.
const NUMBERED: f32 = 48.0;

/// The user's action on the graph.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reply {
    /// This node was clicked.
    pub(super) chosen: Option<usize>,
    /// The page of this node's feature is wanted.
    pub(super) opened: Option<usize>,
    /// It is wanted beside.
    pub(super) beside: Option<usize>,
}

/// Graph before it is shown.
pub(super) struct Graph<'a> {
    /// Nodes and contributions.
    pub(super) circuit: &'a Circuit,
    /// The selected node.
    pub(super) selected: usize,
    /// Name of a feature.
    pub(super) name: &'a dyn Fn(&Node) -> Name<'a>,
}

impl Graph<'_> {
    /// Draws the graph; it scrolls sideways where it is wider than its place.
    pub(super) fn show(&self, ui: &mut Ui) -> Reply {
        let layout = Layout::new(self.circuit, ui.available_width());
        ScrollArea::horizontal()
            .id_salt("circuit graph")
            .auto_shrink([false, true])
            .show(ui, |ui| self.graph_ui(ui, &layout))
            .inner
    }

    fn graph_ui(&self, ui: &mut Ui, layout: &Layout) -> Reply {
        let (rect, whole) = ui.allocate_exact_size(layout.size, Sense::hover());
        whole.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Circuit"));
        let pointer = ui.ctx().pointer_hover_pos().filter(|at| {
            whole.interact_rect.contains(*at) && ui.ctx().layer_id_at(*at) == Some(whole.layer_id)
        });
        let hovered = pointer.and_then(|at| layout.node_at(at - rect.min.to_vec2()));
        self.paint_frame(ui, layout, rect.min);
        self.paint_lines(ui, layout, rect.min, hovered.unwrap_or(self.selected));
        let mut reply = Reply::default();
        for (i, node) in self.circuit.nodes.iter().enumerate() {
            let place = layout.boxes[i].translate(rect.min.to_vec2());
            self.node_ui(ui, (i, node), place, &mut reply);
        }
        let value = hovered.map(|i| self.circuit.nodes[i].value.to_string());
        let csv = || self.csv();
        let figure = Meaning::new("Circuit", DEFINITION).value(value.as_deref());
        meaning::menu(&whole, &figure.csv(&csv).picture(whole.interact_rect));
        reply
    }

    fn paint_frame(&self, ui: &Ui, layout: &Layout, min: Pos2) {
        let theme = Theme::from_ui(ui);
        let painter = ui.painter();
        let font = FontId::proportional(size::CAPTION);
        for row in &layout.rows {
            let at = min + vec2(GUTTER - space::CONTROL, row.middle);
            let ink = theme.ink.secondary;
            painter.text(at, Align2::RIGHT_CENTER, &row.name, font.clone(), ink);
        }
        let (top, foot) = (min.y, min.y + layout.foot);
        for column in &layout.columns {
            let left = min.x + column.left;
            let is_used = column.lanes > 0;
            if is_used {
                for edge in [left, left + column.width] {
                    painter.vline(edge, top..=foot, Stroke::new(1.0, theme.line.hair));
                }
            }
            let galley = self.token(ui, column);
            let middle = left + (column.width - galley.size().x) / 2.0;
            let at = pos2(middle, foot + space::CHIP);
            let place = Rect::from_min_size(at, galley.size());
            painter.galley(at, galley, theme.ink.secondary);
            if !is_used {
                let id = ui.scope_id().with(("left out", column.at));
                let tokens = number::counted(column.count as u64, "token");
                ui.interact(place, id, Sense::hover())
                    .on_hover_text(format!("{tokens} without a node shown"));
            }
        }
        painter.hline(
            min.x + GUTTER..=min.x + layout.size.x,
            foot,
            Stroke::new(1.0, theme.line.strong),
        );
    }

    /// Lays out the foot of a column: position and token, or how many tokens are left out.
    fn token(&self, ui: &Ui, column: &Column) -> Arc<Galley> {
        let theme = Theme::from_ui(ui);
        let caption = FontId::monospace(size::CAPTION);
        let plain = TextFormat::simple(caption, theme.ink.secondary);
        let mut job = LayoutJob::default();
        if column.lanes == 0 {
            job.append(&format!("…{}", column.count), 0.0, plain);
        } else {
            let ink = if column.at == self.circuit.root().at {
                theme.ink.primary
            } else {
                theme.ink.secondary
            };
            let text = self.circuit.texts[column.at].replace('\n', "⏎");
            let token = TextFormat::simple(FontId::monospace(size::BODY), ink);
            job.append(&column.at.to_string(), 0.0, plain);
            job.append(&text, space::CHIP, token);
        }
        job.wrap = TextWrapping::truncate_at_width(column.width - space::CHIP);
        ui.painter().layout_job(job)
    }

    /// Paints lines, thin ones first; those of the `lit` node stand out.
    fn paint_lines(&self, ui: &Ui, layout: &Layout, min: Pos2, lit: usize) {
        let mut lines: Vec<(f64, usize, Child)> = self
            .circuit
            .links()
            .map(|(parent, child)| (passed(&self.circuit.nodes[parent], child), parent, child))
            .collect();
        let is_lit = |parent: usize, child: Child| parent == lit || child.node == lit;
        lines.sort_by(|a, b| {
            let lit = is_lit(a.1, a.2).cmp(&is_lit(b.1, b.2));
            lit.then(a.0.total_cmp(&b.0))
        });
        for (share, parent, child) in lines {
            let points = layout.line(child.node, parent);
            let points = points.into_iter().map(|point| point + min.to_vec2());
            let width = LINES.1 + (LINES.0 - LINES.1) * (share.clamp(0.0, 1.0) as f32).sqrt();
            let colour = sign_colour(Theme::from_ui(ui), child.contribution);
            let colour = if is_lit(parent, child) {
                colour
            } else {
                colour.gamma_multiply(0.3)
            };
            let stroke = Stroke::new(width, colour);
            ui.painter().add(Shape::line(points.collect(), stroke));
        }
    }

    fn node_ui(&self, ui: &Ui, (i, node): (usize, &Node), rect: Rect, reply: &mut Reply) {
        let id = ui.scope_id().with(("node", node.id.as_str()));
        let response = ui.interact(rect, id, Sense::click());
        let selected = self.selected == i;
        response.widget_info(|| {
            let words = self.words(node);
            WidgetInfo::selected(Role::Button, true, selected, words)
        });
        if ui.is_rect_visible(rect) {
            self.paint_node(ui, node, rect, (selected, &response));
        }
        if response.clicked() {
            reply.chosen = Some(i);
        }
        let is_feature = node.activation.is_some();
        if is_feature && response.double_clicked() {
            reply.opened = Some(i);
        }
        if is_feature && response.middle_clicked() {
            reply.beside = Some(i);
        }
        menu::context(&response, |ui| {
            if is_feature && ui.button("Open the feature's page").clicked() {
                reply.opened = Some(i);
            }
            if is_feature && ui.button("Open it beside").clicked() {
                reply.beside = Some(i);
            }
            if ui.button("Copy value").clicked() {
                to_save::copy(ui.ctx(), node.value.to_string(), "the value".to_owned());
            }
        });
        let response = response.on_hover_cursor(CursorIcon::PointingHand);
        if !focus::rests(ui.ctx()) {
            response.on_hover_ui(|ui| self.card_ui(ui, node));
        }
    }

    fn paint_node(
        &self,
        ui: &Ui,
        node: &Node,
        rect: Rect,
        (selected, response): (bool, &Response),
    ) {
        let theme = Theme::from_ui(ui);
        let painter = ui.painter();
        let fill = match (selected, response.hovered()) {
            (true, _) => theme.selected(),
            (_, true) => theme.surface.hover,
            _ => theme.surface.raised,
        };
        let around = if selected || response.has_focus() {
            theme.ink.secondary
        } else {
            theme.line.strong
        };
        painter.rect(
            rect,
            space::CORNER,
            fill,
            Stroke::new(1.0, around),
            StrokeKind::Inside,
        );
        let mark = Rect::from_min_size(rect.min + vec2(3.0, 4.0), vec2(3.0, rect.height() - 8.0));
        painter.rect_filled(mark, 1.0, kind_colour(theme, node.kind));
        let left = rect.left() + 10.0;
        let room = rect.right() - left - space::CHIP;
        let caption = FontId::monospace(size::CAPTION);
        let ink = theme.ink;
        let number = painter.layout_no_wrap(text(node), caption, ink.secondary);
        let beside = room - number.size().x - space::CHIP;
        let has_both = beside >= NUMBERED;
        let of_name = if has_both { beside } else { room };
        let name = feature_name::layout(ui, (self.name)(node), of_name);
        let Some(name) = name.filter(|_| node.activation.is_some()) else {
            let font = FontId::monospace(size::CAPTION);
            let mut job = LayoutJob::simple_singleline(text(node), font, ink.primary);
            job.wrap = TextWrapping::truncate_at_width(room);
            let galley = painter.layout_job(job);
            let top = rect.center().y - galley.size().y / 2.0;
            painter.galley(pos2(left, top), galley, ink.primary);
            return;
        };
        let top = rect.center().y - name.size().y / 2.0;
        if has_both {
            let top = top + baseline(&name) - baseline(&number);
            let at = pos2(rect.right() - space::CHIP - number.size().x, top);
            painter.galley(at, number, ink.secondary);
        }
        painter.galley(pos2(left, top), name, ink.primary);
    }

    /// Name of a node for a screen reader.
    fn words(&self, node: &Node) -> String {
        format!(
            "{} at token {}, {}",
            self.circuit.name(node),
            node.at,
            number::signed(node.value)
        )
    }

    fn card_ui(&self, ui: &mut Ui, node: &Node) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.set_max_width(320.0);
        ui.label(self.circuit.name(node));
        let token = &self.circuit.texts[node.at];
        ui.label(caption(format!("token {} {token:?}", node.at)).color(secondary));
        if let Some(activation) = node.activation {
            ui.label(caption(format!(
                "activation {}",
                number::number(activation)
            )));
        }
        ui.label(mono(sum_of(node)));
        if let Some(words) = discarded(node) {
            ui.label(caption(words).color(secondary));
        }
        let share = number::percent(node.influence);
        let words = format!("{share} of the explained feature passes through it");
        ui.label(caption(words).color(secondary));
    }

    fn csv(&self) -> String {
        let columns = ["parent", "child", "contribution", "share of the feature"];
        let lines = self.circuit.links().map(|(parent, child)| {
            let parent = &self.circuit.nodes[parent];
            let id = &self.circuit.nodes[child.node].id;
            [
                Value::from(parent.id.as_str()),
                Value::from(id.as_str()),
                Value::Number(child.contribution),
                Value::Number(passed(parent, child)),
            ]
        });
        csv::table(&columns, lines)
    }
}

/// Distance of the first line's baseline from the top of a text.
fn baseline(galley: &Galley) -> f32 {
    let first = galley.rows.first();
    let glyph = first.and_then(|row| Some(row.pos.y + row.glyphs.first()?.pos.y));
    glyph.unwrap_or(0.0)
}

/// Text of a box.
fn text(node: &Node) -> String {
    match node.kind {
        Kind::Feature(_, feature) => format!("#{feature}"),
        Kind::Error(_) => "error".to_owned(),
        Kind::Mlp(layer) => format!("MLP {layer}"),
        Kind::Head(layer, head) => format!("L{layer}H{head}"),
        Kind::Embedding(_) => "token".to_owned(),
        Kind::Position => "position".to_owned(),
    }
}

/// Share of the explained feature that passes from a parent to a child.
fn passed(parent: &Node, child: Child) -> f64 {
    if parent.mass > 0.0 {
        parent.influence * child.contribution.abs() / parent.mass
    } else {
        0.0
    }
}

/// A node's value as the sum of its parts.
pub(super) fn sum_of(node: &Node) -> String {
    let value = number::number(node.value);
    if !node.expanded && node.activation.is_some() {
        return format!("{value}, not expanded: beyond the limit on steps");
    }
    if node.activation.is_none() {
        return format!("{value} in all, to the nodes shown");
    }
    format!(
        "{value} = children {} {} (bias) {} (discarded)",
        number::number(node.explained()),
        number::term(node.bias),
        number::term(node.discarded)
    )
}

/// Says how much of a node's value is discarded; nothing where all contributions are shown.
pub(super) fn discarded(node: &Node) -> Option<String> {
    if !node.expanded || node.discarded_terms == 0 || node.value == 0.0 {
        return None;
    }
    let share = node.discarded / node.value;
    let of = number::percent(share.abs());
    let parts = number::counted(node.discarded_terms as u64, "contribution");
    Some(if share < 0.0 {
        format!("what is discarded below the threshold takes {of} away ({parts})")
    } else {
        format!("{of} of it is discarded below the threshold ({parts})")
    })
}

/// Colour of a kind of node.
pub(super) fn kind_colour(theme: &Theme, kind: Kind) -> Color32 {
    match kind {
        Kind::Feature(..) => theme.activation,
        Kind::Error(_) => theme.error,
        Kind::Mlp(_) => theme.series(0),
        Kind::Head(..) => theme.series(1),
        Kind::Embedding(_) | Kind::Position => theme.ink.secondary,
    }
}

/// Colour of a sign.
pub(super) fn sign_colour(theme: &Theme, value: f64) -> Color32 {
    if value < 0.0 {
        theme.suppressed
    } else {
        theme.promoted
    }
}
