//! Measures devices: matrix product, copy, and the time that a batch takes to encode, which decides between CPU and GPU.
//!
//! Each figure takes a fraction of a second on a device worth choosing. Results that are read back, such as the codes of a batch, count as time of the GPU.

use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::SizeClass;
use super::remembered::Speed;
use crate::bench;
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::{copy, encode};

/// Active features per token of a measured batch.
pub(super) const K: usize = 32;
/// Time after which a measurement is not repeated.
const LONG: Duration = Duration::from_millis(200);
/// Repetitions at most; the shortest counts.
const TRIES: usize = 4;
/// Words that are copied to measure a CPU: more than its caches hold.
const WORDS: usize = 32 << 20;

/// A batch whose encoding is timed.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) centred: Matrix,
    pub(super) w_enc: Matrix,
    pub(super) b_enc: Vec<f32>,
}

impl Trial {
    /// Creates the batch of a class, about in the middle of its range.
    pub(super) fn new(class: SizeClass) -> Self {
        let [n, d, f] = match class {
            SizeClass::Small => [256, 64, 1_024],
            SizeClass::Medium => [1_024, 512, 4_096],
            SizeClass::Large => [2_048, 1_024, 12_288],
        };
        let mut rng = ChaCha8Rng::seed_from_u64(f as u64);
        let mut table = |rows: usize| {
            let mut table = Matrix::zeros(rows, d);
            for value in table.values_mut() {
                *value = rng.random_range(-1.0..1.0);
            }
            table
        };
        Self {
            centred: table(n),
            w_enc: table(f),
            b_enc: vec![0.0; f],
        }
    }

    /// Milliseconds on the CPU.
    pub(super) fn on_cpu(&self) -> Result<f64> {
        shortest(|| encode::encode_topk(&self.centred, &self.w_enc, &self.b_enc, K).map(drop))
    }
}

/// Measures product and copy on the CPU, as far as they are not known.
pub(super) fn cpu(known: &mut Speed) -> Result<()> {
    if known.product_gflops.is_none() {
        let Trial { centred, w_enc, .. } = Trial::new(SizeClass::Medium);
        let operations = 2.0 * (centred.rows() * centred.columns() * w_enc.rows()) as f64;
        let time = bench::product_time(&centred, &w_enc);
        known.product_gflops = Some(operations / time.as_secs_f64().max(1e-9) / 1e9);
    }
    if known.copy_gbps.is_none() {
        let (from, mut into) = (vec![1.0; WORDS], vec![0.0; WORDS]);
        let ms = shortest(|| {
            copy::copy(&mut into, &from);
            Ok(())
        })?;
        known.copy_gbps = Some(8.0 * WORDS as f64 / ms / 1e6);
    }
    Ok(())
}

/// Runs `once` until it is known how long it takes, the first time apart, and returns the shortest time in milliseconds.
pub(super) fn shortest(mut once: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut timed = || {
        let begun = Instant::now();
        once().map(|()| begun.elapsed())
    };
    let mut least = timed()?;
    for _ in 0..TRIES {
        let time = timed()?;
        least = least.min(time);
        if time > LONG {
            break;
        }
    }
    Ok(least.as_secs_f64() * 1e3)
}
