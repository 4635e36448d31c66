//! Search for NaN and infinities.

use candle_core::{CpuStorage, Storage, Tensor};
use rayon::prelude::*;

use crate::error::Result;

/// Number of entries a thread takes at a time.
const CHUNK: usize = 1 << 16;

/// Finds the first NaN or infinity of a contiguous f32 tensor, with its place.
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
