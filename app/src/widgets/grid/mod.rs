//! The one table widget: virtual rows under heads that sort, resize, hide and explain; scrolls from side to side where there is little room. The
//! keyboard walks and selects, the right-click menu copies and saves exact values.
//!
//! # How to show a table
//! - **columns**: a list of [`Column`]s; the id of a column names it in `Settings` and in [`Rows`], so it does not change.
//! - **rows**: a struct that borrows what it shows, with `impl Rows`: [`Rows::value`] is the exact value (copied, saved, sorted by), [`Rows::text`]
//!   what is drawn (three digits unless said otherwise), [`Rows::cell_ui`] draws what is more than a text, [`Rows::menu_ui`] adds entries to the
//!   menu of a row, [`Rows::card_ui`] fills its hover card.
//! - **order**: [`sort`] says what a person clicked; the caller orders its rows, by [`order`] where they are few and by a memo where they are many. With
//!   [`Grid::further_keys`], a click with Shift adds a key, and [`Arrangement::keys`] has all of them.
//! - **selection**: the caller keeps a [`Selection`] of keys; [`Rows::key`] must stay the same when the order changes.
//!
//! ```ignore
//! let columns = [Column::number("density", "Density").unit("%").definition("Share of tokens").width(64.0, 84.0)];
//! let reply = Grid::new("features", &columns).fill().several().show(ui, &mut rows, &mut self.selection);
//! if let Some(row) = reply.opened { … }
//! ```
//!
//! Widths, hidden columns and the order are kept under the table's name ([`arrangement`]); the shell hands them to the settings.

pub(crate) mod arrangement;
mod body;
mod column;
mod copies;
mod head;
mod selection;
#[cfg(test)]
pub(crate) mod tests;

use egui::{Id, Rect, Response, Role, ScrollArea, Sense, Ui, WidgetInfo, vec2};

use self::arrangement::{Arrangement, Sort};
use super::csv::Value;
use super::{focus, number};
use crate::theme::space;

pub(crate) use column::Column;
pub(crate) use head::columns_ui;
pub(crate) use selection::Selection;

/// Content of a table. Rows are counted from 0 in the order in which they are shown.
pub(crate) trait Rows {
    /// The number of rows.
    fn count(&self) -> usize;

    /// A name of the row that stays when the order changes.
    fn key(&self, row: usize) -> u64 {
        row as u64
    }

    /// Its name for a screen reader.
    fn words(&self, row: usize) -> String;

    /// The exact value of a cell.
    fn value(&self, row: usize, column: &str) -> Value;

    /// The value as it is shown.
    fn text(&self, row: usize, column: &str) -> String {
        short(&self.value(row, column))
    }

    /// Draws a cell that is more than a text; `false` leaves the drawing to the table.
    fn cell_ui(&mut self, _ui: &mut Ui, _row: usize, _column: &str) -> bool {
        false
    }

    /// Draws the entries of the menu of `row`; `selected` are the rows that an entry is about, `row` among them.
    fn menu_ui(&mut self, _ui: &mut Ui, _row: usize, _selected: &[u64]) -> bool {
        false
    }

    /// Draws the hover card of a row; `None` if rows have none.
    fn card_ui(&mut self, _ui: &mut Ui, _row: usize) {}

    /// Whether rows have a hover card.
    fn has_cards(&self) -> bool {
        false
    }
}

/// A value in three digits.
pub(crate) fn short(value: &Value) -> String {
    match value {
        Value::Text(text) => text.replace('\n', "⏎"),
        Value::Number(number) => number::number(*number),
        Value::Single(number) => number::number(f64::from(*number)),
        Value::Count(count) => number::count(*count),
        Value::Nothing => "–".to_owned(),
    }
}

/// Height of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Height {
    /// All that is free.
    Fill,
    /// As many rows as there are, but at most so high.
    Most(f32),
}

