//! Which rows the table shows, and in which order: pure functions of table, labels, filter and column. Draws nothing.

use umbra_core::features::{Hit, Summary, matches};
use umbra_core::ids::FeatureId;

use crate::state::features::{Column, Sort, Table};

/// Scalar of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    /// Share of tokens.
    Density,
    /// Mean activation.
    Mean,
    /// Least activation.
    Min,
    /// Size of the strongest activation.
    Max,
    /// Norm of the decoder row.
    Norm,
}

/// Direction of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// `<` or `<=`.
    Below,
    /// `>` or `>=`.
    Above,
}

/// `density<1e-3`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    /// The quantity.
    pub(crate) scalar: Scalar,
    /// Direction.
    pub(crate) side: Side,
    /// Whether the bound itself is in.
    pub(crate) inclusive: bool,
    /// The bound.
    pub(crate) bound: f64,
}

impl Range {
    fn holds(&self, summary: &Summary) -> bool {
        let value = match self.scalar {
            Scalar::Density => summary.density,
            Scalar::Mean => summary.mean,
            Scalar::Min => summary.min,
            Scalar::Max => summary.strongest().abs(),
            Scalar::Norm => summary.decoder_norm,
        };
        let inside = match self.side {
            Side::Below => value < self.bound,
            Side::Above => value > self.bound,
        };
        inside || (self.inclusive && value == self.bound)
    }
}

/// The parsed filter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// `#12`.
    pub(crate) number: Option<u32>,
    /// All of these must hold.
    pub(crate) ranges: Vec<Range>,
    /// All other words, to search in labels and in the index's tokens.
    pub(crate) words: String,
}

impl Filter {
    /// Reads the filter box. What is no number and no range is a word.
    pub fn parse(text: &str) -> Self {
        let mut filter = Self::default();
        let mut words = vec![];
        for part in text.split_whitespace() {
            let number = part.strip_prefix('#').and_then(|n| n.parse().ok());
            if let Some(number) = number {
                filter.number = Some(number);
            } else if let Some(range) = range(part) {
                filter.ranges.push(range);
            } else {
                words.push(part);
            }
        }
        filter.words = words.join(" ");
        filter
    }
}

/// `density<1e-3`, `max>=5`, `density<0.1%`.
fn range(part: &str) -> Option<Range> {
    let at = part.find(['<', '>'])?;
    let scalar = match part[..at].to_lowercase().as_str() {
        "density" => Scalar::Density,
        "mean" => Scalar::Mean,
        "min" => Scalar::Min,
        "max" => Scalar::Max,
        "norm" => Scalar::Norm,
        _ => return None,
    };
    let side = if part[at..].starts_with('<') {
        Side::Below
    } else {
        Side::Above
    };
    let rest = &part[at + 1..];
    let (inclusive, rest) = match rest.strip_prefix('=') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let (digits, unit) = match rest.strip_suffix('%') {
        Some(digits) => (digits, 0.01),
        None => (rest, 1.0),
    };
    let bound = digits.parse::<f64>().ok()? * unit;
    Some(Range {
        scalar,
        side,
        inclusive,
        bound,
    })
}

/// Inputs of the rows beside filter and order.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The table with its orders.
    pub table: &'a Table,
    /// Labels by feature, ascending.
    pub labels: &'a [(FeatureId, &'a str)],
    /// Features that the index found for the filter's words, best first, if it has answered.
    pub found: &'a [Hit],
}

/// Features to show, in order. Linear in the number of features: orders by column were made when the table was read.
pub fn rows(inputs: &Inputs<'_>, filter: &Filter, sort: Sort) -> Vec<u32> {
    let features = inputs.table.summaries.len() as u32;
    let mentioned = (!filter.words.is_empty()).then(|| mentioned(inputs, &filter.words));
    let shown = |i: &u32| {
        let at = *i as usize;
        filter.number.is_none_or(|number| number == *i)
            && mentioned.as_ref().is_none_or(|found| found[at])
            && filter
                .ranges
                .iter()
                .all(|range| range.holds(&inputs.table.summaries[at]))
    };
    let own;
    let order: &[u32] = match inputs.table.order(sort.column) {
        Some(order) => order,
        None if sort.column == Column::Name => {
            own = by_name(inputs, sort.descending);
            return own.into_iter().filter(shown).collect();
        }
        None if sort.column == Column::Relevance => {
            own = by_relevance(inputs);
            return own.into_iter().filter(shown).collect();
        }
        None => {
            own = (0..features).collect();
            &own
        }
    };
    if sort.descending {
        order.iter().rev().copied().filter(shown).collect()
    } else {
        order.iter().copied().filter(shown).collect()
    }
}

/// Labelled features by label, then all others by the token at which they peak; those without a name last, whatever the direction.
fn by_name(inputs: &Inputs<'_>, descending: bool) -> Vec<u32> {
    let features = inputs.table.summaries.len();
    let mut labelled: Vec<(String, u32)> = inputs
        .labels
        .iter()
        .filter(|(feature, _)| feature.index() < features)
        .map(|(feature, text)| (text.to_lowercase(), feature.0))
        .collect();
    labelled.sort();
    let mut is_labelled = vec![false; features];
    for (_, feature) in &labelled {
        is_labelled[*feature as usize] = true;
    }
    let others = |of: &[u32]| -> Vec<u32> {
        let others = of.iter().filter(|i| !is_labelled[**i as usize]);
        others.copied().collect()
    };
    let (by_token, nameless) = inputs.table.by_token();
    let (mut named, nameless) = (others(by_token), others(nameless));
    if descending {
        labelled.reverse();
        named.reverse();
    }
    let order = labelled.iter().map(|(_, feature)| *feature);
    order.chain(named).chain(nameless).collect()
}

