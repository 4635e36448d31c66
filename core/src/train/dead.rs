//! When and how often features fire: which have been silent for so long that AuxK takes them up, and the density of each.

use super::Spec;
use super::event::Firing;
use crate::error::Result;
use crate::ids::FeatureId;
use crate::latents::Latents;
use crate::sae::Densities;
use crate::sae::state::Keep;

/// A limit of Gao et al. 2024, for long runs.
const LIMIT: u64 = 10_000_000;

/// Activations after which a silent feature counts as dead: the setting, else min(10 M, 5 % of the run).
pub(super) fn limit(spec: &Spec) -> u64 {
    spec.dead_after
        .unwrap_or_else(|| LIMIT.min(spec.tokens / 20))
        .max(1)
}

/// When each feature was last active, and how often it is.
#[derive(Debug, Clone)]
pub(super) struct Dead {
    limit: u64,
    seen: u64,
    last: Vec<u64>,
    batches: u64,
    densities: Densities,
    /// Tokens of the batch that is being counted on which each feature fired.
    counts: Vec<u32>,
    tokens: usize,
}

impl Dead {
    /// All features counted as just active.
    pub(super) fn new(features: usize, limit: u64) -> Self {
        Self {
            limit,
            seen: 0,
            last: vec![0; features],
            batches: 0,
            densities: Densities::new(features),
            counts: vec![0; features],
            tokens: 0,
        }
    }

    /// Begins a batch of `tokens`.
    pub(super) fn begin(&mut self, tokens: usize) {
        self.seen += tokens as u64;
        self.tokens = tokens;
        self.counts.fill(0);
    }

    /// Counts the batch or a part of it: features whose activation is not 0 fired.
    pub(super) fn count(&mut self, latents: &Latents) {
        for (feature, act) in latents.features.iter().zip(&latents.acts) {
            if *act != 0.0 {
                self.last[*feature as usize] = self.seen;
                self.counts[*feature as usize] += 1;
            }
        }
    }

    /// Counts the batch or a part of it, given the tokens on which each feature fired.
    #[cfg(feature = "gpu")]
    pub(super) fn add(&mut self, counts: &[u32]) {
        for ((last, sum), count) in self.last.iter_mut().zip(&mut self.counts).zip(counts) {
            if *count > 0 {
                *last = self.seen;
                *sum += count;
            }
        }
    }

    /// Counts tokens of which nothing else is known.
    #[cfg(feature = "gpu")]
    pub(super) fn skip(&mut self, tokens: u64) {
        self.seen += tokens;
    }

    /// Returns the tokens of the last batch on which each feature fired, and the number of its tokens.
    pub(super) fn counted(&self) -> (&[u32], usize) {
        (&self.counts, self.tokens)
    }

    /// Ends the batch.
    pub(super) fn end(&mut self) {
        self.batches += 1;
        self.densities.add(&self.counts, self.tokens);
    }

    /// Counts these features as just active.
    pub(super) fn restart(&mut self, features: &[u32]) {
        for feature in features {
            self.last[*feature as usize] = self.seen;
        }
    }

    /// See [`Keep`].
    pub(super) fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        keep.number("seen", &mut self.seen)?;
        keep.numbers("last_active", &mut self.last)?;
        keep.number("batches", &mut self.batches)?;
        keep.reals("densities", &mut self.densities.0)
    }

    /// How often each feature fires lately, and which count as dead.
    pub(super) fn firing(&self) -> Firing {
        Firing {
            densities: self.densities.corrected(self.batches),
            dead: self.features().into_iter().map(FeatureId).collect(),
        }
    }

    /// Silent for longer than the limit, ascending.
    pub(super) fn features(&self) -> Vec<u32> {
        let silent = |last: &u64| self.seen - last > self.limit;
        (0..)
            .zip(&self.last)
            .filter_map(|(feature, last)| silent(last).then_some(feature))
            .collect()
    }

    /// Activations counted.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(dead: &mut Dead, latents: &Latents) {
        dead.begin(latents.rows());
        dead.count(latents);
        dead.end();
    }

    #[test]
    fn a_feature_is_dead_when_silent_for_more_than_the_limit() {
        let mut dead = Dead::new(3, 20);
        let batch = |active: &[u32]| {
            let mut latents = Latents::empty(9);
            // An entry of activation 0 is no sign of life.
            let acts: Vec<f32> = (0..active.len()).map(|i| 1.0 - i as f32 / 2.0).collect();
            latents.push_row(active, &acts);
            latents
        };
        one(&mut dead, &batch(&[0, 1]));
        one(&mut dead, &batch(&[0, 1, 2]).of_features(1..2));
        assert_eq!(dead.features(), Vec::<u32>::new());
        one(&mut dead, &batch(&[1]));
        assert_eq!(dead.features(), [2]);
        let mut zero = batch(&[1, 2]);
        zero.acts[1] = 0.0;
        one(&mut dead, &zero);
        assert_eq!(dead.features(), [0, 2]);
        one(&mut dead, &batch(&[1, 2]));
        assert_eq!(dead.features(), [0]);
        assert_eq!(dead.seen(), 50);
    }

    #[test]
    fn a_density_is_right_from_the_first_batch_on() {
        let mut dead = Dead::new(3, 100);
        assert_eq!(dead.firing().densities, [0.0; 3]);
        for _ in 0..5 {
            let mut latents = Latents::empty(0);
            for features in [&[0, 1][..], &[0], &[0], &[0, 2]] {
                latents.push_row(features, &vec![1.0; features.len()]);
            }
            *latents.acts.last_mut().unwrap() = 0.0;
            one(&mut dead, &latents);
            let firing = dead.firing();
            for (found, want) in firing.densities.iter().zip([1.0, 0.25, 0.0]) {
                assert!((found - want).abs() < 1e-12, "{firing:?}");
            }
        }
        assert_eq!(dead.firing().dead, []);
    }
}
