//! Matching pursuit (SAELens `matching_pursuit`).

use std::sync::Arc;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::super::decision::Limit;
use super::super::selection::Selects;
use super::super::variant::Variant;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::latents::Latents;

/// Largest number of features whose products with each other are held, 64 MiB; beyond, each round multiplies every row anew.
const MOST_HELD: usize = 4_096;
/// Sums that a loop keeps side by side, so that it computes them at once.
const LANES: usize = 16;
/// Rows of a product that are computed as one unit of parallel work.
const STRIP: usize = 64;

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
        let directions = Directions {
            rows: w_enc,
            bias: b_enc,
            alike: alike(w_enc),
        };
        let block = (STRIP * centred.columns()).max(1);
        let tokens: Vec<Vec<Vec<(u32, f32)>>> = centred
            .values()
            .par_chunks(block)
            .map(|x| directions.pursued(x, *self))
            .collect::<Result<_>>()?;
        let tokens: Vec<Vec<(u32, f32)>> = tokens.into_iter().flatten().collect();
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

/// Products of the rows with each other, `[f, f]`.
struct Alike(Vec<f32>);

/// Returns the products of the rows with each other, which stay with `rows` as long as those do not change; none where there are too many rows.
fn alike(rows: &Matrix) -> Option<Arc<Alike>> {
    let f = rows.rows();
    if f > MOST_HELD || f == 0 {
        return None;
    }
    if let Some(held) = rows.held::<Alike>() {
        return Some(held);
    }
    let mut products = vec![0.0; f * f];
    let strips = products.par_chunks_mut(STRIP * f);
    let strips = strips.zip(rows.values().par_chunks(STRIP * rows.columns()));
    strips.for_each(|(out, some)| multiply(some, rows, out));
    let alike = Arc::new(Alike(products));
    let held: Arc<dyn std::any::Any + Send + Sync> = alike.clone();
    rows.hold(Some(held));
    Some(alike)
}

/// Computes `x [n, d] · rowsᵀ` into `out [n, f]`, on one thread.
fn multiply(x: &[f32], rows: &Matrix, out: &mut [f32]) {
    let (f, d) = (rows.rows(), rows.columns());
    let n = out.len() / f.max(1);
    matmul(
        MatMut::from_row_major_slice_mut(out, n, f),
        Accum::Replace,
        MatRef::from_row_major_slice(x, n, d),
        MatRef::from_row_major_slice(rows.values(), f, d).transpose(),
        1.0,
        Par::Seq,
    );
}

/// Rows to pursue by.
struct Directions<'a> {
    rows: &'a Matrix,
    bias: &'a [f32],
    alike: Option<Arc<Alike>>,
}

impl Directions<'_> {
    /// Returns the codes of some tokens.
    fn pursued(&self, x: &[f32], pursuit: Pursuit) -> Result<Vec<Vec<(u32, f32)>>> {
        let (f, d) = (self.rows.rows(), self.rows.columns());
        let mut products = vec![0.0; x.len() / d.max(1) * f];
        multiply(x, self.rows, &mut products);
        let tokens = x.chunks_exact(d.max(1));
        let each = tokens.zip(products.chunks_exact_mut(f.max(1)));
        each.map(|(x, products)| {
            for (product, bias) in products.iter_mut().zip(self.bias) {
                *product += bias;
            }
            self.pursue(x.to_vec(), products, pursuit)
        })
        .collect()
    }

    /// Pursues one token by its products with the rows, biases added.
    fn pursue(
        &self,
        mut rest: Vec<f32>,
        products: &mut [f32],
        pursuit: Pursuit,
    ) -> Result<Vec<(u32, f32)>> {
        let mut code: Vec<(u32, f32)> = Vec::new();
        for _ in 0..pursuit.max_iterations {
            if products.iter().any(|product| !product.is_finite()) {
                let what = "a product of matching pursuit is not finite: look for NaN or infinity in the activations or the weights";
                return Err(Error::Numeric {
                    what: what.to_owned(),
                });
            }
            let product = largest(products);
            let feature = products.iter().position(|other| *other == product);
            let feature = feature.unwrap_or_default();
            let known = code.iter_mut().find(|(of, _)| *of as usize == feature);
            let stays = known.is_some() || product <= 0.0;
            if product > 0.0 {
                match known {
                    Some((_, act)) => *act += product,
                    None => code.push((feature as u32, product)),
                }
                for (rest, w) in rest.iter_mut().zip(self.rows.row(feature)) {
                    *rest -= product * w;
                }
            }
            let short = dot(&rest, &rest).sqrt() < pursuit.residual_threshold;
            if short || product <= 0.0 || (stays && pursuit.stop_on_duplicate_support) {
                break;
            }
            self.lessen(products, &rest, (feature, product));
        }
        Ok(code)
    }

    /// Brings the products up to date after `product` times the row of `feature` was taken from the token, which left `rest`.
    fn lessen(&self, products: &mut [f32], rest: &[f32], (feature, product): (usize, f32)) {
        let Some(alike) = &self.alike else {
            let rows = self.rows.iter_rows().zip(self.bias);
            for (product, (row, bias)) in products.iter_mut().zip(rows) {
                *product = dot(row, rest) + bias;
            }
            return;
        };
        let f = products.len();
        let alike = &alike.0[feature * f..(feature + 1) * f];
        for (value, alike) in products.iter_mut().zip(alike) {
            *value -= product * alike;
        }
    }
}

/// Returns the largest of `values`, or 0 if none is positive.
fn largest(values: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let groups = values.chunks_exact(LANES);
    let rest = groups.remainder().iter();
    for group in groups {
        for (lane, value) in lanes.iter_mut().zip(group) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(0.0, f32::max)
}

pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (left, right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = left.remainder().iter().zip(right.remainder());
    let rest: f32 = rest.map(|(x, y)| x * y).sum();
    for (a, b) in left.zip(right) {
        for ((lane, x), y) in lanes.iter_mut().zip(a).zip(b) {
            *lane += x * y;
        }
    }
    lanes.iter().sum::<f32>() + rest
}
