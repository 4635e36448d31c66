//! Copies and saves what a table holds: exact values, made from the rows and not from what is drawn. A large table is written over several frames.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use egui::{Context, Id, Ui};

use super::{Rows, Shown};
use crate::widgets::csv::{self, Value};
use crate::widgets::to_save::{self, ToSave};
use crate::widgets::{meaning, number};

/// Time for writing rows in one frame.
const SHARE: Duration = Duration::from_millis(6);

/// The menu of one cell.
pub(super) struct Menu<'a, 'b> {
    pub(super) id: Id,
    pub(super) title: &'a str,
    pub(super) shown: &'b [Shown<'a>],
    pub(super) row: usize,
    /// Keys of the selected rows, ascending.
    pub(super) selected: &'b [u64],
    pub(super) column: usize,
}

/// Draws the entries.
pub(super) fn entries_ui(ui: &mut Ui, rows: &dyn Rows, menu: &Menu<'_, '_>) {
    let column = menu.shown[menu.column].column;
    if ui.button("Copy value").clicked() {
        ui.ctx()
            .copy_text(rows.value(menu.row, column.id).to_string());
        ui.close();
    }
    let many = menu.selected.len().max(1) as u64;
    let what = number::counted(many, "row");
    let words = if many > 1 {
        format!("Copy {what}")
    } else {
        "Copy row".to_owned()
    };
    if ui.button(words).clicked() {
        let of = menu.selected;
        let rows_of = (0..rows.count()).filter(|row| of.binary_search(&rows.key(*row)).is_ok());
        let texts: Vec<String> = if many > 1 {
            rows_of.map(|row| row_text(rows, menu, row)).collect()
        } else {
            vec![row_text(rows, menu, menu.row)]
        };
        to_save::copy(ui.ctx(), texts.join("\n"), what);
        ui.close();
    }
    if ui.button("Copy table as CSV").clicked() {
        begin(ui.ctx(), menu, None);
        ui.close();
    }
    if ui.button("Save as CSV…").clicked() {
        begin(
            ui.ctx(),
            menu,
            Some(format!("{}.csv", to_save::file_name(menu.title))),
        );
        ui.close();
    }
    if !column.definition.is_empty() {
        let value = rows.value(menu.row, column.id);
        let value = (value != Value::Nothing).then(|| value.to_string());
        meaning::question_ui(ui, &column.name(), column.definition, value.as_deref());
    }
}

/// A row's values with tabs between them, as spreadsheets take them.
fn row_text(rows: &dyn Rows, menu: &Menu<'_, '_>, row: usize) -> String {
    let value = |shown: &Shown<'_>| {
        let value = rows.value(row, shown.column.id).to_string();
        value.replace(['\t', '\n', '\r'], " ")
    };
    let values: Vec<String> = menu.shown.iter().map(value).collect();
    values.join("\t")
}

/// A table that is being written.
#[derive(Debug, Default)]
struct Writing {
    columns: Vec<String>,
    text: String,
    next: usize,
    of: (usize, u64, u64),
    file: Option<String>,
}

type Shared = Arc<Mutex<Writing>>;

/// The number of rows, and keys that tell whether their order changed.
fn mark(rows: &dyn Rows) -> (usize, u64, u64) {
    let count = rows.count();
    let key = |row: usize| if row < count { rows.key(row) } else { 0 };
    (count, key(0), key(count / 2))
}

fn begin(ctx: &Context, menu: &Menu<'_, '_>, file: Option<String>) {
    let titles = menu.shown.iter().map(|shown| shown.column.name());
    let mut text = String::new();
    csv::line(&mut text, titles.map(Value::from));
    let columns = menu.shown.iter().map(|shown| shown.column.id.to_owned());
    let writing = Writing {
        columns: columns.collect(),
        text,
        next: 0,
        of: (usize::MAX, 0, 0),
        file,
    };
    let shared: Shared = Arc::new(Mutex::new(writing));
    ctx.data_mut(|data| data.insert_temp(menu.id.with("writing"), shared));
}

/// Goes on with what is being written, for a part of this frame; begins again if the rows changed meanwhile.
pub(super) fn go_on(ctx: &Context, id: Id, rows: &dyn Rows) {
    let place = id.with("writing");
    let Some(shared) = ctx.data(|data| data.get_temp::<Shared>(place)) else {
        return;
    };
    let mut writing = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let writing = &mut *writing;
    let of = mark(rows);
    if writing.of != of {
        let end = writing.text.find("\r\n").map_or(0, |end| end + 2);
        if writing.next > 0 {
            writing.text.truncate(end);
        }
        (writing.of, writing.next) = (of, 0);
    }
    let until = Instant::now() + SHARE;
    while writing.next < of.0 {
        let row = writing.next;
        let columns = writing.columns.iter();
        csv::line(
            &mut writing.text,
            columns.map(|column| rows.value(row, column)),
        );
        writing.next += 1;
        if writing.next.is_multiple_of(64) && Instant::now() > until {
            ctx.request_repaint();
            return;
        }
    }
    let text = std::mem::take(&mut writing.text);
    match writing.file.take() {
        Some(name) => to_save::put(ctx, ToSave::text(name, text)),
        None => to_save::copy(ctx, text, number::counted(of.0 as u64, "row")),
    }
    ctx.data_mut(|data| data.remove_temp::<Shared>(place));
}
