//! Measures a GPU as [`measure`](super::measure) does the CPU, and chooses the tile of its products.

use super::measure::{K, Trial, shortest};
use super::remembered::Speed;
use crate::device::{Gpu, Table};
use crate::error::Result;
use crate::kernels::encode::gpu::{Encoder, Kind, topk};
use crate::kernels::{copy, product};

/// Words that are copied: more than caches hold, of little memory.
const WORDS: usize = 32 << 20;
/// Copies between two readings of the clock, so that starting them does not count.
const COPIES: usize = 8;

/// Makes the products of `gpu` use the tile of this number.
pub(super) fn use_tile(gpu: &Gpu, tile: usize) {
    gpu.use_tile(tile);
}

/// Measures product and copy as far as they are not known, and makes the products of `gpu` use the fastest tile.
pub(super) fn gpu(gpu: &Gpu, known: &mut Speed) -> Result<()> {
    match (known.tile, known.product_gflops) {
        (Some(tile), Some(_)) => gpu.use_tile(tile),
        _ => {
            let (tile, speed) = product::tune(gpu)?;
            gpu.use_tile(tile);
            known.tile = Some(tile);
            known.product_gflops = Some(speed / 1e9);
        }
    }
    if known.copy_gbps.is_none() {
        known.copy_gbps = Some(copied(gpu)?);
    }
    Ok(())
}

/// Bytes read and written by copies, in 10⁹ per second.
fn copied(gpu: &Gpu) -> Result<f64> {
    let words = WORDS.min((gpu.binding_limit() / 4) as usize);
    let from = gpu.zeros("a trial", words)?;
    let into = gpu.zeros("a trial", words)?;
    let ms = shortest(|| {
        let mut recorder = gpu.record();
        for _ in 0..COPIES {
            copy::gpu::run(&mut recorder, &from, &into)?;
        }
        recorder.submit()?;
        gpu.read::<f32>(&into, 0..1).map(drop)
    })?;
    Ok((8 * COPIES * words) as f64 / ms / 1e6)
}

/// Milliseconds from a batch in memory to its codes in memory, with the dictionary on the device.
pub(super) fn encoded(gpu: &Gpu, trial: &Trial) -> Result<f64> {
    let w_enc = Table::upload(gpu, "a trial", &trial.w_enc)?;
    let b_enc = gpu.upload("a trial", &trial.b_enc)?;
    let encoder = Encoder {
        w_enc: &w_enc,
        b_enc: &b_enc,
    };
    shortest(|| {
        let centred = Table::upload(gpu, "a trial", &trial.centred)?;
        let codes = topk(gpu, &centred, encoder, K, Kind::Positive)?;
        codes.read(gpu).map(drop)
    })
}
