//! Canonical correlation of two sets of values of the same tokens (Hotelling 1936): the pairs of directions, one in each, whose products correlate most.
//!
//! Sums of products stream by in f64, so that memory grows with the square of the widths and not with the number of tokens. Each value is brought to variance 1,
//! both sides are whitened (with a ridge on the diagonal, if wanted), and the singular value decomposition of the whitened cross-covariance gives the pairs. With
//! as many values as tokens any two sets correlate perfectly: read the figures on held-out text.

mod run;
#[cfg(test)]
mod tests;

use faer::Mat;

use super::dense::{eigen, product, svd};
use super::sums::Sums;
use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};

pub use self::run::{MOST_VALUES, Measured, Reads, Side, check_tokenizers, measure};

/// Variance, as a share of the mean square, below which a value is constant.
const CONSTANT: f64 = 1e-12;
/// Share of the largest eigenvalue below which a direction of standardised values is rounding.
const FLAT: f64 = 1e-10;

/// Sums over tokens of two sets of values, from which their canonical correlations follow.
#[derive(Debug, Clone)]
pub struct Streamed {
    sums: Sums,
    widths: [usize; 2],
}

impl Streamed {
    /// Begins sums of `p` values on the one side and `q` on the other.
    pub fn new(p: usize, q: usize) -> Self {
        Self {
            sums: Sums::new(p + q),
            widths: [p, q],
        }
    }

    /// Adds the values `x [n, p]` and `y [n, q]` of the same tokens.
    pub fn add(&mut self, x: &Matrix, y: &Matrix) -> Result<()> {
        Dims::new("canonical correlation")
            .bind("x", x, "n p")?
            .bind("y", y, "n q")?;
        if [x.columns(), y.columns()] != self.widths {
            let what = format!(
                "values of widths {} and {} do not belong to sums of {} and {}",
                x.columns(),
                y.columns(),
                self.widths[0],
                self.widths[1]
            );
            return Err(Error::Shape {
                op: "canonical correlation",
                what,
            });
        }
        self.sums.add(&[x, y])
    }

    /// Number of tokens so far.
    pub fn tokens(&self) -> u64 {
        self.sums.tokens()
    }

    /// First place and number of the values of a side.
    fn place(&self, side: usize) -> (usize, usize) {
        (side * self.widths[0], self.widths[side])
    }

    /// Finds the pairs of directions, with `ridge` added to the variance of every standardised value. More tokens than values are needed.
    pub fn solve(&self, ridge: f64) -> Result<Canonical> {
        if !(ridge.is_finite() && ridge >= 0.0) {
            let what = format!("a ridge of {ridge}: give 0 or a positive number");
            return Err(Error::setting("ridge", what));
        }
        let values = self.widths[0] + self.widths[1];
        if self.tokens() <= values as u64 + 1 {
            let what = format!(
                "{} tokens do not determine the correlations of {values} values: give more text",
                self.tokens()
            );
            return Err(Error::setting("tokens", what));
        }
        let [x, y] = [0, 1].map(|side| self.whitened(side, ridge));
        let (x, y) = (x?, y?);
        let between = self.sums.covariance(self.place(0), self.place(1));
        let half = product(between.as_ref(), y.whitening.as_ref());
        let (u, _, v) = svd(&product(x.whitening.transpose(), half.as_ref()))?;
        let directions = [
            product(x.whitening.as_ref(), u.as_ref()),
            product(y.whitening.as_ref(), v.as_ref()),
        ];
        let mut found = Canonical {
            correlations: Vec::new(),
            ranks: [x.whitening.ncols(), y.whitening.ncols()],
            constant: [x.constant, y.constant],
            tokens: self.tokens(),
            ridge,
            directions,
        };
        found.correlations = found.on(self)?;
        Ok(found)
    }

