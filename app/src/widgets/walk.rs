//! Arrow keys that walk from cell to cell of a grid that is one stop of the Tab key.

use egui::{EventFilter, Key, Modifiers, Response, Ui};

/// Returns the cell that a key goes to from `(row, column)` of a grid of `(rows, columns)`: arrows go to the neighbour, Home and End to the ends of the row.
/// None while the grid has no cells or not the focus.
pub(crate) fn walked(
    ui: &Ui,
    response: &Response,
    (row, column): (usize, usize),
    (rows, columns): (usize, usize),
) -> Option<(usize, usize)> {
    if !response.has_focus() || rows == 0 || columns == 0 {
        return None;
    }
    let filter = EventFilter {
        horizontal_arrows: true,
        vertical_arrows: true,
        ..EventFilter::default()
    };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    let (last_row, last_column) = (rows - 1, columns - 1);
    let (row, column) = (row.min(last_row), column.min(last_column));
    let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    let ways = [
        (Key::ArrowRight, (row, (column + 1).min(last_column))),
        (Key::ArrowLeft, (row, column.saturating_sub(1))),
        (Key::ArrowDown, ((row + 1).min(last_row), column)),
        (Key::ArrowUp, (row.saturating_sub(1), column)),
        (Key::Home, (row, 0)),
        (Key::End, (row, last_column)),
    ];
    ways.into_iter()
        .find_map(|(key, to)| pressed(key).then_some(to))
}
