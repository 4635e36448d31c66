//! Synthetic activations and a dictionary of any size.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::Settings;
use crate::dims::Matrix;
use crate::error::Result;
use crate::sae::{Relu, Sae, Uses, Variant};
use crate::train::{Spec, Trainer};

/// Number of batches that steps draw from.
pub(super) const BATCHES: usize = 4;
/// Number of directions whose sums are the activations.
const PLANTED: usize = 4_096;
/// Factor on the encoder row of a dead feature: it is never among the largest, yet positive on half of the tokens, as dead features are.
const FAINT: f32 = 0.2;
/// Number of activations by which biases are set.
const SAMPLE: usize = 256;

/// Draws `rows` directions of length 1.
fn directions(rng: &mut ChaCha8Rng, rows: usize, d: usize) -> Matrix {
    let mut all = Matrix::zeros(rows, d);
    for row in all.values_mut().chunks_exact_mut(d) {
        // Sums of three uniform values: near enough to a normal distribution.
        for value in row.iter_mut() {
            *value = (0..3).map(|_| rng.random_range(-1.0_f32..1.0)).sum();
        }
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        for value in row.iter_mut() {
            *value /= length.max(f32::MIN_POSITIVE);
        }
    }
    all
}

/// Each a sum of planted directions and noise, scaled so that the mean of ‖x‖² is `d`; a gradient SAE's are followed by gradients of noise.
pub(super) fn activations(rng: &mut ChaCha8Rng, settings: &Settings) -> Matrix {
    let d = settings.d;
    let paired = settings.variant == Variant::Gradient;
    let columns = if paired { 2 * d } else { d };
    let planted = directions(rng, PLANTED.min(settings.features), d);
    let mut all = Matrix::zeros(BATCHES * settings.batch, columns);
    let mut squared = 0.0_f64;
    for row in all.values_mut().chunks_exact_mut(columns) {
        let (x, gradient) = row.split_at_mut(d);
        for _ in 0..settings.k {
            let act = -(1.0 - rng.random::<f32>()).ln();
            let direction = planted.row(rng.random_range(0..planted.rows()));
            x.iter_mut().zip(direction).for_each(|(x, w)| *x += act * w);
        }
        for value in x.iter_mut().chain(gradient) {
            *value += rng.random_range(-0.1..0.1);
        }
        squared += x.iter().map(|x| f64::from(x * x)).sum::<f64>();
    }
    let factor = ((all.rows() * d) as f64 / squared.max(f64::MIN_POSITIVE)).sqrt() as f32;
    let scale = |x: &mut f32| *x *= factor;
    all.values_mut().iter_mut().for_each(scale);
    all
}

/// A trainer on random directions; a transcoder's writes what it reads, which costs the same as another hook. Rules without a number of features per token get biases that leave about `k`.
pub(super) fn trainer(
    rng: &mut ChaCha8Rng,
    settings: &Settings,
    spec: &Spec,
    cached: &Matrix,
) -> Result<Trainer> {
    let (d, features) = (settings.d, settings.features);
    let w_dec = directions(rng, features, d);
    let mut w_enc = w_dec.clone();
    let dead = (settings.dead * features as f64) as usize;
    for value in &mut w_enc.values_mut()[(features - dead) * d..] {
        *value *= FAINT;
    }
    let bias = if settings.variant.uses(Uses::Penalty) {
        -bar(&w_enc, cached, settings)
    } else {
        0.0
    };
    let sae = Sae::new(
        "",
        (w_enc, vec![bias; features]),
        (w_dec, vec![0.0; d]),
        Relu,
    );
    Trainer::from_sae(spec, sae)
}

/// Returns the mean over tokens of the `k`-th largest pre-activation.
fn bar(w_enc: &Matrix, cached: &Matrix, settings: &Settings) -> f32 {
    let d = settings.d;
    let rows: Vec<&[f32]> = cached.iter_rows().take(SAMPLE).collect();
    let least = |x: &&[f32]| {
        let mut pre: Vec<f32> = w_enc
            .iter_rows()
            .map(|w| w.iter().zip(&x[..d]).map(|(w, x)| w * x).sum())
            .collect();
        let last = settings.k.min(pre.len()) - 1;
        *pre.select_nth_unstable_by(last, |a, b| b.total_cmp(a)).1
    };
    rows.par_iter().map(least).sum::<f32>() / rows.len().max(1) as f32
}
