//! Sums over chunks of rows, and the figures of a dictionary computed from them.

use super::{ByPart, DRAWS, FvuByPart, Spliced};
use crate::corpus::Resampled;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::sae::Sae;

/// Passes whose cross-entropy is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    Clean,
    Sae,
    Linear,
    Nonlinear,
    Zero,
    /// x with the linear part of another token.
    OtherLinear,
    /// x with the nonlinear part of another token.
    OtherNonlinear,
}

/// Number of passes.
pub(super) const PUTS: usize = 7;

/// Cross-entropies summed by pass.
pub(super) type Losses = [f64; PUTS];

/// Sums of one dictionary.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    /// Summed cross-entropy by pass.
    pub(super) ce: Losses,
    /// Summed cross-entropy by pass, of each block of the text.
    pub(super) blocks: Vec<Losses>,
    /// Number of predictions charged, of each block.
    pub(super) charged: Vec<u64>,
    activation: Spread,
    error: Spread,
    /// Σ‖linear‖², Σ‖nonlinear‖².
    squares: [f64; 2],
    /// Σ‖e‖, Σ‖linear‖, Σ‖nonlinear‖.
    lengths: [f64; 3],
    /// Number of activations.
    pub(super) tokens: u64,
}

/// Σ v `[d]` and Σ‖v‖².
#[derive(Debug, Clone)]
struct Spread {
    sum: Vec<f64>,
    square: f64,
}

impl Spread {
    fn add(&mut self, row: &[f32]) {
        for (sum, value) in self.sum.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
        self.square += square(row);
    }

    fn join(&mut self, part: &Self) {
        for (sum, part) in self.sum.iter_mut().zip(&part.sum) {
            *sum += part;
        }
        self.square += part.square;
    }

    /// Computes Σ‖v − mean v‖².
    fn about_mean(&self, tokens: f64) -> f64 {
        let mean = self.sum.iter().map(|sum| sum * sum).sum::<f64>() / tokens;
        (self.square - mean).max(0.0)
    }
}

impl Sums {
    /// Creates empty sums of width `width` over `blocks` blocks.
    pub(super) fn new(width: usize, blocks: usize) -> Self {
        let spread = Spread {
            sum: vec![0.0; width],
            square: 0.0,
        };
        Self {
            ce: [0.0; PUTS],
            blocks: vec![[0.0; PUTS]; blocks],
            charged: vec![0; blocks],
            activation: spread.clone(),
            error: spread,
            squares: [0.0; 2],
            lengths: [0.0; 3],
            tokens: 0,
        }
    }

    /// Adds row `i` of activations, errors and their parts, each `[n, d]`.
    pub(super) fn split(&mut self, i: usize, x: &Matrix, [error, linear, rest]: [&Matrix; 3]) {
        self.activation.add(x.row(i));
        self.error.add(error.row(i));
        let parts = [linear.row(i), rest.row(i)].map(square);
        for (sum, part) in self.squares.iter_mut().zip(parts) {
            *sum += part;
        }
        let all = [square(error.row(i)), parts[0], parts[1]];
        for (sum, part) in self.lengths.iter_mut().zip(all) {
            *sum += part.sqrt();
        }
        self.tokens += 1;
    }

    /// Adds the sums of a chunk.
    pub(super) fn add(&mut self, part: &Self) {
        let add = |sums: &mut Losses, part: &Losses| {
            for (sum, part) in sums.iter_mut().zip(part) {
                *sum += part;
            }
        };
        add(&mut self.ce, &part.ce);
        for (block, part) in self.blocks.iter_mut().zip(&part.blocks) {
            add(block, part);
        }
        for (charged, part) in self.charged.iter_mut().zip(&part.charged) {
            *charged += part;
        }
        self.activation.join(&part.activation);
        self.error.join(&part.error);
        for (sum, part) in self.squares.iter_mut().zip(part.squares) {
            *sum += part;
        }
        for (sum, part) in self.lengths.iter_mut().zip(part.lengths) {
            *sum += part;
        }
        self.tokens += part.tokens;
    }

