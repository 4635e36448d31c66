//! The table itself: heads that sort, visible rows only.

use egui::{Align, Align2, FontId, Layout, Rect, Response, RichText, Role, Sense, Ui, WidgetInfo};
use egui_extras::{Column as Width, TableBuilder, TableRow};
use umbra_core::ids::FeatureId;

use crate::state::AppState;
use crate::state::features::{Column, Sort, Table};
use crate::theme::{Theme, caption, icons, size, space};
use crate::widgets::feature_chip::dot;
use crate::widgets::number::{number, percent};

/// Columns: head, definition, whether it holds numbers.
const COLUMNS: [(Column, &str, &str, bool); 7] = [
    (
        Column::Number,
        "Feature",
        "Index of the feature in the dictionary",
        true,
    ),
    (Column::Label, "Label", "Its label", false),
    (
        Column::TopToken,
        "Top token",
        "Token with the highest activation in its strongest example",
        false,
    ),
    (
        Column::Density,
        "Density",
        "Share of the index's tokens on which it is active",
        true,
    ),
    (
        Column::Mean,
        "Mean",
        "Mean activation where it is active",
        true,
    ),
    (Column::Max, "Max", "Activation of largest magnitude", true),
    (Column::Norm, "Norm", "L2 norm of its decoder row", true),
];

/// Least width of a label.
const LABEL: f32 = 60.0;

/// Width of a number where there is little room.
const FIGURE: f32 = 64.0;

/// Width of a feature's number, and of a token.
const NUMBER: f32 = 72.0;
const TOKEN: f32 = 130.0;

/// Width below which the table scrolls from side to side.
pub(super) const LEAST: f32 =
    NUMBER + LABEL + TOKEN + 4.0 * FIGURE + 6.0 * space::CONTROL + space::PANEL;

/// The user's action on the table.
#[derive(Debug, Default)]
pub(super) struct TableReply {
    /// A head was clicked.
    pub(super) sort: Option<Column>,
    /// A row was clicked.
    pub(super) selected: Option<FeatureId>,
    /// A row was double-clicked.
    pub(super) opened: Option<FeatureId>,
    /// A row was middle-clicked.
    pub(super) beside: Option<FeatureId>,
}

/// Content of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    /// Scalars and tokens.
    pub(super) table: &'a Table,
    /// Features in order.
    pub(super) rows: &'a [u32],
    /// Column to sort by.
    pub(super) sort: Sort,
    /// Row to bring into view.
    pub(super) scroll_to: Option<usize>,
}

/// Draws it over what is free.
pub(super) fn table_ui(ui: &mut Ui, shown: Shown<'_>, state: &AppState) -> TableReply {
    let mut reply = TableReply::default();
    ui.spacing_mut().item_spacing = egui::vec2(space::CONTROL, 0.0);
    let figures = if ui.available_width() > 640.0 {
        84.0
    } else {
        FIGURE
    };
    let mut builder = TableBuilder::new(ui)
        .id_salt("features")
        .striped(false)
        .sense(Sense::click())
        .cell_layout(Layout::left_to_right(Align::Center))
        .auto_shrink([false, false])
        .animate_scrolling(false)
        .column(Width::exact(NUMBER))
        .column(Width::remainder().at_least(LABEL).clip(true))
        .column(Width::exact(TOKEN).clip(true))
        .columns(Width::exact(figures), 4);
    if let Some(row) = shown.scroll_to {
        builder = builder.scroll_to_row(row, None);
    }
    builder
        .header(space::CONTROL_ROW, |mut header| {
            for (column, name, definition, numeric) in COLUMNS {
                header.col(|ui| {
                    let sort = shown.sort;
                    if head_ui(
                        ui,
                        name,
                        definition,
                        (numeric, (sort.column == column).then_some(sort.descending)),
                    )
                    .clicked()
                    {
                        reply.sort = Some(column);
                    }
                });
            }
        })
        .body(|body| {
            body.rows(space::TABLE_ROW, shown.rows.len(), |mut row| {
                let feature = FeatureId(shown.rows[row.index()]);
                row.set_selected(state.selection.feature == Some(feature));
                cells_ui(&mut row, shown.table, state, feature);
                let response = row.response();
                name_row(&response, state, feature);
                if response.clicked() {
                    reply.selected = Some(feature);
                }
                if response.double_clicked() {
                    reply.opened = Some(feature);
                }
                if response.middle_clicked() {
                    reply.beside = Some(feature);
                }
            });
        });
    reply
}