/// A table before it is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid<'a> {
    name: &'a str,
    family: &'a str,
    title: &'a str,
    columns: &'a [Column<'a>],
    height: Height,
    several: bool,
    further: bool,
    first_order: Option<(&'a str, bool)>,
    reveal: Option<usize>,
}

/// The user's action on a table in this frame. Rows are counted in the order in which they are shown.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The row that was clicked or walked to.
    pub(crate) chosen: Option<usize>,
    /// The row that was clicked.
    pub(crate) clicked: Option<usize>,
    /// The row on which Enter was pressed.
    pub(crate) entered: Option<usize>,
    /// Double-clicked, or Enter on it.
    pub(crate) opened: Option<usize>,
    /// Middle-clicked, or Ctrl+Enter on it.
    pub(crate) beside: Option<usize>,
}

/// A column on screen.
#[derive(Debug, Clone, Copy)]
struct Shown<'a> {
    column: &'a Column<'a>,
    width: f32,
}

impl<'a> Grid<'a> {
    /// A table of `columns`; `name` names it in the settings and is unique in the window.
    pub(crate) fn new(name: &'a str, columns: &'a [Column<'a>]) -> Self {
        Self {
            name,
            family: name,
            title: name,
            columns,
            height: Height::Most(f32::INFINITY),
            several: false,
            further: false,
            first_order: None,
            reveal: None,
        }
    }

    /// Sets its name for a screen reader and for a saved file; the name in the settings unless set.
    #[must_use]
    pub(crate) fn title(mut self, title: &'a str) -> Self {
        self.title = title;
        self
    }

    /// Shares widths and hidden columns with the table of this name; its order stays its own.
    #[must_use]
    pub(crate) fn columns_of(mut self, family: &'a str) -> Self {
        self.family = family;
        self
    }

    /// Takes all the height that is free.
    #[must_use]
    pub(crate) fn fill(mut self) -> Self {
        self.height = Height::Fill;
        self
    }

    /// Scrolls where it would be higher than this.
    #[must_use]
    pub(crate) fn most(mut self, height: f32) -> Self {
        self.height = Height::Most(height);
        self
    }

    /// Lets a person select several rows.
    #[must_use]
    pub(crate) fn several(mut self) -> Self {
        self.several = true;
        self
    }

    /// Lets a click with Shift on a head order rows of equal values.
    #[must_use]
    pub(crate) fn further_keys(mut self) -> Self {
        self.further = true;
        self
    }

    /// Sets the order before a person chose one: a column, and whether it descends.
    #[must_use]
    pub(crate) fn ordered_by(mut self, column: &'a str, descending: bool) -> Self {
        self.first_order = Some((column, descending));
        self
    }

    /// Brings a row into view in this frame.
    #[must_use]
    pub(crate) fn reveal(mut self, row: Option<usize>) -> Self {
        self.reveal = row;
        self
    }

    /// Draws the table over the width that is there.
    pub(crate) fn show(self, ui: &mut Ui, rows: &mut dyn Rows, selection: &mut Selection) -> Reply {
        let own = arrangement::of(ui.ctx(), self.name);
        let arrangement = Arrangement {
            sort: own.sort,
            then: own.then,
            ..arrangement::of(ui.ctx(), self.family)
        };
        let room = ui.available_width() - space::PANEL;
        let shown = column::fit(self.columns, &arrangement, room);
        let total = column::total(&shown);
        let id = Id::unique(("grid", self.name));
        let focus = self.focus_ui(ui, id, rows.count());
        let mut reply = Reply::default();
        let mut frame = Frame {
            grid: self,
            id,
            focus,
            shown: &shown,
            arrangement,
            reveal: self.reveal,
        };
        selection::keys(ui, &mut frame, rows, (selection, &mut reply));
        let fills = self.height == Height::Fill;
        let wide = total > room + 0.5;
        ScrollArea::horizontal()
            .id_salt(("grid", self.name))
            .auto_shrink([false, !fills])
            .show(ui, |ui| {
                ui.set_min_width(total.max(1.0));
                frame.scroll_sideways(ui, wide);
                body::table_ui(ui, &frame, rows, (selection, &mut reply));
            });
        copies::go_on(ui.ctx(), id, rows);
        reply
    }

    /// The control that has the focus while a person walks through the rows.
    fn focus_ui(&self, ui: &Ui, id: Id, count: usize) -> Response {
        let kept = ui.data(|data| data.get_temp::<Rect>(id.with("body")));
        let rect = Rect::from_min_size(ui.cursor().min, vec2(ui.available_width(), 0.0));
        let rect = kept.map_or(rect, |kept| Rect::from_min_size(rect.min, kept.size()));
        let response = ui.interact(rect, id, Sense::FOCUSABLE);
        let name = format!("{}, {}", self.title, number::counted(count as u64, "row"));
        response.widget_info(|| WidgetInfo::labeled(Role::Table, true, &name));
        focus::main(&response);
        response
    }
}

/// Values that the parts of a table share in one frame.
struct Frame<'a, 'b> {
    grid: Grid<'a>,
    id: Id,
    focus: Response,
    shown: &'b [Shown<'a>],
    arrangement: Arrangement,
    reveal: Option<usize>,
}

