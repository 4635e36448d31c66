//! The definition: plain loops, f64, never optimised.

use crate::latents::Latents;

/// Numbers of JumpReLU's penalty.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct JumpRelu {
    pub(in crate::kernels) width: f64,
    /// Gradient by one token's L0 over the batch's tokens, at the codes' own L0.
    pub(in crate::kernels) slope: f64,
    pub(in crate::kernels) tanh: (f64, f64),
}

/// Gradients of pre-activations `[nnz]` and thresholds `[f]`, and the tanh penalty; each with the sum of the magnitudes of its terms.
#[derive(Debug, Default)]
pub(in crate::kernels) struct Terms {
    pub(in crate::kernels) d_acts: Vec<(f64, f64)>,
    pub(in crate::kernels) by_feature: Vec<[(f64, f64); 2]>,
    pub(in crate::kernels) loss: (f64, f64),
}

/// JumpReLU's terms of codes with pre-activations as their activations.
pub(in crate::kernels) fn jump_relu(
    pre: &Latents,
    thresholds: &[f32],
    d_acts: &[f32],
    with: JumpRelu,
) -> Terms {
    let mut terms = Terms {
        by_feature: vec![[(0.0, 0.0); 2]; thresholds.len()],
        ..Terms::default()
    };
    let (weight, slope) = with.tanh;
    for (j, d) in d_acts.iter().enumerate() {
        let f = pre.features[j] as usize;
        let (z, theta) = (f64::from(pre.acts[j]), f64::from(thresholds[f]));
        let act = if z > theta { z } else { 0.0 };
        let value = (slope * act).tanh();
        let of_penalty = weight * slope * (1.0 - value * value);
        let h = f64::from(*d) + of_penalty;
        terms.loss.0 += weight * value;
        terms.loss.1 += weight * value;
        if (z - theta).abs() < 0.5 * with.width {
            let [sum, _] = &mut terms.by_feature[f];
            sum.0 -= (theta * h + with.slope) / with.width;
            let size = f64::from(d.abs()) + of_penalty;
            sum.1 += (theta * size + with.slope.abs()) / with.width;
        }
        let size = f64::from(d.abs()) + of_penalty;
        terms
            .d_acts
            .push(if z > theta { (h, size) } else { (0.0, 0.0) });
    }
    terms
}

/// The gated variant's magnitudes of positive gates.
pub(in crate::kernels) fn magnitudes(
    gates: &Latents,
    [b_enc, b_mag, r_mag]: [&[f32]; 3],
) -> Vec<(f64, f64)> {
    let each = gates.features.iter().zip(&gates.acts);
    each.map(|(f, gate)| {
        let [b, m, r] = [b_enc, b_mag, r_mag].map(|v| f64::from(v[*f as usize]));
        let gate = f64::from(*gate);
        let size = r.exp() * (gate.abs() + b.abs()) + m.abs();
        ((r.exp() * (gate - b) + m).max(0.0), size)
    })
    .collect()
}

/// The gated variant's terms: `by_feature` holds d_b_mag and d_r_mag. Gates whose magnitude lies in the noise are for the caller to leave out.
pub(in crate::kernels) fn gated(
    gates: &Latents,
    [b_enc, b_mag, r_mag]: [&[f32]; 3],
    (d_gates, d_acts): (&[f32], &[f32]),
) -> Terms {
    let mut terms = Terms {
        by_feature: vec![[(0.0, 0.0); 2]; b_mag.len()],
        ..Terms::default()
    };
    let acts = magnitudes(gates, [b_enc, b_mag, r_mag]);
    for (j, (act, _)) in acts.into_iter().enumerate() {
        let f = gates.features[j] as usize;
        let h = if act > 0.0 { f64::from(d_acts[j]) } else { 0.0 };
        let grown = f64::from(r_mag[f]).exp();
        let read = f64::from(gates.acts[j]) - f64::from(b_enc[f]);
        let read_size = f64::from(gates.acts[j].abs()) + f64::from(b_enc[f].abs());
        let [b, r] = &mut terms.by_feature[f];
        b.0 += h;
        b.1 += h.abs();
        r.0 += h * grown * read;
        r.1 += h.abs() * grown * read_size;
        let q = f64::from(d_gates[j]);
        terms
            .d_acts
            .push((q + h * grown, q.abs() + h.abs() * grown));
    }
    terms
}
