//! Which rows the table shows, and in which order: pure functions of table, labels, filter and column. Draws nothing.

use umbra_core::features::families::{Family, Measured};
use umbra_core::features::{Hit, matches};
use umbra_core::ids::FeatureId;

use crate::state::features::{Column, Sort, Table, family_named, induction, reach};

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
    /// Number of last tokens that keep the activation.
    Reach,
    /// Specificity of induction.
    Induction,
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
    /// Whether it holds of a feature; a range of what was not measured never does.
    fn holds(&self, table: &Table, feature: usize) -> bool {
        let summary = &table.summaries[feature];
        let measured = table.measured(FeatureId::from(feature));
        let value = match self.scalar {
            Scalar::Density => Some(summary.density),
            Scalar::Mean => Some(summary.mean),
            Scalar::Min => Some(summary.min),
            Scalar::Max => Some(summary.strongest().abs()),
            Scalar::Norm => Some(summary.decoder_norm),
            Scalar::Reach => measured.and_then(reach),
            Scalar::Induction => measured.and_then(induction),
        };
        let Some(value) = value else { return false };
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
    /// `family=local`: features of one of these families; none asked for: of any.
    pub(crate) families: Vec<Family>,
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
            } else if let Some(family) = family(part) {
                filter.families.push(family);
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

/// `family=local`, `family=long-range`.
fn family(part: &str) -> Option<Family> {
    let part = part.to_lowercase();
    family_named(part.strip_prefix("family")?.strip_prefix(['=', ':'])?)
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
        "reach" => Scalar::Reach,
        "induction" => Scalar::Induction,
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
            && (filter.ranges.iter()).all(|range| range.holds(inputs.table, at))
            && (filter.families.is_empty() || of_family(inputs.table, filter, at))
    };
    let own;
    let (order, last): (&[u32], &[u32]) = match inputs.table.order(sort.column) {
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
            own = (0..features).collect::<Vec<u32>>();
            (&own, &[])
        }
    };
    let last = last.iter().copied();
    if sort.descending {
        let known = order.iter().rev().copied();
        known.chain(last).filter(shown).collect()
    } else {
        let known = order.iter().copied();
        known.chain(last).filter(shown).collect()
    }
}

/// Whether a feature is of a family that was asked for.
fn of_family(table: &Table, filter: &Filter, feature: usize) -> bool {
    let measured = table.measured(FeatureId::from(feature));
    let family = measured.and_then(Measured::family);
    family.is_some_and(|family| filter.families.contains(&family))
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
    use umbra_core::features::Summary;
    use umbra_core::features::families::{Families, Induction, Reach};
    use umbra_core::ids::TokenId;

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

    /// Four features: induction, local, needing more than 32 tokens, never active.
    fn measured() -> Table {
        let reach = |kept: [f64; 6]| Some(Reach { kept, examples: 5 });
        let induction = |top_holding| Induction {
            target: TokenId(3),
            text: " king".to_owned(),
            top: 20,
            top_holding,
            by_chance: 0.1,
            mass: 0.5,
        };
        let one = |i: u32, induction, reach| Measured {
            feature: FeatureId(i),
            induction,
            reach,
        };
        let features = vec![
            one(
                0,
                Some(induction(19)),
                reach([0.1, 0.1, 0.2, 0.3, 0.4, 0.9]),
            ),
            one(1, Some(induction(2)), reach([0.7, 0.9, 1.0, 1.0, 1.0, 1.0])),
            one(2, None, reach([0.0; 6])),
            one(3, None, None),
        ];
        table().with_families(Some(Families {
            features,
            ..Families::default()
        }))
    }

    #[test]
    fn families_sort_and_filter_and_features_without_one_come_last() {
        let table = measured();
        let inputs = Inputs {
            table: &table,
            labels: &[],
            found: &[],
        };
        let shown = |filter: &str, column, descending| {
            rows(&inputs, &Filter::parse(filter), Sort { column, descending })
        };
        assert_eq!(shown("", Column::Family, false), [0, 1, 2, 3]);
        assert_eq!(shown("", Column::Family, true), [2, 1, 0, 3]);
        assert_eq!(shown("", Column::Reach, false), [1, 0, 2, 3]);
        assert_eq!(shown("", Column::Reach, true), [2, 0, 1, 3]);
        assert_eq!(shown("", Column::Induction, true), [0, 1, 2, 3]);
        assert_eq!(shown("family=local", Column::Number, false), [1]);
        let two = "family:induction family=long-range";
        assert_eq!(shown(two, Column::Number, false), [0, 2]);
        assert_eq!(shown("reach>8", Column::Number, false), [0, 2]);
        assert_eq!(shown("reach<=8", Column::Number, false), [1]);
        assert_eq!(shown("induction>=80%", Column::Number, false), [0]);
        // Without measurements, no feature is of a family and the columns have no order.
        check("family=local", Column::Number, false, &[]);
        check("reach<99", Column::Number, false, &[]);
        check("", Column::Family, false, &[0, 1, 2, 3]);
    }
}
