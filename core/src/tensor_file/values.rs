//! Converts stored numbers to f32 and back.

use half::slice::HalfFloatSliceExt as _;
use half::{bf16, f16};
use rayon::prelude::*;

/// Entries that a thread takes at a time.
const CHUNK: usize = 1 << 16;
/// Numbers in f16 that are converted at once: only the conversion of slices is vectorised.
const HALVES: usize = 256;

/// Types that convert to f32 number by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float {
    F16,
    Bf16,
    F32,
    F64,
}

impl Float {
    /// Returns the bytes of a number.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// Converts little-endian numbers to f32, on every thread of the pool.
pub(crate) fn widened(bytes: &[u8], float: Float) -> Vec<f32> {
    let whole = bytes.len() / float.bytes();
    let mut values = vec![0.0; whole];
    let stored = &bytes[..whole * float.bytes()];
    let chunks = values
        .par_chunks_mut(CHUNK)
        .zip_eq(stored.par_chunks(CHUNK * float.bytes()));
    chunks.for_each(|(to, from)| widen(from, float, to));
    values
}

/// Converts little-endian numbers to f32, as many as `into` holds, on this thread.
pub(crate) fn widen(bytes: &[u8], float: Float, into: &mut [f32]) {
    match float {
        Float::F16 => halves(bytes.as_chunks().0, into),
        Float::Bf16 => each(bytes, into, |b| {
            f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)
        }),
        Float::F32 => each(bytes, into, f32::from_le_bytes),
        Float::F64 => each(bytes, into, |b| f64::from_le_bytes(b) as f32),
    }
}

/// Writes `values` as little-endian numbers into `into`; the error is the first value that has no finite number in that type.
pub(crate) fn narrow(values: &[f32], float: Float, into: &mut [u8]) -> Result<(), f32> {
    fn put<const N: usize>(values: &[f32], into: &mut [u8], bytes: impl Fn(f32) -> [u8; N]) {
        for (to, from) in into.as_chunks_mut::<N>().0.iter_mut().zip(values) {
            *to = bytes(*from);
        }
    }
    match float {
        Float::F16 => put(values, into, |x| f16::from_f32(x).to_le_bytes()),
        Float::Bf16 => put(values, into, |x| bf16::from_f32(x).to_le_bytes()),
        Float::F32 => put(values, into, f32::to_le_bytes),
        Float::F64 => put(values, into, |x| f64::from(x).to_le_bytes()),
    }
    let largest = match float {
        Float::F16 => 65_519.0, // rounds down to 65,504
        Float::Bf16 => bf16::MAX.to_f32(),
        Float::F32 | Float::F64 => f32::MAX,
    };
    // NaN compares with nothing.
    let beyond = |value: &&f32| {
        let order = value.abs().partial_cmp(&largest);
        order.is_none_or(std::cmp::Ordering::is_gt)
    };
    values
        .iter()
        .find(beyond)
        .map_or(Ok(()), |value| Err(*value))
}

/// Returns `values` as little-endian numbers; the error is the first value that has no finite number in that type.
pub(crate) fn narrowed(values: &[f32], float: Float) -> Result<Vec<u8>, f32> {
    let mut bytes = vec![0; values.len() * float.bytes()];
    narrow(values, float, &mut bytes)?;
    Ok(bytes)
}

fn halves(stored: &[[u8; 2]], into: &mut [f32]) {
    let mut numbers = [f16::ZERO; HALVES];
    for (to, from) in into.chunks_mut(HALVES).zip(stored.chunks(HALVES)) {
        let numbers = &mut numbers[..from.len()];
        for (number, bytes) in numbers.iter_mut().zip(from) {
            *number = f16::from_le_bytes(*bytes);
        }
        numbers.convert_to_f32_slice(to);
    }
}

fn each<const N: usize>(bytes: &[u8], into: &mut [f32], number: impl Fn([u8; N]) -> f32) {
    for (to, from) in into.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *to = number(*from);
    }
}
