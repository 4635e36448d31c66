//! Logistic regression with a penalty on squared weights, by Newton's method in f64.

use faer::prelude::Solve as _;
use faer::{Mat, Side};

use crate::error::{Error, Result};

/// Steps after which a fit that has not converged is refused; a convex loss of this kind needs about ten.
const STEPS: usize = 200;

/// Largest gradient, for each text, at which a fit has converged.
const CONVERGED: f64 = 1e-10;

/// Weights of a fitted regression: `p = 1 / (1 + exp(−(bias + Σ weights · x)))`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Logistic {
    pub(super) weights: Vec<f64>,
    pub(super) bias: f64,
}

impl Logistic {
    /// Minimises `Σ ln(1 + exp(−y · s)) + penalty / 2 · ‖weights‖²` with `s = bias + Σ weights · x` and `y = ±1`; `x` holds one row of equal length for each text, `first` whether
    /// `y = 1`. The bias is not penalised.
    pub(super) fn fitted(x: &[Vec<f64>], first: &[bool], penalty: f64) -> Result<Self> {
        let width = x.first().map_or(0, Vec::len);
        let mut at = vec![0.0; width + 1];
        let mut loss = loss(x, first, penalty, &at);
        for _ in 0..STEPS {
            let (gradient, hessian) = derivatives(x, first, penalty, &at);
            let largest = gradient.iter().fold(0.0_f64, |most, g| most.max(g.abs()));
            if largest <= CONVERGED * x.len().max(1) as f64 {
                let bias = at.pop().unwrap_or(0.0);
                return Ok(Self { weights: at, bias });
            }
            let solved = hessian.llt(Side::Lower).map_err(|_singular| refused())?;
            let right = Mat::from_fn(width + 1, 1, |i, _| gradient[i]);
            let step = solved.solve(&right);
            // The whole step, or a part of it that lowers the loss.
            let mut part = 1.0;
            loop {
                let next: Vec<f64> = (0..=width).map(|i| at[i] - part * step[(i, 0)]).collect();
                let there = self::loss(x, first, penalty, &next);
                // At the end, rounding of the loss hides what a step gains.
                if there <= loss + 1e-12 * loss.abs().max(1.0) {
                    (at, loss) = (next, there);
                    break;
                }
                part /= 2.0;
                if part < 1e-12 {
                    return Err(refused());
                }
            }
        }
        Err(refused())
    }

    /// Log-odds of the first set.
    pub(super) fn score(&self, x: &[f64]) -> f64 {
        let products = self.weights.iter().zip(x).map(|(w, x)| w * x);
        self.bias + products.sum::<f64>()
    }
}

fn refused() -> Error {
    Error::Numeric {
        what: "a sparse probe did not converge: raise its penalty, or give it fewer features"
            .to_owned(),
    }
}

fn score(at: &[f64], x: &[f64]) -> f64 {
    let products = at.iter().zip(x).map(|(w, x)| w * x);
    at[x.len()] + products.sum::<f64>()
}

fn loss(x: &[Vec<f64>], first: &[bool], penalty: f64, at: &[f64]) -> f64 {
    let of_text = |(x, first): (&Vec<f64>, &bool)| {
        let s = if *first { -score(at, x) } else { score(at, x) };
        s.max(0.0) + (-s.abs()).exp().ln_1p() // ln(1 + exp(s)) without overflow
    };
    let squares: f64 = at[..at.len() - 1].iter().map(|w| w * w).sum();
    x.iter().zip(first).map(of_text).sum::<f64>() + penalty / 2.0 * squares
}

/// Gradient and Hessian of the loss.
fn derivatives(x: &[Vec<f64>], first: &[bool], penalty: f64, at: &[f64]) -> (Vec<f64>, Mat<f64>) {
    let width = at.len() - 1;
    let mut gradient: Vec<f64> = at.iter().map(|w| penalty * w).collect();
    gradient[width] = 0.0;
    let mut hessian = Mat::from_fn(width + 1, width + 1, |i, j| {
        if i == j && i < width { penalty } else { 0.0 }
    });
    // Keeps the matrix positive definite where all texts are told apart with certainty.
    hessian[(width, width)] = 1e-12;
    for (x, first) in x.iter().zip(first) {
        let p = 1.0 / (1.0 + (-score(at, x)).exp());
        let (residual, curve) = (p - f64::from(u8::from(*first)), p * (1.0 - p));
        let value = |i: usize| x.get(i).copied().unwrap_or(1.0);
        for i in 0..=width {
            gradient[i] += residual * value(i);
            for j in 0..=i {
                hessian[(i, j)] += curve * value(i) * value(j);
            }
        }
    }
    for i in 0..=width {
        for j in 0..i {
            hessian[(j, i)] = hessian[(i, j)];
        }
    }
    (gradient, hessian)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_is_where_every_finite_difference_of_the_loss_vanishes() {
        let x: Vec<Vec<f64>> = (0..30)
            .map(|i| vec![((i * 7) % 11) as f64 / 3.0, ((i * i) % 13) as f64 - 6.0])
            .collect();
        let first: Vec<bool> = (0..30).map(|i| (i * 5) % 7 < 3).collect();
        for penalty in [0.1, 1.0, 25.0] {
            let fit = Logistic::fitted(&x, &first, penalty).unwrap();
            let at = [fit.weights.clone(), vec![fit.bias]].concat();
            let slope = |at: &[f64], i: usize| {
                let moved = |by: f64| {
                    let mut at = at.to_vec();
                    at[i] += by;
                    loss(&x, &first, penalty, &at)
                };
                (moved(1e-5) - moved(-1e-5)) / 2e-5
            };
            for i in 0..at.len() {
                // Rounding of a loss near 20 over 2e-5, and its third derivative times 1e-10.
                assert!(slope(&at, i).abs() < 1e-8, "{penalty}: {}", slope(&at, i));
            }
            let mut nudged = at.clone();
            nudged[0] += 1e-3;
            assert!(slope(&nudged, 0).abs() > 1e-5);
        }
    }

    #[test]
    fn texts_that_are_told_apart_with_certainty_are_fitted_too() {
        let x: Vec<Vec<f64>> = (0..20).map(|i| vec![f64::from(i) * 1e3]).collect();
        let first: Vec<bool> = (0..20).map(|i| i >= 10).collect();
        let fit = Logistic::fitted(&x, &first, 1e-3).unwrap();
        assert!(fit.score(&[0.0]) < 0.0 && fit.score(&[19e3]) > 0.0);
    }
}
