//! Computes held-out figures of the probes: sums in f64 by parts of the text, then R² and FVU, and their intervals by drawing the parts with replacement.

use rayon::prelude::*;

use serde::{Deserialize, Serialize};

use crate::corpus::{Resampled, interval};
use crate::dims::Matrix;
use crate::error::{Error, Result};

use super::normal::squared_norm;

/// Number of dimensions that are summed as one unit of parallel work.
const STRIP: usize = 64;

/// Sums over some dimensions, by part of the text.
#[derive(Debug)]
struct Strip {
    first: usize,
    columns: usize,
    /// Sums Σx, Σe, Σe² and Σ(e − ê)² by dimension, `[parts][4][columns]`.
    sums: Vec<f64>,
    /// Sums Σx² over the dimensions, `[parts]`.
    squares: Vec<f64>,
}

/// Sums of squared norms in one part of the text.
#[derive(Debug, Clone, Copy, Default)]
struct Norms {
    tokens: f64,
    sum: f64,
    square: f64,
    /// Sum Σ (‖e‖² − prediction)².
    left: f64,
}

/// Sums over tokens from which the figures are computed, by part of the text.
#[derive(Debug)]
pub(crate) struct Measured {
    strips: Vec<Strip>,
    norms: Vec<Norms>,
    /// Number of tokens.
    pub(crate) tokens: u64,
}

/// Figures R² and FVU.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) r2_mean: f64,
    pub(crate) r2_weighted: f64,
    pub(crate) r2_norm: f64,
    pub(crate) fvu_total: f64,
    pub(crate) fvu_nonlinear: f64,
}

/// Intervals of the held-out figures, 95 %, by bootstrap over parts of the text, with the fit as it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// Of [`super::Probe::r2_mean`].
    pub r2_mean: [f64; 2],
    /// Of [`super::Probe::r2_weighted`].
    pub r2_weighted: [f64; 2],
    /// Of [`super::Probe::r2_norm`].
    pub r2_norm: [f64; 2],
    /// Of [`super::Probe::fvu_total`].
    pub fvu_total: [f64; 2],
    /// Of [`super::Probe::fvu_nonlinear`].
    pub fvu_nonlinear: [f64; 2],
}

impl Measured {
    /// Creates empty sums for activations of width `width` in a text of `parts` parts.
    pub(crate) fn new(width: usize, parts: usize) -> Self {
        let strips = (0..width).step_by(STRIP).map(|first| {
            let columns = STRIP.min(width - first);
            Strip {
                first,
                columns,
                sums: vec![0.0; parts * 4 * columns],
                squares: vec![0.0; parts],
            }
        });
        Self {
            strips: strips.collect(),
            norms: vec![Norms::default(); parts],
            tokens: 0,
        }
    }

    /// Adds activations, errors and the linear part of the errors, each `[n, d]`, the predicted squared norms `[n]`, and the part of the text of each token.
    pub(crate) fn add(
        &mut self,
        [x, error, linear]: [&Matrix; 3],
        predicted: &[f64],
        parts: &[usize],
    ) {
        let norms: Vec<f64> = (0..error.rows())
            .into_par_iter()
            .map(|i| squared_norm(error.row(i)))
            .collect();
        for ((norm, predicted), part) in norms.iter().zip(predicted).zip(parts) {
            let sums = &mut self.norms[*part];
            sums.tokens += 1.0;
            sums.sum += norm;
            sums.square += norm * norm;
            sums.left += (norm - predicted).powi(2);
        }
        self.strips.par_iter_mut().for_each(|strip| {
            let own = strip.first..strip.first + strip.columns;
            for (i, part) in parts.iter().enumerate() {
                strip.add([x, error, linear].map(|of| &of.row(i)[own.clone()]), *part);
            }
        });
        self.tokens += x.rows() as u64;
    }

    /// Computes the figures of the whole text.
    pub(crate) fn figures(&self) -> Result<Figures> {
        let once = vec![1; self.norms.len()];
        self.weighted(&once).ok_or_else(|| Error::Numeric {
            what: "the error of the dictionary does not vary on the held-out text, so there is nothing to predict: give more held-out text"
                .to_owned(),
        })
    }

    /// Computes intervals from `draws` draws of the parts; none without draws, with fewer than two parts, or where the error does not vary in a draw.
    pub(crate) fn intervals(&self, draws: usize, seed: u64) -> Option<Intervals> {
        if self.norms.len() < 2 {
            return None;
        }
        let drawn = Resampled::new(self.norms.len(), draws, seed);
        let figures = (0..drawn.len()).into_par_iter();
        let figures = figures.map(|draw| self.weighted(&drawn.weights(draw)));
        let figures: Vec<Figures> = figures.collect::<Option<_>>()?;
        let of = |figure: fn(&Figures) -> f64| {
            interval(figures.iter().map(figure).collect()).map(|ends| ends.map(rounded))
        };
        Some(Intervals {
            r2_mean: of(|f| f.r2_mean)?,
            r2_weighted: of(|f| f.r2_weighted)?,
            r2_norm: of(|f| f.r2_norm)?,
            fvu_total: of(|f| f.fvu_total)?,
            fvu_nonlinear: of(|f| f.fvu_nonlinear)?,
        })
    }

