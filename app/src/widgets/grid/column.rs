//! Columns, and the widths that they get.

use egui::Align;

use super::Shown;
use super::arrangement::Arrangement;
use crate::theme::space;

/// Least width of a column that says nothing else.
const LEAST: f32 = 48.0;

/// Room around the content of a cell, half of it on each side. Cells adjoin, so that no click falls between them.
pub(super) const GAP: f32 = space::PANEL;

/// Largest width that a person can give.
const MOST: f32 = 1200.0;

/// Whether a column can be hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hiding {
    /// It is always shown.
    Never,
    /// Shown until a person hides it.
    Shown,
    /// Hidden until a person shows it.
    Hidden,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column<'a> {
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) unit: &'a str,
    pub(super) definition: &'a str,
    pub(super) align: Align,
    pub(super) least: f32,
    pub(super) first: f32,
    pub(super) fills: bool,
    pub(super) hiding: Hiding,
    pub(super) sortable: bool,
    pub(super) mono: bool,
}

impl<'a> Column<'a> {
    /// A column of words.
    pub(crate) const fn text(id: &'a str, title: &'a str) -> Self {
        Self {
            id,
            title,
            unit: "",
            definition: "",
            align: Align::Min,
            least: LEAST,
            first: 120.0,
            fills: false,
            hiding: Hiding::Shown,
            sortable: true,
            mono: false,
        }
    }

    /// A column of numbers: right-aligned, of equal digits.
    pub(crate) const fn number(id: &'a str, title: &'a str) -> Self {
        let mut column = Self::text(id, title);
        column.align = Align::Max;
        column.first = 72.0;
        column.mono = true;
        column
    }

    /// Sets the unit, which stands beside the title.
    #[must_use]
    pub(crate) const fn unit(mut self, unit: &'a str) -> Self {
        self.unit = unit;
        self
    }

    /// Sets the definition, shown on hover and by *What is this number?*.
    #[must_use]
    pub(crate) const fn definition(mut self, definition: &'a str) -> Self {
        self.definition = definition;
        self
    }

    /// Sets the least width, and the width before a person gave one.
    #[must_use]
    pub(crate) const fn width(mut self, least: f32, first: f32) -> Self {
        self.least = least;
        self.first = first;
        self
    }

    /// Lets it take what the others leave.
    #[must_use]
    pub(crate) const fn fills(mut self) -> Self {
        self.fills = true;
        self
    }

    /// Keeps it from being hidden: the table means nothing without it.
    #[must_use]
    pub(crate) const fn always(mut self) -> Self {
        self.hiding = Hiding::Never;
        self
    }

    /// Hides it until a person shows it.
    #[must_use]
    pub(crate) const fn hidden(mut self) -> Self {
        self.hiding = Hiding::Hidden;
        self
    }

    /// Gives it no order.
    #[must_use]
    pub(crate) const fn unsorted(mut self) -> Self {
        self.sortable = false;
        self
    }

    /// Draws its texts in letters of equal width.
    #[must_use]
    pub(crate) const fn mono(mut self) -> Self {
        self.mono = true;
        self
    }

    /// The title with its unit.
    pub(super) fn name(&self) -> String {
        if self.unit.is_empty() {
            self.title.to_owned()
        } else {
            format!("{} ({})", self.title, self.unit)
        }
    }

    /// Whether it is shown.
    pub(super) fn is_shown(&self, arrangement: &Arrangement) -> bool {
        let asked = arrangement.shown.get(self.id).copied();
        match self.hiding {
            Hiding::Never => true,
            Hiding::Shown => asked.unwrap_or(true),
            Hiding::Hidden => asked.unwrap_or(false),
        }
    }
}

/// A width as it is kept.
pub(super) fn kept(column: &Column<'_>, width: f32) -> u16 {
    width.clamp(column.least, MOST).round() as u16
}

/// The shown columns with their widths: as given by a person or else at first; where there is little room, those that nobody set shrink to their
/// least; what is left over goes to those that fill.
pub(super) fn fit<'a>(
    columns: &'a [Column<'a>],
    arrangement: &Arrangement,
    room: f32,
) -> Vec<Shown<'a>> {
    let given = |column: &Column<'_>| arrangement.widths.get(column.id).map(|w| f32::from(*w));
    let mut shown: Vec<Shown<'a>> = columns
        .iter()
        .filter(|column| column.is_shown(arrangement))
        .map(|column| Shown {
            column,
            width: given(column).unwrap_or(column.first).max(column.least),
        })
        .collect();
    let over = total(&shown) - room;
    if over > 0.0 {
        let slack = |shown: &Shown<'_>| match given(shown.column) {
            Some(_) => 0.0,
            None => shown.width - shown.column.least,
        };
        let all: f32 = shown.iter().map(slack).sum();
        let share = if all > 0.0 {
            (over / all).min(1.0)
        } else {
            0.0
        };
        for one in &mut shown {
            one.width -= slack(one) * share;
        }
    } else {
        let fills = |shown: &Shown<'_>| shown.column.fills && given(shown.column).is_none();
        let many = shown.iter().filter(|one| fills(one)).count();
        for one in shown.iter_mut().filter(|one| fills(one)) {
            one.width -= over / many as f32;
        }
    }
    for one in &mut shown {
        one.width = one.width.floor();
    }
    shown
}

/// Width of columns with the room around them.
pub(super) fn total(shown: &[Shown<'_>]) -> f32 {
    let widths: f32 = shown.iter().map(|shown| shown.width).sum();
    widths + shown.len() as f32 * GAP
}
