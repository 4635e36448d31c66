//! Pursuit of one token: state, the search for the feature of largest correlation, and the two rules.

use super::Method;
use super::columns::{Columns, STRIP, add_columns, add_scaled, product, product_error};
use super::least_squares::LeastSquares;
use crate::dims::Matrix;

/// Correlation, relative to the lengths of both, that orthogonal pursuit takes for zero: the rounding of f64 products.
const ZERO: f64 = 1e-12;
/// Share of the last correlation by which corrections of correlations may wait.
const WAITS: f64 = 1.0 / 8.0;

/// Features among which a token's pursuit looks.
#[derive(Debug)]
pub(super) enum Among<'a> {
    /// All features, with a running estimate of their correlations, `[f]`.
    All(&'a mut [f32]),
    /// Some, ascending.
    These(Vec<u32>),
}

/// Pursuit of one token.
#[derive(Debug)]
pub(super) struct Token<'a> {
    directions: &'a Matrix,
    method: Method,
    among: Among<'a>,
    /// Part of the signal that the code leaves, `[d]`.
    rest: Vec<f64>,
    /// Features that were ever selected.
    pub(super) chosen: Vec<u32>,
    /// Weights of the chosen features.
    pub(super) weights: Vec<f64>,
    /// Weights that the estimate knows of.
    known: Vec<f64>,
    squares: LeastSquares,
    /// Largest estimate of each strip of features.
    peaks: Vec<f32>,
    /// Bound on the error of an estimate.
    error: f64,
    /// Bound on the size of an estimate.
    size: f64,
    /// Correlation that is no more than rounding.
    tiny: f64,
    /// Correlation of the last feature selected.
    last: f64,
    /// Steps left.
    left: usize,
}

/// Progress of a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// All steps are taken.
    End,
    /// Columns of these features are needed.
    Waits(Vec<u32>),
}

impl<'a> Token<'a> {
    /// Begins the pursuit of `signal [d]`, `steps` long. Estimates, if there are any, hold the f32 products of the signal with all directions.
    pub(super) fn new(
        (directions, longest): (&'a Matrix, f64),
        signal: &[f32],
        (method, steps): (Method, usize),
        among: Among<'a>,
    ) -> Self {
        let rest: Vec<f64> = signal.iter().map(|v| f64::from(*v)).collect();
        let length = rest.iter().map(|v| v * v).sum::<f64>().sqrt();
        let strips = match &among {
            Among::All(estimates) => estimates.len().div_ceil(STRIP),
            Among::These(_) => 0,
        };
        Self {
            directions,
            method,
            among,
            rest,
            chosen: Vec::new(),
            weights: Vec::new(),
            known: Vec::new(),
            squares: LeastSquares::default(),
            peaks: vec![f32::NEG_INFINITY; strips],
            error: product_error(directions.columns()) * longest * length,
            size: 1.01 * longest * length,
            tiny: ZERO * longest * length,
            last: f64::INFINITY,
            left: steps,
        }
    }

    /// Takes steps until it ends or columns are missing.
    pub(super) fn advance(&mut self, columns: &Columns<'_>) -> Reached {
        while self.left > 0 {
            let slack = match self.catch_up(columns) {
                Ok(slack) => slack,
                Err(missing) => return Reached::Waits(missing),
            };
            let best = self.best(slack);
            let went_on = match self.method {
                Method::Gradient => self.gradient(best),
                Method::Orthogonal => self.orthogonal(best),
            };
            self.left = if went_on { self.left - 1 } else { 0 };
        }
        Reached::End
    }

    fn direction(&self, feature: u32) -> &'a [f32] {
        self.directions.row(feature as usize)
    }

