//! Selection by an encoder that is placed on a device: activations go up some rows at a time, codes come back. How many rows go at once changes no code.

use super::gpu::{self, Encoder, Kind};
use super::{Bar, Kept};
use crate::device::{Buffer, Gpu, Table, with_placed};
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::codes::Codes;
use crate::kernels::in_pool;
use crate::latents::Latents;

/// Most rows that go at once.
const ROWS: usize = 4096;
/// Most entries that a call may keep, all callers in rayon's pool together.
const ENTRIES: usize = 1 << 25;

/// Keeps entries by `kept`; none where the encoder is on the CPU.
pub(super) fn encode(
    centred: &Matrix,
    encoder: (&Matrix, &[f32]),
    kept: Kept<'_>,
) -> Result<Option<Latents>> {
    match kept {
        Kept::Largest(k) => topk(centred, encoder, (k, Kind::Positive)),
        Kept::Strongest(k) => topk(centred, encoder, (k, Kind::Signed)),
        Kept::Above(bar) => above(centred, encoder, bar),
    }
}

/// Keeps the `k` largest entries of each row, also negative ones but no zero.
pub(super) fn raw(
    centred: &Matrix,
    encoder: (&Matrix, &[f32]),
    k: usize,
) -> Result<Option<Latents>> {
    let latents = topk(centred, encoder, (k, Kind::Raw))?;
    Ok(latents.map(|latents| latents.without_zeros()))
}

fn topk(
    centred: &Matrix,
    encoder: (&Matrix, &[f32]),
    (k, kind): (usize, Kind),
) -> Result<Option<Latents>> {
    in_parts(centred, encoder, k, |gpu, x, encoder| {
        gpu::topk(gpu, x, encoder, k, kind)
    })
}

fn above(centred: &Matrix, encoder: (&Matrix, &[f32]), bar: Bar<'_>) -> Result<Option<Latents>> {
    let features = encoder.1.len();
    let bars = match bar {
        Bar::All(bar) => &vec![bar; features],
        Bar::ByFeature(bars) => bars,
    };
    let mut on_device: Option<Buffer> = None;
    in_parts(centred, encoder, features, |gpu, x, encoder| {
        let bars = match &on_device {
            Some(bars) => bars,
            None => on_device.insert(gpu.upload("thresholds", bars)?),
        };
        gpu::above(gpu, x, encoder, bars)
    })
}

/// Runs `select` on some rows at a time, each of which keeps `most` entries at most.
fn in_parts(
    centred: &Matrix,
    (w_enc, b_enc): (&Matrix, &[f32]),
    most: usize,
    mut select: impl FnMut(&Gpu, &Table, Encoder<'_>) -> Result<Codes>,
) -> Result<Option<Latents>> {
    let d = centred.columns();
    if d == 0 || b_enc.is_empty() || centred.rows() == 0 {
        return Ok(None);
    }
    with_placed(w_enc, |gpu, w_enc| {
        let b_enc = &gpu.upload("encoder biases", b_enc)?;
        let rows = rows_at_once(gpu, d, most);
        let mut parts = Vec::new();
        for rows in centred.values().chunks(rows * d) {
            let x = Table::zeros(gpu, "activations", (rows.len() / d, d))?;
            gpu.write(x.whole(), 0, rows);
            let codes = select(gpu, &x, Encoder { w_enc, b_enc })?;
            parts.push(codes.read(gpu)?);
        }
        Ok(Latents::joined(&parts))
    })
}

/// Returns how many rows of `d` values go at once if each keeps `most` entries at most.
fn rows_at_once(gpu: &Gpu, d: usize, most: usize) -> usize {
    let bound = (gpu.binding_limit() / 4) as usize;
    let callers = if in_pool() {
        rayon::current_num_threads()
    } else {
        1
    };
    let entries = (ENTRIES / callers).min(bound) / most.max(1);
    entries.min(bound / d).clamp(1, ROWS)
}
