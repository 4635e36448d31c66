//! Direct effect of every head's output at one position on the logit of one token.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use crate::dims::{Dims, Matrix};
use crate::error::Result;
use crate::ids::Layer;
use crate::models::Model;

/// Computes `[n, h]` for layer `layer`: z_h · (W_O^h u) / σ for each of n tokens with z of all heads `[n, h·e]`, direction u of the wanted logit `[n, d]`
/// ([`Model::logit_directions`]) and scale σ of the final norm. `written` is what attention wrote at the tokens `[n, d]`, where a norm follows attention: its
/// run-time scale is taken from it.
pub(super) fn effects(
    model: &Model,
    layer: Layer,
    (z, directions, scales): (&Matrix, &Matrix, &[f32]),
    written: Option<&Matrix>,
) -> Result<Matrix> {
    let w_o = model.w_o(layer)?;
    Dims::new("direct effects of heads")
        .bind("z", z, "n z")?
        .bind("directions", directions, "n d")?
        .bind("w_o", &w_o, "z d")?
        .bind_len("scales", scales.len(), "n")?;
    let heads = model.config().heads;
    let wide = w_o.rows();
    // Row i: the weight of each entry of z_i in the logit.
    let read = product(directions, &w_o.transposed());
    let out = written.map(|_| product(z, &w_o));
    let mut effects = Matrix::zeros(z.rows(), heads);
    let each = wide / heads.max(1);
    for (i, row) in z.iter_rows().enumerate() {
        let mut by = 1.0 / f64::from(scales[i]);
        if let (Some(written), Some(out)) = (written, &out) {
            // Without bias, the norm's output is the sum of the heads' outputs over its scale.
            let length = dot(out.row(i), out.row(i));
            if length > 0.0 {
                by *= dot(written.row(i), out.row(i)) / length;
            }
        }
        let parts = row
            .chunks_exact(each)
            .zip(read.row(i).chunks_exact(each))
            .zip(effects.row_mut(i));
        for ((z, read), effect) in parts {
            *effect = (dot(z, read) * by) as f32;
        }
    }
    Ok(effects)
}

/// Computes `a [n, k] · b [k, m]`.
fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let mut out = Matrix::zeros(a.rows(), b.columns());
    matmul(
        MatMut::from_row_major_slice_mut(out.values_mut(), a.rows(), b.columns()),
        Accum::Replace,
        MatRef::from_row_major_slice(a.values(), a.rows(), a.columns()),
        MatRef::from_row_major_slice(b.values(), b.rows(), b.columns()),
        1.0,
        Par::Seq,
    );
    out
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
