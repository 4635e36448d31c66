//! The one-to-one assignment of features with the largest sum of absolute cosines.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use pathfinding::kuhn_munkres::{Weights, kuhn_munkres};

use super::Partner;
use crate::ids::FeatureId;

/// Units of a cosine of 1: the solver takes whole numbers.
const UNITS: f64 = 1e9;

/// Rows in one product.
const BLOCK: usize = 1_024;

/// Absolute cosines as whole numbers, or their negation.
struct Sizes<'a> {
    /// `[f', f]`: those of one feature of the smaller dictionary are side by side in memory.
    cosines: &'a Mat<f32>,
    sign: i64,
}

impl Weights<i64> for Sizes<'_> {
    fn rows(&self) -> usize {
        self.cosines.ncols()
    }

    fn columns(&self) -> usize {
        self.cosines.nrows()
    }

    fn at(&self, row: usize, column: usize) -> i64 {
        let size = f64::from(self.cosines[(column, row)]).abs();
        self.sign * (size * UNITS).round() as i64
    }

    fn neg(&self) -> Self {
        Self {
            cosines: self.cosines,
            sign: -self.sign,
        }
    }
}

/// Assigns each row of `a [f, d]` one row of `b [f', d]`, f ≤ f', so that the sum of absolute products is the largest.
pub(super) fn optimal(a: &Mat<f32>, b: &Mat<f32>) -> Vec<Partner> {
    if a.nrows() == 0 {
        return Vec::new();
    }
    let cosines = products(b, a, 0..b.nrows());
    let weights = Sizes {
        cosines: &cosines,
        sign: 1,
    };
    let (_, columns) = kuhn_munkres(&weights);
    let each = columns.into_iter().enumerate();
    each.map(|(row, column)| Partner {
        a: FeatureId::from(row),
        b: FeatureId::from(column),
        cosine: f64::from(cosines[(column, row)]).clamp(-1.0, 1.0),
    })
    .collect()
}

/// Mean over the rows of `a` of the largest absolute product with a row of `b`: no assignment has a larger mean.
pub(super) fn mean_of_best(a: &Mat<f32>, b: &Mat<f32>) -> f64 {
    let mut sum = 0.0;
    for start in (0..a.nrows()).step_by(BLOCK) {
        let rows = start..(start + BLOCK).min(a.nrows());
        let cosines = products(a, b, rows);
        for row in cosines.row_iter() {
            let best = row.iter().fold(0.0_f32, |best, size| best.max(size.abs()));
            sum += f64::from(best.min(1.0));
        }
    }
    sum / a.nrows().max(1) as f64
}

fn products(a: &Mat<f32>, b: &Mat<f32>, rows: std::ops::Range<usize>) -> Mat<f32> {
    let mut out = Mat::zeros(rows.len(), b.nrows());
    let a = a.subrows(rows.start, rows.len());
    matmul(
        out.as_mut(),
        Accum::Replace,
        a,
        b.transpose(),
        1.0,
        Par::rayon(0),
    );
    out
}
