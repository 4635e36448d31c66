//! Quantities of all features of an index, by column, with the ranks by which they are sorted.

use std::cmp::Ordering;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::{Column, Key, Measurement};
use crate::error::Result;
use crate::features::facts::{Fact, Facts};
use crate::features::families::{Families, Measured};
use crate::features::scores::{Effect, SHOWN, Scores};
use crate::features::{Index, Summary};
use crate::ids::{FeatureId, HookPoint, Layer};

/// Rank of a feature without a value.
pub(super) const NONE: u32 = u32::MAX;

/// Features whose details are read at once for their heads.
const AT_ONCE: usize = 4096;

/// Head with the largest share of a feature's decoder row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StrongestHead {
    /// Number of the head in its layer.
    pub head: u32,
    /// Its share, 0 to 1.
    pub share: f32,
}

/// Quantities of all features of an index.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// Scalars, by feature.
    pub summaries: Vec<Summary>,
    /// Strongest token of each feature's top example, as shown; empty for a feature that was never active.
    pub top_tokens: Vec<String>,
    /// Layer of the hook, where it has one.
    pub layer: Option<Layer>,
    /// Strongest head of each feature; none at a hook without heads.
    pub heads: Option<Vec<Option<StrongestHead>>>,
    /// Families, where they were measured.
    pub families: Option<Families>,
    /// Steering scores, where they were measured.
    pub scores: Option<Scores>,
    /// Facts, where they were measured.
    pub facts: Option<Facts>,
    /// Ranks by column, made when a column is first sorted by.
    ranks: [OnceLock<Vec<u32>>; Column::ALL.len()],
}

impl PartialEq for Columns {
    fn eq(&self, other: &Self) -> bool {
        // Ranks follow from the rest.
        self.summaries == other.summaries
            && self.top_tokens == other.top_tokens
            && self.layer == other.layer
            && self.heads == other.heads
            && self.families == other.families
            && self.scores == other.scores
            && self.facts == other.facts
    }
}

impl Columns {
    /// Creates columns of scalars and top tokens, `[f]` each.
    pub fn new(summaries: Vec<Summary>, top_tokens: Vec<String>) -> Self {
        Self {
            summaries,
            top_tokens,
            ..Self::default()
        }
    }

    /// Reads everything from an index. Strongest heads are read from the details of all features, where the hook has heads.
    pub fn read(index: &Index) -> Result<Self> {
        Self::read_some(index, &Column::ALL)
    }

    /// Reads scalars and top tokens of an index, and those measurements that `needed` columns show.
    pub fn read_some(index: &Index, needed: &[Column]) -> Result<Self> {
        let mut columns = Self::new(index.summaries()?, index.top_tokens()?);
        let all = columns.features();
        let hook = index.about().hook.parse::<HookPoint>().ok();
        columns.layer = hook.and_then(HookPoint::layer);
        let needs = |measurement| {
            let mut measured = needed.iter().map(|column| column.measurement());
            measured.any(|measured| measured == Some(measurement))
        };
        if needs(Measurement::Heads) {
            columns.heads = index.strongest_heads()?;
        }
        if needs(Measurement::Families) {
            let families = index.families()?;
            columns.families = families.filter(|families| families.features.len() == all);
        }
        if needs(Measurement::Scores) {
            columns.scores = index.scores()?;
        }
        if needs(Measurement::Facts) {
            columns.facts = index.facts()?;
        }
        Ok(columns)
    }

    /// Whether the measurement was made that `column` shows.
    pub fn has(&self, column: Column) -> bool {
        match column.measurement() {
            Some(Measurement::Families) => self.families.is_some(),
            Some(Measurement::Scores) => self.scores.is_some(),
            Some(Measurement::Facts) => self.facts.is_some(),
            Some(Measurement::Heads) => self.heads.is_some(),
            None => true,
        }
    }

    /// Returns the number of features.
    pub fn features(&self) -> usize {
        self.summaries.len()
    }

    /// Returns the measurements of a feature's family, where they were made.
    pub fn measured(&self, feature: FeatureId) -> Option<&Measured> {
        self.families.as_ref()?.features.get(feature.index())
    }

    /// Returns the strongest head of a feature, where the hook has heads.
    pub fn head(&self, feature: FeatureId) -> Option<StrongestHead> {
        *self.heads.as_ref()?.get(feature.index())?
    }

    /// Returns the figures of steering by a feature at the strength that lists show.
    pub fn effect(&self, feature: FeatureId) -> Option<&Effect> {
        Some(&self.scores.as_ref()?.of(feature)?.effects[SHOWN])
    }

    /// Returns the value of a feature in a column; none for columns without numbers, and where nothing was measured. A reach beyond the largest is infinite.
    pub fn value(&self, column: Column, feature: FeatureId) -> Option<f64> {
        let summary = self.summaries.get(feature.index())?;
        let moment = |value: fn(&crate::features::Moments) -> f64| {
            let value = summary.moments.as_ref().map(value);
            value.filter(|value| !value.is_nan())
        };
        let fact = || self.facts.as_ref()?.of(feature).first();
        match column {
            Column::Number => Some(f64::from(feature.0)),
            Column::Density => Some(summary.density),
            Column::Mean => Some(summary.mean),
            Column::Min => Some(summary.min),
            Column::Max => Some(summary.strongest().abs()),
            Column::Norm => Some(summary.decoder_norm),
            Column::Variance => moment(|moments| moments.variance),
            Column::Skewness => moment(|moments| moments.skewness),
            Column::Kurtosis => moment(|moments| moments.kurtosis),
            Column::Cosine => summary.encoder_decoder_cosine,
            Column::HeadShare => self.head(feature).map(|head| f64::from(head.share)),
            Column::Reach => {
                let reach = self.measured(feature)?.reach?.reach();
                Some(reach.map_or(f64::INFINITY, |reach| reach as f64))
            }
            Column::Induction => {
                let induction = self.measured(feature)?.induction.as_ref()?;
                Some(induction.specificity())
            }
            Column::Effect => self.effect(feature).map(|effect| effect.effect),
            Column::SteeringKl => self.effect(feature).map(|effect| effect.kl),
            Column::Selectivity => self.effect(feature)?.selectivity,
            Column::Wins => self.effect(feature)?.wins,
            Column::Precision => Some(fact()?.precision),
            Column::Recall => fact()?.recall,
            Column::Name | Column::Relevance | Column::Head | Column::Family | Column::Fact => None,
        }
    }

