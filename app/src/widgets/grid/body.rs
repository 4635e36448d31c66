//! The rows that are seen, their clicks, hover card and menu.

use egui::{
    Align, FontId, Label, Layout, Rect, Response, Role, Sense, Ui, UiBuilder, Vec2, WidgetInfo,
    vec2,
};
use egui_extras::{Column as Width, TableBuilder, TableRow};

use super::column::{Column, GAP};
use super::copies::{self, Menu};
use super::selection::Pick;
use super::{Frame, Height, Reply, Rows, Selection, head};
use crate::theme::{Theme, size, space};
use crate::widgets::focus;
use crate::widgets::menu::{self, Ask};
use crate::widgets::scroll;

/// A cell of which the menu was asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    row: usize,
    column: usize,
    at: egui::Pos2,
    by_key: Option<egui::Id>,
}

/// Draws heads and rows.
pub(super) fn table_ui(
    ui: &mut Ui,
    frame: &Frame<'_, '_>,
    rows: &mut dyn Rows,
    (selection, reply): (&mut Selection, &mut Reply),
) {
    let top = ui.cursor().min;
    let outer = ui.clip_rect();
    let spacing = std::mem::replace(&mut ui.spacing_mut().item_spacing, vec2(0.0, 0.0));
    let kept = scroll::wanted(ui, frame.grid.name);
    let mut builder = TableBuilder::new(ui)
        .id_salt(frame.grid.name)
        .striped(false)
        .sense(Sense::CLICK)
        .cell_layout(Layout::left_to_right(Align::Center))
        .animate_scrolling(false)
        .min_scrolled_height(2.0 * space::TABLE_ROW);
    builder = match frame.grid.height {
        Height::Fill => builder.auto_shrink([false, false]),
        Height::Most(most) => builder.auto_shrink([false, true]).max_scroll_height(most),
    };
    if let Some(row) = frame.reveal.filter(|row| *row < rows.count()) {
        builder = builder.scroll_to_row(row, None);
    } else if let Some(offset) = kept {
        builder = builder.vertical_scroll_offset(offset);
    }
    for shown in frame.shown {
        builder = builder.column(Width::exact(shown.width + GAP));
    }
    let mut places = vec![];
    let mut table = builder.header(space::CONTROL_ROW, |mut header| {
        places = head::heads_ui(&mut header, frame);
    });
    let seen = frame.id.with("seen");
    let before = table
        .ui_mut()
        .data(|data| data.get_temp::<(usize, usize)>(seen));
    let before = before.map_or(0..0, |(first, end)| first..end.min(rows.count()));
    head::borders_ui(table.ui_mut(), frame, &places, (&*rows, before));
    let mut drawn = Drawn::default();
    let output = table.body(|body| {
        body.rows(space::TABLE_ROW, rows.count(), |mut row| {
            drawn.spacing = spacing;
            row_ui(&mut row, frame, rows, (selection, reply), &mut drawn);
        });
    });
    scroll::seen(ui, frame.grid.name, &output);
    let inner = output.inner_rect;
    let page = (inner.height() / space::TABLE_ROW).floor() as usize;
    let mut whole = Rect::from_min_max(top, inner.max).intersect(outer);
    if matches!(frame.grid.height, Height::Most(_)) {
        // Below few rows there is other content.
        let end = inner.top() + rows.count() as f32 * space::TABLE_ROW;
        whole.max.y = whole.max.y.min(end);
    }
    ui.data_mut(|data| {
        data.insert_temp(frame.id.with("page"), page.saturating_sub(1).max(1));
        data.insert_temp(frame.id.with("body"), whole);
        data.insert_temp(seen, (drawn.first.unwrap_or(0), drawn.end));
    });
    if frame.focus.has_focus()
        && let Some(row) = selection.row(rows)
        && menu::asked_by_key(ui.ctx())
    {
        let at = drawn.cursor.unwrap_or(inner).left_bottom() + vec2(space::GROUP, 0.0);
        drawn.asked = Some(Asked {
            row,
            column: 0,
            at,
            by_key: Some(frame.focus.id),
        });
    }
    menu_ui(ui, frame, rows, (selection, reply), drawn.asked);
}

/// Cells that were drawn in this frame.
#[derive(Debug, Default)]
struct Drawn {
    first: Option<usize>,
    end: usize,
    /// Room between the pieces of a cell.
    spacing: Vec2,
    /// Place of the cursor's row.
    cursor: Option<Rect>,
    asked: Option<Asked>,
}

