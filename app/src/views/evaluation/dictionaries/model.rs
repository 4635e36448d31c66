//! Rows of the table and points of the plot, without drawing.

use std::collections::BTreeMap;

use umbra_core::workbench::overview::Row;
use umbra_core::workbench::scores::{self, Kind, Number};

use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::{AppState, Load};
use crate::views::overview;
use crate::widgets::csv::Value;
use crate::widgets::grid;
use crate::widgets::grid::arrangement::Sort;

/// Whether a dictionary is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::views::evaluation) enum Measured {
    /// On this text, by all numbers or those of an older version.
    On(String),
    /// A job is at it.
    Running,
    /// Not yet; it can be.
    NotYet,
    /// It cannot be, for this reason.
    Not(String),
}

impl Measured {
    /// The text; empty where there is none.
    pub(in crate::views::evaluation) fn text(&self) -> &str {
        match self {
            Self::On(text) => text,
            Self::Running | Self::NotYet | Self::Not(_) => "",
        }
    }

    /// Whether a job is at it.
    pub(in crate::views::evaluation) fn is_running(&self) -> bool {
        *self == Self::Running
    }
}

/// A dictionary with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::views::evaluation) struct Line {
    /// The dictionary.
    pub(in crate::views::evaluation) id: DictionaryId,
    /// Its row.
    pub(in crate::views::evaluation) row: Row,
    /// Its kind, once loaded.
    pub(in crate::views::evaluation) kind: Option<Kind>,
    /// Whether it is measured.
    pub(in crate::views::evaluation) measured: Measured,
    /// Whether it can be measured now.
    pub(in crate::views::evaluation) can_be_measured: bool,
}

impl Line {
    fn new(state: &AppState, dictionary: &Dictionary) -> Self {
        let why_not = why_not(state, dictionary);
        let measured = match &dictionary.evaluation {
            Load::Ready(kept) => Measured::On(kept.text.clone()),
            Load::Loading => Measured::Running,
            Load::Absent | Load::Failed(_) => {
                let why = why_not.clone();
                why.map_or(Measured::NotYet, Measured::Not)
            }
        };
        let loaded = dictionary.load.ready();
        Self {
            id: dictionary.id,
            row: overview::row(dictionary),
            kind: loaded.map(|loaded| Kind::new(&loaded.sae)),
            can_be_measured: why_not.is_none() && measured != Measured::Running,
            measured,
        }
    }

    /// The hook, once loaded.
    pub(in crate::views::evaluation) fn hook(&self) -> Option<String> {
        self.row.hooks()
    }

    /// Value of a cell of the table.
    pub(in crate::views::evaluation) fn value(&self, column: &str) -> Value {
        match column {
            "name" => self.row.name.as_str().into(),
            "hook" => self.hook().map_or(Value::Nothing, Value::from),
            "kind" => self.kind.map_or(Value::Nothing, |kind| kind.title().into()),
            "text" if self.measured.text().is_empty() => Value::Nothing,
            "text" => self.measured.text().into(),
            key => {
                let number = Number::from_key(key);
                match number.and_then(|number| number.of(&self.row)) {
                    Some(whole) if matches!(key, "features" | "tokens") => {
                        Value::Count(whole as u64)
                    }
                    other => other.into(),
                }
            }
        }
    }
}

/// Why a dictionary cannot be measured now, if it cannot.
fn why_not(state: &AppState, dictionary: &Dictionary) -> Option<String> {
    if let Some(why) = state.unfit(dictionary.id) {
        return Some(why.to_owned());
    }
    let Some(loaded) = dictionary.load.ready() else {
        let why = dictionary.load.failure();
        return Some(why.map_or_else(
            || "The dictionary is not loaded yet".to_owned(),
            str::to_owned,
        ));
    };
    if state.pair(dictionary.id).is_none() {
        return Some("Open its model first".to_owned());
    }
    if state.project.open().is_none() {
        return Some("Open or create a project first: numbers are kept with it".to_owned());
    }
    let by_token = loaded.sae.by_token();
    by_token.err().map(|why| why.to_string())
}

/// Returns all dictionaries, ordered by a column or as in the project.
pub(in crate::views::evaluation) fn lines(state: &AppState, sort: Option<&Sort>) -> Vec<Line> {
    let all = state.catalogue.dictionaries.iter();
    let all: Vec<Line> = all.map(|one| Line::new(state, one)).collect();
    let order = grid::order(all.len(), sort, |row, column| all[row].value(column));
    order.into_iter().map(|row| all[row].clone()).collect()
}

/// Returns the dictionaries that an evaluation would tell more of.
pub(in crate::views::evaluation) fn missing(lines: &[Line]) -> Vec<DictionaryId> {
    let lacking = lines
        .iter()
        .filter(|line| line.can_be_measured && scores::lacks(line.row.figures.as_ref()));
    lacking.map(|line| line.id).collect()
}

/// Returns the hooks of dictionaries that have both numbers, with how many there are of each.
pub(in crate::views::evaluation) fn hooks(
    lines: &[Line],
    axes: [Number; 2],
) -> BTreeMap<String, usize> {
    let mut hooks = BTreeMap::new();
    for line in placed(lines, axes, None).into_iter().map(|(line, _)| line) {
        if let Some(hook) = line.hook() {
            *hooks.entry(hook).or_default() += 1;
        }
    }
    hooks
}

/// Returns the hook with the most dictionaries of both numbers, if it has two or more.
pub(in crate::views::evaluation) fn fullest(hooks: &BTreeMap<String, usize>) -> Option<&str> {
    let most = hooks.iter().rev().max_by_key(|(_, many)| **many);
    most.filter(|(_, many)| **many > 1)
        .map(|(hook, _)| hook.as_str())
}

/// Returns the dictionaries of `hook`, or of all, that have both numbers, with these.
pub(in crate::views::evaluation) fn placed<'a>(
    lines: &'a [Line],
    axes: [Number; 2],
    hook: Option<&str>,
) -> Vec<(&'a Line, [f64; 2])> {
    lines
        .iter()
        .filter(|line| hook.is_none_or(|hook| line.hook().as_deref() == Some(hook)))
        .filter_map(|line| Some((line, [axes[0].of(&line.row)?, axes[1].of(&line.row)?])))
        .collect()
}

/// Whether a logarithmic axis suits these values: all are above 0, and the largest is at least five times the smallest.
pub(in crate::views::evaluation) fn suits_log(
    number: Number,
    values: impl Iterator<Item = f64> + Clone,
) -> bool {
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let most = values.fold(0.0, f64::max);
    number.decades && least > 0.0 && most >= 5.0 * least
}

/// Says where dictionaries were measured on different texts.
pub(in crate::views::evaluation) fn differing(placed: &[(&Line, [f64; 2])]) -> Option<String> {
    let mut texts: Vec<&str> = placed
        .iter()
        .map(|(line, _)| line.measured.text())
        .collect();
    texts.sort_unstable();
    texts.dedup();
    (texts.len() > 1).then(|| {
        format!(
            "These dictionaries were measured on different texts ({}): small differences mean nothing.",
            texts.join("; ")
        )
    })
}
