//! Stands for measurements of a GPU where the feature `gpu` is off: there is none.

use std::collections::BTreeMap;

use super::{DeviceFigures, Settings};
use crate::device::Gpu;
use crate::dims::Matrix;
use crate::error::Result;

/// Measures no GPU.
pub(super) fn measure(
    gpu: &Gpu,
    _settings: &Settings,
    _cached: &Matrix,
    _encoder: &Matrix,
) -> Result<DeviceFigures> {
    gpu.absent()
}

/// Takes no times.
pub(super) fn timed(
    gpu: &Gpu,
    _steps: usize,
    _step: &mut dyn FnMut() -> Result<()>,
) -> Result<Option<BTreeMap<String, f64>>> {
    gpu.absent()
}
