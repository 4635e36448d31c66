//! Power law with a constant, `fvu = c + a · features^(−b)` with `c ≥ 0`, fitted by Levenberg–Marquardt (Engels et al. 2024, figure of the scaling fit).
//!
//! The bound is an active set: each start is fitted with `c` free and with `c = 0`, and the least squared error among the fits with `c ≥ 0` wins. A fit whose
//! exponent is not positive has no limit at infinite width, so it is taken only where no other is found.

use levenberg_marquardt::{LeastSquaresProblem, LevenbergMarquardt, TerminationReason};
use nalgebra::storage::Owned;
use nalgebra::{DMatrix, DVector, Dyn};
use serde::{Deserialize, Serialize};

/// Least number of dictionaries that a power law is fitted to: three parameters leave one degree of freedom.
pub const LEAST_RUNGS: usize = 4;
/// Exponents that fits start from.
const STARTS: [f64; 7] = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2];
/// Relative tolerance of squared error and parameters.
const TOLERANCE: f64 = 1e-13;
/// Evaluations per parameter before a start is given up.
const PATIENCE: usize = 1_000;

/// Power law `fvu = c + a · features^(−b)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PowerLaw {
    /// Factor of the power.
    pub a: f64,
    /// Exponent.
    pub b: f64,
    /// Constant: FVU at infinite width, where `b` is positive. Never negative.
    pub c: f64,
    /// Coefficient of determination over the dictionaries, 1 − Σ(fvu − law)² / Σ(fvu − mean)².
    pub r2: f64,
}

impl PowerLaw {
    /// Fits the law to pairs of a number of features and an FVU by least squares, each dictionary with weight 1. None below four dictionaries or three widths,
    /// where all have one FVU, where a figure is not finite, or where no start converges.
    pub fn fit(rungs: &[(usize, f64)]) -> Option<Self> {
        let mut widths: Vec<usize> = rungs.iter().map(|rung| rung.0).collect();
        widths.sort_unstable();
        widths.dedup();
        let usable = rungs
            .iter()
            .all(|(width, fvu)| *width > 0 && fvu.is_finite());
        if rungs.len() < LEAST_RUNGS || widths.len() < 3 || !usable {
            return None;
        }
        let logs: Vec<f64> = rungs
            .iter()
            .map(|(width, _)| (*width as f64).ln())
            .collect();
        let middle = logs.iter().sum::<f64>() / logs.len() as f64;
        let points = Points {
            // Around 0, the factor and the exponent are almost independent.
            u: logs.iter().map(|log| log - middle).collect(),
            y: rungs.iter().map(|(_, fvu)| *fvu).collect(),
        };
        let spread = points.spread();
        if spread <= 0.0 {
            return None;
        }
        let found = points.best()?;
        Some(Self {
            a: found.factor * (found.exponent * middle).exp(),
            b: found.exponent,
            c: found.constant,
            r2: 1.0 - found.squares / spread,
        })
    }

    /// Returns the FVU that the law gives to `features` features.
    pub fn at(&self, features: f64) -> f64 {
        self.c + self.a * features.powf(-self.b)
    }

    /// Whether the law falls towards its constant, so that the constant is a limit that width approaches from above.
    pub fn falls(&self) -> bool {
        self.a > 0.0 && self.b > 0.0
    }
}

/// Points of the fit: logarithms of the widths about their mean, and FVUs.
struct Points {
    u: Vec<f64>,
    y: Vec<f64>,
}

/// Parameters of `constant + factor · exp(−exponent · u)` with their squared error.
#[derive(Debug, Clone, Copy)]
struct Found {
    factor: f64,
    exponent: f64,
    constant: f64,
    squares: f64,
}

impl Points {
    fn spread(&self) -> f64 {
        let mean = self.y.iter().sum::<f64>() / self.y.len() as f64;
        self.y.iter().map(|y| (y - mean).powi(2)).sum()
    }

    /// Returns the admissible fit of the least squared error, with a positive exponent if there is one.
    fn best(&self) -> Option<Found> {
        let all: Vec<Found> = STARTS
            .iter()
            .flat_map(|exponent| {
                let start = self.start(*exponent);
                [self.solved(start, true), self.solved(start, false)]
            })
            .flatten()
            .filter(|found| found.constant >= 0.0)
            .collect();
        let least = |falling: bool| {
            let with = all.iter().filter(|found| (found.exponent > 0.0) == falling);
            with.min_by(|a, b| a.squares.total_cmp(&b.squares)).copied()
        };
        least(true).or_else(|| least(false))
    }

    /// Solves for factor and constant at an exponent, where both are linear.
    fn start(&self, exponent: f64) -> [f64; 3] {
        let n = self.u.len() as f64;
        let powers: Vec<f64> = self.u.iter().map(|u| (-exponent * u).exp()).collect();
        let mean = powers.iter().sum::<f64>() / n;
        let mean_y = self.y.iter().sum::<f64>() / n;
        let spread: f64 = powers.iter().map(|p| (p - mean).powi(2)).sum();
        let both: f64 = (powers.iter().zip(&self.y))
            .map(|(p, y)| (p - mean) * (y - mean_y))
            .sum();
        let factor = both / spread;
        [factor, exponent, mean_y - factor * mean]
    }

    /// Fits from a start, with a free constant or with constant 0; none if it does not converge.
    fn solved(&self, start: [f64; 3], free: bool) -> Option<Found> {
        let mut at = start.to_vec();
        if !free {
            at.truncate(2);
        }
        let problem = Problem {
            points: self,
            at: DVector::from_vec(at),
        };
        let solver = LevenbergMarquardt::new()
            .with_ftol(TOLERANCE)
            .with_xtol(TOLERANCE)
            .with_gtol(TOLERANCE)
            .with_patience(PATIENCE);
        let (solved, report) = solver.minimize(problem);
        let precise = matches!(
            report.termination,
            TerminationReason::NoImprovementPossible(_)
        );
        let squares = 2.0 * report.objective_function;
        let ended = report.termination.was_successful() || precise;
        (ended && squares.is_finite()).then(|| Found {
            factor: solved.at[0],
            exponent: solved.at[1],
            constant: if free { solved.at[2] } else { 0.0 },
            squares,
        })
    }
}

/// Least-squares problem in factor, exponent and, where it is free, the constant.
struct Problem<'a> {
    points: &'a Points,
    at: DVector<f64>,
}

impl LeastSquaresProblem<f64, Dyn, Dyn> for Problem<'_> {
    type ResidualStorage = Owned<f64, Dyn>;
    type JacobianStorage = Owned<f64, Dyn, Dyn>;
    type ParameterStorage = Owned<f64, Dyn>;

    fn set_params(&mut self, at: &DVector<f64>) {
        self.at.copy_from(at);
    }

    fn params(&self) -> DVector<f64> {
        self.at.clone()
    }

    fn residuals(&self) -> Option<DVector<f64>> {
        let constant = self.at.get(2).copied().unwrap_or_default();
        let residual = |(u, y): (&f64, &f64)| constant + self.at[0] * (-self.at[1] * u).exp() - y;
        let all = self.points.u.iter().zip(&self.points.y).map(residual);
        Some(DVector::from_vec(all.collect()))
    }

    fn jacobian(&self) -> Option<DMatrix<f64>> {
        let u = &self.points.u;
        Some(DMatrix::from_fn(u.len(), self.at.len(), |row, column| {
            let power = (-self.at[1] * u[row]).exp();
            match column {
                0 => power,
                1 => -u[row] * self.at[0] * power,
                _ => 1.0,
            }
        }))
    }
}
