//! Terms of training rules on codes, on a device.

use bytemuck::{Pod, Zeroable};

use crate::device::{Access, Buffer, Call, Gpu, Kernel, Recorder};
use crate::error::Result;
use crate::kernels::codes::{ByFeature, Codes};
use crate::kernels::sums::gpu::{self as sums, Total};

/// Threads of a workgroup with one entry each.
const WIDTH: usize = 256;
/// Features of a workgroup of `sum_by_feature`.
const FEATURES: usize = 8;

/// A kernel of this folder's file.
const fn kernel(name: &'static str, entry: &'static str, buffers: &'static [Access]) -> Kernel {
    Kernel {
        name,
        source: include_str!("charges.wgsl"),
        entry,
        constants: &[("WIDTH", WIDTH as u32)],
        buffers,
    }
}

const R: Access = Access::Read;
const W: Access = Access::Write;
const ADD_TO_EACH: Kernel = kernel("charges: add_to_each", "add_to_each", &[W]);
const CLOSED: Kernel = kernel("charges: closed", "closed", &[R, R, R, W]);
const JUMP_RELU: Kernel = kernel("charges: jump_relu", "jump_relu", &[R, R, R, R, R, W, W, W]);
const MAGNITUDES: Kernel = kernel("charges: magnitudes", "magnitudes", &[R, R, R, R, R, W]);
const GATED: Kernel = kernel("charges: gated", "gated", &[R, R, R, R, R, R, W, W]);
const GATED_ENTRIES: Kernel = kernel("charges: gated_entries", "gated_entries", &[R, R, R, R, W]);
const RATIOS: Kernel = kernel("charges: ratios", "ratios", &[R, R, W]);
const MULTIPLY: Kernel = kernel("charges: multiply", "multiply", &[R, W]);
const SUM_BY_FEATURE: Kernel = kernel("charges: sum_by_feature", "sum_by_feature", &[R, R, R, W]);
const LARGEST: Kernel = kernel("charges: largest", "largest", &[R, R, R, R, W, W, W]);

/// Shaders of this folder.
#[cfg(test)]
pub(in crate::kernels) const KERNELS: &[Kernel] = &[
    ADD_TO_EACH,
    CLOSED,
    JUMP_RELU,
    MAGNITUDES,
    GATED,
    GATED_ENTRIES,
    RATIOS,
    MULTIPLY,
    SUM_BY_FEATURE,
    LARGEST,
];

#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Params {
    entries: u32,
    features: u32,
    by: f32,
    width: f32,
    slope: f32,
    l0_factor: f32,
    l0_target: f32,
    tokens: f32,
    tanh_weight: f32,
    tanh_slope: f32,
    unused: [u32; 2],
}

/// Records a kernel with one thread for each of `len` entries.
fn each(
    recorder: &mut Recorder<'_>,
    kernel: &Kernel,
    params: Params,
    len: usize,
    buffers: &[&Buffer],
) -> Result<()> {
    let call = Call {
        groups: [len.div_ceil(WIDTH), 1, 1],
        work: (16 * WIDTH) as f64,
        params,
        buffers,
    };
    recorder.run(kernel, call)
}

/// Parameters of kernels over `entries`.
fn over(entries: usize) -> Params {
    Params {
        entries: entries as u32,
        ..Params::default()
    }
}

/// Adds `by` to the gradient of each entry, `d [nnz]` (L1 penalties).
pub(crate) fn add_to_each(gpu: &Gpu, d: &Buffer, entries: usize, by: f32) -> Result<()> {
    let mut recorder = gpu.record();
    let params = Params {
        by,
        ..over(entries)
    };
    each(&mut recorder, &ADD_TO_EACH, params, entries, &[d])?;
    recorder.submit()
}

/// Sums the activations of `codes`; the sum is read later.
pub(crate) fn total_acts(gpu: &Gpu, codes: &Codes) -> Result<Total> {
    let mut recorder = gpu.record();
    let total = sums::total(&mut recorder, &codes.acts, codes.entries)?;
    recorder.submit()?;
    Ok(total)
}

/// Computes codes in which pre-activations at or below their feature's threshold, `[f]`, are 0; the entries stay.
pub(crate) fn closed(gpu: &Gpu, pre: &Codes, thresholds: &Buffer) -> Result<Codes> {
    let acts = gpu.zeros("codes", pre.entries)?;
    let mut recorder = gpu.record();
    let buffers = [&pre.features, &pre.acts, thresholds, &acts];
    each(
        &mut recorder,
        &CLOSED,
        over(pre.entries),
        pre.entries,
        &buffers,
    )?;
    recorder.submit()?;
    Ok(Codes {
        acts,
        ..pre.clone()
    })
}

