//! The heads: a click orders the rows, a border resizes, a right click chooses the columns, hovering explains.

use egui::{
    Align, CursorIcon, FontId, Id, Rect, Response, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2,
};
use egui_extras::TableRow;

use super::arrangement::{self, Sort};
use super::column::{self, Column, GAP, Hiding};
use super::{Frame, Rows, Shown};
use crate::theme::{Theme, caption, icon_font, icons, size, space};
use crate::widgets::menu;

/// Half the width of a border that can be dragged.
const GRAB: f32 = 5.0;

/// Room of the arrow.
const ARROW: f32 = 18.0;

/// Room of a key's number beside the arrow.
const DIGIT: f32 = 8.0;

/// Draws all heads; returns where they are.
pub(super) fn heads_ui(header: &mut TableRow<'_, '_>, frame: &Frame<'_, '_>) -> Vec<Rect> {
    let mut places = vec![];
    let order = frame.order();
    for shown in frame.shown {
        header.col(|ui| {
            places.push(inner(ui.max_rect()));
            head_ui(ui, frame, (shown, &order));
        });
    }
    places
}

/// Room that a cell leaves to its content.
fn inner(cell: Rect) -> Rect {
    cell.shrink2(vec2(GAP / 2.0, 0.0))
}

fn head_ui(ui: &Ui, frame: &Frame<'_, '_>, (shown, order): (&Shown<'_>, &[Sort])) {
    let column = shown.column;
    let rect = ui.max_rect();
    let id = frame.id.with(("head", column.id));
    let response = ui.interact(rect, id, Sense::click());
    let place = order.iter().position(|sort| sort.column == column.id);
    let sorted = place.map(|at| Sorted {
        descending: order[at].descending,
        place: (order.len() > 1).then_some(at + 1),
    });
    let words = if column.sortable {
        format!("Sort by {}", lower(column.title))
    } else {
        column.title.to_owned()
    };
    response.widget_info(|| WidgetInfo::labeled(Role::ColumnHeader, true, &words));
    let cut = paint(ui, column, inner(rect), (sorted, &response));
    let help = if cut && !column.definition.is_empty() {
        format!("{}: {}", column.name(), column.definition)
    } else if cut {
        column.name()
    } else {
        column.definition.to_owned()
    };
    if column.sortable && response.clicked() {
        let mut arrangement = frame.arrangement.clone();
        if frame.grid.further && with_shift(ui) && !order.is_empty() {
            let mut keys = further(order, column).into_iter();
            arrangement.sort = keys.next();
            arrangement.then = keys.collect();
        } else {
            let always = frame.grid.first_order.is_some();
            arrangement.sort = next(order, column, always);
            arrangement.then.clear();
        }
        frame.keep(ui, arrangement);
    }
    columns_menu(&response, frame);
    if !help.is_empty() {
        response.on_hover_text(help);
    }
}

/// A title within a sentence: names such as `L0` stay.
fn lower(title: &str) -> String {
    let is_name = title.chars().nth(1).is_none_or(|c| !c.is_lowercase());
    if is_name {
        title.to_owned()
    } else {
        title.to_lowercase()
    }
}

/// Whether Shift was held when the button or the key went up.
fn with_shift(ui: &Ui) -> bool {
    ui.input(|input| {
        let released = input.events.iter().find_map(|event| match event {
            egui::Event::PointerButton {
                pressed: false,
                modifiers,
                ..
            } => Some(*modifiers),
            _ => None,
        });
        released.unwrap_or(input.modifiers).shift
    })
}

/// The order after a click: first the way that is read first (large numbers, early letters), then the other, then none if there is one of its own.
fn next(order: &[Sort], column: &Column<'_>, always: bool) -> Option<Sort> {
    let first = column.align == Align::Max;
    match order.first().filter(|sort| sort.column == column.id) {
        None => Some(Sort::new(column.id, first)),
        Some(sort) if sort.descending == first => Some(Sort::new(column.id, !first)),
        Some(_) if always => Some(Sort::new(column.id, first)),
        Some(_) => None,
    }
}

/// The order after a click with Shift: the column becomes the last key, then turns, then goes. The only key turns.
fn further(order: &[Sort], column: &Column<'_>) -> Vec<Sort> {
    let first = column.align == Align::Max;
    let mut keys = order.to_vec();
    match keys.iter().position(|sort| sort.column == column.id) {
        None => keys.push(Sort::new(column.id, first)),
        Some(at) if keys[at].descending == first || keys.len() == 1 => {
            keys[at].descending = !keys[at].descending;
        }
        Some(at) => {
            keys.remove(at);
        }
    }
    keys
}

/// Mark of a column by which the rows are ordered.
#[derive(Debug, Clone, Copy)]
struct Sorted {
    descending: bool,
    /// Its place among several keys, from 1.
    place: Option<usize>,
}

/// Draws title, unit and arrow; whether the title was cut.
fn paint(
    ui: &Ui,
    column: &Column<'_>,
    rect: Rect,
    (sorted, response): (Option<Sorted>, &Response),
) -> bool {
    let theme = Theme::from_ui(ui);
    let lit = sorted.is_some() || response.hovered() || response.has_focus();
    let ink = if lit {
        theme.ink.primary
    } else {
        theme.ink.secondary
    };
    let mark = match sorted {
        None => 0.0,
        Some(Sorted { place: None, .. }) => ARROW,
        Some(_) => ARROW + DIGIT,
    };
    let room = rect.width() - mark;
    let mut job = egui::text::LayoutJob::simple_singleline(
        column.title.to_owned(),
        FontId::proportional(size::CAPTION),
        ink,
    );
    if !column.unit.is_empty() {
        let format =
            egui::TextFormat::simple(FontId::proportional(size::CAPTION), theme.ink.secondary);
        job.append(column.unit, 4.0, format);
    }
    job.wrap = egui::text::TextWrapping::truncate_at_width(room.max(8.0));
    let galley = ui.painter().layout_job(job);
    let cut = galley.elided;
    let width = galley.size().x;
    let y = rect.center().y - galley.size().y / 2.0;
    let right = column.align == Align::Max;
    let x = if right {
        rect.right() - width
    } else {
        rect.left()
    };
    ui.painter().galley(pos2(x, y), galley, ink);
    if let Some(Sorted { descending, place }) = sorted {
        let arrow = if descending {
            icons::CARET_DOWN
        } else {
            icons::CARET_UP
        };
        let (at, anchor) = if right {
            (pos2(x - 2.0, rect.center().y), egui::Align2::RIGHT_CENTER)
        } else {
            (
                pos2(x + width + 2.0, rect.center().y),
                egui::Align2::LEFT_CENTER,
            )
        };
        let arrow = ui.painter().text(at, anchor, arrow, icon_font(), ink);
        if let Some(place) = place {
            let (at, anchor) = if right {
                (arrow.left_center(), egui::Align2::RIGHT_CENTER)
            } else {
                (arrow.right_center(), egui::Align2::LEFT_CENTER)
            };
            let font = FontId::monospace(size::CAPTION);
            ui.painter().text(at, anchor, place.to_string(), font, ink);
        }
    }
    cut
}

/// Which columns are shown.
fn columns_menu(response: &Response, frame: &Frame<'_, '_>) {
    menu::context(response, |ui| {
        columns_ui(ui, frame.grid.family, frame.grid.columns);
    });
}

/// Draws a check box for each column that can be hidden, of the tables that share their columns with `family`.
pub(crate) fn columns_ui(ui: &mut Ui, family: &str, columns: &[Column<'_>]) {
    ui.set_min_width(160.0);
    ui.label(caption("Columns").color(Theme::from_ui(ui).ink.secondary));
    let mut arrangement = arrangement::of(ui.ctx(), family);
    let shown = columns
        .iter()
        .filter(|column| column.is_shown(&arrangement));
    let count = shown.count();
    let mut changed = false;
    for column in columns
        .iter()
        .filter(|column| column.hiding != Hiding::Never)
    {
        let mut shown = column.is_shown(&arrangement);
        let is_last = shown && count == 1;
        let check = egui::Checkbox::new(&mut shown, column.name());
        let check = ui.add_enabled(!is_last, check);
        if check.changed() {
            arrangement.shown.insert(column.id.to_owned(), shown);
            changed = true;
        }
        if !column.definition.is_empty() {
            check.on_hover_text(column.definition);
        }
    }
    ui.separator();
    if ui.button("Reset columns").clicked() {
        arrangement.shown.clear();
        arrangement.widths.clear();
        changed = true;
        ui.close();
    }
    if changed {
        arrangement::change(ui.ctx(), family, arrangement);
    }
}

/// The borders right of the heads: dragging resizes, a double click fits what is seen.
pub(super) fn borders_ui(
    ui: &Ui,
    frame: &Frame<'_, '_>,
    places: &[Rect],
    (rows, seen): (&dyn Rows, std::ops::Range<usize>),
) {
    for (shown, place) in frame.shown.iter().zip(places) {
        let x = place.right() + GAP / 2.0;
        let rect = Rect::from_x_y_ranges((x - GRAB)..=(x + GRAB), place.y_range());
        let id = frame.id.with(("border", shown.column.id));
        let response = ui.interact(rect, id, Sense::CLICK | Sense::DRAG);
        let theme = Theme::from_ui(ui);
        let busy = response.hovered() || response.dragged();
        if busy {
            ui.set_cursor_icon(CursorIcon::ResizeHorizontal);
        }
        let colour = if busy {
            theme.ink.secondary
        } else {
            theme.line.hair
        };
        ui.painter()
            .vline(x, place.y_range().shrink(6.0), Stroke::new(1.0, colour));
        let width = if response.double_clicked() {
            Some(fitting(ui, shown.column, rows, seen.clone()))
        } else if response.dragged() {
            dragged(ui, id, &response, place)
        } else {
            None
        };
        if let Some(width) = width {
            let mut arrangement = frame.arrangement.clone();
            let width = column::kept(shown.column, width);
            if arrangement.widths.insert(shown.column.id.to_owned(), width) != Some(width) {
                frame.keep(ui, arrangement);
            }
        }
    }
}

/// The width that the pointer asks for.
fn dragged(ui: &Ui, id: Id, response: &Response, place: &Rect) -> Option<f32> {
    let pointer = response.interact_pointer_pos()?;
    if response.drag_started() {
        // The pointer has already moved when that is called a drag.
        let pressed = ui.input(|input| input.pointer.press_origin());
        let grip = pressed.unwrap_or(pointer).x - place.right();
        ui.data_mut(|data| data.insert_temp(id, grip));
    }
    let grip = ui.data(|data| data.get_temp::<f32>(id)).unwrap_or(0.0);
    Some(pointer.x - grip - place.left())
}

/// Width of the title and of the texts of `seen`.
fn fitting(ui: &Ui, column: &Column<'_>, rows: &dyn Rows, seen: std::ops::Range<usize>) -> f32 {
    let measure = |text: String, font: FontId| {
        let ink = Theme::from_ui(ui).ink.primary;
        ui.painter().layout_no_wrap(text, font, ink).size().x
    };
    let title = column.title.to_owned() + column.unit;
    let title = measure(title, FontId::proportional(size::CAPTION)) + ARROW + 6.0;
    let texts = seen.map(|row| measure(rows.text(row, column.id), super::body::font(column)));
    texts.fold(title, f32::max) + 2.0 * space::CHIP
}
