//! Selected rows, by keys, so that they stay selected when the order changes; and the keys that walk and select.

use std::collections::BTreeSet;

use egui::{Event, EventFilter, InputState, Key, Modifiers, PointerButton, Ui};

use super::{Frame, Reply, Rows};

/// The selected rows of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Keys of the selected rows.
    keys: BTreeSet<u64>,
    /// Key of the row that the keyboard stands on.
    cursor: Option<u64>,
    /// Key of the row from which Shift extends.
    anchor: Option<u64>,
    /// Where the cursor was last found.
    at: usize,
}

impl Selection {
    /// Selects this row alone.
    pub(crate) fn only(&mut self, key: u64) {
        self.keys = BTreeSet::from([key]);
        self.cursor = Some(key);
        self.anchor = Some(key);
    }

    /// Selects these rows, where the caller knows which are selected; the keyboard stays where it stands.
    pub(crate) fn select(&mut self, keys: impl IntoIterator<Item = u64>) {
        self.keys = keys.into_iter().collect();
        self.cursor = self.cursor.or_else(|| self.keys.first().copied());
    }

    /// Selects nothing.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The selected rows' keys, ascending.
    pub(crate) fn keys(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.keys.iter().copied()
    }

    /// The number of selected rows.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether a row is selected.
    pub(crate) fn contains(&self, key: u64) -> bool {
        self.keys.contains(&key)
    }

    /// Key of the row that the keyboard stands on.
    pub(crate) fn cursor(&self) -> Option<u64> {
        self.cursor
    }

    fn toggle(&mut self, key: u64) {
        if !self.keys.remove(&key) {
            self.keys.insert(key);
        }
        self.cursor = Some(key);
        self.anchor = Some(key);
    }

    /// Selects from the anchor to row `to`.
    fn extend(&mut self, rows: &dyn Rows, to: usize) {
        let from = self.anchor.and_then(|key| find(rows, key, self.at));
        let from = from.unwrap_or(to);
        self.keys = (from.min(to)..=from.max(to))
            .map(|row| rows.key(row))
            .collect();
        self.anchor = Some(rows.key(from));
        self.cursor = Some(rows.key(to));
    }

    /// Row of the cursor.
    pub(super) fn row(&mut self, rows: &dyn Rows) -> Option<usize> {
        let row = find(rows, self.cursor?, self.at)?;
        self.at = row;
        Some(row)
    }

    /// Carries out a click on `row`, or a step of the cursor to it.
    pub(super) fn pick(&mut self, rows: &dyn Rows, row: usize, how: Pick) {
        match how {
            Pick::Only => self.only(rows.key(row)),
            Pick::Toggle => self.toggle(rows.key(row)),
            Pick::Extend => self.extend(rows, row),
        }
        self.at = row;
    }
}

/// A way to select a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    Only,
    Toggle,
    Extend,
}

impl Pick {
    /// The way that a click asks for, by the modifier keys as they were when the button went up.
    pub(super) fn from_click(input: &InputState, several: bool) -> Self {
        let released = input.events.iter().find_map(|event| match event {
            Event::PointerButton {
                button: PointerButton::Primary,
                pressed: false,
                modifiers,
                ..
            } => Some(*modifiers),
            _ => None,
        });
        Self::from_modifiers(released.unwrap_or(input.modifiers), several)
    }

    /// The way that the modifier keys ask for.
    fn from_modifiers(modifiers: Modifiers, several: bool) -> Self {
        if several && modifiers.shift {
            Self::Extend
        } else if several && modifiers.command {
            Self::Toggle
        } else {
            Self::Only
        }
    }
}

/// Row with this key: looked for where it was, then everywhere.
fn find(rows: &dyn Rows, key: u64, at: usize) -> Option<usize> {
    let count = rows.count();
    if at < count && rows.key(at) == key {
        return Some(at);
    }
    (0..count).find(|row| rows.key(*row) == key)
}

/// Walks, selects and opens by the keys that were pressed.
pub(super) fn keys(
    ui: &Ui,
    frame: &mut Frame<'_, '_>,
    rows: &dyn Rows,
    (selection, reply): (&mut Selection, &mut Reply),
) {
    let count = rows.count();
    if !frame.focus.has_focus() || count == 0 {
        return;
    }
    let filter = EventFilter {
        horizontal_arrows: true,
        vertical_arrows: true,
        ..EventFilter::default()
    };
    let id = frame.focus.id;
    ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
    let several = frame.grid.several;
    if several && ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::A)) {
        selection.keys = (0..count).map(|row| rows.key(row)).collect();
    }
    let at = selection.row(rows);
    let page = ui.data(|data| data.get_temp::<usize>(frame.id.with("page")));
    let page = page.unwrap_or(10).max(1);
    let last = count - 1;
    let step = |key| match key {
        Key::ArrowDown => Some(at.map_or(0, |at| (at + 1).min(last))),
        Key::ArrowUp => Some(at.map_or(0, |at| at.saturating_sub(1))),
        Key::PageDown => Some((at.unwrap_or(0) + page).min(last)),
        Key::PageUp => Some(at.unwrap_or(0).saturating_sub(page)),
        Key::Home => Some(0),
        Key::End => Some(last),
        _ => None,
    };
    // Shift as it was when the key went down: by the end of the frame both may be up again.
    let step = |event: &Event| match event {
        Event::Key {
            key,
            pressed: true,
            modifiers,
            ..
        } => Some((step(*key)?, modifiers.shift)),
        _ => None,
    };
    let target = ui.input(|input| input.events.iter().find_map(step));
    if let Some((target, shift)) = target.filter(|(target, _)| Some(*target) != at) {
        let how = if several && shift {
            Pick::Extend
        } else {
            Pick::Only
        };
        selection.pick(rows, target, how);
        reply.chosen = Some(target);
        frame.reveal = Some(target);
    }
    let Some(at) = selection.row(rows) else {
        return;
    };
    let pressed = |key| ui.input(|input| input.key_pressed(key));
    if ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::Enter)) {
        reply.beside = Some(at);
    } else if pressed(Key::Enter) {
        (reply.opened, reply.entered) = (Some(at), Some(at));
    } else if several && ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::Space)) {
        selection.toggle(rows.key(at));
    }
}
