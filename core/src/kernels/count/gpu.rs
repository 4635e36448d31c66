//! Counts of firing features on a device.

use std::ops::Range;

use crate::device::{Access, Buffer, Call, Gpu, Kernel};
use crate::error::Result;
use crate::kernels::codes::Codes;
use crate::kernels::pending::Pending;

/// Threads of a workgroup.
const WIDTH: usize = 256;

const COUNT: Kernel = Kernel {
    name: "count",
    source: include_str!("count.wgsl"),
    entry: "count",
    constants: &[("WIDTH", WIDTH as u32)],
    buffers: &[Access::Read, Access::Read, Access::Write, Access::Write],
};

/// Shaders of this folder.
#[cfg(test)]
pub(in crate::kernels) const KERNELS: &[Kernel] = &[COUNT];

/// Tokens on which each feature fired, on a device.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    /// `[f]` u32.
    pub(crate) counts: Buffer,
    /// `[1]` u32: their sum.
    pub(crate) active: Buffer,
}

impl Counts {
    /// Allocates counts of 0.
    pub(crate) fn zeros(gpu: &Gpu, features: usize) -> Result<Self> {
        Ok(Self {
            counts: gpu.zeros("counts", features)?,
            active: gpu.zeros("counts", 1)?,
        })
    }

    /// Adds the entries of `codes` whose activation is not 0.
    pub(crate) fn add(&self, gpu: &Gpu, codes: &Codes) -> Result<()> {
        let mut recorder = gpu.record();
        let call = Call {
            groups: [codes.entries.div_ceil(WIDTH), 1, 1],
            work: (8 * WIDTH) as f64,
            params: [codes.entries as u32, self.counts.len() as u32, 0, 0],
            buffers: &[&codes.features, &codes.acts, &self.counts, &self.active],
        };
        recorder.run(&COUNT, call)?;
        recorder.submit()
    }
}

impl Pending for Counts {
    /// Count of each feature, and their sum.
    type Value = (Vec<u32>, u32);

    fn parts<'a>(&'a self, into: &mut Vec<(&'a Buffer, Range<usize>)>) {
        into.push((&self.counts, 0..self.counts.len()));
        into.push((&self.active, 0..1));
    }

    fn join(&self, read: &mut dyn Iterator<Item = Vec<u32>>) -> Self::Value {
        let counts = read.next().unwrap_or_default();
        let active = read.next().unwrap_or_default();
        (counts, active.first().copied().unwrap_or(0))
    }
}
