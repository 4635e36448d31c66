//! Changes that a person made to the columns of a table. Tables read and change it in the window's memory; the shell puts there what the settings kept and
//! hands changes to them, since widgets know no settings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use egui::{Context, Id};
use serde::{Deserialize, Serialize};

/// An order of rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Sort {
    /// Id of the column.
    pub(crate) column: String,
    /// Whether the largest comes first.
    pub(crate) descending: bool,
}

impl Sort {
    /// The order by `column`.
    pub(crate) fn new(column: &str, descending: bool) -> Self {
        Self {
            column: column.to_owned(),
            descending,
        }
    }
}

/// Widths, hidden columns and order of one table, by ids of columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Arrangement {
    /// Widths that a person gave, in points.
    pub(crate) widths: BTreeMap<String, u16>,
    /// Columns that a person hid or showed.
    pub(crate) shown: BTreeMap<String, bool>,
    /// Order that a person chose.
    pub(crate) sort: Option<Sort>,
    /// Further keys, by which rows of equal values are ordered.
    pub(crate) then: Vec<Sort>,
}

impl Arrangement {
    /// Returns all keys of the order, the most important first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Sort> {
        self.sort
            .iter()
            .chain(self.sort.as_ref().map_or(&[][..], |_| &self.then))
    }
}

/// Arrangements by the names of tables.
pub(crate) type Arrangements = BTreeMap<String, Arrangement>;

#[derive(Debug, Clone, Default)]
struct Kept {
    all: Arc<Arrangements>,
    changed: BTreeSet<String>,
}

fn place() -> Id {
    Id::unique("arrangements of tables")
}

fn with<R>(ctx: &Context, what: impl FnOnce(&mut Kept) -> R) -> R {
    ctx.data_mut(|data| what(data.get_temp_mut_or_default::<Kept>(place())))
}

/// The arrangement of the table `name`.
pub(crate) fn of(ctx: &Context, name: &str) -> Arrangement {
    with(ctx, |kept| kept.all.get(name).cloned()).unwrap_or_default()
}

/// Changes the arrangement of the table `name`.
pub(crate) fn change(ctx: &Context, name: &str, arrangement: Arrangement) {
    with(ctx, |kept| {
        Arc::make_mut(&mut kept.all).insert(name.to_owned(), arrangement);
        kept.changed.insert(name.to_owned());
    });
    ctx.request_repaint();
}

/// Puts what the settings kept there, in the first frame of a window.
pub(crate) fn restore(ctx: &Context, all: &Arrangements) {
    let is_there = ctx.data(|data| data.get_temp::<Kept>(place()).is_some());
    if !is_there {
        with(ctx, |kept| kept.all = Arc::new(all.clone()));
    }
}

/// Takes what changed since the last call.
pub(crate) fn take(ctx: &Context) -> Vec<(String, Arrangement)> {
    with(ctx, |kept| {
        let changed = std::mem::take(&mut kept.changed);
        let taken = changed.into_iter().filter_map(|name| {
            let arrangement = kept.all.get(&name)?.clone();
            Some((name, arrangement))
        });
        taken.collect()
    })
}
