//! Measures a GPU as [`measure`](super::measure) does the CPU, and chooses the tile of its products.

use super::measure::{K, Trial, shortest};
use super::remembered::Speed;
use crate::bench::on_device::copy_gbps;
use crate::device::{Gpu, Table};
use crate::error::Result;
use crate::kernels::encode::gpu::{Encoder, Kind, topk};
use crate::kernels::product;

/// Makes the products of `gpu` use the tile of this number.
pub(super) fn use_tile(gpu: &Gpu, tile: usize) {
    gpu.use_tile(tile);
}

/// Measures product and copy as far as they are not known, and makes the products of `gpu` use the fastest tile.
pub(super) fn gpu(gpu: &Gpu, known: &mut Speed) -> Result<()> {
    if let (Some(tile), Some(_)) = (known.tile, known.product_gflops) {
        gpu.use_tile(tile);
    } else {
        let (tile, speed) = product::tune(gpu)?;
        gpu.use_tile(tile);
        known.tile = Some(tile);
        known.product_gflops = Some(speed / 1e9);
    }
    if known.copy_gbps.is_none() {
        known.copy_gbps = Some(copy_gbps(gpu)?);
    }
    Ok(())
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
