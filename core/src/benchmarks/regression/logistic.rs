//! Logistic regression of one class against the others with weighted classes, for wide inputs: Newton's method whose steps are found by conjugate gradients, in f64.

use rayon::prelude::*;

use crate::error::{Error, Result};

/// Newton steps after which a fit that has not converged is refused; about ten are needed.
const STEPS: usize = 200;
/// Length of the gradient, relative to the one at zero weights, at which a fit has converged.
const CONVERGED: f64 = 1e-9;
/// Rows per task of a parallel sum; sums are in this order whatever the number of threads.
const ROWS: usize = 512;

/// Rows of equal length with classes and weights.
#[derive(Debug, Clone, Copy)]
pub(in crate::benchmarks) struct Examples<'a> {
    /// Rows of `width` values, side by side.
    pub(in crate::benchmarks) x: &'a [f64],
    /// Values of a row.
    pub(in crate::benchmarks) width: usize,
    /// Whether each row is of the class.
    pub(in crate::benchmarks) is_of: &'a [bool],
    /// Weight of a row of the class, and of another one.
    pub(in crate::benchmarks) weights: [f64; 2],
    /// Factor of half the squared length of the weights; the bias is free.
    pub(in crate::benchmarks) penalty: f64,
}

/// Weights of a fitted regression, `log-odds = bias + ⟨weights, x⟩`.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::benchmarks) struct Logistic {
    pub(in crate::benchmarks) weights: Vec<f64>,
    pub(in crate::benchmarks) bias: f64,
}

impl Logistic {
    /// Minimises `Σ_i weight_i · ln(1 + exp(−y_i s_i)) + penalty / 2 · ‖weights‖²` with `s = bias + ⟨weights, x⟩`, `y = ±1`.
    pub(in crate::benchmarks) fn fitted(examples: Examples<'_>) -> Result<Self> {
        let problem = Problem::new(examples);
        let mut at = vec![0.0; examples.width + 1];
        let (mut loss, mut scores) = problem.loss(&at);
        let mut first = None;
        for _ in 0..STEPS {
            let (gradient, curves) = problem.gradient(&at, &scores);
            let length = dot(&gradient, &gradient).sqrt();
            let at_start = *first.get_or_insert(length);
            if length <= CONVERGED * at_start {
                return Ok(problem.result(&at));
            }
            // Loose at first, tight near the end.
            let tolerance = (length / at_start).sqrt().clamp(1e-6, 0.1);
            let step = problem.step(&gradient, &curves, tolerance);
            let slope = dot(&gradient, &step);
            match problem.lower((&at, loss), (&step, slope)) {
                Some(reached) => (at, loss, scores) = reached,
                // No step lowers the loss any more: the minimum to rounding, or a failure.
                None if length <= 1e-6 * at_start => return Ok(problem.result(&at)),
                None => return Err(refused()),
            }
        }
        Err(refused())
    }

    /// Log-odds of the class.
    pub(in crate::benchmarks) fn score(&self, x: impl Iterator<Item = f64>) -> f64 {
        self.bias + self.weights.iter().zip(x).map(|(w, x)| w * x).sum::<f64>()
    }
}

