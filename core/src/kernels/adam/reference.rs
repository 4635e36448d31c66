//! The definition in f64, never optimised.

use super::{BETA1, BETA2, EPSILON};

/// Parameter, first and second moment after step `t` of one scalar.
pub(crate) fn adam([p, m, v]: [f64; 3], g: f64, learning_rate: f64, t: i32) -> [f64; 3] {
    let (beta1, beta2) = (f64::from(BETA1), f64::from(BETA2));
    let m = beta1 * m + (1.0 - beta1) * g;
    let v = beta2 * v + (1.0 - beta2) * g * g;
    let corrected = m / (1.0 - beta1.powi(t));
    let root = (v / (1.0 - beta2.powi(t))).sqrt();
    [
        p - learning_rate * corrected / (root + f64::from(EPSILON)),
        m,
        v,
    ]
}

/// A feature's encoder row, bias and decoder row: values, or gradients.
pub(crate) type Feature = [Vec<f64>; 3];

/// Gradients that a feature takes, from those of the dictionary with decoder rows of length 1: of the decoder only the part across its row. Where rows are
/// free, with `n` the length of the decoder row and `u` its direction: `n·g`, `n·g` and `(g − (g·u)u)/n + (g_enc·w_enc + g_b·b_enc)·u`; a row of length 0
/// takes them as they are.
pub(crate) fn taken([w_enc, b_enc, w_dec]: &Feature, gradient: &Feature, free: bool) -> Feature {
    let [mut g_enc, mut g_b, mut g_dec] = gradient.clone();
    let n = if free { dot(w_dec, w_dec).sqrt() } else { 1.0 };
    if n == 0.0 {
        return [g_enc, g_b, g_dec];
    }
    let through = if free {
        dot(&g_enc, w_enc) + dot(&g_b, b_enc)
    } else {
        0.0
    };
    let along = dot(&g_dec, w_dec) / n;
    for (g, w) in g_dec.iter_mut().zip(w_dec) {
        let u = w / n;
        *g = (*g - along * u) / n + through * u;
    }
    for g in g_enc.iter_mut().chain(&mut g_b) {
        *g *= n;
    }
    [g_enc, g_b, g_dec]
}

/// Brings a row to length 1, unless its length is 0.
pub(crate) fn to_length_one(row: &mut [f64]) {
    let length = dot(row, row).sqrt();
    if length > 0.0 {
        for w in row {
            *w /= length;
        }
    }
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
