//! Decoding by a decoder that is placed on a device: codes go up some rows at a time, reconstructions come back.

use std::ops::Range;

use super::gpu;
use crate::device::with_placed;
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::codes::Codes;
use crate::latents::Latents;

/// Most rows that go at once.
const ROWS: usize = 4096;

/// Decodes `latents`; none where the decoder is on the CPU.
pub(super) fn decode(latents: &Latents, w_dec: &Matrix, b_dec: &[f32]) -> Result<Option<Matrix>> {
    let (n, d) = (latents.rows(), w_dec.columns());
    if d == 0 || n == 0 {
        return Ok(None);
    }
    with_placed(w_dec, |gpu, w_dec| {
        let b_dec = gpu.upload("decoder biases", b_dec)?;
        let bound = (gpu.binding_limit() / 4) as usize;
        let mut out = Matrix::zeros(n, d);
        let mut first = 0;
        while first < n {
            let rows = first..(first + rows_at_once(latents, first, (bound, d))).min(n);
            let codes = Codes::upload(gpu, &part(latents, rows.clone()))?;
            let decoded = gpu::sparse_decode(gpu, &codes, w_dec, &b_dec)?;
            let place = rows.start * d..rows.end * d;
            out.values_mut()[place].copy_from_slice(&gpu.read(decoded.whole(), 0..rows.len() * d)?);
            first = rows.end;
        }
        Ok(out)
    })
}

/// Returns how many rows from `first` on go at once: their entries and their values fit into a binding of `bound` words.
fn rows_at_once(latents: &Latents, first: usize, (bound, d): (usize, usize)) -> usize {
    let begin = latents.offsets[first];
    let ends = latents.offsets[first + 1..].iter();
    let fit = ends.take_while(|end| **end - begin <= bound).count();
    fit.min(bound / d).clamp(1, ROWS)
}

/// Returns some rows alone.
fn part(latents: &Latents, rows: Range<usize>) -> Latents {
    let entries = latents.offsets[rows.start]..latents.offsets[rows.end];
    let offsets = latents.offsets[rows.start..=rows.end].iter();
    Latents {
        offsets: offsets.map(|at| at - entries.start).collect(),
        features: latents.features[entries.clone()].to_vec(),
        acts: latents.acts[entries].to_vec(),
    }
}
