//! The one place that opens devices and knows the machine's memory. This version computes on the CPU alone and says so.

use candle_core::Device;

use crate::error::{Error, Result};

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

/// That `needed` bytes of memory can be had, as far as the system tells; `what` says for what.
pub(crate) fn check_room(needed: u64, what: impl FnOnce() -> String) -> Result<()> {
    match free_memory().filter(|available| needed > *available) {
        None => Ok(()),
        Some(available) => Err(Error::OutOfMemory {
            what: what(),
            needed,
            available,
        }),
    }
}

/// Bytes of memory that can be had without swapping; none where the system does not tell (it does on Linux).
pub fn free_memory() -> Option<u64> {
    available(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

/// `MemAvailable` of a `/proc/meminfo`.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_what_linux_calls_available() {
        let meminfo =
            "MemTotal:  24 kB\nMemFree:  3 kB\nMemAvailable:   24683024 kB\nBuffers: 1 kB\n";
        assert_eq!(available(meminfo), Some(24_683_024 * 1024));
        assert_eq!(available("MemAvailable: all of it"), None);
    }
}