    /// Computes the figures of the text with each part taken so many times; none where nothing varies. The mean R² skips dimensions whose error is constant.
    fn weighted(&self, times: &[u32]) -> Option<Figures> {
        let times: Vec<f64> = times.iter().map(|times| f64::from(*times)).collect();
        let n = total(&self.norms, &times, |norms| norms.tokens);
        let mut sums = Sums::default();
        for strip in &self.strips {
            strip.total(&times, n, &mut sums);
        }
        let variance = sums.activation;
        if sums.dimensions == 0.0 || variance <= 0.0 || !sums.left.is_finite() {
            return None;
        }
        let norm = total(&self.norms, &times, |norms| norms.sum);
        let spread = total(&self.norms, &times, |norms| norms.square) - norm * norm / n;
        let left = total(&self.norms, &times, |norms| norms.left);
        Some(Figures {
            r2_mean: sums.r2 / sums.dimensions,
            r2_weighted: 1.0 - sums.left / sums.spread,
            r2_norm: if spread > 0.0 {
                1.0 - left / spread
            } else {
                0.0
            },
            fvu_total: sums.error / variance,
            fvu_nonlinear: sums.left / variance,
        })
    }
}

/// Sums over all dimensions.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// Sum of R² by dimension, and number of dimensions whose error varies.
    r2: f64,
    dimensions: f64,
    /// Σ (x − mean)².
    activation: f64,
    /// Σ e².
    error: f64,
    /// Σ (e − mean)².
    spread: f64,
    /// Σ (e − ê)².
    left: f64,
}

impl Strip {
    fn add(&mut self, [x, error, linear]: [&[f32]; 3], part: usize) {
        let own = &mut self.sums[part * 4 * self.columns..(part + 1) * 4 * self.columns];
        let (of_x, own) = own.split_at_mut(self.columns);
        let (of_error, own) = own.split_at_mut(self.columns);
        let (of_square, of_left) = own.split_at_mut(self.columns);
        let mut squares = 0.0;
        for (sum, x) in of_x.iter_mut().zip(x) {
            let x = f64::from(*x);
            *sum += x;
            squares += x * x;
        }
        self.squares[part] += squares;
        let sums = of_error.iter_mut().zip(of_square).zip(of_left);
        for (((sum, square), left), (error, linear)) in sums.zip(error.iter().zip(linear)) {
            let error = f64::from(*error);
            *sum += error;
            *square += error * error;
            *left += (error - f64::from(*linear)).powi(2);
        }
    }

    /// Adds the sums over these dimensions, each part taken so many times.
    fn total(&self, times: &[f64], n: f64, into: &mut Sums) {
        let columns = self.columns;
        let mut all = vec![0.0; 4 * columns];
        for (part, times) in self.sums.chunks_exact(4 * columns).zip(times) {
            if *times > 0.0 {
                for (all, part) in all.iter_mut().zip(part) {
                    *all += times * part;
                }
            }
        }
        let squares = self.squares.iter().zip(times);
        into.activation += squares.map(|(square, times)| square * times).sum::<f64>();
        for j in 0..columns {
            let [x, error, square, left] = [0, 1, 2, 3].map(|of| all[of * columns + j]);
            into.activation -= x * x / n;
            into.error += square;
            into.left += left;
            let spread = (square - error * error / n).max(0.0);
            into.spread += spread;
            if spread > 0.0 {
                into.r2 += 1.0 - left / spread;
                into.dimensions += 1.0;
            }
        }
    }
}

fn total(norms: &[Norms], times: &[f64], of: impl Fn(&Norms) -> f64) -> f64 {
    let each = norms.iter().zip(times);
    each.map(|(norms, times)| of(norms) * times).sum()
}

/// Rounds to a billionth, so that a file holds the number exactly.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

/// Computes `[z, 1] · weights` in f64, `[n]`.
pub(crate) fn predicted(z: &Matrix, weights: &[f64]) -> Vec<f64> {
    let p = z.columns();
    let each = (0..z.rows()).into_par_iter().map(|i| {
        let products = z.row(i).iter().zip(weights);
        products.map(|(z, w)| f64::from(*z) * w).sum::<f64>() + weights[p]
    });
    each.collect()
}
