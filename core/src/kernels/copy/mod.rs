//! `into = from`, word by word: it measures how fast a device moves memory, as a yardstick for kernels that mostly do.
//!
//! | tensor | shape |
//! |---|---|
//! | `from`, `into` | any, the same |
//!
//! Words are copied unchanged, NaN and −0 too: no tolerance.

#[cfg(test)]
mod cases;
mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
#[cfg(test)]
#[cfg(feature = "gpu")]
mod gpu_tests;
#[cfg(test)]
mod reference;

use super::each_chunk;

/// Words of a chunk: one thread's unit of work.
const CHUNK: usize = 65_536;

/// Copies `from` into `into`, of equal length, on all threads.
pub(crate) fn copy(into: &mut [f32], from: &[f32]) {
    debug_assert_eq!(into.len(), from.len());
    each_chunk(into, CHUNK, |chunk, into| {
        let first = chunk * CHUNK;
        cpu::copy(into, &from[first..first + into.len()]);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_its_definition() {
        for from in cases::all() {
            let values: Vec<f32> = from.iter().map(|word| f32::from_bits(*word)).collect();
            let mut got = vec![1.0; from.len()];
            copy(&mut got, &values);
            let mut got: Vec<u32> = got.into_iter().map(f32::to_bits).collect();
            assert!(got == reference::copy(&from));
            if let Some(last) = got.last_mut() {
                *last ^= 1;
                assert!(got != reference::copy(&from), "a changed bit must show");
            }
        }
    }
}