    fn whitened(&self, side: usize, ridge: f64) -> Result<Whitened> {
        let place = self.place(side);
        let covariance = self.sums.covariance(place, place);
        let mean = self.sums.mean();
        let scales: Vec<f64> = (0..place.1)
            .map(|i| {
                let variance = covariance[(i, i)];
                let square = variance + mean[place.0 + i].powi(2);
                if variance > CONSTANT * square {
                    variance.sqrt().recip()
                } else {
                    0.0
                }
            })
            .collect();
        let constant = scales.iter().filter(|scale| **scale == 0.0).count();
        if scales.iter().any(|scale| !scale.is_finite()) || constant == place.1 {
            let which = ["first", "second"][side];
            let what = format!(
                "the values of the {which} side do not vary over the text: name a hook or a dictionary that is active on it"
            );
            return Err(Error::Numeric { what });
        }
        let standardised = Mat::from_fn(place.1, place.1, |i, j| {
            covariance[(i, j)] * scales[i] * scales[j]
        });
        let (values, vectors) = eigen(&standardised)?;
        let rank = values.iter().take_while(|value| **value > FLAT * values[0]);
        let whitening = Mat::from_fn(place.1, rank.count(), |i, j| {
            scales[i] * vectors[(i, j)] / (values[j] + ridge).sqrt()
        });
        Ok(Whitened {
            whitening,
            constant,
        })
    }
}

struct Whitened {
    /// `[values, rank]`.
    whitening: Mat<f64>,
    /// Number of constant values.
    constant: usize,
}

/// Pairs of directions and their correlations.
#[derive(Debug, Clone)]
pub struct Canonical {
    /// Correlations of the pairs on the text fitted on; falling, where there is no ridge.
    pub correlations: Vec<f64>,
    /// Number of dimensions that each side spans.
    pub ranks: [usize; 2],
    /// Number of values of each side that are constant and left out.
    pub constant: [usize; 2],
    /// Number of tokens fitted on.
    pub tokens: u64,
    /// Ridge on the variance of 1 of every value.
    pub ridge: f64,
    /// `[p, c]` and `[q, c]`.
    directions: [Mat<f64>; 2],
}

impl Canonical {
    /// Computes the correlations of the pairs on other tokens; 0 where a direction does not vary on them.
    pub fn on(&self, tokens: &Streamed) -> Result<Vec<f64>> {
        let widths = [0, 1].map(|side: usize| self.directions[side].nrows());
        if widths != tokens.widths {
            let what = format!(
                "directions of widths {} and {} do not belong to values of {} and {}",
                widths[0], widths[1], tokens.widths[0], tokens.widths[1]
            );
            return Err(Error::Shape {
                op: "canonical correlation",
                what,
            });
        }
        let [x, y] = &self.directions;
        let along = |a: usize, b: usize, left: &Mat<f64>, right: &Mat<f64>| -> Vec<f64> {
            let covariance = tokens.sums.covariance(tokens.place(a), tokens.place(b));
            let through = product(covariance.as_ref(), right.as_ref());
            let column = |c: usize| {
                let entries = left.col(c).iter().zip(through.col(c).iter());
                entries.map(|(l, t)| l * t).sum::<f64>()
            };
            (0..left.ncols()).map(column).collect()
        };
        let (own, other) = (along(0, 0, x, x), along(1, 1, y, y));
        let both = along(0, 1, x, y);
        let of = |((both, own), other): ((&f64, &f64), &f64)| {
            let size = (own.max(0.0) * other.max(0.0)).sqrt();
            if size > 0.0 { both / size } else { 0.0 }
        };
        Ok(both.iter().zip(&own).zip(&other).map(of).collect())
    }

    /// Returns the directions of a side (0 or 1) as rows, `[c, p]` or `[c, q]`.
    pub fn directions(&self, side: usize) -> Result<Matrix> {
        let of = &self.directions[side.min(1)];
        super::dense::matrix(of.ncols(), of.nrows(), |c, i| of[(i, c)])
    }
}

/// Computes the mean of correlations and the mean of their squares; 0 of none.
pub fn means(correlations: &[f64]) -> [f64; 2] {
    let n = correlations.len().max(1) as f64;
    let squares = correlations.iter().map(|r| r * r).sum::<f64>();
    [correlations.iter().sum::<f64>() / n, squares / n]
}

/// Definitions of the figures.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "correlations",
        "canonical correlations on the text fitted on, largest first: of all pairs of a direction in the first values and one in the second, uncorrelated with the pairs before, those that correlate most",
    ),
    (
        "held_out",
        "correlations of the same pairs on held-out text",
    ),
    (
        "mean",
        "mean canonical correlation over min(ranks) pairs, fitted and held out; 1 where each set is a linear map of the other",
    ),
    ("mean_square", "mean of the squared canonical correlations"),
    (
        "ranks",
        "number of dimensions that the values of each side span, constant values left out",
    ),
    (
        "ridge",
        "added to the variance of 1 of every standardised value before whitening; correlations are those of the pairs found so, not shrunk",
    ),
];
