//! Everything that verdicts on a layer's heads are made from: figures on the text, and the rise of cross-entropy when each head is ablated.

use super::overlap::{At, Folded, overlaps};
use super::{Criterion, Rise};
use crate::corpus::{Resampled, interval};
use crate::heads::features::{OnText, Sample};
use crate::ids::{FeatureId, Head};

/// Tokens below which an interval is not trusted.
pub(super) const LEAST_TOKENS: u64 = 10;

/// Evidence on the heads of one layer.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) text: &'a OnText,
    pub(super) folded: &'a Folded,
    /// Rise of cross-entropy on each sampled token when a head is ablated, `[h][n]`.
    rises: Vec<Vec<f64>>,
    /// Sampled tokens where each feature is active, `[f]`.
    active: Vec<Vec<u32>>,
    /// Block of each sampled token.
    block: Vec<u32>,
    pub(super) draws: Resampled,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(
        (text, folded): (&'a OnText, &'a Folded),
        sample: &Sample<'_>,
        rises: Vec<Vec<f64>>,
        draws: Resampled,
    ) -> Self {
        let mut active = vec![Vec::new(); text.features()];
        for (token, features) in sample.active().into_iter().enumerate() {
            for feature in features {
                active[feature.index()].push(token as u32);
            }
        }
        let places = sample.charged();
        let block = places
            .iter()
            .map(|place| text.blocks.of_token(*place) as u32);
        Self {
            block: block.collect(),
            text,
            folded,
            rises,
            active,
            draws,
        }
    }

    /// Returns the distances of some features at a head, `[n][n]`, on the blocks that `weights` has.
    pub(super) fn distances(
        &self,
        criterion: Criterion,
        (head, features): (Head, &[FeatureId]),
        weights: Option<&[u32]>,
        w_dec: &crate::dims::Matrix,
    ) -> Vec<Vec<f64>> {
        let likeness = match criterion {
            Criterion::Directions => {
                let rows: Vec<&[f32]> = features.iter().map(|f| w_dec.row(f.index())).collect();
                self.text.written.cosines(head, &rows)
            }
            Criterion::Tokens => {
                let [peak, before] =
                    [At::Peak, At::Before].map(|at| self.overlap(features, at, weights));
                let rows = peak.into_iter().zip(before);
                rows.map(|(peak, before)| {
                    peak.into_iter()
                        .zip(before)
                        .map(|(p, b)| p.max(b))
                        .collect()
                })
                .collect()
            }
        };
        let row = |row: Vec<f64>| row.into_iter().map(|likeness| 1.0 - likeness).collect();
        likeness.into_iter().map(row).collect()
    }

    /// Returns the Jaccard index of the tokens of every pair of features, `[n][n]`.
    pub(super) fn overlap(
        &self,
        features: &[FeatureId],
        at: At,
        weights: Option<&[u32]>,
    ) -> Vec<Vec<f64>> {
        let sets = features
            .iter()
            .map(|feature| self.folded.set(self.text, (*feature, at), weights));
        overlaps(&sets.collect::<Vec<_>>())
    }

    /// Computes the rise of cross-entropy on the sampled tokens where one of `features` is active, on the blocks that `weights` has, with its interval over
    /// `draws`; none where they are silent.
    pub(super) fn rise(
        &self,
        (head, features): (Head, &[FeatureId]),
        weights: Option<&[u32]>,
        draws: &[Vec<u32>],
    ) -> Option<Rise> {
        let mut tokens: Vec<u32> = features
            .iter()
            .flat_map(|f| &self.active[f.index()])
            .copied()
            .collect();
        tokens.sort_unstable();
        tokens.dedup();
        let rises = &self.rises[head.index()];
        let mut sums = vec![(0.0_f64, 0_u64); self.text.blocks.len()];
        for token in tokens {
            let of_block = &mut sums[self.block[token as usize] as usize];
            of_block.0 += rises[token as usize];
            of_block.1 += 1;
        }
        rise(&sums, weights, draws)
    }
}

/// Computes the mean and its interval from the sums and counts of blocks.
pub(super) fn rise(
    sums: &[(f64, u64)],
    weights: Option<&[u32]>,
    draws: &[Vec<u32>],
) -> Option<Rise> {
    let mean = |weights: &[u32]| {
        let mut all = (0.0, 0_u64);
        for ((sum, count), weight) in sums.iter().zip(weights) {
            all.0 += sum * f64::from(*weight);
            all.1 += count * u64::from(*weight);
        }
        (all.1 > 0).then(|| (all.0 / all.1 as f64, all.1))
    };
    let once = vec![1; sums.len()];
    let (center, tokens) = mean(weights.unwrap_or(&once))?;
    let means = draws
        .iter()
        .filter_map(|weights| mean(weights))
        .map(|(mean, _)| mean);
    let [low, high] = interval(means.collect())?;
    Some(Rise {
        mean: center,
        low,
        high,
        tokens,
    })
}

/// Returns the weights of all draws, `[draws][blocks]`.
pub(super) fn weights_of(draws: &Resampled) -> Vec<Vec<u32>> {
    (0..draws.len()).map(|draw| draws.weights(draw)).collect()
}
