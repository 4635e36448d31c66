//! The one place that opens devices and knows the machine's memory.
//!
//! The CPU always computes. With the feature `gpu`, [`Gpu`] is an adapter opened through wgpu (Vulkan, Metal, DirectX 12): kernels run on it, and a window may
//! draw with it. Which device a job takes is decided in `workbench`, by figures measured once.

mod facts;
#[cfg(feature = "gpu")]
mod gpu;
mod memory;
#[cfg(not(feature = "gpu"))]
mod no_gpu;
mod wish;

use std::sync::Arc;

use candle_core::Device;

use crate::dims::Matrix;

pub use facts::{AdapterFacts, AdapterFeatures, AdapterKind, AdapterLimits};
#[cfg(feature = "gpu")]
use gpu::Placed;
#[cfg(all(test, feature = "gpu"))]
pub(crate) use gpu::testing;
#[cfg(feature = "gpu")]
pub(crate) use gpu::{Access, Buffer, Call, Kernel, Recorder, Table, with_placed};
#[cfg(feature = "gpu")]
pub use gpu::{Adapter, Gpu};
pub(crate) use memory::check_room;
pub use memory::{free_memory, give_back, machine_memory, processor};
#[cfg(not(feature = "gpu"))]
use no_gpu::Placed;
#[cfg(not(feature = "gpu"))]
pub use no_gpu::{Adapter, Gpu};
pub use wish::DeviceWish;

/// Where a job computes.
#[derive(Debug, Clone, Default)]
pub enum Compute {
    /// Processor, with rayon's threads.
    #[default]
    Cpu,
    /// GPU through wgpu.
    Gpu(Gpu),
}

impl Compute {
    /// Returns the name shown in the window and kept in run records: `CPU · 2 threads`, or the adapter's name with its backend.
    pub fn label(&self) -> String {
        match self {
            Self::Cpu => format!("CPU · {} threads", rayon::current_num_threads()),
            Self::Gpu(gpu) => gpu.label(),
        }
    }

    /// Returns the id that the setting `device` takes: `cpu` or `wgpu:N`.
    pub fn id(&self) -> &str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu(gpu) => gpu.id(),
        }
    }

    /// Returns the GPU, if there is one.
    pub fn gpu(&self) -> Option<&Gpu> {
        match self {
            Self::Cpu => None,
            Self::Gpu(gpu) => Some(gpu),
        }
    }
}

/// Candle's device; models and tensors stay on the CPU.
pub const fn cpu() -> Device {
    Device::Cpu
}

/// Has kernels that take `matrix` run on `gpu`, with a copy that is made on first use and stays until a value changes, [`release`] is called or the device fails.
/// Returns the copy; `what` names it in errors.
pub(crate) fn place(matrix: &Matrix, gpu: &Gpu, what: &'static str) -> Arc<Placed> {
    let present = placed(matrix).filter(|placed| placed.is_on(gpu));
    present.unwrap_or_else(|| {
        let copy = Arc::new(Placed::new(gpu, what));
        matrix.hold(Some(copy.clone()));
        copy
    })
}

/// Returns the copy of `matrix` on a device.
pub(crate) fn placed(matrix: &Matrix) -> Option<Arc<Placed>> {
    matrix.held()
}

/// Drops the copy of `matrix`; kernels run on the CPU again.
pub(crate) fn release(matrix: &Matrix) {
    matrix.hold(None);
}

/// Copies of matrices on a device; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Placement(Vec<Arc<Placed>>);

impl Placement {
    pub(crate) fn new(placed: impl IntoIterator<Item = Arc<Placed>>) -> Self {
        Self(placed.into_iter().collect())
    }

    /// Returns a sentence where the device failed and the CPU took over.
    pub fn fault(&self) -> Option<String> {
        let fault = self.0.iter().find_map(|placed| placed.fault());
        fault.map(|fault| format!("The CPU took over: {fault}"))
    }
}

impl Extend<Self> for Placement {
    fn extend<T: IntoIterator<Item = Self>>(&mut self, more: T) {
        self.0.extend(more.into_iter().flat_map(|more| more.0));
    }
}
