//! The product that a step is compared with, on the device that computes the steps.

use std::time::Duration;

use super::products::Timed;
use super::{DeviceFigures, Settings};
use crate::dims::Matrix;

/// Product of the encoder alone.
#[derive(Debug)]
pub(super) enum Yardstick {
    /// By libraries on the CPU, timed in turn with the steps.
    Cpu(Timed),
    /// By the product kernel of a GPU, timed before.
    Gpu(Duration),
}

impl Yardstick {
    /// Prepares the product of these sizes, or takes the one that was measured on a device.
    pub(super) fn new(
        cached: &Matrix,
        settings: &Settings,
        device: Option<&DeviceFigures>,
    ) -> Self {
        match device {
            None => Self::Cpu(Timed::new(cached, settings)),
            Some(figures) => Self::Gpu(figures.product(settings)),
        }
    }

    pub(super) fn try_all(&mut self, w_enc: &Matrix) {
        if let Self::Cpu(timed) = self {
            timed.try_all(w_enc);
        }
    }

    /// Times the library that was fastest so far.
    pub(super) fn fastest(&mut self, w_enc: &Matrix) -> Duration {
        match self {
            Self::Cpu(timed) => timed.fastest(w_enc),
            Self::Gpu(time) => *time,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Cpu(timed) => timed.name(),
            Self::Gpu(_) => KERNEL,
        }
    }

    pub(super) fn best(&self) -> Vec<(&'static str, Duration)> {
        match self {
            Self::Cpu(timed) => timed.best(),
            Self::Gpu(time) => vec![(KERNEL, *time)],
        }
    }
}

/// Name of the product kernel beside the libraries.
const KERNEL: &str = "kernel";

impl DeviceFigures {
    /// Time of the product.
    fn product(&self, settings: &Settings) -> Duration {
        let operations = 2.0 * settings.batch as f64 * settings.d as f64 * settings.features as f64;
        Duration::from_secs_f64(operations / (self.product_gflops * 1e9).max(1.0))
    }
}
