//! Dead features start anew where the dictionary does worst.
//!
//! Kissane et al. 2024 (arXiv 2406.17759, their `train.py`), after Bricken et al. 2023: inputs are drawn without replacement, with a probability proportional to
//! the square of their squared error; a dead feature's decoder row becomes the direction of one of them, its encoder row the same direction at a fifth of the mean
//! length of living features' rows, its bias 0, all their moments 0. Candidates are the activations that the shuffle buffer holds.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::optim::squared;
use super::step::{Batch, Trainer, dictionary};
use crate::error::Result;
use crate::kernels::residual::{Residual, residual};

/// Length of a new encoder row over the mean of the others'.
const LENGTH: f64 = 0.2;

/// How a resampling went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resampled {
    /// Features that were dead.
    pub(super) dead: usize,
    /// Of them, those that started anew.
    pub(super) anew: usize,
}

impl Trainer {
    /// Starts dead features anew from `candidates`, of which `batch` are reconstructed at a time.
    pub(super) fn resample(
        &mut self,
        candidates: Batch<'_>,
        batch: usize,
        seed: (u64, u64),
    ) -> Result<Resampled> {
        let dead = self.dead.features();
        if dead.is_empty() {
            return Ok(Resampled { dead: 0, anew: 0 });
        }
        // On the host: the dictionary is brought here, and what starts anew goes back.
        self.pull()?;
        let device = self.device.take();
        let anew = self.start_anew(&dead, (candidates, batch), seed)?;
        if let Some(mut device) = device {
            device.restart(self, &anew)?;
            self.device = Some(device);
        }
        Ok(Resampled {
            dead: dead.len(),
            anew: anew.len(),
        })
    }

    /// Starts some of the `dead` features anew on the host; returns which.
    fn start_anew(
        &mut self,
        dead: &[u32],
        (candidates, batch): (Batch<'_>, usize),
        seed: (u64, u64),
    ) -> Result<Vec<u32>> {
        let errors = self.errors(candidates, batch)?;
        let chosen = drawn(&errors, dead.len(), seed);
        let rows: Vec<u32> = chosen.iter().map(|at| candidates.rows[*at]).collect();
        let from = candidates.from;
        self.gather(Batch { from, rows: &rows })?;
        let length = LENGTH * self.living_length(dead);
        let mut anew = Vec::with_capacity(rows.len());
        for (i, feature) in dead.iter().take(rows.len()).enumerate() {
            let target = match &self.mapping {
                Some(mapping) => &mapping.target,
                None => &self.centred,
            };
            let written = direction(target.row(i), 1.0);
            let read = direction(self.centred.row(i), length);
            let (Some(written), Some(read)) = (written, read) else {
                continue;
            };
            let at = *feature as usize;
            self.features.w_dec.restart(at, &written);
            self.features.w_enc.restart(at, &read);
            self.features.b_enc.restart(at, &[0.0]);
            anew.push(*feature);
        }
        self.rule.restart(&anew);
        self.dead.restart(&anew);
        if let Some(mut average) = self.average.take() {
            if average.is_there() {
                average.restart(&anew, &self.parts(), self.rule.inference());
            }
            self.average = Some(average);
        }
        Ok(anew)
    }

    /// Squared error of each candidate, by the rule for later use.
    fn errors(&mut self, candidates: Batch<'_>, batch: usize) -> Result<Vec<f64>> {
        let mut errors = Vec::with_capacity(candidates.rows.len());
        let selection = self.rule.inference();
        if self.features.free {
            self.features.fold(&mut self.folded);
        }
        let mut left = Residual::default();
        for rows in candidates.rows.chunks(batch.max(1)) {
            let from = candidates.from;
            self.gather(Batch { from, rows })?;
            let (w_enc, b_enc, w_dec) = dictionary(&self.features, &self.folded);
            let target = match &self.mapping {
                Some(mapping) => &mapping.target,
                None => &self.centred,
            };
            let latents = selection.encode(&self.centred, w_enc, b_enc)?;
            residual(&mut left, target, &latents, w_dec, 0.0)?;
            errors.extend(left.residual.iter_rows().map(squared));
        }
        Ok(errors)
    }

    /// Mean length of the encoder rows of features that are not among the `dead`, for decoder rows of length 1; 1 if all are.
    fn living_length(&self, dead: &[u32]) -> f64 {
        let (w_enc, ..) = dictionary(&self.features, &self.folded);
        let living = (0_u32..)
            .zip(w_enc.iter_rows())
            .filter(|(feature, _)| dead.binary_search(feature).is_err());
        let (sum, count) = living.fold((0.0, 0_usize), |(sum, count), (_, row)| {
            (sum + squared(row).sqrt(), count + 1)
        });
        if count == 0 { 1.0 } else { sum / count as f64 }
    }
}

/// `most` places at most, drawn without replacement with probabilities proportional to the squares of `errors`: those of the largest `ln(u) / weight`
/// (Efraimidis and Spirakis 2006). A place without an error is never drawn.
fn drawn(errors: &[f64], most: usize, (seed, stream): (u64, u64)) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let mut keyed: Vec<(f64, usize)> = Vec::with_capacity(errors.len());
    for (at, error) in errors.iter().enumerate() {
        let key = (1.0 - rng.random::<f64>()).ln() / (error * error);
        if key.is_finite() && *error > 0.0 {
            keyed.push((key, at));
        }
    }
    keyed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    keyed.into_iter().take(most).map(|(_, at)| at).collect()
}

/// `row` at `length`; none where it has no direction.
fn direction(row: &[f32], length: f64) -> Option<Vec<f32>> {
    let factor = length / squared(row).sqrt();
    let factor = Some(factor as f32).filter(|factor| factor.is_finite())?;
    Some(row.iter().map(|x| factor * x).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_drawn_as_the_squares_of_their_errors_and_never_twice() {
        let errors = [1.0, 2.0, 0.0, 3.0];
        let mut first = [0.0_f64; 4];
        for stream in 0..20_000 {
            let all = drawn(&errors, 4, (5, stream));
            assert_eq!(all.len(), 3, "a place without an error is never drawn");
            first[all[0]] += 1.0 / 20_000.0;
            let mut sorted = all.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 3]);
        }
        for (share, want) in first.iter().zip([1.0_f64, 4.0, 0.0, 9.0]) {
            assert!((share - want / 14.0).abs() < 0.012, "{first:?}");
        }
        assert_eq!(drawn(&errors, 2, (5, 1)), drawn(&errors, 4, (5, 1))[..2]);
    }
}