/// Numbers of JumpReLU's penalty in a step.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JumpRelu {
    /// Width of the rectangle, ε.
    pub(crate) width: f64,
    /// Tokens of the whole batch.
    pub(crate) tokens: usize,
    /// Gradient of the penalty with respect to one token's L0, where it is known beforehand.
    pub(crate) slope: f64,
    /// Further gradient: factor · (mean L0 of these codes − target).
    pub(crate) by_l0: Option<(f64, f64)>,
    /// Penalty `weight · Σ tanh(slope · act)`: weight, slope.
    pub(crate) tanh: Option<(f64, f64)>,
}

/// Inputs of JumpReLU's terms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JumpReluInputs<'a> {
    /// Codes of [`closed`].
    pub(crate) codes: &'a Codes,
    /// Their pre-activations, `[nnz]`.
    pub(crate) pre: &'a Buffer,
    /// `[f]`.
    pub(crate) thresholds: &'a Buffer,
    /// Their order by feature.
    pub(crate) by_feature: &'a ByFeature,
    /// `[1]` u32: entries whose activation is not 0.
    pub(crate) active: &'a Buffer,
}

/// Results of JumpReLU's terms on a device.
#[derive(Debug, Clone)]
pub(crate) struct JumpReluTerms {
    /// Gradients of the thresholds, `[f]`.
    pub(crate) d_thresholds: Buffer,
    /// The tanh penalty, not yet read.
    pub(crate) tanh: Total,
}

/// Computes JumpReLU's terms and turns `d_acts [nnz]` into gradients of pre-activations.
pub(crate) fn jump_relu(
    gpu: &Gpu,
    inputs: JumpReluInputs<'_>,
    with: JumpRelu,
    d_acts: &Buffer,
) -> Result<JumpReluTerms> {
    let JumpReluInputs {
        codes,
        pre,
        thresholds,
        by_feature,
        active,
    } = inputs;
    let pulls = gpu.zeros("gradients of thresholds", codes.entries)?;
    let charged = gpu.zeros("penalties", codes.entries)?;
    let (l0_factor, l0_target) = with.by_l0.unwrap_or_default();
    let (tanh_weight, tanh_slope) = with.tanh.unwrap_or_default();
    let params = Params {
        width: with.width as f32,
        slope: with.slope as f32,
        l0_factor: l0_factor as f32,
        l0_target: l0_target as f32,
        tokens: with.tokens.max(1) as f32,
        tanh_weight: tanh_weight as f32,
        tanh_slope: tanh_slope as f32,
        ..over(codes.entries)
    };
    let mut recorder = gpu.record();
    let buffers = [
        &codes.features,
        pre,
        thresholds,
        &codes.acts,
        active,
        d_acts,
        &pulls,
        &charged,
    ];
    each(&mut recorder, &JUMP_RELU, params, codes.entries, &buffers)?;
    let features = thresholds.len();
    let terms = JumpReluTerms {
        d_thresholds: sum_by_feature(&mut recorder, &pulls, by_feature, features)?,
        tanh: sums::total(&mut recorder, &charged, codes.entries)?,
    };
    recorder.submit()?;
    Ok(terms)
}

/// Numbers of the gated variant, `[f]` each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gates<'a> {
    /// Bias of the gate.
    pub(crate) b_enc: &'a Buffer,
    /// Bias of the magnitude.
    pub(crate) b_mag: &'a Buffer,
    /// Logarithm of the factor from gate to magnitude.
    pub(crate) r_mag: &'a Buffer,
}

/// Computes activations from positive gates; some may be 0.
pub(crate) fn magnitudes(gpu: &Gpu, gates: &Codes, with: Gates<'_>) -> Result<Codes> {
    let acts = gpu.zeros("codes", gates.entries)?;
    let mut recorder = gpu.record();
    let buffers = [
        &gates.features,
        &gates.acts,
        with.b_enc,
        with.r_mag,
        with.b_mag,
        &acts,
    ];
    each(
        &mut recorder,
        &MAGNITUDES,
        over(gates.entries),
        gates.entries,
        &buffers,
    )?;
    recorder.submit()?;
    Ok(Codes {
        acts,
        ..gates.clone()
    })
}

/// Gradients of the gated variant's own numbers on a device, `[f]` each.
#[derive(Debug, Clone)]
pub(crate) struct GatedTerms {
    pub(crate) d_b_mag: Buffer,
    pub(crate) d_r_mag: Buffer,
}

