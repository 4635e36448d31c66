//! Stored numbers to f32.

use half::f16;
use half::slice::HalfFloatSliceExt as _;
use rayon::prelude::*;

/// Entries a thread takes at a time.
const CHUNK: usize = 1 << 16;
/// Numbers in f16 that are converted at once: the conversion is vectorised for slices alone.
const HALVES: usize = 256;

/// The types that become f32 number by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float {
    F16,
    Bf16,
    F32,
    F64,
}

impl Float {
    /// Bytes of a number.
    const fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// Little-endian numbers as f32, on every thread of the pool.
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

/// Little-endian numbers as f32, as many as `into` holds, on this thread.
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
