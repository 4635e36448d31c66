//! Gives what an index holds as numbers its names: tokens, documents, rows.

use std::collections::BTreeMap;

use super::effects::LogitCounts;
use super::pack::{Of, PackedDetail, PackedExample, PackedRow};
use super::pack_statistics::PackedStatistics;
use super::sources::{OfFeature, Parts};
use super::tallies::Count;
use super::tally::ends;
use super::{
    Coactive, Counting, Detail, Example, Histogram, INTERVALS, Interval, Neighbour, Neuron, Place,
    Relations, Sources, Summary, TokenEffect, TokenUse, Uses,
};
use crate::ids::{FeatureId, TokenId};

#[derive(Debug)]
pub(super) struct Names {
    /// Tokens by rank.
    pub(super) tokens: Vec<(TokenId, String)>,
    pub(super) documents: Vec<String>,
}

/// Token rows by number.
pub(super) type Rows = BTreeMap<u32, PackedRow>;

impl PackedExample {
    /// Returns document and tokens of the example's window.
    pub(super) fn window<'a>(&'a self, rows: &'a Rows) -> Option<(u32, &'a [u32])> {
        match &self.of {
            Of::Row { row, position } => {
                let row = rows.get(row)?;
                let from = position.checked_sub(self.at)?;
                let ranks = row.ranks.get(from..from.checked_add(self.acts.len())?)?;
                Some((row.document(*position)?, ranks))
            }
            Of::Excerpt { document, ranks } => Some((*document, ranks)),
        }
    }

    /// Returns the example's token.
    pub(super) fn peak_token(&self, rows: &Rows) -> Option<u32> {
        self.window(rows)?.1.get(self.at).copied()
    }
}

impl Names {
    pub(super) fn token(&self, rank: u32) -> Option<&(TokenId, String)> {
        self.tokens.get(rank as usize)
    }

    pub(super) fn effects(&self, effects: &[(u32, f32)]) -> Option<Vec<TokenEffect>> {
        let effect = |(rank, effect): &(u32, f32)| {
            let (id, text) = self.token(*rank)?.clone();
            Some(TokenEffect {
                id,
                text,
                effect: *effect,
            })
        };
        effects.iter().map(effect).collect()
    }

    pub(super) fn detail(
        &self,
        (summary, active): (Summary, u64),
        (packed, found): (PackedDetail, OfFeature),
        rows: &Rows,
    ) -> Option<Detail> {
        let sources = self.sources(&packed.top, found.examples, rows)?;
        let promoted = self.effects(&packed.promoted)?;
        let suppressed = self.effects(&packed.suppressed)?;
        let mut intervals = Vec::new();
        for (i, (count, examples)) in packed.intervals.into_iter().enumerate() {
            let range = (summary.min, summary.max);
            let (from, to) = ends(range, INTERVALS.checked_sub(i + 1)?);
            intervals.push(Interval {
                from,
                to,
                share: count as f64 / active.max(1) as f64,
                examples: self.examples(examples, rows)?,
            });
        }
        Some(Detail {
            summary,
            histogram: packed.bins.histogram(),
            top: self.examples(packed.top, rows)?,
            intervals,
            promoted,
            suppressed,
            logits: logits(&packed.logits),
            head_shares: packed.head_shares,
            sources,
            head_attribution: found.heads,
            ..Detail::default()
        })
    }

    /// Names the sources of `examples`; none where there are no parts.
    fn sources(
        &self,
        examples: &[PackedExample],
        parts: Vec<Parts>,
        rows: &Rows,
    ) -> Option<Vec<Sources>> {
        if !parts.is_empty() && parts.len() != examples.len() {
            return None;
        }
        let named = |(example, parts): (&PackedExample, Parts)| {
            let Of::Row { row, .. } = &example.of else {
                return None;
            };
            let ranks = &rows.get(row)?.ranks;
            let fits = parts.window.len() == example.at + 1;
            let named = |position: usize| self.token(*ranks.get(position)?).cloned();
            parts.named(example.acts.len(), named).filter(|_| fits)
        };
        examples.iter().zip(parts).map(named).collect()
    }