/// Computes the gated variant's terms and turns `d_acts [nnz]`, the gradients of magnitudes, into those of pre-activations. `d_gates [nnz]` holds the gradients of
/// the gates with the penalty, which are those of the encoder's bias.
pub(crate) fn gated(
    gpu: &Gpu,
    (gates, codes): (&Codes, &Codes),
    with: Gates<'_>,
    by_feature: &ByFeature,
    (d_gates, d_acts): (&Buffer, &Buffer),
) -> Result<GatedTerms> {
    let entries = gates.entries;
    let of_magnitudes = gpu.zeros("gradients of magnitudes", entries)?;
    let of_factors = gpu.zeros("gradients of magnitudes", entries)?;
    let mut recorder = gpu.record();
    let buffers = [
        &gates.features,
        &gates.acts,
        with.b_enc,
        with.r_mag,
        &codes.acts,
        d_acts,
        &of_magnitudes,
        &of_factors,
    ];
    each(&mut recorder, &GATED, over(entries), entries, &buffers)?;
    let buffers = [&gates.features, d_gates, &of_magnitudes, with.r_mag, d_acts];
    each(
        &mut recorder,
        &GATED_ENTRIES,
        over(entries),
        entries,
        &buffers,
    )?;
    let features = with.b_mag.len();
    let terms = GatedTerms {
        d_b_mag: sum_by_feature(&mut recorder, &of_magnitudes, by_feature, features)?,
        d_r_mag: sum_by_feature(&mut recorder, &of_factors, by_feature, features)?,
    };
    recorder.submit()?;
    Ok(terms)
}

/// Computes score over pre-activation of each entry (the literal gradient SAE); `scores [nnz]`.
pub(crate) fn ratios(gpu: &Gpu, scores: &Buffer, codes: &Codes) -> Result<Buffer> {
    let factors = gpu.zeros("factors", codes.entries)?;
    let mut recorder = gpu.record();
    let buffers = [scores, &codes.acts, &factors];
    each(
        &mut recorder,
        &RATIOS,
        over(codes.entries),
        codes.entries,
        &buffers,
    )?;
    recorder.submit()?;
    Ok(factors)
}

/// Multiplies each of the first `entries` of `d` by its factor.
pub(crate) fn multiply(gpu: &Gpu, d: &Buffer, factors: &Buffer, entries: usize) -> Result<()> {
    let mut recorder = gpu.record();
    each(
        &mut recorder,
        &MULTIPLY,
        over(entries),
        entries,
        &[factors, d],
    )?;
    recorder.submit()
}

/// Records the sums of `values [nnz]` over the entries of each feature, `[f]`, in the order of tokens.
fn sum_by_feature(
    recorder: &mut Recorder<'_>,
    values: &Buffer,
    by_feature: &ByFeature,
    features: usize,
) -> Result<Buffer> {
    let sums = recorder.gpu().zeros("gradients of features", features)?;
    let mean = values.len() as f64 / features.max(1) as f64;
    let call = Call {
        groups: [features.div_ceil(FEATURES), 1, 1],
        work: 64.0 * (8.0 + mean),
        params: Params {
            features: features as u32,
            ..Params::default()
        },
        buffers: &[&by_feature.offsets, values, &by_feature.entries, &sums],
    };
    recorder.run(&SUM_BY_FEATURE, call)?;
    Ok(sums)
}

/// Keeps the `k` largest activations of each row; ties go to lower features. Waits for the device, since the host must know how many entries are left.
pub(crate) fn largest(gpu: &Gpu, codes: &Codes, k: usize) -> Result<Codes> {
    let offsets: Vec<u32> = gpu.read(&codes.offsets, 0..codes.rows + 1)?;
    let mut kept = Vec::with_capacity(offsets.len());
    let mut end = 0_usize;
    kept.push(0);
    for row in offsets.windows(2) {
        end += ((row[1] - row[0]) as usize).min(k);
        kept.push(end as u32);
    }
    let out = Codes {
        rows: codes.rows,
        entries: end,
        offsets: gpu.upload("codes", &kept)?,
        tokens: gpu.zeros("codes", end)?,
        features: gpu.zeros("codes", end)?,
        acts: gpu.zeros("codes", end)?,
    };
    let mean = codes.entries as f64 / codes.rows.max(1) as f64;
    let call = Call {
        groups: [codes.rows, 1, 1],
        work: 34.0 * (64.0 + mean),
        params: over(codes.rows),
        buffers: &[
            &codes.offsets,
            &out.offsets,
            &codes.features,
            &codes.acts,
            &out.tokens,
            &out.features,
            &out.acts,
        ],
    };
    let mut recorder = gpu.record();
    recorder.run(&LARGEST, call)?;
    recorder.submit()?;
    Ok(out)
}
