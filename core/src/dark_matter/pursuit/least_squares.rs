//! Non-negative least squares on a growing set of features (Lawson and Hanson 1974, chapter 23), begun each time from the solution before.
//!
//! Works on the normal equations of the chosen directions in f64, with a Cholesky factor of the features whose weight is positive that grows by one row.

/// Smallest pivot, relative to a feature's own square, that is more than rounding.
const SMALLEST_PIVOT: f64 = 1e-12;
/// Gradient, relative to the largest product, that counts as zero.
const ZERO: f64 = 1e-12;

/// Chosen features, their products, and the weights that fit best.
#[derive(Debug, Default)]
pub(super) struct LeastSquares {
    /// Products of chosen features with each other, lower triangle: row `i` holds `i + 1`.
    gram: Vec<f64>,
    /// Products with the signal.
    targets: Vec<f64>,
    /// Weights, one for each chosen feature.
    pub(super) weights: Vec<f64>,
    /// Indices of the chosen features with positive weight, in the order of the factor.
    passive: Vec<usize>,
    /// Cholesky factor of their products, lower triangle.
    factor: Vec<f64>,
}

/// Entries of a lower triangle before row `row`.
fn before(row: usize) -> usize {
    row * (row + 1) / 2
}

impl LeastSquares {
    /// Adds a feature with its products with those chosen before and itself, and with the signal, and solves.
    pub(super) fn add(&mut self, products: &[f64], target: f64) {
        debug_assert_eq!(products.len(), self.targets.len() + 1);
        self.gram.extend_from_slice(products);
        self.targets.push(target);
        self.weights.push(0.0);
        self.solve(self.targets.len() - 1);
    }

    fn gram(&self, i: usize, j: usize) -> f64 {
        self.gram[before(i.max(j)) + i.min(j)]
    }

    /// Solves anew with `entering` among the positive ones.
    fn solve(&mut self, entering: usize) {
        let largest = self
            .targets
            .iter()
            .fold(0.0_f64, |most, t| most.max(t.abs()));
        let mut barred = vec![false; self.targets.len()];
        let mut entering = Some(entering);
        // Each round enters one feature; the bound is never reached unless rounding makes the same features come and go.
        for _ in 0..3 * self.targets.len() + 3 {
            let Some(enters) = entering else { return };
            if self.enter(enters) {
                self.settle();
            }
            barred[enters] = self.weights[enters] <= 0.0;
            let gradient = |i: &usize| {
                let fitted = self
                    .passive
                    .iter()
                    .map(|j| self.gram(*i, *j) * self.weights[*j]);
                self.targets[*i] - fitted.sum::<f64>()
            };
            entering = (0..self.targets.len())
                .filter(|i| self.weights[*i] <= 0.0 && !barred[*i])
                .map(|i| (i, gradient(&i)))
                .filter(|(_, gradient)| *gradient > ZERO * largest)
                .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
                .map(|(i, _)| i);
        }
    }

    /// Appends a feature to the factor; not one that the others span.
    fn enter(&mut self, feature: usize) -> bool {
        let rank = self.passive.len();
        let mut row = Vec::with_capacity(rank + 1);
        for i in 0..rank {
            let of = &self.factor[before(i)..before(i) + i];
            let known: f64 = of.iter().zip(&row).map(|(a, b): (&f64, &f64)| a * b).sum();
            let pivot = self.factor[before(i) + i];
            row.push((self.gram(feature, self.passive[i]) - known) / pivot);
        }
        let own = self.gram(feature, feature);
        let left = own - row.iter().map(|v| v * v).sum::<f64>();
        if left.is_nan() || left <= SMALLEST_PIVOT * own {
            return false;
        }
        row.push(left.sqrt());
        self.factor.extend(row);
        self.passive.push(feature);
        true
    }

    /// Moves to the least squares of the positive features, and drops those whose weight would fall below zero on the way.
    fn settle(&mut self) {
        loop {
            let best = self.unconstrained();
            let falls = |(at, to): (&usize, &f64)| {
                let from = self.weights[*at];
                (*to <= 0.0).then(|| from / (from - to))
            };
            let share = self
                .passive
                .iter()
                .zip(&best)
                .filter_map(falls)
                .fold(f64::INFINITY, |least, share| {
                    least.min(if share.is_nan() { 0.0 } else { share })
                });
            if share.is_infinite() {
                for (at, to) in self.passive.iter().zip(best) {
                    self.weights[*at] = to;
                }
                return;
            }
            for (at, to) in self.passive.iter().zip(&best) {
                let from = self.weights[*at];
                let reached = from + share * (to - from);
                let dropped = *to <= 0.0 && (reached <= 0.0 || from / (from - to) <= share);
                self.weights[*at] = if dropped { 0.0 } else { reached };
            }
            // A feature that has just entered stands at zero and stays unless its own share ended the move.
            let stays: Vec<usize> = (self.passive.iter().zip(&best))
                .filter(|(at, to)| self.weights[**at] > 0.0 || **to > 0.0)
                .map(|(at, _)| *at)
                .collect();
            self.passive.clear();
            self.factor.clear();
            for feature in stays {
                if !self.enter(feature) {
                    self.weights[feature] = 0.0;
                }
            }
        }
    }

    /// Least squares of the positive features without a sign.
    fn unconstrained(&self) -> Vec<f64> {
        let rank = self.passive.len();
        let mut x: Vec<f64> = self.passive.iter().map(|i| self.targets[*i]).collect();
        for i in 0..rank {
            let row = &self.factor[before(i)..before(i) + i];
            let known: f64 = row.iter().zip(&x).map(|(a, b)| a * b).sum();
            x[i] = (x[i] - known) / self.factor[before(i) + i];
        }
        for i in (0..rank).rev() {
            x[i] /= self.factor[before(i) + i];
            let solved = x[i];
            for (j, x) in x[..i].iter_mut().enumerate() {
                *x -= self.factor[before(i) + j] * solved;
            }
        }
        x
    }
}
