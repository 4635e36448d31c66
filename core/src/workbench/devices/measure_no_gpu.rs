//! Stands for the measurement of GPUs where the feature `gpu` is off: there is none to measure.

use super::measure::Trial;
use super::remembered::Speed;
use crate::device::Gpu;
use crate::error::Result;

/// Sets no tile.
pub(super) fn use_tile(gpu: &Gpu, _tile: usize) {
    gpu.absent()
}

/// Measures no GPU.
pub(super) fn gpu(gpu: &Gpu, _known: &mut Speed) -> Result<()> {
    gpu.absent()
}

/// Measures no GPU.
pub(super) fn encoded(gpu: &Gpu, _trial: &Trial) -> Result<f64> {
    gpu.absent()
}
