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

use candle_core::Device;

pub use facts::{AdapterFacts, AdapterFeatures, AdapterKind, AdapterLimits};
#[cfg(all(test, feature = "gpu"))]
pub(crate) use gpu::testing;
#[cfg(feature = "gpu")]
pub(crate) use gpu::{Access, Buffer, Call, Kernel, Recorder, Table};
#[cfg(feature = "gpu")]
pub use gpu::{Adapter, Gpu};
pub(crate) use memory::check_room;
pub use memory::free_memory;
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
