//! Logistic regression with a penalty on the sizes of its weights for dense inputs, whose columns are correlated: Newton's method with an L1 term (proximal Newton) on
//! a working set of columns, in f64.
//!
//! It minimises the function of [`super::Columns`], whose descent on one column after another takes tens of thousands of sweeps on activations.

use super::Examples;
use crate::error::{Error, Result};

/// Working sets, and Newton steps on one of them, after which a fit is refused.
const SETS: usize = 500;
const STEPS: usize = 100;
/// Sweeps over the columns of a Newton step.
const SWEEPS: usize = 20_000;
/// Largest violation of the conditions of the minimum, as a part of the penalty.
const CONVERGED: f64 = 1e-3;
/// Columns that enter a working set at a time, at least.
const ENTER: usize = 32;

/// Weights of a fitted regression, `log-odds = bias + ⟨weights, x⟩`.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::benchmarks) struct Few {
    pub(in crate::benchmarks) weights: Vec<f64>,
    pub(in crate::benchmarks) bias: f64,
}

/// Problem with its inputs by column, less their means, and where the fit is.
struct Fit<'a> {
    examples: Examples<'a>,
    columns: Vec<Vec<f64>>,
    means: Vec<f64>,
    weights: Vec<f64>,
    bias: f64,
    scores: Vec<f64>,
}

impl Few {
    /// Minimises `1/n · Σ_i weight_i · ln(1 + exp(−y_i s_i)) + penalty · Σ_j |w_j|` with `s = bias + ⟨weights, x⟩`, `y = ±1`; the bias is free.
    pub(in crate::benchmarks) fn fitted(examples: Examples<'_>) -> Result<Self> {
        let mut fit = Fit::new(examples);
        let tolerance = CONVERGED * examples.penalty;
        for _ in 0..SETS {
            let slopes = fit.slopes();
            let mut violations: Vec<(usize, f64)> = (0..examples.width)
                .map(|j| (j, fit.violation(j, dot(&fit.columns[j], &slopes))))
                .collect();
            let worst = violations.iter().fold(0.0_f64, |most, (_, v)| most.max(*v));
            if worst.max(slopes.iter().sum::<f64>().abs()) <= tolerance {
                return Ok(fit.result());
            }
            let mut set: Vec<usize> = (0..examples.width)
                .filter(|j| fit.weights[*j] != 0.0)
                .collect();
            violations.retain(|(j, v)| fit.weights[*j] == 0.0 && *v > tolerance / 2.0);
            violations.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            violations.truncate(set.len().max(ENTER));
            set.extend(violations.iter().map(|(j, _)| *j));
            set.sort_unstable();
            fit.minimise(&set, tolerance / 2.0)?;
        }
        Err(refused())
    }
}