fn row_ui(
    row: &mut TableRow<'_, '_>,
    frame: &Frame<'_, '_>,
    rows: &mut dyn Rows,
    (selection, reply): (&mut Selection, &mut Reply),
    drawn: &mut Drawn,
) {
    let (at, key) = (row.index(), rows.key(row.index()));
    drawn.first.get_or_insert(at);
    drawn.end = at + 1;
    let selected = selection.contains(key);
    row.set_selected(selected);
    for (column, shown) in frame.shown.iter().enumerate() {
        let (_, cell) = row.col(|ui| {
            ui.spacing_mut().item_spacing = drawn.spacing;
            cell_ui(ui, rows, at, shown.column);
        });
        if let Some(asked) = asked(&cell, (at, column)) {
            drawn.asked = Some(asked);
        }
    }
    let mut response = row.response();
    // Of a row that is wider than its place, a screen reader and a card know what is seen.
    if response.interact_rect.is_positive() {
        response.rect = response.interact_rect;
    }
    response.widget_info(|| WidgetInfo::selected(Role::Row, true, selected, rows.words(at)));
    if selection.cursor() == Some(key) {
        drawn.cursor = Some(response.rect);
    }
    if response.clicked() {
        frame.focus.request_focus();
        let several = frame.grid.several;
        let how = response.ctx.input(|input| Pick::from_click(input, several));
        selection.pick(&*rows, at, how);
        (reply.chosen, reply.clicked) = (Some(at), Some(at));
    }
    if response.double_clicked() {
        reply.opened = Some(at);
    }
    if response.middle_clicked() {
        reply.beside = Some(at);
    }
    if rows.has_cards() && !focus::rests(&response.ctx) {
        response.on_hover_ui_at_pointer(|ui| rows.card_ui(ui, at));
    }
}

/// The menu of a cell was asked for, also where something that is clicked lies in it.
fn asked(cell: &Response, (row, column): (usize, usize)) -> Option<Asked> {
    let at = menu::asked_by_pointer(cell)?;
    Some(Asked {
        row,
        column,
        at,
        by_key: None,
    })
}

fn cell_ui(ui: &mut Ui, rows: &mut dyn Rows, row: usize, column: &Column<'_>) {
    let layout = match column.align {
        Align::Max => Layout::right_to_left(Align::Center),
        Align::Min | Align::Center => Layout::left_to_right(Align::Center),
    };
    // A child that takes no place: the table reserves the whole cell behind whatever was placed in it.
    let place = UiBuilder::new().layout(layout);
    let place = place.max_rect(ui.max_rect().shrink2(vec2(GAP / 2.0, 0.0)));
    let ui = &mut ui.new_child(place);
    if rows.cell_ui(ui, row, column.id) {
        return;
    }
    let text = rows.text(row, column.id);
    let mut text = egui::RichText::new(text).font(font(column));
    if rows.value(row, column.id) == crate::widgets::csv::Value::Nothing {
        text = text.color(Theme::from_ui(ui).ink.secondary);
    }
    ui.add(Label::new(text).truncate().selectable(false));
}

/// Font of a column's texts.
pub(super) fn font(column: &Column<'_>) -> FontId {
    if column.mono {
        FontId::monospace(size::BODY)
    } else {
        FontId::proportional(size::BODY)
    }
}

/// The menu of the cell that was asked for: the caller's entries for the row, then copying, saving and the definition.
fn menu_ui(
    ui: &Ui,
    frame: &Frame<'_, '_>,
    rows: &mut dyn Rows,
    (selection, reply): (&mut Selection, &mut Reply),
    asked: Option<Asked>,
) {
    let id = frame.id.with("menu");
    if let Some(asked) = asked {
        ui.data_mut(|data| data.insert_temp(id.with("of"), asked));
        if !selection.contains(rows.key(asked.row)) {
            selection.pick(&*rows, asked.row, Pick::Only);
            reply.chosen = Some(asked.row);
        }
    }
    if asked.is_none() && !egui::Popup::is_id_open(ui.ctx(), id) {
        return;
    }
    let Some(of) = ui.data(|data| data.get_temp::<Asked>(id.with("of"))) else {
        return;
    };
    if of.row >= rows.count() || of.column >= frame.shown.len() {
        return;
    }
    let ask = Ask {
        at: asked.map(|asked| asked.at),
        by_key: asked.and_then(|asked| asked.by_key),
        close: false,
    };
    let selected: Vec<u64> = selection.keys().collect();
    menu::popup(id, &frame.focus, ask, |ui| {
        if rows.menu_ui(ui, of.row, &selected) {
            ui.separator();
        }
        copies::entries_ui(
            ui,
            &*rows,
            &Menu {
                id: frame.id,
                title: frame.grid.title,
                shown: frame.shown,
                row: of.row,
                selected: &selected,
                column: of.column,
            },
        );
    });
}
