//! Kept numbers of a project's dictionaries, one beside the other: the list of numbers with their definitions, the kind of each dictionary, and the front of those that no other beats.
//!
//! It measures nothing: numbers come from evaluations that are kept with the project.

#[cfg(test)]
mod tests;

use crate::eval::{self, Figures};
use crate::sae::Sae;
use crate::section::{Cell, Lines, Section, Series, Table};
use crate::workbench::baselines::METADATA;
use crate::workbench::overview::Row;

/// Direction in which a number is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Smaller is better.
    Less,
    /// Larger is better.
    More,
    /// Nearer to 1 is better.
    NearOne,
    /// Neither direction is better.
    Neither,
}

impl Better {
    /// Says the direction in a few words; empty where there is none.
    pub const fn said(self) -> &'static str {
        match self {
            Self::Less => "smaller is better",
            Self::More => "larger is better",
            Self::NearOne => "nearer to 1 is better",
            Self::Neither => "",
        }
    }

    /// Returns a value that falls as `value` gets better.
    fn cost(self, value: f64) -> f64 {
        match self {
            Self::Less | Self::Neither => value,
            Self::More => -value,
            Self::NearOne => (value - 1.0).abs(),
        }
    }
}

/// Number of a dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// Key in settings and files.
    pub key: &'static str,
    /// Displayed title.
    pub title: &'static str,
    /// Direction in which it is better.
    pub better: Better,
    /// Whether it is above 0 and spans decades, so that a logarithmic axis suits it.
    pub decades: bool,
}

const fn number(key: &'static str, title: &'static str, better: Better) -> Number {
    Number {
        key,
        title,
        better,
        decades: false,
    }
}

const fn spanning(key: &'static str, title: &'static str, better: Better) -> Number {
    let mut number = number(key, title, better);
    number.decades = true;
    number
}

/// Every number, in the order shown.
pub const NUMBERS: [Number; 20] = [
    spanning("features", "Features", Better::Less),
    spanning("l0", "L0", Better::Less),
    spanning("fvu", "FVU", Better::Less),
    number("explained_variance", "Explained variance", Better::More),
    number("ce_recovered_zero", "CE recovered", Better::More),
    number(
        "ce_recovered_mean",
        "CE recovered, from the mean",
        Better::More,
    ),
    spanning("ce_increase", "CE added", Better::Less),
    spanning("kl_sae", "KL", Better::Less),
    number("cosine", "Cosine", Better::More),
    number("l2_ratio", "L2 ratio", Better::NearOne),
    number("dead_fraction", "Dead", Better::Less),
    number("rare_fraction", "Rare", Better::Less),
    number("ce_clean", "CE, clean", Better::Neither),
    number("ce_sae", "CE, spliced", Better::Less),
    number("ce_zero", "CE, zeros", Better::Neither),
    number("ce_mean", "CE, mean", Better::Neither),
    number(
        "explained_variance_legacy",
        "Explained variance by token",
        Better::More,
    ),
    number("fvu_pair", "FVU, with the parent", Better::Less),
    number("ce_pair", "CE, with the parent", Better::Less),
    number("tokens", "Tokens", Better::Neither),
];

impl Number {
    /// Finds a number by its key.
    pub fn from_key(key: &str) -> Option<Self> {
        NUMBERS.into_iter().find(|number| number.key == key)
    }

    /// Definition, as a phrase without a full stop.
    pub fn definition(self) -> &'static str {
        match self.key {
            "features" => "number of features in the dictionary",
            "ce_increase" => {
                "ce_sae − ce_clean: cross-entropy in nats per token that the model loses with the reconstruction in place of the activation"
            }
            key => {
                let found = eval::DEFINITIONS.iter().find(|(name, _)| *name == key);
                found.map_or("", |(_, definition)| *definition)
            }
        }
    }

    /// Value of a dictionary; none where it is not measured or not finite.
    pub fn of(self, row: &Row) -> Option<f64> {
        let value = match (self.key, &row.figures) {
            ("features", _) => row.shape.map(|[features, _]| features as f64),
            (key, Some(figures)) => measured(figures, key),
            (_, None) => None,
        };
        value.filter(|value| value.is_finite())
    }
}

fn measured(figures: &Figures, key: &str) -> Option<f64> {
    let near = figures.nearness;
    let pair = figures.pair;
    match key {
        "l0" => Some(figures.l0),
        "fvu" => Some(figures.fvu),
        "ce_recovered_zero" => Some(figures.ce_recovered_zero),
        "ce_recovered_mean" => Some(figures.ce_recovered_mean),
        "ce_increase" => Some(figures.ce_sae - figures.ce_clean),
        "dead_fraction" => Some(figures.dead_fraction),
        "rare_fraction" => Some(figures.rare_fraction),
        "ce_clean" => Some(figures.ce_clean),
        "ce_sae" => Some(figures.ce_sae),
        "ce_zero" => Some(figures.ce_zero),
        "ce_mean" => Some(figures.ce_mean),
        "tokens" => Some(figures.tokens as f64),
        "explained_variance" => near.map(|near| near.explained_variance),
        "explained_variance_legacy" => near.map(|near| near.explained_variance_legacy),
        "kl_sae" => near.map(|near| near.kl_sae),
        "cosine" => near.map(|near| near.cosine),
        "l2_ratio" => near.map(|near| near.l2_ratio),
        "fvu_pair" => pair.map(|pair| pair.fvu_pair),
        "ce_pair" => pair.map(|pair| pair.ce_pair),
        _ => None,
    }
}