fn refused() -> Error {
    Error::Numeric {
        what: "a probe of activations did not converge: give it more texts".to_owned(),
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl<'a> Fit<'a> {
    fn new(examples: Examples<'a>) -> Self {
        let n = examples.is_of.len();
        let column = |j: usize| -> Vec<f64> {
            let rows = examples.x.chunks_exact(examples.width.max(1));
            rows.map(|row| row[j]).collect()
        };
        let mut columns: Vec<Vec<f64>> = (0..examples.width).map(column).collect();
        let mut means = Vec::with_capacity(columns.len());
        for column in &mut columns {
            let mean = column.iter().sum::<f64>() / n.max(1) as f64;
            for x in column.iter_mut() {
                *x -= mean;
            }
            means.push(mean);
        }
        Self {
            weights: vec![0.0; examples.width],
            bias: 0.0,
            scores: vec![0.0; n],
            examples,
            columns,
            means,
        }
    }

    fn result(self) -> Few {
        Few {
            bias: self.bias - dot(&self.weights, &self.means),
            weights: self.weights,
        }
    }

    fn weight(&self, row: usize) -> f64 {
        let examples = &self.examples;
        examples.weights[usize::from(!examples.is_of[row])] / examples.is_of.len() as f64
    }

    /// Slope of the mean loss by the score of each row.
    fn slopes(&self) -> Vec<f64> {
        let each = self.scores.iter().enumerate();
        each.map(|(row, score)| {
            let p = 1.0 / (1.0 + (-score).exp());
            self.weight(row) * (p - f64::from(u8::from(self.examples.is_of[row])))
        })
        .collect()
    }

    /// How far a weight with this slope of the loss is from its condition of the minimum.
    fn violation(&self, column: usize, slope: f64) -> f64 {
        let (w, penalty) = (self.weights[column], self.examples.penalty);
        if w > 0.0 {
            (slope + penalty).abs()
        } else if w < 0.0 {
            (slope - penalty).abs()
        } else {
            (slope.abs() - penalty).max(0.0)
        }
    }

    /// Mean loss of scores plus the penalty of weights on `set`; other weights are 0.
    fn value(&self, scores: &[f64], weights: impl Iterator<Item = f64>) -> f64 {
        let each = scores.iter().enumerate().map(|(row, score)| {
            let s = if self.examples.is_of[row] {
                -score
            } else {
                *score
            };
            self.weight(row) * (s.max(0.0) + (-s.abs()).exp().ln_1p())
        });
        each.sum::<f64>() + self.examples.penalty * weights.map(f64::abs).sum::<f64>()
    }

    /// Minimises over the bias and the weights of `set`, to a violation of `tolerance`.
    fn minimise(&mut self, set: &[usize], tolerance: f64) -> Result<()> {
        for _ in 0..STEPS {
            let slopes = self.slopes();
            let mut gradient: Vec<f64> = set
                .iter()
                .map(|j| dot(&self.columns[*j], &slopes))
                .collect();
            let of_bias: f64 = slopes.iter().sum();
            let each = set.iter().zip(&gradient);
            let worst = each.fold(of_bias.abs(), |most, (j, g)| {
                most.max(self.violation(*j, *g))
            });
            if worst <= tolerance {
                return Ok(());
            }
            gradient.push(of_bias);
            let step = self.newton(set, &gradient, (worst / 20.0).max(tolerance / 100.0));
            if !self.walk(set, &gradient, &step) {
                // No part of the step lowers the function: the minimum to rounding, or a failure.
                return if worst <= 20.0 * tolerance {
                    Ok(())
                } else {
                    Err(refused())
                };
            }
        }
        Err(refused())
    }

    /// Solves the quadratic model with the penalty by coordinate descent; returns the step of the weights of `set` and of the bias.
    fn newton(&self, set: &[usize], gradient: &[f64], tolerance: f64) -> Vec<f64> {
        let curves: Vec<f64> = self
            .scores
            .iter()
            .enumerate()
            .map(|(row, score)| {
                let p = 1.0 / (1.0 + (-score).exp());
                self.weight(row) * p * (1.0 - p)
            })
            .collect();
        let hessian = self.hessian(set, &curves);
        let k = set.len();
        let mut step = vec![0.0; k + 1];
        let mut slopes = gradient.to_vec();
        for _ in 0..SWEEPS {
            let mut worst = 0.0_f64;
            for j in 0..=k {
                let (slope, curve) = (slopes[j], hessian[j][j]);
                let (moved, violation) = match set.get(j) {
                    Some(column) => self.shrunk(self.weights[*column] + step[j], (slope, curve)),
                    None => (-slope / curve, slope.abs()),
                };
                worst = worst.max(violation);
                if moved != 0.0 {
                    step[j] += moved;
                    let each = slopes.iter_mut().zip(&hessian[j]);
                    each.for_each(|(slope, h)| *slope += moved * h);
                }
            }
            if worst <= tolerance {
                break;
            }
        }
        step
    }

    /// Returns the move of a weight at `w` to the minimum along it, and its violation before.
    fn shrunk(&self, w: f64, (slope, curve): (f64, f64)) -> (f64, f64) {
        let penalty = self.examples.penalty;
        let violation = if w == 0.0 {
            (slope.abs() - penalty).max(0.0)
        } else {
            (slope + penalty * w.signum()).abs()
        };
        let wanted = w - slope / curve;
        let shrunk = wanted.signum() * (wanted.abs() - penalty / curve).max(0.0);
        (shrunk - w, violation)
    }

    /// Second derivatives by the weights of `set` and the bias, `[k + 1][k + 1]`, with a little on the diagonal.
    fn hessian(&self, set: &[usize], curves: &[f64]) -> Vec<Vec<f64>> {
        use rayon::prelude::*;
        let ones = vec![1.0; curves.len()];
        let column = |j: usize| set.get(j).map_or(&ones, |j| &self.columns[*j]);
        let row = |i: usize| -> Vec<f64> {
            let weighted: Vec<f64> = column(i).iter().zip(curves).map(|(x, c)| x * c).collect();
            let each = (0..=set.len()).map(|j| dot(&weighted, column(j)));
            let mut row: Vec<f64> = each.collect();
            row[i] += 1e-10 * row[i] + 1e-14;
            row
        };
        (0..=set.len()).into_par_iter().map(row).collect()
    }

    /// Goes the whole step, or a part of it that lowers the function; false where none does.
    fn walk(&mut self, set: &[usize], gradient: &[f64], step: &[f64]) -> bool {
        let mut along = vec![step[set.len()]; self.scores.len()];
        for (j, step) in set.iter().zip(step) {
            let each = along.iter_mut().zip(&self.columns[*j]);
            each.for_each(|(along, x)| *along += step * x);
        }
        let weights = || set.iter().map(|j| self.weights[*j]);
        let whole = weights().zip(step).map(|(w, step)| w + step);
        let sizes = whole.map(f64::abs).sum::<f64>() - weights().map(f64::abs).sum::<f64>();
        let expected = dot(gradient, step) + self.examples.penalty * sizes;
        let here = self.value(&self.scores, weights());
        let mut part = 1.0;
        while part > 1e-10 {
            let scores: Vec<f64> = self
                .scores
                .iter()
                .zip(&along)
                .map(|(s, a)| s + part * a)
                .collect();
            let moved = weights().zip(step).map(|(w, step)| w + part * step);
            let there = self.value(&scores, moved);
            // At the end, rounding hides what a step gains.
            if there <= here + 1e-4 * part * expected + 1e-14 * here.abs() {
                for (j, step) in set.iter().zip(step) {
                    self.weights[*j] += part * step;
                }
                self.bias += part * step[set.len()];
                self.scores = scores;
                return true;
            }
            part /= 2.0;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows whose columns are nearly alike, with means far from 0.
    fn rows(n: usize, width: usize) -> (Vec<f64>, Vec<bool>) {
        let number = |i: usize, j: usize| {
            let shared = ((i * 37 + 11) % 101) as f64 / 25.0;
            let own = ((i * i * 7 + i * j * 13 + j * 29) % 97) as f64 / 97.0;
            shared + 0.3 * own + 20.0 * f64::from(j % 3 == 1)
        };
        let x = (0..n).flat_map(|i| (0..width).map(move |j| number(i, j)));
        let is_of = (0..n).map(|i| (i * 5 + i / 7) % 7 < 3).collect();
        (x.collect(), is_of)
    }

    #[test]
    fn a_fit_meets_the_conditions_of_its_minimum() {
        for (n, width, penalty) in [(60, 5, 0.01), (80, 40, 1e-3), (30, 60, 1e-3)] {
            let (x, is_of) = rows(n, width);
            let weights = [1.5, 1.0];
            let examples = Examples {
                x: &x,
                width,
                is_of: &is_of,
                weights,
                penalty,
            };
            let fit = Few::fitted(examples).unwrap();
            let residual = |i: usize| {
                let s = fit.bias + dot(&fit.weights, &x[i * width..(i + 1) * width]);
                let p = 1.0 / (1.0 + (-s).exp());
                weights[usize::from(!is_of[i])] * (p - f64::from(u8::from(is_of[i]))) / n as f64
            };
            let bias: f64 = (0..n).map(residual).sum();
            assert!(bias.abs() < 2.0 * CONVERGED * penalty, "{bias}");
            let mut chosen = 0;
            for (j, w) in fit.weights.iter().enumerate() {
                let mean = (0..n).map(|i| x[i * width + j]).sum::<f64>() / n as f64;
                let slope: f64 = (0..n)
                    .map(|i| residual(i) * (x[i * width + j] - mean))
                    .sum();
                let near = 2.0 * CONVERGED * penalty;
                if *w == 0.0 {
                    assert!(slope.abs() <= penalty + near, "{j}: {slope}");
                } else {
                    chosen += 1;
                    assert!(
                        (slope + penalty * w.signum()).abs() <= near,
                        "{j}: {slope} {w}"
                    );
                }
            }
            assert!(chosen > 0 && chosen < width.max(6), "{chosen} of {width}");
        }
    }

    #[test]
    fn a_penalty_above_every_slope_leaves_the_bias_alone() {
        let (x, is_of) = rows(50, 4);
        let examples = Examples {
            x: &x,
            width: 4,
            is_of: &is_of,
            weights: [1.0, 1.0],
            penalty: 10.0,
        };
        let fit = Few::fitted(examples).unwrap();
        assert_eq!(fit.weights, [0.0; 4]);
        let share = is_of.iter().filter(|is_of| **is_of).count() as f64 / 50.0;
        assert!((fit.bias - (share / (1.0 - share)).ln()).abs() < 1e-2);
    }
}