/// Features as the search ranks them, then those that only their label or number brings in.
fn by_relevance(inputs: &Inputs<'_>) -> Vec<u32> {
    let features = inputs.table.summaries.len();
    let mut ranked = vec![false; features];
    let mut order = Vec::with_capacity(features);
    for hit in inputs
        .found
        .iter()
        .filter(|hit| hit.feature.index() < features)
    {
        ranked[hit.feature.index()] = true;
        order.push(hit.feature.0);
    }
    order.extend((0..features as u32).filter(|i| !ranked[*i as usize]));
    order
}

/// Features whose label matches `words`, that the index found for them, or whose number they are.
fn mentioned(inputs: &Inputs<'_>, words: &str) -> Vec<bool> {
    let mut found = vec![false; inputs.table.summaries.len()];
    let by_label = inputs.labels.iter();
    let labelled = by_label.filter(|(_, text)| matches(words, text));
    let number = words.parse().ok().map(FeatureId);
    let all = labelled
        .map(|(feature, _)| *feature)
        .chain(inputs.found.iter().map(|hit| hit.feature))
        .chain(number);
    for feature in all {
        if let Some(entry) = found.get_mut(feature.index()) {
            *entry = true;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::catalogue::DictionaryId;

    fn table() -> Table {
        let summary = |i: u32, density: f64, max: f64| Summary {
            feature: FeatureId(i),
            density,
            mean: max / 2.0,
            min: max.min(0.0),
            max: max.max(0.0),
            decoder_norm: 1.0,
        };
        let summaries = vec![
            summary(0, 0.01, 3.0),
            summary(1, 0.0001, 9.0),
            summary(2, 0.001, 1.0),
            summary(3, 0.0, 0.0),
        ];
        let tokens = [" king", "The", " apple", ""];
        let tokens = tokens.iter().map(|t| (*t).to_owned()).collect();
        Table::new(DictionaryId(0), summaries, tokens)
    }

    fn hit(feature: u32) -> Hit {
        Hit {
            feature: FeatureId(feature),
            ..Hit::default()
        }
    }

    #[track_caller]
    fn check(filter: &str, column: Column, descending: bool, want: &[u32]) {
        let labels = [(FeatureId(1), "Royal title"), (FeatureId(2), "fruit")];
        let table = table();
        let inputs = Inputs {
            table: &table,
            labels: &labels,
            found: &[hit(2), hit(0)],
        };
        let sort = Sort { column, descending };
        let got = rows(&inputs, &Filter::parse(filter), sort);
        assert_eq!(got, want, "{filter:?} {sort:?}");
    }

    #[test]
    fn every_column_sorts_both_ways() {
        check("", Column::Number, false, &[0, 1, 2, 3]);
        check("", Column::Number, true, &[3, 2, 1, 0]);
        check("", Column::Density, true, &[0, 2, 1, 3]);
        check("", Column::Max, false, &[3, 2, 0, 1]);
        // Labels, then tokens, then what has neither.
        check("", Column::Name, false, &[2, 1, 0, 3]);
        check("", Column::Name, true, &[1, 2, 0, 3]);
    }

    #[test]
    fn filters_are_numbers_ranges_labels_and_found_tokens() {
        check("#2", Column::Number, false, &[2]);
        check("#9", Column::Number, false, &[]);
        check("density<1e-3", Column::Number, false, &[1, 3]);
        check("density<=0.1%", Column::Number, false, &[1, 2, 3]);
        check("density>0 max<5", Column::Max, true, &[0, 2]);
        check("royal", Column::Number, false, &[0, 1, 2]);
        check("title royal max>5", Column::Number, false, &[1]);
        check("3", Column::Number, false, &[0, 2, 3]);
        check("density<", Column::Number, false, &[0, 2]);
        // As the search ranks them; a label that it does not know of yet comes last.
        check("royal", Column::Relevance, false, &[2, 0, 1]);
        check("royal max<5", Column::Relevance, false, &[2, 0]);
    }

    #[test]
    fn negative_activations_rank_by_size() {
        let summary = |i: u32, (min, max): (f64, f64)| Summary {
            feature: FeatureId(i),
            density: 0.1,
            min,
            max,
            ..Summary::default()
        };
        let ranges = [(-5.0, 1.0), (0.0, 3.0), (-0.5, 0.25)];
        let summaries = (0..).zip(ranges).map(|(i, range)| summary(i, range));
        let tokens = vec![String::new(); 3];
        let table = Table::new(DictionaryId(0), summaries.collect(), tokens);
        let inputs = Inputs {
            table: &table,
            labels: &[],
            found: &[],
        };
        let shown = |filter: &str, descending| {
            let sort = Sort {
                column: Column::Max,
                descending,
            };
            rows(&inputs, &Filter::parse(filter), sort)
        };
        assert_eq!(shown("", true), [0, 1, 2]);
        assert_eq!(shown("max>2", false), [1, 0]);
        assert_eq!(shown("min<0", true), [0, 2]);
        assert_eq!(
            (table.most(FeatureId(0)), table.most(FeatureId(1))),
            (5.0, 3.0)
        );
    }
}
