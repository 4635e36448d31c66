//! Sums over the tokens of one block of the text, from which every figure of a ladder is computed, for all tokens or for a draw of blocks.

/// Sums of one block, or of several.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    tokens: f64,
    /// Active features, `[m]`.
    active: Vec<f64>,
    /// Σ‖e‖², `[m]`.
    error: Vec<f64>,
    /// Σ (x − origin), `[d]`.
    x: Vec<f64>,
    /// Σ ‖x − origin‖².
    square: f64,
    /// Products of `[1, regressors less their origins]`, lower triangle, row by row.
    products: Vec<f64>,
    /// Number of regressors: error norms `[m]`, then nonlinear norms `[m]` if there are linear parts.
    regressors: usize,
}

/// Points that sums are taken about, so that nothing is lost where a mean is far larger than the spread.
#[derive(Debug, Clone)]
pub(super) struct Origins {
    /// Activation, `[d]`.
    pub(super) x: Vec<f64>,
    /// Regressors.
    pub(super) regressors: Vec<f64>,
}

/// One token: active features and squared error norms `[m]`, and all regressors.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) x: &'a [f32],
    pub(super) active: &'a [u32],
    pub(super) error: &'a [f64],
    pub(super) regressors: &'a [f64],
}

impl Sums {
    /// Creates empty sums for `m` dictionaries, activations of width `d` and a number of regressors.
    pub(super) fn new(m: usize, d: usize, regressors: usize) -> Self {
        Self {
            tokens: 0.0,
            active: vec![0.0; m],
            error: vec![0.0; m],
            x: vec![0.0; d],
            square: 0.0,
            products: vec![0.0; (regressors + 1) * (regressors + 2) / 2],
            regressors,
        }
    }

    /// Adds a token.
    pub(super) fn add(&mut self, token: &Token<'_>, origins: &Origins) {
        self.tokens += 1.0;
        for (sum, active) in self.active.iter_mut().zip(token.active) {
            *sum += f64::from(*active);
        }
        for (sum, error) in self.error.iter_mut().zip(token.error) {
            *sum += error;
        }
        for ((sum, x), origin) in self.x.iter_mut().zip(token.x).zip(&origins.x) {
            let x = f64::from(*x) - origin;
            *sum += x;
            self.square += x * x;
        }
        let shifted = |at: usize| match at {
            0 => 1.0,
            at => token.regressors[at - 1] - origins.regressors[at - 1],
        };
        let mut products = self.products.iter_mut();
        for row in 0..=self.regressors {
            let left = shifted(row);
            for (column, sum) in (0..=row).zip(products.by_ref()) {
                *sum += left * shifted(column);
            }
        }
    }

    /// Adds the sums of another block `times` over.
    pub(super) fn join(&mut self, other: &Self, times: f64) {
        let add = |into: &mut [f64], from: &[f64]| {
            for (into, from) in into.iter_mut().zip(from) {
                *into += times * from;
            }
        };
        self.tokens += times * other.tokens;
        self.square += times * other.square;
        add(&mut self.active, &other.active);
        add(&mut self.error, &other.error);
        add(&mut self.x, &other.x);
        add(&mut self.products, &other.products);
    }

    pub(super) fn tokens(&self) -> f64 {
        self.tokens
    }

    /// Mean number of active features of dictionary `i`.
    pub(super) fn l0(&self, i: usize) -> f64 {
        self.active[i] / self.tokens
    }

    /// FVU of each dictionary, `[m]`.
    pub(super) fn fvu(&self) -> Vec<f64> {
        let mean: f64 = self.x.iter().map(|x| x * x).sum::<f64>() / self.tokens;
        let variance = self.square - mean;
        self.error.iter().map(|error| error / variance).collect()
    }

    /// Mean of regressor `i`.
    pub(super) fn mean(&self, i: usize, origins: &Origins) -> f64 {
        self.product(i + 1, 0) / self.tokens + origins.regressors[i]
    }

    /// R² of regressor `j` from regressor `i` with intercept; none where either is constant.
    pub(super) fn r2(&self, i: usize, j: usize) -> Option<f64> {
        if i == j {
            return Some(1.0);
        }
        let spread = self.covariance(i, i) * self.covariance(j, j);
        (spread > 0.0).then(|| self.covariance(i, j).powi(2) / spread)
    }

    /// Share of the variance of `j` left by `i` that `second` explains beside it; none where nothing is left, or where `second` says nothing new.
    pub(super) fn gain(&self, i: usize, second: usize, j: usize) -> Option<f64> {
        let own = self.covariance(i, i);
        if own <= 0.0 {
            return None;
        }
        let left = |a: usize, b: usize| {
            self.covariance(a, b) - self.covariance(a, i) * self.covariance(i, b) / own
        };
        let (rest, new) = (left(j, j), left(second, second));
        let nothing = |left: f64, of: usize| left <= 1e-12 * self.covariance(of, of);
        if nothing(rest, j) || nothing(new, second) {
            return None;
        }
        Some((left(j, second).powi(2) / (rest * new)).min(1.0))
    }

    fn product(&self, row: usize, column: usize) -> f64 {
        let (row, column) = (row.max(column), row.min(column));
        self.products[row * (row + 1) / 2 + column]
    }

    /// Sum of products of two regressors about their means; exactly 0 where rounding leaves nothing of it.
    fn covariance(&self, i: usize, j: usize) -> f64 {
        let whole = self.product(i + 1, j + 1);
        let means = self.product(i + 1, 0) * self.product(j + 1, 0) / self.tokens;
        let left = whole - means;
        if i == j && left <= 1e-13 * whole.abs() {
            0.0
        } else {
            left
        }
    }
}
