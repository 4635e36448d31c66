//! How well norms are predicted: squared norms of all components from the activation, and ‖e‖ from the activation and from scalars.

use std::collections::BTreeMap;

use super::{Baseline, BaselineR2, Component, NormR2};
use crate::corpus::{Resampled, interval};
use crate::dark_matter::measure::predicted;
use crate::dark_matter::normal::{NormalEquations, Solution};
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::TokenId;

/// Number of components.
const COMPONENTS: usize = Component::ALL.len();
/// Number of targets predicted from the activation: squared norms of the components, and ‖e‖.
const TARGETS: usize = COMPONENTS + 1;
/// Place of the error among the components.
pub(super) const ERROR: usize = 3;
/// Place of the nonlinear error among the components.
pub(super) const NONLINEAR: usize = 5;

/// Quantities of one token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Norms {
    /// Token.
    pub(super) id: TokenId,
    /// Squared norms, in the order of [`Component::ALL`].
    pub(super) squares: [f64; COMPONENTS],
    /// Number of active features.
    pub(super) l0: usize,
    /// Cross-entropy of the model's prediction, where one is charged.
    pub(super) loss: Option<f64>,
}

impl Norms {
    /// Norm ‖e‖.
    fn error(&self) -> f64 {
        self.squares[ERROR].sqrt()
    }

    /// Returns the scalar that a baseline reads; none for the vector and the token, and where there is no loss.
    fn scalar(&self, baseline: Baseline) -> Option<f64> {
        match baseline {
            Baseline::Activation | Baseline::TokenId => None,
            Baseline::Loss => self.loss,
            Baseline::L0 => Some(self.l0 as f64),
            Baseline::ActivationNorm => Some(self.squares[0].sqrt()),
        }
    }
}

/// Baselines that are straight lines of one scalar.
const LINES: [Baseline; 3] = [Baseline::Loss, Baseline::L0, Baseline::ActivationNorm];

/// Least-squares line of ‖e‖ over a scalar.
#[derive(Debug, Clone, Copy, Default)]
struct Straight {
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

impl Straight {
    fn add(&mut self, x: f64, y: f64) {
        self.n += 1.0;
        // Deviations from the mean so far keep the sums exact (Welford).
        let (from_x, from_y) = (x - self.x, y - self.y);
        self.x += from_x / self.n;
        self.y += from_y / self.n;
        self.xx += from_x * (x - self.x);
        self.xy += from_x * (y - self.y);
    }

    fn at(&self, x: f64) -> f64 {
        let slope = if self.xx > 0.0 {
            self.xy / self.xx
        } else {
            0.0
        };
        self.y + slope * (x - self.x)
    }
}

/// Sums of a fit while the text to fit on is read.
pub(super) struct Fitting {
    equations: NormalEquations,
    lines: [Straight; LINES.len()],
    tokens: BTreeMap<TokenId, (u64, f64)>,
    all: (u64, f64),
}

impl Fitting {
    pub(super) fn new(width: usize) -> Self {
        Self {
            equations: NormalEquations::new(width, TARGETS),
            lines: [Straight::default(); LINES.len()],
            tokens: BTreeMap::new(),
            all: (0, 0.0),
        }
    }

    /// Adds activations `[n, d]` and the quantities of their tokens.
    pub(super) fn add(&mut self, x: &Matrix, norms: &[Norms]) -> Result<()> {
        self.equations.add(x, |i, into| {
            into[..COMPONENTS].copy_from_slice(&norms[i].squares);
            into[COMPONENTS] = norms[i].error();
        })?;
        for norms in norms {
            let error = norms.error();
            for (line, baseline) in self.lines.iter_mut().zip(LINES) {
                if let Some(scalar) = norms.scalar(baseline) {
                    line.add(scalar, error);
                }
            }
            for sums in [self.tokens.entry(norms.id).or_default(), &mut self.all] {
                sums.0 += 1;
                sums.1 += error;
            }
        }
        Ok(())
    }