impl Frame<'_, '_> {
    /// The order in force, the most important key first.
    fn order(&self) -> Vec<Sort> {
        let kept: Vec<Sort> = self.arrangement.keys().cloned().collect();
        if !kept.is_empty() {
            return kept;
        }
        let first = self.grid.first_order.into_iter();
        let first = first.map(|(column, descending)| Sort::new(column, descending));
        first.collect()
    }

    fn keep(&self, ui: &Ui, arrangement: Arrangement) {
        let (name, family) = (self.grid.name, self.grid.family);
        if name != family {
            let order = Arrangement {
                sort: arrangement.sort.clone(),
                then: arrangement.then.clone(),
                ..Arrangement::default()
            };
            arrangement::change(ui.ctx(), name, order);
        }
        let (sort, then) = if name == family {
            (arrangement.sort, arrangement.then)
        } else {
            let own = arrangement::of(ui.ctx(), family);
            (own.sort, own.then)
        };
        arrangement::change(
            ui.ctx(),
            family,
            Arrangement {
                sort,
                then,
                ..arrangement
            },
        );
    }

    /// Left and right move what is wider than its place.
    fn scroll_sideways(&self, ui: &Ui, wide: bool) {
        if !wide || !self.focus.has_focus() {
            return;
        }
        let step = ui.input(|input| {
            let pressed = |key| input.key_pressed(key);
            f32::from(i8::from(pressed(egui::Key::ArrowLeft)))
                - f32::from(i8::from(pressed(egui::Key::ArrowRight)))
        });
        if step != 0.0 {
            ui.scroll_with_delta(vec2(step * 80.0, 0.0));
        }
    }
}

/// The order that a person chose for the table `name`.
pub(crate) fn sort(ctx: &egui::Context, name: &str) -> Option<Sort> {
    arrangement::of(ctx, name).sort
}

/// Orders `count` rows by a column's values; rows of equal values keep their order.
pub(crate) fn order(
    count: usize,
    sort: Option<&Sort>,
    value: impl Fn(usize, &str) -> Value,
) -> Vec<usize> {
    let Some(sort) = sort else {
        return (0..count).collect();
    };
    let mut keyed: Vec<_> = (0..count).map(|i| (value(i, &sort.column), i)).collect();
    keyed.sort_by(|(a, _), (b, _)| {
        let nothing = (*a == Value::Nothing, *b == Value::Nothing);
        match nothing {
            (false, false) if sort.descending => b.compare(a),
            _ => a.compare(b), // what has no value stands at the end either way
        }
    });
    keyed.into_iter().map(|(_, i)| i).collect()
}
