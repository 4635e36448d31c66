//! Devices of this machine: their list, and the choice of one for a job, with the reason.
//!
//! `auto` takes a GPU only where a measurement says that it is faster for jobs of this size. Each adapter is measured once per size class; the figures are
//! remembered in a file of the user's data folder, whose path the program gives. A software adapter is never taken unasked.

mod auto;
mod choose;
mod list;
mod measure;
#[cfg(feature = "gpu")]
mod measure_gpu;
#[cfg(not(feature = "gpu"))]
#[path = "measure_no_gpu.rs"]
mod measure_gpu;
mod placing;
mod remembered;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use self::remembered::Remembered;
use crate::device::{Adapter, AdapterFacts, AdapterKind, Compute, DeviceWish, Gpu, processor};
use crate::error::{Error, Key, Result};

pub use self::list::{List, Listed, Measuring};
pub use self::placing::{Placing, Runs};
pub use self::remembered::Speed;

/// Work of a job, as far as the choice of a device depends on it.
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// Tokens of a step or call, `n`.
    pub rows: usize,
    /// Width of the activations, `d`.
    pub width: usize,
    /// Features, `f`.
    pub features: usize,
    /// Bytes that the device must hold; 0 if little.
    pub bytes: u64,
    /// Reason why no GPU can run the job, as a clause such as "the variant `x` runs only on the CPU"; none if GPUs run it.
    pub uncovered: Option<String>,
    /// Whether another job runs, which would disturb a measurement.
    pub beside_another: bool,
}

impl Job {
    /// Creates a job whose largest product is `[n, d] · [d, f]`.
    pub fn new(rows: usize, width: usize, features: usize) -> Self {
        Self {
            rows,
            width,
            features,
            ..Self::default()
        }
    }

    /// Floating-point operations of the product.
    pub fn operations(&self) -> f64 {
        2.0 * self.rows as f64 * self.width as f64 * self.features as f64
    }
}

/// Size of jobs that share a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SizeClass {
    /// Fewer than 10⁹ operations a step: never worth a transfer.
    Small,
    /// Up to 3·10¹⁰ operations a step.
    Medium,
    /// More.
    Large,
}

impl SizeClass {
    /// Returns the class of a step of so many operations.
    pub fn new(operations: f64) -> Self {
        match operations {
            few if few < 1e9 => Self::Small,
            some if some < 3e10 => Self::Medium,
            _ => Self::Large,
        }
    }

    /// Name in files and sentences.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }
}

impl fmt::Display for SizeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Device that a job takes, and why.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// The device.
    pub compute: Compute,
    /// Reason, as a clause without a full stop; it may name settings.
    pub why: String,
}

impl Choice {
    /// Chooses the CPU.
    pub fn cpu(why: impl Into<String>) -> Self {
        Self {
            compute: Compute::Cpu,
            why: why.into(),
        }
    }

    /// Chooses a GPU.
    fn gpu(gpu: Gpu, why: String) -> Self {
        Self {
            compute: Compute::Gpu(gpu),
            why,
        }
    }

    /// Returns the sentence for people: device and reason.
    pub fn note(&self) -> String {
        format!("Computing on {}: {}", self.compute.label(), self.why)
    }
}

/// Devices of this machine. Adapters are listed when first needed, and each is opened once; clones share both.
#[derive(Debug, Clone, Default)]
pub struct Devices {
    remembered: Arc<Remembered>,
    found: Arc<OnceLock<Vec<Adapter>>>,
    opened: Arc<Mutex<Vec<Gpu>>>,
}

/// Name of the file of measurements in the user's data folder.
pub const FILE: &str = "devices.json";

impl Devices {
    /// Looks for devices when asked; measurements are remembered in `data`, the user's data folder, if there is one.
    pub fn new(data: Option<&Path>) -> Self {
        Self {
            remembered: Arc::new(Remembered::new(data.map(|folder| folder.join(FILE)))),
            ..Self::default()
        }
    }

    /// Adds a device that is open already, as one that a window draws with; it is used where its id is chosen.
    #[must_use]
    pub fn with(self, gpu: Gpu) -> Self {
        self.opened().push(gpu);
        self
    }

    /// Chooses a device for `job`; an error if `wish` names one that does not exist or cannot run the job.
    pub fn choose(&self, wish: DeviceWish, job: &Job) -> Result<Choice> {
        match wish {
            DeviceWish::Cpu => Ok(Choice::cpu(asked())),
            DeviceWish::Gpu(number) => self.asked_for(number, job),
            DeviceWish::Auto => Ok(self.fastest(job)),
        }
    }

    fn adapters(&self) -> &[Adapter] {
        self.found.get_or_init(Adapter::all)
    }

    fn opened(&self) -> MutexGuard<'_, Vec<Gpu>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens an adapter, or returns it if it is open and well.
    fn open(&self, adapter: &Adapter, facts: &AdapterFacts) -> Result<Gpu> {
        let mut opened = self.opened();
        opened.retain(|gpu| gpu.check().is_ok());
        if let Some(gpu) = opened.iter().find(|gpu| gpu.id() == facts.id) {
            return Ok(gpu.clone());
        }
        let gpu = adapter.open()?;
        if let Some(tile) = self.remembered.get(&facts.identity).tile {
            measure_gpu::use_tile(&gpu, tile);
        }
        opened.push(gpu.clone());
        Ok(gpu)
    }

    /// Opens an adapter and lets its products use the fastest tile, measured now if it is not known.
    fn ready(&self, adapter: &Adapter, facts: &AdapterFacts) -> Result<Gpu> {
        let gpu = self.open(adapter, facts)?;
        let before = self.remembered.get(&facts.identity);
        let mut speed = before.clone();
        measure_gpu::gpu(&gpu, &mut speed)?;
        if speed != before {
            self.remember(&facts.identity, speed);
        }
        Ok(gpu)
    }

    /// Takes the GPU that is asked for.
    fn asked_for(&self, number: Option<usize>, job: &Job) -> Result<Choice> {
        if let Some(reason) = &job.uncovered {
            let what = format!("{reason}, choose cpu or auto");
            return Err(Error::setting(Key::Device, what));
        }
        let facts = self.facts();
        let which = choose::asked_for(number, &facts, job)?;
        let (adapter, facts) = (&self.adapters()[which], &facts[which]);
        let software = facts.kind == AdapterKind::Software;
        let mut why = asked();
        if software {
            why.push_str(
                ", though this adapter computes on the processor and is slower than the CPU itself",
            );
        }
        let small = SizeClass::new(job.operations()) == SizeClass::Small;
        let gpu = if software || small || job.beside_another {
            self.open(adapter, facts)?
        } else {
            self.ready(adapter, facts)?
        };
        Ok(Choice::gpu(gpu, why))
    }

    fn facts(&self) -> Vec<AdapterFacts> {
        self.adapters().iter().map(Adapter::facts).collect()
    }

    /// Keeps a measurement. Where the file cannot be written, the device is measured again by the next program.
    fn remember(&self, identity: &str, speed: Speed) {
        self.remembered.put(identity, speed).ok();
    }
}

/// Name of the CPU under which its measurements are remembered; they depend on the number of threads.
fn cpu_identity() -> String {
    format!("{} · {} threads", processor(), rayon::current_num_threads())
}

/// The reason for a device that a person named.
fn asked() -> String {
    format!("{} asks for it", Key::Device)
}
