//! Share of polysemantic heads over a model, with intervals over heads and over the text.

use super::{Criterion, HeadRoles, LayerRoles, Verdict};
use crate::corpus::{Resampled, interval};

/// Draws of the bootstrap over heads.
const DRAWS: usize = 1000;

/// Share of polysemantic heads by one criterion, or by both.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareOfHeads {
    /// Criterion; none: both joined.
    pub criterion: Option<Criterion>,
    /// Heads judged.
    pub heads: usize,
    /// Heads with several roles, with one, and those that the evidence does not tell.
    pub counts: [usize; 3],
    /// Share of heads with several roles: the polysemantic ones.
    pub several: f64,
    /// Interval of 95 % of that share over draws of heads.
    pub over_heads: (f64, f64),
    /// Interval of 95 % of that share over draws of blocks of the text; none where the layers were studied on different texts or settings.
    pub over_text: Option<(f64, f64)>,
    /// Share that would come out so by chance: the mean over heads of how often the rule says several roles of ten random live features.
    pub by_chance: f64,
    /// Share of heads that are not found to have one role: several roles, or cannot tell.
    pub not_one: f64,
}

/// Measures the share of polysemantic heads over the heads of `layers`: by each criterion, and joined. Empty where there is no head.
pub fn share_of_heads(layers: &[&LayerRoles], seed: u64) -> Vec<ShareOfHeads> {
    let heads: Vec<&HeadRoles> = layers.iter().flat_map(|layer| &layer.heads).collect();
    if heads.is_empty() {
        return Vec::new();
    }
    let criteria = [Some(Criterion::Directions), Some(Criterion::Tokens), None];
    let of = |(at, criterion): (usize, Option<Criterion>)| {
        let verdicts: Vec<Verdict> = heads.iter().map(|head| verdict(head, at)).collect();
        let count = |verdict| verdicts.iter().filter(|other| **other == verdict).count();
        let counts = [Verdict::Several, Verdict::One, Verdict::Unsure].map(count);
        let n = heads.len() as f64;
        ShareOfHeads {
            criterion,
            heads: heads.len(),
            counts,
            several: counts[0] as f64 / n,
            over_heads: over_heads(&verdicts, seed),
            over_text: over_text(layers, at),
            by_chance: heads.iter().map(|head| by_chance(head, at)).sum::<f64>() / n,
            not_one: (n - counts[1] as f64) / n,
        }
    };
    criteria.into_iter().enumerate().map(of).collect()
}

fn verdict(head: &HeadRoles, at: usize) -> Verdict {
    match head.by.get(at) {
        Some(judged) => judged.verdict,
        None => head.verdict,
    }
}

fn by_chance(head: &HeadRoles, at: usize) -> f64 {
    let found = match head.by.get(at) {
        Some(judged) => judged.false_positives,
        None => head.false_positives,
    };
    found.several as f64 / found.draws.max(1) as f64
}

fn over_heads(verdicts: &[Verdict], seed: u64) -> (f64, f64) {
    let draws = Resampled::new(verdicts.len(), DRAWS, seed);
    let share = |draw: usize| {
        let weights = draws.weights(draw);
        let several = weights
            .iter()
            .zip(verdicts)
            .filter(|(_, verdict)| **verdict == Verdict::Several);
        f64::from(several.map(|(weight, _)| *weight).sum::<u32>()) / verdicts.len() as f64
    };
    interval((0..draws.len()).map(share).collect()).map_or((0.0, 1.0), <(f64, f64)>::from)
}

fn over_text(layers: &[&LayerRoles], at: usize) -> Option<(f64, f64)> {
    let first = layers.first()?;
    let alike = |layer: &&LayerRoles| {
        layer.replicates.len() == first.replicates.len()
            && layer.blocks == first.blocks
            && layer.tokens == first.tokens
    };
    if !layers.iter().all(alike) {
        return None;
    }
    let share = |draw: usize| {
        let verdicts = layers.iter().flat_map(|layer| &layer.replicates[draw]);
        let all: Vec<Verdict> = verdicts.map(|three| three[at]).collect();
        let several = all
            .iter()
            .filter(|verdict| **verdict == Verdict::Several)
            .count();
        several as f64 / all.len().max(1) as f64
    };
    interval((0..first.replicates.len()).map(share).collect()).map(<(f64, f64)>::from)
}
