//! The one place that opens devices. This version computes on the CPU alone and says so.

use candle_core::Device;

/// Where everything is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compute {
    /// Threads of rayon's pool.
    pub threads: usize,
}

impl Compute {
    /// The device in use.
    pub fn current() -> Self {
        Self {
            threads: rayon::current_num_threads(),
        }
    }

    /// As shown in the window and in run records: `CPU · 2 threads`.
    pub fn label(&self) -> String {
        format!("CPU · {} threads", self.threads)
    }
}

/// The candle device of this version.
pub const fn cpu() -> Device {
    Device::Cpu
}
