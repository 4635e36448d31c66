//! Sums over the held-out text from which accuracies are computed.

use super::Accuracy;
use crate::corpus::{Resampled, interval};
use crate::dims::Matrix;

/// Sums of a quantity `[n, d]` over the tokens: by coordinate, and by block of the text.
#[derive(Debug)]
pub(super) struct Spread {
    /// Σ v and Σ v² of each coordinate.
    sum: Vec<f64>,
    square: Vec<f64>,
    /// Σ v of each coordinate, Σ‖v‖² and the tokens, of each block.
    blocks: Vec<(Vec<f64>, f64, f64)>,
    tokens: f64,
}

impl Spread {
    pub(super) fn new(width: usize, blocks: usize) -> Self {
        Self {
            sum: vec![0.0; width],
            square: vec![0.0; width],
            blocks: vec![(vec![0.0; width], 0.0, 0.0); blocks],
            tokens: 0.0,
        }
    }

    /// Adds the rows of `values`, each of the block that `block_of` names.
    pub(super) fn add(&mut self, values: &Matrix, block_of: &[usize]) {
        for (row, block) in values.iter_rows().zip(block_of) {
            let (sum, square, tokens) = &mut self.blocks[*block];
            for (j, value) in row.iter().enumerate() {
                let value = f64::from(*value);
                self.sum[j] += value;
                self.square[j] += value * value;
                sum[j] += value;
                *square += value * value;
            }
            *tokens += 1.0;
            self.tokens += 1.0;
        }
    }

    /// Computes Σ (v − mean)² of each coordinate.
    fn by_coordinate(&self) -> Vec<f64> {
        let both = self.sum.iter().zip(&self.square);
        both.map(|(sum, square)| (square - sum * sum / self.tokens).max(0.0))
            .collect()
    }

    /// Computes Σ‖v − mean v‖², the mean that of all tokens.
    pub(super) fn about_mean(&self) -> f64 {
        self.by_coordinate().iter().sum()
    }

    /// Computes Σ‖v‖².
    pub(super) fn square(&self) -> f64 {
        self.square.iter().sum()
    }

    /// Computes Σ‖v‖² of each block.
    pub(super) fn squares(&self) -> Vec<f64> {
        self.blocks.iter().map(|(_, square, _)| *square).collect()
    }

    /// Computes Σ‖v − mean v‖² of each block, the mean that of all tokens.
    fn blocks_about_mean(&self) -> Vec<f64> {
        let mean: Vec<f64> = self.sum.iter().map(|sum| sum / self.tokens).collect();
        let length: f64 = mean.iter().map(|mean| mean * mean).sum();
        let of_block = |(sum, square, tokens): &(Vec<f64>, f64, f64)| {
            let through: f64 = sum.iter().zip(&mean).map(|(sum, mean)| sum * mean).sum();
            square - 2.0 * through + tokens * length
        };
        self.blocks.iter().map(of_block).collect()
    }
}

/// Accuracy of a prediction that leaves `left` of `target`.
pub(super) fn accuracy(target: &Spread, left: &Spread, draws: &Resampled) -> Accuracy {
    let whole = target.by_coordinate();
    let (spread, rest) = (whole.iter().sum::<f64>(), left.square());
    // Rounding alone is no variance.
    let is_varied = |spread: f64, square: f64| spread > 1e-12 * square && spread > 0.0;
    if !is_varied(spread, target.square()) {
        return Accuracy {
            r2: None,
            r2_mean: None,
            interval: None,
        };
    }
    let each: Vec<f64> = whole
        .iter()
        .zip(&target.square)
        .zip(&left.square)
        .filter(|((spread, square), _)| is_varied(**spread, **square))
        .map(|((spread, _), left)| 1.0 - left / spread)
        .collect();
    Accuracy {
        r2: Some(1.0 - rest / spread),
        r2_mean: Some(each.iter().sum::<f64>() / each.len().max(1) as f64),
        interval: drawn((&left.squares(), &target.blocks_about_mean()), draws),
    }
}

/// Returns the 95 % interval of 1 − Σ left / Σ whole over draws of the blocks; none of fewer than two blocks.
pub(super) fn drawn((left, whole): (&[f64], &[f64]), draws: &Resampled) -> Option<[f64; 2]> {
    if left.len() < 2 {
        return None;
    }
    let of_draw = |draw: usize| {
        let weights = draws.weights(draw);
        let weighed = |sums: &[f64]| -> f64 {
            let each = weights.iter().zip(sums);
            each.map(|(weight, sum)| f64::from(*weight) * sum).sum()
        };
        Some(1.0 - weighed(left) / weighed(whole)).filter(|share| share.is_finite())
    };
    interval((0..draws.len()).filter_map(of_draw).collect())
}