    /// Computes the figures of `sae`, with intervals by `draws` of the blocks.
    pub(super) fn figures(&self, sae: &Sae, draws: &Resampled) -> Result<Spliced> {
        let tokens = self.tokens as f64;
        let charged: u64 = self.charged.iter().sum();
        let ce = |put: Put| self.ce[put as usize] / charged as f64;
        let variance = self.activation.about_mean(tokens);
        let spread = self.error.about_mean(tokens);
        let [linear, rest] = self.squares;
        let fvu = FvuByPart {
            sae: self.error.square / variance,
            linear: rest / variance,
            nonlinear: linear / variance,
        };
        let r2 = 1.0 - rest / spread;
        let [length, linear, rest] = self.lengths;
        let figures = Spliced {
            sae: sae.name.clone(),
            hook: sae.hook()?.to_string(),
            features: sae.features(),
            ce_clean: ce(Put::Clean),
            ce_sae: ce(Put::Sae),
            ce_linear: ce(Put::Linear),
            ce_nonlinear: ce(Put::Nonlinear),
            ce_zero: ce(Put::Zero),
            ce_swapped: ByPart {
                linear: ce(Put::OtherLinear),
                nonlinear: ce(Put::OtherNonlinear),
            },
            tokens: charged,
            fvu,
            recovered: ByPart {
                linear: recovered(&self.ce, Put::Linear),
                nonlinear: recovered(&self.ce, Put::Nonlinear),
            },
            recovered_interval: ByPart {
                linear: self.interval(draws, |ce, _| recovered(ce, Put::Linear)),
                nonlinear: self.interval(draws, |ce, _| recovered(ce, Put::Nonlinear)),
            },
            cost_interval: self.interval(draws, |ce, charged| {
                Some((ce[Put::Sae as usize] - ce[Put::Clean as usize]) / charged)
            }),
            norm_share: ByPart {
                linear: linear / length,
                nonlinear: rest / length,
            },
            r2_share: ByPart {
                linear: r2,
                nonlinear: 1.0 - r2,
            },
        };
        check(&figures)?;
        Ok(figures)
    }

    /// Computes the 95 % interval of `figure`, a function of summed losses and predictions charged, over draws of the blocks; none of fewer than two blocks.
    fn interval(
        &self,
        draws: &Resampled,
        figure: impl Fn(&Losses, f64) -> Option<f64>,
    ) -> Option<[f64; 2]> {
        if self.blocks.len() < 2 {
            return None;
        }
        let of_draw = |draw: usize| {
            let (mut ce, mut charged) = ([0.0; PUTS], 0.0);
            for ((weight, block), count) in draws
                .weights(draw)
                .iter()
                .zip(&self.blocks)
                .zip(&self.charged)
            {
                for (sum, part) in ce.iter_mut().zip(block) {
                    *sum += f64::from(*weight) * part;
                }
                charged += f64::from(*weight) * *count as f64;
            }
            figure(&ce, charged).filter(|value| value.is_finite())
        };
        crate::corpus::interval((0..DRAWS.min(draws.len())).filter_map(of_draw).collect())
    }
}

/// Share of the cost that a part recovers, from summed losses; none where the dictionary costs nothing.
fn recovered(ce: &Losses, part: Put) -> Option<f64> {
    let cost = ce[Put::Sae as usize] - ce[Put::Clean as usize];
    let share = (ce[Put::Sae as usize] - ce[part as usize]) / cost;
    share.is_finite().then_some(share)
}

/// Checks that every figure is finite; the error names the first that is not.
fn check(figures: &Spliced) -> Result<()> {
    let unvaried = "the activation or the error does not vary on the held-out text, give more text";
    for (name, value, cause) in [
        (
            "ce_clean",
            figures.ce_clean,
            "the model's logits are not finite",
        ),
        (
            "ce_sae",
            figures.ce_sae,
            "the reconstruction breaks the model",
        ),
        (
            "ce_linear",
            figures.ce_linear,
            "the linear part breaks the model",
        ),
        (
            "ce_nonlinear",
            figures.ce_nonlinear,
            "the nonlinear part breaks the model",
        ),
        (
            "ce_zero",
            figures.ce_zero,
            "zeros at this hook break the model",
        ),
        (
            "ce_swapped",
            figures.ce_swapped.linear,
            "the swapped part breaks the model",
        ),
        (
            "ce_swapped",
            figures.ce_swapped.nonlinear,
            "the swapped part breaks the model",
        ),
        ("fvu", figures.fvu.sae, unvaried),
        ("r2_share", figures.r2_share.linear, unvaried),
    ] {
        if !value.is_finite() {
            let what = format!("{name} of {} is {value}: {cause}", figures.sae);
            return Err(Error::Numeric { what });
        }
    }
    Ok(())
}

/// Computes ‖values‖² in f64.
fn square(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum()
}
