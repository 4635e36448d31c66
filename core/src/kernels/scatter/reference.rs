//! The definition: plain loops, f64 accumulation, never optimised.

use crate::dims::Matrix;
use crate::latents::Latents;

/// A term of the loss.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    pub(crate) latents: Latents,
    pub(crate) d_acts: Vec<f32>,
    pub(crate) d_bias: Option<Vec<f32>>,
    /// For the features below each end; those beyond use the last table.
    pub(crate) tables: Vec<(usize, Matrix)>,
    pub(crate) scale: f32,
    /// Features of the dictionary that the latents' features stand for.
    pub(crate) list: Option<Vec<u32>>,
}

impl Term {
    fn table(&self, feature: usize) -> &Matrix {
        let mut tables = self.tables.iter();
        let below = tables.find(|(end, _)| feature < *end);
        &below.unwrap_or(&self.tables[self.tables.len() - 1]).1
    }
}

/// Gradients `w_enc [f, d]`, `w_dec [f, d_out]`, `b_enc [f]`, `read [f]`; or, of magnitudes, what rounding is relative to.
pub(crate) fn gradients(
    terms: &[Term],
    centred: &Matrix,
    (f, d_out): (usize, usize),
    magnitudes: bool,
) -> [Vec<f64>; 4] {
    let d = centred.columns();
    let size = |value: f64| if magnitudes { value.abs() } else { value };
    let mut all = [f * d, f * d_out, f, f].map(|len| vec![0.0; len]);
    for term in terms {
        for token in 0..term.latents.rows() {
            for entry in term.latents.range(token) {
                let own = term.latents.features[entry];
                let i = match &term.list {
                    Some(list) => list[own as usize] as usize,
                    None => own as usize,
                };
                let act = f64::from(term.scale) * f64::from(term.latents.acts[entry]);
                let d_act = f64::from(term.d_acts[entry]);
                for (c, x) in centred.row(token).iter().enumerate() {
                    all[0][i * d + c] += size(d_act * f64::from(*x));
                }
                for (c, left) in term.table(own as usize).row(token).iter().enumerate() {
                    all[1][i * d_out + c] += size(act * f64::from(*left));
                }
                let d_bias = term
                    .d_bias
                    .as_ref()
                    .map_or(d_act, |d_bias| f64::from(d_bias[entry]));
                all[2][i] += size(d_bias);
                all[3][i] += size(d_act);
            }
        }
    }
    all
}
