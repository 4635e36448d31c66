//! Stands for training on a GPU where the feature `gpu` is off: there is none.

use super::report::Report;
use super::step::{Batch, Trainer};
use crate::device::Compute;
use crate::error::Result;

/// State on a GPU of a build without the feature `gpu`; no value exists.
#[derive(Debug)]
pub(super) enum OnDevice {}

impl OnDevice {
    pub(super) fn restart(&mut self, _: &mut Trainer, _: &[u32]) -> Result<()> {
        match *self {}
    }
}

impl Trainer {
    /// Moves the training to `compute`, which is the CPU.
    pub fn move_to(&mut self, compute: &Compute) -> Result<()> {
        match compute {
            Compute::Cpu => Ok(()),
            Compute::Gpu(gpu) => gpu.absent(),
        }
    }

    /// Brings encoder and decoder to the host, where they are.
    pub fn pull(&mut self) -> Result<()> {
        Ok(())
    }

    pub(super) fn step_on_device(
        &mut self,
        device: Box<OnDevice>,
        _: Batch<'_>,
        _: f64,
    ) -> Result<Report> {
        match *device {}
    }
}
