//! The definition: plain loops in f64.

use candle_core::Tensor;

use super::Rotate;

/// `[b, t, h, e]`.
pub(super) fn rotate(x: &Tensor, op: &Rotate) -> Vec<f64> {
    let (b, t, h, e) = x.dims4().unwrap();
    assert!(op.cos.len().is_multiple_of(t * op.pairs));
    let x: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
    let pairs = op.pairs;
    let entry = |i: usize| -> f64 {
        // Row by row where the table is.
        let position = i / (h * e) % (op.cos.len() / op.pairs);
        let dim = i % e;
        let at = |dim: usize| f64::from(x[i - i % e + dim]);
        let angle = |pair: usize| {
            let entry = position * pairs + pair;
            (f64::from(op.cos[entry]), f64::from(op.sin[entry]))
        };
        if dim < pairs {
            let (cos, sin) = angle(dim);
            at(dim) * cos - at(dim + pairs) * sin
        } else if dim < 2 * pairs {
            let (cos, sin) = angle(dim - pairs);
            at(dim) * cos + at(dim - pairs) * sin
        } else {
            at(dim)
        }
    };
    (0..b * t * h * e).map(entry).collect()
}