fn name_row(response: &Response, state: &AppState, feature: FeatureId) {
    response.widget_info(|| {
        let label = state.label(feature).unwrap_or("no label");
        let selected = state.selection.feature == Some(feature);
        WidgetInfo::selected(
            Role::Row,
            true,
            selected,
            format!("Row of feature {feature}, {label}"),
        )
    });
}

fn head_ui(
    ui: &mut Ui,
    name: &str,
    definition: &str,
    (numeric, sorted): (bool, Option<bool>),
) -> Response {
    let theme = Theme::from_ui(ui);
    let ink = if sorted.is_some() {
        theme.ink.primary
    } else {
        theme.ink.secondary
    };
    let arrow = match sorted {
        Some(true) => icons::CARET_DOWN,
        Some(false) => icons::CARET_UP,
        None => "",
    };
    let text = if arrow.is_empty() {
        name.to_owned()
    } else if numeric {
        format!("{arrow} {name}")
    } else {
        format!("{name} {arrow}")
    };
    let layout = if numeric {
        Layout::right_to_left(Align::Center)
    } else {
        Layout::left_to_right(Align::Center)
    };
    ui.with_layout(layout, |ui| {
        ui.spacing_mut().button_padding.x = 0.0;
        let button = egui::Button::new(caption(text).color(ink)).frame(false);
        let response = ui.add(button).on_hover_text(definition);
        response.widget_info(|| {
            WidgetInfo::labeled(
                Role::ColumnHeader,
                true,
                format!("Sort by {}", name.to_lowercase()),
            )
        });
        response
    })
    .inner
}

fn cells_ui(row: &mut TableRow<'_, '_>, table: &Table, state: &AppState, feature: FeatureId) {
    let Some(summary) = table.summaries.get(feature.index()) else {
        return;
    };
    row.col(|ui| {
        let rect = ui.max_rect();
        let share = if summary.density > 0.0 { 1.0 } else { 0.0 };
        dot(ui, egui::pos2(rect.left() + 8.0, rect.center().y), share);
        right(ui, &feature.to_string());
    });
    row.col(|ui| {
        let label = state.label(feature);
        let faint = Theme::from_ui(ui).ink.disabled;
        let text = label.map_or_else(|| RichText::new("–").color(faint), RichText::new);
        ui.add(egui::Label::new(text).truncate().selectable(false));
    });
    row.col(|ui| {
        let token = table.top_tokens.get(feature.index());
        token_ui(ui, token.map_or("", String::as_str));
    });
    let figures = [
        percent(summary.density),
        number(summary.mean),
        number(summary.strongest()),
        number(summary.decoder_norm),
    ];
    for figure in figures {
        row.col(|ui| right(ui, &figure));
    }
}

fn right(ui: &Ui, text: &str) {
    let rect = ui.max_rect();
    ui.painter().text(
        rect.right_center(),
        Align2::RIGHT_CENTER,
        text,
        FontId::monospace(size::BODY),
        Theme::from_ui(ui).ink.primary,
    );
}

/// A token on a faint ground, so that its spaces are seen.
fn token_ui(ui: &Ui, token: &str) {
    if token.is_empty() {
        return;
    }
    let theme = Theme::from_ui(ui);
    let text = token.replace('\n', "⏎");
    let ink = theme.ink.primary;
    let galley = ui
        .painter()
        .layout_no_wrap(text, FontId::monospace(size::BODY), ink);
    let cell = ui.max_rect();
    let width = galley.size().x + 2.0 * space::CHIP;
    let ground = Rect::from_center_size(cell.center(), egui::vec2(width, 18.0));
    let ground = ground.translate(egui::vec2(cell.left() - ground.left(), 0.0));
    ui.painter()
        .rect_filled(ground, space::CORNER, theme.surface.hover);
    let at = egui::pos2(
        ground.left() + space::CHIP,
        cell.center().y - galley.size().y / 2.0,
    );
    ui.painter().galley(at, galley, ink);
}
