//! A moving average of everything that is learnt, which is saved in place of the weights themselves (Gao et al. 2024, "EMA").
//!
//! After `t` steps it is `(1 − r) · Σ rᵗ⁻ⁱ · pᵢ / (1 − rᵗ)`: the start, which was not learnt, has no part in it, and a run that is short for its rate is averaged
//! over all of its steps.

use rayon::prelude::*;

use crate::dims::Matrix;
use crate::error::Result;
use crate::sae::Selection;
use crate::sae::state::Keep;

/// Moving average of everything that a run learns.
#[derive(Debug, Clone)]
pub(super) struct Average {
    rate: f64,
    steps: u64,
    /// Encoder, its bias, decoder, its bias, skip connection where there is one.
    pub(super) parts: Vec<Matrix>,
    /// Parameters of the rule, in the order of [`Selection::by_feature`].
    own: Vec<Vec<f32>>,
}

impl Average {
    pub(super) fn new(rate: f64) -> Self {
        Self {
            rate,
            steps: 0,
            parts: Vec::new(),
            own: Vec::new(),
        }
    }

    /// Takes what a step left.
    pub(super) fn count(&mut self, parts: &[&Matrix], mut selection: Selection) {
        self.steps += 1;
        let own = selection.by_feature();
        if self.steps == 1 {
            self.parts = parts.iter().map(|part| (*part).clone()).collect();
            self.own = own.into_iter().map(std::mem::take).collect();
            return;
        }
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let share = ((1.0 - self.rate) / (1.0 - self.rate.powi(steps))) as f32;
        for (average, part) in self.parts.iter_mut().zip(parts) {
            let pairs = average.values_mut().par_iter_mut().zip(part.values());
            pairs
                .with_min_len(4_096)
                .for_each(|(average, value)| *average += share * (value - *average));
        }
        for (average, values) in self.own.iter_mut().zip(own) {
            for (average, value) in average.iter_mut().zip(values) {
                *average += share * (*value - *average);
            }
        }
    }

    /// Whether there is an average yet.
    pub(super) fn is_there(&self) -> bool {
        self.steps > 0
    }

    /// `selection` with the averages of what it holds for each feature.
    pub(super) fn selection(&self, mut selection: Selection) -> Selection {
        for (value, average) in selection.by_feature().into_iter().zip(&self.own) {
            value.clone_from(average);
        }
        selection
    }

    /// Starts these features anew where `parts` and `selection` have them.
    pub(super) fn restart(
        &mut self,
        features: &[u32],
        parts: &[&Matrix],
        mut selection: Selection,
    ) {
        // Encoder, its bias, decoder: the parts that have a row for each feature.
        for (average, part) in self.parts.iter_mut().zip(parts).take(3) {
            for feature in features {
                let at = *feature as usize;
                average.row_mut(at).copy_from_slice(part.row(at));
            }
        }
        for (average, values) in self.own.iter_mut().zip(selection.by_feature()) {
            for feature in features {
                average[*feature as usize] = values[*feature as usize];
            }
        }
    }

    /// See [`Keep`]; `parts` and `own` are how many there are once a step was counted.
    pub(super) fn state(
        &mut self,
        (parts, own): (usize, usize),
        keep: &mut dyn Keep,
    ) -> Result<()> {
        keep.number("steps", &mut self.steps)?;
        if self.steps == 0 {
            return Ok(());
        }
        self.parts.resize(parts, Matrix::default());
        self.own.resize(own, Vec::new());
        for (i, part) in self.parts.iter_mut().enumerate() {
            keep.matrix(&format!("part{i}"), part)?;
        }
        for (i, own) in self.own.iter_mut().enumerate() {
            keep.floats(&format!("own{i}"), own)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sae::JumpRelu;

    #[test]
    fn it_is_the_weighted_mean_of_the_steps() {
        let rate = 0.9_f64;
        let mut average = Average::new(rate);
        assert!(!average.is_there());
        let (mut sum, mut weights) = (0.0, 0.0);
        for step in 1..=30_u8 {
            let value = f32::from(step * step % 17);
            let part = Matrix::new(1, 1, vec![value]).unwrap();
            let thresholds = vec![2.0 * value];
            average.count(&[&part], Selection::JumpRelu(JumpRelu { thresholds }));
            sum = rate * sum + f64::from(value);
            weights = rate * weights + 1.0;
            let want = (sum / weights) as f32;
            assert!((average.parts[0].values()[0] - want).abs() < 1e-5);
            let of = Selection::JumpRelu(JumpRelu {
                thresholds: vec![0.0],
            });
            let Selection::JumpRelu(JumpRelu { thresholds }) = average.selection(of) else {
                unreachable!("it stays what it is")
            };
            assert!((thresholds[0] - 2.0 * want).abs() < 1e-4);
        }
    }
}