    /// Brings the estimates to the present weights; corrections too small to matter wait, and their bound is returned. An error names the columns that are missing.
    fn catch_up(&mut self, columns: &Columns<'_>) -> Result<f64, Vec<u32>> {
        let Among::All(estimates) = &mut self.among else {
            return Ok(0.0);
        };
        let (mut pending, mut missing) = (Vec::new(), Vec::new());
        for (at, feature) in self.chosen.iter().enumerate() {
            let change = self.weights[at] - self.known[at];
            if change == 0.0 {
                continue;
            }
            match columns.get(*feature) {
                Some(column) => pending.push((change.abs() * column.most, at, change, column)),
                None => missing.push(*feature),
            }
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        pending.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (mut slack, may_wait) = (0.0, WAITS * self.last.max(0.0));
        let mut apply = Vec::with_capacity(pending.len());
        let step = f64::from(f32::EPSILON);
        for (bound, at, change, column) in pending {
            if self.last.is_finite() && slack + bound <= may_wait {
                slack += bound;
                continue;
            }
            let factor = (-change * f64::from(column.scale)) as f32;
            apply.push((factor, column.entries.as_slice()));
            self.known[at] = self.weights[at];
            self.size += bound;
            // The column, its factor, and the rounding of the sum.
            self.error += change.abs() * column.error + step * (bound + self.size);
        }
        add_columns(estimates, &mut self.peaks, &apply);
        Ok(slack)
    }

    /// Returns the feature never selected that has the largest correlation with the rest, and the correlation; of equals the lowest.
    fn best(&self, slack: f64) -> Option<(u32, f64)> {
        let mut best: Option<(u32, f64)> = None;
        let mut offer = |feature: u32| {
            let correlation = product(self.direction(feature), &self.rest);
            if best.is_none_or(|(_, most)| correlation > most) {
                best = Some((feature, correlation));
            }
        };
        match &self.among {
            Among::These(features) => {
                let unseen = features.iter().filter(|of| !self.chosen.contains(of));
                unseen.for_each(|feature| offer(*feature));
            }
            Among::All(estimates) => {
                let candidates = self.candidates(estimates, slack);
                candidates.into_iter().for_each(offer);
            }
        }
        best
    }

    /// Returns the features whose correlation may be the largest, ascending: estimates within both errors of the largest.
    fn candidates(&self, estimates: &[f32], slack: f64) -> Vec<u32> {
        let peaks = self.peaks.iter();
        let peak = peaks.fold(f32::NEG_INFINITY, |most, peak| most.max(*peak));
        let floor = f64::from(peak) - 2.0 * (self.error + slack);
        let may = |estimate: f32| f64::from(estimate) >= floor && estimate > f32::NEG_INFINITY;
        let strips = estimates.chunks(STRIP).zip(&self.peaks).zip(0..);
        strips
            .filter(|((_, peak), _)| may(**peak))
            .flat_map(|((strip, _), at)| {
                let first = at * STRIP as u32;
                let pairs = strip.iter().zip(first..);
                pairs.filter(|(estimate, _)| may(**estimate))
            })
            .map(|(_, feature)| feature)
            .collect()
    }

    /// Adds `feature` to those ever selected.
    fn choose(&mut self, feature: u32) {
        self.chosen.push(feature);
        self.weights.push(0.0);
        self.known.push(0.0);
        if let Among::All(estimates) = &mut self.among {
            estimates[feature as usize] = f32::NEG_INFINITY;
        }
    }

    /// One step of gradient pursuit; false where there is nothing to step along.
    fn gradient(&mut self, unseen: Option<(u32, f64)>) -> bool {
        let mut correlations: Vec<f64> = self
            .chosen
            .iter()
            .map(|feature| product(self.direction(*feature), &self.rest))
            .collect();
        let mut best = unseen;
        for (feature, correlation) in self.chosen.iter().zip(&correlations) {
            let better = best.is_none_or(|(of, most)| {
                *correlation > most || (*correlation == most && *feature < of)
            });
            if better {
                best = Some((*feature, *correlation));
            }
        }
        let Some((feature, correlation)) = best else {
            return false;
        };
        self.last = correlation;
        if !self.chosen.contains(&feature) {
            self.choose(feature);
            correlations.push(correlation);
        }
        let mut step_by = vec![0.0; self.rest.len()];
        for (at, of) in self.chosen.iter().enumerate() {
            if self.weights[at] == 0.0 && *of != feature {
                correlations[at] = 0.0;
            }
            if correlations[at] != 0.0 {
                add_scaled(&mut step_by, correlations[at], self.direction(*of));
            }
        }
        let along: f64 = step_by.iter().zip(&self.rest).map(|(c, r)| c * r).sum();
        let square: f64 = step_by.iter().map(|c| c * c).sum();
        let step = along / square;
        if !step.is_finite() {
            return false;
        }
        for (rest, c) in self.rest.iter_mut().zip(&step_by) {
            *rest -= step * c;
        }
        for (at, of) in self.chosen.iter().enumerate() {
            let free = self.weights[at] + step * correlations[at];
            if free < 0.0 {
                add_scaled(&mut self.rest, free, self.directions.row(*of as usize));
            }
            self.weights[at] = free.max(0.0);
        }
        true
    }

    /// One step of orthogonal matching pursuit; false where no feature correlates with the rest.
    fn orthogonal(&mut self, unseen: Option<(u32, f64)>) -> bool {
        let Some((feature, correlation)) = unseen else {
            return false;
        };
        if correlation <= self.tiny {
            return false;
        }
        self.last = correlation;
        let direction = self.direction(feature);
        let own: Vec<f64> = direction.iter().map(|v| f64::from(*v)).collect();
        self.choose(feature);
        let products: Vec<f64> = self
            .chosen
            .iter()
            .map(|of| product(self.direction(*of), &own))
            .collect();
        // The signal is the rest and all that was taken from it.
        let taken = products.iter().zip(&self.weights).map(|(p, w)| p * w);
        let target = correlation + taken.sum::<f64>();
        self.squares.add(&products, target);
        for (at, of) in self.chosen.iter().enumerate() {
            let change = self.squares.weights[at] - self.weights[at];
            if change != 0.0 {
                add_scaled(&mut self.rest, -change, self.directions.row(*of as usize));
                self.weights[at] = self.squares.weights[at];
            }
        }
        true
    }
}