fn refused() -> Error {
    Error::Numeric {
        what: "a probe did not converge: give it more words, or raise its penalty".to_owned(),
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Weights, their loss, and the score of each row.
type Reached = (Vec<f64>, f64, Vec<f64>);

/// Examples less their mean, which changes the bias alone.
struct Problem<'a> {
    examples: Examples<'a>,
    rows: Vec<f64>,
    means: Vec<f64>,
}

impl<'a> Problem<'a> {
    fn new(examples: Examples<'a>) -> Self {
        let (n, width) = (examples.is_of.len().max(1), examples.width);
        let mut means = vec![0.0; width];
        for row in examples.x.chunks_exact(width.max(1)) {
            means
                .iter_mut()
                .zip(row)
                .for_each(|(mean, x)| *mean += x / n as f64);
        }
        let mut rows = examples.x.to_vec();
        for row in rows.chunks_exact_mut(width.max(1)) {
            row.iter_mut().zip(&means).for_each(|(x, mean)| *x -= mean);
        }
        Self {
            examples,
            rows,
            means,
        }
    }

    fn result(&self, at: &[f64]) -> Logistic {
        let weights = at[..self.examples.width].to_vec();
        Logistic {
            bias: at[self.examples.width] - dot(&weights, &self.means),
            weights,
        }
    }

    fn weight(&self, row: usize) -> f64 {
        self.examples.weights[usize::from(!self.examples.is_of[row])]
    }

    /// Product of every row and a 1 with `v`.
    fn through(&self, v: &[f64]) -> Vec<f64> {
        let (weights, bias) = v.split_at(self.examples.width);
        let rows = self.rows.par_chunks_exact(self.examples.width.max(1));
        rows.with_min_len(ROWS)
            .map(|row| dot(row, weights) + bias[0])
            .collect()
    }

    /// Sum of the rows, each with a 1 behind it, times `factors`.
    fn back(&self, factors: &[f64]) -> Vec<f64> {
        let width = self.examples.width;
        let blocks = self
            .rows
            .par_chunks(ROWS * width.max(1))
            .zip(factors.par_chunks(ROWS));
        let sums: Vec<Vec<f64>> = blocks
            .map(|(rows, factors)| {
                let mut sum = vec![0.0; width + 1];
                for (row, factor) in rows.chunks_exact(width.max(1)).zip(factors) {
                    sum.iter_mut()
                        .zip(row)
                        .for_each(|(sum, x)| *sum += factor * x);
                    sum[width] += factor;
                }
                sum
            })
            .collect();
        let mut all = vec![0.0; width + 1];
        for sum in sums {
            all.iter_mut().zip(&sum).for_each(|(all, sum)| *all += sum);
        }
        all
    }

    fn loss(&self, at: &[f64]) -> (f64, Vec<f64>) {
        let scores = self.through(at);
        let each = scores.iter().enumerate().map(|(i, score)| {
            let s = if self.examples.is_of[i] {
                -score
            } else {
                *score
            };
            self.weight(i) * (s.max(0.0) + (-s.abs()).exp().ln_1p())
        });
        let weights = &at[..self.examples.width];
        let loss = each.sum::<f64>() + self.examples.penalty / 2.0 * dot(weights, weights);
        (loss, scores)
    }

    /// Goes the whole step, or a part of it that lowers the loss; returns the weights, their loss and scores, or none where no part does.
    fn lower(&self, (at, loss): (&[f64], f64), (step, slope): (&[f64], f64)) -> Option<Reached> {
        let mut part = 1.0;
        while part > 1e-10 {
            let next: Vec<f64> = at.iter().zip(step).map(|(w, s)| w - part * s).collect();
            let (there, scores) = self.loss(&next);
            // At the end, rounding of the loss hides what a step gains.
            if there <= loss - 1e-4 * part * slope + 1e-13 * loss.abs() {
                return Some((next, there, scores));
            }
            part /= 2.0;
        }
        None
    }

    /// Gradient, and the second derivative of each row's loss by its score.
    fn gradient(&self, at: &[f64], scores: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let each = scores.iter().enumerate();
        let (slopes, curves): (Vec<f64>, Vec<f64>) = each
            .map(|(i, score)| {
                let p = 1.0 / (1.0 + (-score).exp());
                let target = f64::from(u8::from(self.examples.is_of[i]));
                (
                    self.weight(i) * (p - target),
                    self.weight(i) * p * (1.0 - p),
                )
            })
            .unzip();
        let mut gradient = self.back(&slopes);
        for (slope, w) in gradient.iter_mut().zip(&at[..self.examples.width]) {
            *slope += self.examples.penalty * w;
        }
        (gradient, curves)
    }

    fn curved(&self, v: &[f64], curves: &[f64]) -> Vec<f64> {
        let mut through = self.through(v);
        through
            .iter_mut()
            .zip(curves)
            .for_each(|(t, curve)| *t *= curve);
        let mut product = self.back(&through);
        for (product, v) in product.iter_mut().zip(&v[..self.examples.width]) {
            *product += self.examples.penalty * v;
        }
        // Keeps the bias determined where every row is told apart with certainty.
        product[self.examples.width] += 1e-12 * v[self.examples.width];
        product
    }

    /// Solves `Hessian · step = gradient` by conjugate gradients, scaled by the diagonal.
    fn step(&self, gradient: &[f64], curves: &[f64], tolerance: f64) -> Vec<f64> {
        let width = self.examples.width;
        let mut diagonal = vec![self.examples.penalty; width + 1];
        diagonal[width] = 1e-12;
        for (row, curve) in self.rows.chunks_exact(width.max(1)).zip(curves) {
            diagonal
                .iter_mut()
                .zip(row)
                .for_each(|(d, x)| *d += curve * x * x);
            diagonal[width] += curve;
        }
        let scaled =
            |r: &[f64]| -> Vec<f64> { r.iter().zip(&diagonal).map(|(r, d)| r / d).collect() };
        let mut step = vec![0.0; width + 1];
        let mut rest = gradient.to_vec();
        let mut along = scaled(&rest);
        let mut direction = along.clone();
        let mut size = dot(&rest, &along);
        let wanted = size * tolerance * tolerance;
        for _ in 0..2 * (width + 1) {
            if size <= wanted {
                break;
            }
            let curved = self.curved(&direction, curves);
            let length = size / dot(&direction, &curved);
            for i in 0..=width {
                step[i] += length * direction[i];
                rest[i] -= length * curved[i];
            }
            along = scaled(&rest);
            let next = dot(&rest, &along);
            for i in 0..=width {
                direction[i] = along[i] + next / size * direction[i];
            }
            size = next;
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_is_where_every_finite_difference_of_the_loss_vanishes() {
        let (n, width) = (40, 3);
        let x: Vec<f64> = (0..n * width)
            .map(|i| ((i * i * 7 + i) % 23) as f64 / 3.0 + if i % 3 == 1 { 40.0 } else { 0.0 })
            .collect();
        let is_of: Vec<bool> = (0..n).map(|i| (i * 5) % 7 < 2).collect();
        for (penalty, weights) in [(0.05, [2.5, 1.0]), (20.0, [1.0, 1.0])] {
            let examples = Examples {
                x: &x,
                width,
                is_of: &is_of,
                weights,
                penalty,
            };
            let fit = Logistic::fitted(examples).unwrap();
            let at = [fit.weights.clone(), vec![fit.bias]].concat();
            let loss = |at: &[f64]| {
                let each = x.chunks_exact(width).zip(&is_of).map(|(row, is_of)| {
                    let s = dot(row, &at[..width]) + at[width];
                    let y = f64::from(*is_of) * 2.0 - 1.0;
                    weights[usize::from(!*is_of)] * (-y * s).exp().ln_1p()
                });
                each.sum::<f64>() + penalty / 2.0 * dot(&at[..width], &at[..width])
            };
            for i in 0..=width {
                let moved = |by: f64| {
                    let mut at = at.clone();
                    at[i] += by;
                    loss(&at)
                };
                // The fit stops at 1e-9 of the first gradient, of a length near 1e3, in inputs less their mean of 40.
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!(slope.abs() < 4e-5, "{i}: {slope}");
                assert!(moved(0.01) > loss(&at) && moved(-0.01) > loss(&at));
            }
        }
    }
}