    /// Returns the column as a word or a number: `2.3` for a head, `local` for a family, the phrase of a fact; none where there is none. Names need labels and
    /// are none here.
    pub fn text(&self, column: Column, feature: FeatureId) -> Option<String> {
        match column {
            Column::Head => {
                let head = self.head(feature)?.head;
                Some(match self.layer {
                    Some(layer) => format!("{layer}.{head}"),
                    None => head.to_string(),
                })
            }
            Column::Family => Some(self.measured(feature)?.family()?.to_string()),
            Column::Fact => Some(self.facts.as_ref()?.of(feature).first()?.said()),
            Column::Name | Column::Relevance => None,
            _ => self.value(column, feature).map(|value| value.to_string()),
        }
    }

    /// Ranks the features by a column now, so that the first order by it takes no longer than further ones.
    pub fn rank(&self, column: Column) {
        self.ranks(column);
    }

    /// Returns ranks by a column, equal for equal values: ascending from 0, [`NONE`] for features without a value. Names are ranked by naming fact or top token alone.
    pub(super) fn ranks(&self, column: Column) -> &[u32] {
        self.ranks[column.place()].get_or_init(|| {
            let all = self.features();
            let feature = FeatureId::from;
            match column {
                Column::Number => (0..all as u32).collect(),
                Column::Relevance => vec![NONE; all],
                Column::Name => {
                    let word = |i: usize| {
                        let facts = self.facts.as_ref();
                        let fact = facts.and_then(|facts| facts.name(feature(i)));
                        let token = || self.top_tokens.get(i).map_or("", |token| token.trim());
                        let name = fact.map_or_else(|| token().to_owned(), Fact::said);
                        Some(name.to_lowercase()).filter(|name| !name.is_empty())
                    };
                    ranked(&(0..all).map(word).collect::<Vec<_>>())
                }
                Column::Family => {
                    let family = |i| self.measured(feature(i))?.family();
                    ranked(&(0..all).map(family).collect::<Vec<_>>())
                }
                Column::Head => {
                    let head = |i| self.head(feature(i)).map(|head| head.head);
                    ranked(&(0..all).map(head).collect::<Vec<_>>())
                }
                Column::Fact => {
                    let fact = |i| self.text(Column::Fact, feature(i));
                    ranked(&(0..all).map(fact).collect::<Vec<_>>())
                }
                _ => {
                    let values: Vec<Option<f64>> = (0..all)
                        .into_par_iter()
                        .map(|i| {
                            let value = self.value(column, feature(i));
                            value.filter(|value| !value.is_nan())
                        })
                        .collect();
                    ranked(&values)
                }
            }
        })
    }

    /// Returns keys by which features are sorted: the smallest first, [`NONE`] last.
    pub(super) fn keys(&self, key: Key) -> Vec<u32> {
        let ranks = self.ranks(key.column);
        if !key.descending {
            return ranks.to_vec();
        }
        let most = ranks.iter().filter(|rank| **rank != NONE).max();
        let most = most.copied().unwrap_or_default();
        let turned = |rank: &u32| if *rank == NONE { NONE } else { most - rank };
        ranks.iter().map(turned).collect()
    }
}

/// Ranks values, equal ones alike.
fn ranked<K: PartialOrd + Sync>(values: &[Option<K>]) -> Vec<u32> {
    let mut ranks = vec![NONE; values.len()];
    let mut known: Vec<(&K, u32)> = (values.iter().zip(0..))
        .filter_map(|(value, i)| Some((value.as_ref()?, i)))
        .collect();
    let compare = |a: &K, b: &K| a.partial_cmp(b).unwrap_or(Ordering::Equal);
    known.par_sort_unstable_by(|a, b| compare(a.0, b.0).then(a.1.cmp(&b.1)));
    let mut rank = 0;
    for (at, (value, i)) in known.iter().enumerate() {
        if at > 0 && compare(known[at - 1].0, value) != Ordering::Equal {
            rank += 1;
        }
        ranks[*i as usize] = rank;
    }
    ranks
}

impl Index {
    /// Returns the head with the largest share of each feature's decoder row; none at a hook whose heads are not told apart.
    pub fn strongest_heads(&self) -> Result<Option<Vec<Option<StrongestHead>>>> {
        let hook = self.about().hook.parse::<HookPoint>().ok();
        if !hook.is_some_and(HookPoint::is_z) {
            return Ok(None);
        }
        let all = self.about().features;
        let mut heads = Vec::with_capacity(all);
        for from in (0..all).step_by(AT_ONCE) {
            for detail in self.packed_details(from..all.min(from + AT_ONCE))? {
                let shares = detail.head_shares.iter().zip(0..);
                let strongest = shares.max_by(|a, b| a.0.total_cmp(b.0).then(b.1.cmp(&a.1)));
                heads.push(strongest.map(|(share, head)| StrongestHead {
                    head,
                    share: *share,
                }));
            }
        }
        Ok(Some(heads))
    }
}
