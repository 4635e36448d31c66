//! Stored numbers to f32, and the search for those no model computes with.

use candle_core::{CpuStorage, Storage, Tensor};
use half::{bf16, f16};
use rayon::prelude::*;

use crate::error::Result;

/// Entries a thread takes at a time.
const CHUNK: usize = 1 << 16;

/// The types that become f32 number by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::models) enum Float {
    F16,
    Bf16,
    F32,
    F64,
}

/// Little-endian numbers as f32.
pub(in crate::models) fn widened(bytes: &[u8], float: Float) -> Vec<f32> {
    match float {
        Float::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
        Float::Bf16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        Float::F32 => each(bytes, f32::from_le_bytes),
        Float::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
    }
}

fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32 + Sync) -> Vec<f32> {
    let stored = bytes.as_chunks::<N>().0;
    let mut values = vec![0.0; stored.len()];
    let chunks = values
        .par_chunks_mut(CHUNK)
        .zip_eq(stored.par_chunks(CHUNK));
    chunks.for_each(|(to, from)| {
        for (to, from) in to.iter_mut().zip(from) {
            *to = number(*from);
        }
    });
    values
}

/// The first NaN or infinity of a contiguous f32 tensor, with its place.
pub(in crate::models) fn first_not_finite(tensor: &Tensor) -> Result<Option<(usize, f32)>> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(CpuStorage::F32(values)) = &*storage else {
        return Ok(None);
    };
    let start = layout.start_offset();
    let values = &values[start..start + tensor.elem_count()];
    let found = values
        .par_chunks(CHUNK)
        .enumerate()
        .filter_map(|(chunk, values)| {
            let at = values.iter().position(|value| !value.is_finite())?;
            Some((chunk * CHUNK + at, values[at]))
        })
        .min_by_key(|(at, _)| *at);
    Ok(found)
}
