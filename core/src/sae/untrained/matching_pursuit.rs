//! Matching pursuit (SAELens `matching_pursuit`).

use rayon::prelude::*;

use super::super::decision::Limit;
use super::super::selection::Selects;
use super::super::variant::Variant;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::latents::Latents;

/// Takes one feature per round: the one whose decoder row has the largest positive product with the rest of the token. The product is added to the activation
/// and its part is removed from the rest. Encoder rows are those of the decoder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pursuit {
    /// Length of the rest at which it stops.
    pub residual_threshold: f32,
    /// Maximum number of rounds.
    pub max_iterations: usize,
    /// Whether it stops after a round that added no new feature.
    pub stop_on_duplicate_support: bool,
}

impl Selects for Pursuit {
    fn encode(&self, centred: &Matrix, w_enc: &Matrix, b_enc: &[f32]) -> Result<Latents> {
        let tokens: Vec<Vec<(u32, f32)>> = centred
            .values()
            .par_chunks(centred.columns().max(1))
            .map(|x| pursue(x, (w_enc, b_enc), *self))
            .collect::<Result<_>>()?;
        let mut latents = Latents::with_capacity(tokens.len(), 0);
        for mut token in tokens {
            token.sort_unstable_by_key(|(feature, _)| *feature);
            let (features, acts): (Vec<u32>, Vec<f32>) = token.into_iter().unzip();
            latents.push_row(&features, &acts);
        }
        Ok(latents)
    }

    fn cut_off(&self, _: &[f32], _: usize) -> Option<Limit> {
        None
    }

    fn describe(&self) -> String {
        format!("matching pursuit, {} rounds at most", self.max_iterations)
    }

    fn definition(&self) -> &'static str {
        "Adds one feature per round, the best one for the rest of the token"
    }

    fn canonical(&self) -> String {
        format!("matching pursuit {self:?}")
    }

    fn trained_as(&self) -> Variant {
        Variant::TopK
    }

    fn scale(&mut self, factor: f32) {
        self.residual_threshold *= factor;
    }

    fn has_encoder(&self) -> bool {
        false
    }

    fn ranks(&self) -> bool {
        true
    }

    fn is_covered(&self) -> bool {
        false
    }
}

fn pursue(x: &[f32], (rows, bias): (&Matrix, &[f32]), pursuit: Pursuit) -> Result<Vec<(u32, f32)>> {
    let mut rest = x.to_vec();
    let mut code: Vec<(u32, f32)> = Vec::new();
    for _ in 0..pursuit.max_iterations {
        let products = rows
            .iter_rows()
            .zip(bias)
            .map(|(row, bias)| dot(row, &rest) + bias);
        let mut best = (0, 0.0_f32);
        for (feature, product) in products.enumerate() {
            if !product.is_finite() {
                let what = "a product of matching pursuit is not finite: look for NaN or infinity in the activations or the weights";
                return Err(Error::Numeric {
                    what: what.to_owned(),
                });
            }
            if product > best.1 {
                best = (feature, product);
            }
        }
        let (feature, product) = best;
        let known = code.iter_mut().find(|(of, _)| *of as usize == feature);
        let stays = known.is_some() || product <= 0.0;
        if product > 0.0 {
            match known {
                Some((_, act)) => *act += product,
                None => code.push((feature as u32, product)),
            }
            for (rest, w) in rest.iter_mut().zip(rows.row(feature)) {
                *rest -= product * w;
            }
        }
        let short = dot(&rest, &rest).sqrt() < pursuit.residual_threshold;
        if short || product <= 0.0 || (stays && pursuit.stop_on_duplicate_support) {
            break;
        }
    }
    Ok(code)
}

pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