    /// Solves; figures of the text to measure on come by its `parts` parts.
    pub(super) fn solved(self, parts: usize) -> Result<Predicting> {
        let mean = |(count, sum): (u64, f64)| sum / count.max(1) as f64;
        let tokens = self.tokens.into_iter();
        Ok(Predicting {
            fitted: self.equations.tokens,
            solution: self.equations.solve(0.0)?,
            lines: self.lines,
            tokens: tokens.map(|(id, sums)| (id, mean(sums))).collect(),
            all: mean(self.all),
            norms: [(); COMPONENTS].map(|()| Sums::new(parts)),
            baselines: [(); Baseline::ALL.len()].map(|()| Sums::new(parts)),
        })
    }
}

/// Predictions, and their errors while the held-out text is read.
pub(super) struct Predicting {
    /// Number of tokens fitted on.
    pub(super) fitted: u64,
    solution: Solution,
    lines: [Straight; LINES.len()],
    tokens: BTreeMap<TokenId, f64>,
    all: f64,
    norms: [Sums; COMPONENTS],
    baselines: [Sums; Baseline::ALL.len()],
}

impl Predicting {
    /// Adds activations `[n, d]`, the quantities of their tokens, and the part of the text of each.
    pub(super) fn add(&mut self, x: &Matrix, norms: &[Norms], parts: &[usize]) {
        let targets = (0..TARGETS).map(|target| predicted(x, self.solution.column(target)));
        let targets: Vec<Vec<f64>> = targets.collect();
        for (i, (norms, part)) in norms.iter().zip(parts).enumerate() {
            for (at, sums) in self.norms.iter_mut().enumerate() {
                sums.add(*part, norms.squares[at], targets[at][i]);
            }
            let by_scalar = |baseline: Baseline| {
                let at = LINES.iter().position(|line| *line == baseline)?;
                Some(self.lines[at].at(norms.scalar(baseline)?))
            };
            for (sums, baseline) in self.baselines.iter_mut().zip(Baseline::ALL) {
                let guess = match baseline {
                    Baseline::Activation => Some(targets[COMPONENTS][i]),
                    Baseline::TokenId => {
                        Some(self.tokens.get(&norms.id).copied().unwrap_or(self.all))
                    }
                    Baseline::Loss | Baseline::L0 | Baseline::ActivationNorm => by_scalar(baseline),
                };
                if let Some(guess) = guess {
                    sums.add(*part, norms.error(), guess);
                }
            }
        }
    }

    /// Computes R² of every component and every baseline.
    pub(super) fn figures(&self, draws: &Resampled) -> (Vec<NormR2>, Vec<BaselineR2>) {
        let norms = Component::ALL.into_iter().zip(&self.norms);
        let norms = norms.map(|(component, sums)| NormR2 {
            component,
            r2: sums.r2(),
            interval: sums.interval(draws),
        });
        let baselines = Baseline::ALL.into_iter().zip(&self.baselines);
        let baselines = baselines.map(|(baseline, sums)| BaselineR2 {
            baseline,
            r2: sums.r2(),
            interval: sums.interval(draws),
            tokens: sums.0.iter().map(|part| part.n as u64).sum(),
        });
        (norms.collect(), baselines.collect())
    }
}

/// Sums of a quantity and its prediction in one part of the text.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    n: f64,
    y: f64,
    yy: f64,
    left: f64,
}

/// Sums of a quantity and its prediction, by part of the text.
#[derive(Debug, Clone)]
struct Sums(Vec<Part>);

impl Sums {
    fn new(parts: usize) -> Self {
        Self(vec![Part::default(); parts])
    }

    fn add(&mut self, part: usize, y: f64, guess: f64) {
        let part = &mut self.0[part];
        part.n += 1.0;
        part.y += y;
        part.yy += y * y;
        part.left += (y - guess).powi(2);
    }

    fn weighted(&self, times: impl Fn(usize) -> f64) -> Option<f64> {
        let mut all = Part::default();
        for (at, part) in self.0.iter().enumerate() {
            let times = times(at);
            all.n += times * part.n;
            all.y += times * part.y;
            all.yy += times * part.yy;
            all.left += times * part.left;
        }
        let spread = all.yy - all.y * all.y / all.n;
        // Beyond rounding: a quantity that is the same everywhere has nothing to predict.
        (spread > 1e-12 * all.yy).then(|| 1.0 - all.left / spread)
    }

    /// R² of the whole text; 0 where the quantity does not vary.
    fn r2(&self) -> f64 {
        self.weighted(|_| 1.0).unwrap_or(0.0)
    }

    fn interval(&self, draws: &Resampled) -> Option<[f64; 2]> {
        if self.0.len() < 2 {
            return None;
        }
        let of_draw = |draw: usize| {
            let weights = draws.weights(draw);
            self.weighted(|at| f64::from(weights[at]))
        };
        let drawn: Option<Vec<f64>> = (0..draws.len()).map(of_draw).collect();
        interval(drawn?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_the_least_squares_line_and_r2_is_its_definition() {
        let points = [(1.0, 2.0), (2.0, 2.5), (4.0, 4.5), (7.0, 5.0)];
        let mut line = Straight::default();
        let mut sums = Sums::new(2);
        for (x, y) in &points {
            line.add(*x, *y);
        }
        // Means 3.5; Σ(x − 3.5)² = 21, Σ(x − 3.5)(y − 3.5) = 11.
        assert!((line.at(3.5) - 3.5).abs() < 1e-12);
        assert!((line.at(4.5) - line.at(3.5) - 11.0 / 21.0).abs() < 1e-12);
        for (at, (x, y)) in points.iter().enumerate() {
            sums.add(at % 2, *y, line.at(*x));
        }
        // R² of the line: 11² / (21 · 6.5).
        assert!((sums.r2() - 121.0 / (21.0 * 6.5)).abs() < 1e-12);
        let ends = sums.interval(&Resampled::new(2, 100, 1)).unwrap();
        assert!(ends[0] <= sums.r2() && sums.r2() <= ends[1], "{ends:?}");
        let mut still = Sums::new(1);
        still.add(0, 3.0, 3.0);
        still.add(0, 3.0, 3.0);
        assert_eq!(
            (still.r2(), still.interval(&Resampled::new(1, 9, 0))),
            (0.0, None)
        );
    }
}