/// Whether an evaluation today would measure more than these figures hold: there are none, or they are older.
pub fn lacks(figures: Option<&Figures>) -> bool {
    figures.is_none_or(|figures| figures.nearness.is_none())
}

/// Kind of a dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Sparse autoencoder of an activation.
    Autoencoder,
    /// Transcoder.
    Transcoder,
    /// Dictionary of another one's error.
    OfError,
    /// Classical or random baseline.
    Baseline,
}

impl Kind {
    /// All kinds, in the order shown.
    pub const ALL: [Self; 4] = [
        Self::Autoencoder,
        Self::Transcoder,
        Self::OfError,
        Self::Baseline,
    ];

    /// Returns the kind of a dictionary.
    pub fn new(sae: &Sae) -> Self {
        if sae.provenance.other.contains_key(METADATA) {
            Self::Baseline
        } else if sae.error_of.is_some() {
            Self::OfError
        } else if sae.role.transcodes() {
            Self::Transcoder
        } else {
            Self::Autoencoder
        }
    }

    /// Displayed name.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Autoencoder => "autoencoder",
            Self::Transcoder => "transcoder",
            Self::OfError => "of an error",
            Self::Baseline => "baseline",
        }
    }
}

/// Returns the points that no other beats, from left to right: none is at least as good in both numbers and better in one. Empty where a number has no better
/// direction. Points that are not finite neither beat nor stand on the front.
pub fn front(points: &[[f64; 2]], better: [Better; 2]) -> Vec<usize> {
    if better.contains(&Better::Neither) {
        return Vec::new();
    }
    let costs: Vec<[f64; 2]> = (points.iter())
        .map(|point| [0, 1].map(|axis| better[axis].cost(point[axis])))
        .collect();
    let is_finite = |cost: &[f64; 2]| cost.iter().all(|cost| cost.is_finite());
    let beats = |a: &[f64; 2], b: &[f64; 2]| a[0] <= b[0] && a[1] <= b[1] && a != b;
    let is_beaten = |own: &[f64; 2]| {
        costs
            .iter()
            .any(|other| is_finite(other) && beats(other, own))
    };
    let mut front: Vec<usize> = (0..points.len())
        .filter(|i| is_finite(&costs[*i]) && !is_beaten(&costs[*i]))
        .collect();
    front.sort_by(|a, b| points[*a][0].total_cmp(&points[*b][0]).then(a.cmp(b)));
    front
}

/// Writes the numbers of dictionaries and the front of two of them as a section of a report. `rows` come with the phrase for the text that they were measured on.
pub fn section(rows: &[(&Row, &str)], axes: [Number; 2]) -> Section {
    let placed: Vec<(&Row, [f64; 2])> = (rows.iter())
        .filter_map(|(row, _)| Some((*row, [axes[0].of(row)?, axes[1].of(row)?])))
        .collect();
    let points: Vec<[f64; 2]> = placed.iter().map(|(_, at)| *at).collect();
    let front = front(&points, axes.map(|axis| axis.better));
    let shown: Vec<Number> = (NUMBERS.into_iter())
        .filter(|number| rows.iter().any(|(row, _)| number.of(row).is_some()))
        .collect();
    let mut titles = vec!["Dictionary", "Hook"];
    titles.extend(shown.iter().map(|number| number.title));
    titles.push("Measured on");
    let mut table = Table::new("Kept numbers of the dictionaries", &titles);
    for (row, text) in rows {
        let mut cells: Vec<Cell> = vec![
            row.name.as_str().into(),
            row.hooks().unwrap_or_default().into(),
        ];
        cells.extend(shown.iter().map(|number| Cell::from(number.of(row))));
        cells.push((*text).into());
        table = table.row(cells);
    }
    let [x, y] = axes;
    let mut series: Vec<Series> = (placed.iter())
        .map(|(row, at)| Series::new(row.name.as_str(), [(at[0], at[1])]))
        .collect();
    let line = front.iter().map(|i| (points[*i][0], points[*i][1]));
    series.insert(0, Series::new("Front", line));
    let lines = Lines {
        caption: format!(
            "{} against {}; the line joins those that no other beats",
            y.title, x.title
        ),
        x: x.title.to_owned(),
        y: y.title.to_owned(),
        series,
    };
    let definitions: Vec<(&str, &str)> = (shown.iter())
        .map(|number| (number.key, number.definition()))
        .collect();
    Section::new(
        "Which dictionary is best at what?",
        conclusion(&placed, &front, axes),
    )
    .figure(lines)
    .figure(table)
    .define(&definitions)
}

/// Says which dictionaries no other beats in two numbers.
fn conclusion(placed: &[(&Row, [f64; 2])], front: &[usize], [x, y]: [Number; 2]) -> String {
    let names: Vec<&str> = (front.iter()).map(|i| placed[*i].0.name.as_str()).collect();
    let (x, y) = (x.title, y.title);
    match names.as_slice() {
        [] => format!(
            "No dictionary is best in {x} and {y}: they are not measured, or have no better direction"
        ),
        [one] => format!(
            "{one} is best in both {x} and {y}, of {} dictionaries",
            placed.len()
        ),
        [all @ .., last] => format!(
            "{} and {last} are beaten by none of {} dictionaries in both {x} and {y}",
            all.join(", "),
            placed.len()
        ),
    }
}

/// Says in one sentence which of these points no other beats; `placed` are rows with their values of both numbers.
pub fn said(placed: &[(&Row, [f64; 2])], axes: [Number; 2]) -> String {
    let points: Vec<[f64; 2]> = placed.iter().map(|(_, at)| *at).collect();
    let front = front(&points, axes.map(|axis| axis.better));
    format!("{}.", conclusion(placed, &front, axes))
}