    pub(super) fn examples(&self, packed: Vec<PackedExample>, rows: &Rows) -> Option<Vec<Example>> {
        packed
            .into_iter()
            .map(|example| self.example(example, rows))
            .collect()
    }

    pub(super) fn example(&self, packed: PackedExample, rows: &Rows) -> Option<Example> {
        let (document, ranks) = packed.window(rows)?;
        let named = ranks.iter().map(|rank| self.token(*rank).cloned());
        let (ids, tokens) = named.collect::<Option<(Vec<_>, Vec<_>)>>()?;
        Some(Example {
            document: self.documents.get(document as usize)?.clone(),
            place: match packed.of {
                Of::Row { row, position } => Some(Place { row, position }),
                Of::Excerpt { .. } => None,
            },
            ids,
            tokens,
            acts: packed.acts,
            at: packed.at,
        })
    }
}

/// Counts that the statistics of a feature are measured against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted<'a> {
    /// `[f]`: number of active tokens.
    pub(super) active: &'a [u64],
    /// Tokens in each part of a row.
    pub(super) by_part: &'a [u64],
    pub(super) counting: Counting,
    /// Positions of a part, and of a row.
    pub(super) positions: (usize, usize),
}

impl Counted<'_> {
    pub(super) fn uses(
        self,
        feature: FeatureId,
        packed: PackedStatistics,
        names: &Names,
    ) -> Option<Uses> {
        let active = *self.active.get(feature.index())?;
        let tokens = |counts: Vec<(u32, Count)>| -> Option<Vec<TokenUse>> {
            let named = |(rank, count): (u32, Count)| {
                let (id, text) = names.token(rank)?.clone();
                Some(TokenUse {
                    id,
                    text,
                    count: u64::from(count.count),
                    mean: count.mean(),
                })
            };
            counts.into_iter().map(named).collect()
        };
        let (part, context) = self.positions;
        let parts = packed.by_part.iter().zip(self.by_part);
        let parts = parts.take(context.div_ceil(part.max(1)));
        Some(Uses {
            by_mean: tokens(packed.by_mean)?,
            by_count: tokens(packed.by_count)?,
            preceding: tokens(packed.before)?,
            counting: self.counting,
            by_position: parts
                .map(|(active, tokens)| f64::from(*active) / (*tokens).max(1) as f64)
                .collect(),
            part,
            first_token: f64::from(packed.first) / active.max(1) as f64,
        })
    }

    pub(super) fn relations(self, feature: FeatureId, packed: &PackedStatistics) -> Relations {
        let active = |f: usize| self.active.get(f).copied().unwrap_or(0);
        let coactive = |(other, both): &(u32, u64)| {
            let either = active(feature.index()) + active(*other as usize);
            Coactive {
                feature: FeatureId(*other),
                jaccard: *both as f64 / either.saturating_sub(*both).max(1) as f64,
                both: *both,
            }
        };
        Relations {
            neighbours: neighbours(&packed.neighbours),
            coactive: packed.coactive.iter().map(coactive).collect(),
            counting: self.counting,
            neurons: neurons(&packed.neurons),
        }
    }
}

pub(super) fn neighbours(packed: &[(u32, f32)]) -> Vec<Neighbour> {
    let neighbour = |(feature, cosine): &(u32, f32)| Neighbour {
        feature: FeatureId(*feature),
        cosine: *cosine,
    };
    packed.iter().map(neighbour).collect()
}

pub(super) fn neurons(packed: &[(u32, f32)]) -> Vec<Neuron> {
    let neuron = |(neuron, cosine): &(u32, f32)| Neuron {
        neuron: *neuron,
        cosine: *cosine,
    };
    packed.iter().map(neuron).collect()
}

fn logits(packed: &LogitCounts) -> Histogram {
    let bins = packed.counts.len();
    if bins == 0 {
        return Histogram::default();
    }
    let (least, most) = (f64::from(packed.least), f64::from(packed.most));
    let edge = |i: usize| least + (most - least) * i as f64 / bins as f64;
    Histogram {
        edges: (0..=bins).map(edge).collect(),
        counts: packed.counts.clone(),
    }
}
