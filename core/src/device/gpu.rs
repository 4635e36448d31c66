//! A GPU opened through wgpu: adapter, device, queue, compiled kernels, and how long it may take.
//!
//! Work is recorded by a [`Recorder`] and submitted in slices of a few milliseconds, so that a window on the same device keeps drawing. A device that is lost,
//! out of memory or silent for ten seconds gives an [`Error::Device`] and is not used again.

mod buffer;
mod facts;
mod kernel;
mod placed;
mod recorder;
mod table;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::facts::AdapterKind;
use crate::error::{Error, Result};

pub(crate) use buffer::Buffer;
pub(crate) use kernel::{Access, Kernel};
pub(crate) use placed::{Placed, with_placed};
pub(crate) use recorder::{Call, Recorder};
pub(crate) use table::Table;

/// Time after which a device that has not answered counts as hung.
const PATIENCE: Duration = Duration::from_secs(10);
/// Part of wgpu's message where a window cannot change its size because work is submitted meanwhile; nothing is then submitted for a while, and the window tries
/// again.
const UNCONFIGURED: &str = "before reconfiguring the Surface";
const REST: Duration = Duration::from_millis(250);
/// Words of errors of a window that draws with the device, such as a frame of the size before: no fault of the device.
const DRAWN: [&str; 3] = ["Surface::", "RenderPass", "Scissor"];
/// Where a window draws: time between two looks whether work is done, and how long it is looked without a pause.
const MOMENT: Duration = Duration::from_micros(100);
const BRIEFLY: Duration = Duration::from_micros(200);
/// Time that a slice of work should take on a device without a window, and on one that draws too.
const SLICE: Duration = Duration::from_millis(20);
const SHARED_SLICE: Duration = Duration::from_millis(4);

/// An adapter that wgpu found, not yet opened.
#[derive(Debug, Clone)]
pub struct Adapter {
    /// Id that the setting `device` takes: `wgpu:N`.
    pub id: String,
    instance: wgpu::Instance,
    raw: wgpu::Adapter,
}

impl Adapter {
    /// Lists the adapters of this machine; empty without a driver.
    pub fn all() -> Vec<Self> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = BACKENDS;
        Self::of_instance(&wgpu::Instance::new(descriptor))
    }

    /// Lists the adapters of `instance`, which a window may draw with.
    pub fn of_instance(instance: &wgpu::Instance) -> Vec<Self> {
        let all = pollster::block_on(instance.enumerate_adapters(BACKENDS));
        let named = all.into_iter().enumerate().map(|(i, raw)| Self {
            id: format!("wgpu:{i}"),
            instance: instance.clone(),
            raw,
        });
        named.collect()
    }

    /// Name of the adapter.
    pub fn name(&self) -> String {
        self.raw.get_info().name
    }

    /// Facts of the adapter as wgpu reports them.
    pub fn info(&self) -> wgpu::AdapterInfo {
        self.raw.get_info()
    }

    /// Limits of the adapter.
    pub fn limits(&self) -> wgpu::Limits {
        self.raw.limits()
    }

    /// Features of the adapter.
    pub fn features(&self) -> wgpu::Features {
        self.raw.features()
    }

    /// Kind of the adapter.
    pub fn kind(&self) -> AdapterKind {
        kind_of(&self.raw.get_info())
    }

    /// Opens the adapter with all its limits and the features that kernels may use.
    pub fn open(&self) -> Result<Gpu> {
        let wanted =
            wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16 | wgpu::Features::TIMESTAMP_QUERY;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("umbra"),
            required_features: wanted & self.raw.features(),
            required_limits: self.raw.limits(),
            memory_hints: wgpu::MemoryHints::Performance,
            ..wgpu::DeviceDescriptor::default()
        };
        let (device, queue) = pollster::block_on(self.raw.request_device(&descriptor))
            .map_err(|error| failed(&self.name(), &format!("could not be opened ({error})")))?;
        Ok(Gpu::new(self, device, queue))
    }
}

/// Kind of the adapter that `info` describes.
fn kind_of(info: &wgpu::AdapterInfo) -> AdapterKind {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
        wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
        wgpu::DeviceType::Cpu => AdapterKind::Software,
        wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => AdapterKind::Other,
    }
}

/// Backends with compute shaders.
const BACKENDS: wgpu::Backends = wgpu::Backends::VULKAN
    .union(wgpu::Backends::METAL)
    .union(wgpu::Backends::DX12);

/// An opened adapter; clones share it.
#[derive(Clone)]
pub struct Gpu {
    shared: Arc<Shared>,
    /// Bytes that one binding may hold.
    binding: u64,
    /// Number of the tile that products use through this handle, whatever was measured.
    forced: Option<usize>,
}

struct Shared {
    id: String,
    instance: wgpu::Instance,
    adapter: wgpu::Adapter,
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    pipelines: Mutex<HashMap<kernel::Variant, kernel::Compiled>>,
    /// First fault; the device is not used after one.
    fault: Arc<Mutex<Option<String>>>,
    pace: Mutex<recorder::Pace>,
    /// Whether a window draws with the device.
    drawn: AtomicBool,
    /// Time until which no work is submitted, so that a window can change its size.
    resting: Arc<Mutex<Option<Instant>>>,
    /// Number of the tile that products use, once it is measured.
    tile: OnceLock<usize>,
    /// Milliseconds by kernel, where they are taken.
    times: Mutex<Option<BTreeMap<&'static str, f64>>>,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Gpu").field(&self.shared.id).finish()
    }
}

impl PartialEq for Gpu {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Gpu {
    fn new(adapter: &Adapter, device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let fault: Arc<Mutex<Option<String>>> = Arc::default();
        let noted = Arc::clone(&fault);
        let resting: Arc<Mutex<Option<Instant>>> = Arc::default();
        let rests = Arc::clone(&resting);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let error = error.to_string();
            if error.contains(UNCONFIGURED) {
                *lock(&rests) = Some(Instant::now() + REST);
            } else if !DRAWN.iter().any(|word| error.contains(word)) {
                note(&noted, error);
            }
        }));
        let noted = Arc::clone(&fault);
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                note(&noted, format!("was lost ({message})"));
            }
        });
        let binding = device.limits().max_storage_buffer_binding_size;
        let shared = Shared {
            id: adapter.id.clone(),
            instance: adapter.instance.clone(),
            adapter: adapter.raw.clone(),
            info: adapter.raw.get_info(),
            device,
            queue,
            pipelines: Mutex::default(),
            fault,
            pace: Mutex::new(recorder::Pace::new(SLICE)),
            drawn: AtomicBool::new(false),
            resting,
            tile: OnceLock::new(),
            times: Mutex::new(None),
        };
        Self {
            binding: binding.min(shared.device.limits().max_buffer_size),
            shared: Arc::new(shared),
            forced: None,
        }
    }

    /// Id that the setting `device` takes: `wgpu:N`.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Name and backend, as shown in the window and kept in run records.
    pub fn label(&self) -> String {
        format!("{} · {}", self.shared.info.name, self.shared.info.backend)
    }

    /// Facts of the adapter as wgpu reports them.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.shared.info
    }

    /// Kind of the adapter.
    pub(crate) fn kind(&self) -> AdapterKind {
        kind_of(&self.shared.info)
    }

    /// Instance, adapter, device and queue, for a window that draws with them.
    pub fn parts(&self) -> (&wgpu::Instance, &wgpu::Adapter, &wgpu::Device, &wgpu::Queue) {
        let shared = &self.shared;
        (
            &shared.instance,
            &shared.adapter,
            &shared.device,
            &shared.queue,
        )
    }

    /// Submits work in slices short enough for a window that draws with this device.
    pub fn share_with_window(&self) {
        lock(&self.shared.pace).aim(SHARED_SLICE);
        self.shared.drawn.store(true, Ordering::Relaxed);
    }

    /// Whether nothing is submitted for a while, because a window could not change its size: it should try again now.
    pub fn is_resting(&self) -> bool {
        lock(&self.shared.resting).is_some_and(|until| until > Instant::now())
    }

    /// Makes products use the tile of this number from now on; the first call decides. Tiles change the time, no result.
    pub(crate) fn use_tile(&self, number: usize) {
        self.shared.tile.get_or_init(|| number);
    }

    /// Number of the tile that products use, if it was measured.
    pub(crate) fn tile(&self) -> Option<usize> {
        self.forced.or_else(|| self.shared.tile.get().copied())
    }

    /// Returns the device with another tile than the one it was told to use.
    #[cfg(test)]
    pub(crate) fn with_tile(&self, number: usize) -> Self {
        Self {
            forced: Some(number),
            ..self.clone()
        }
    }

    /// Starts or stops taking the time of each kernel; see [`Gpu::take_times`]. Does nothing on a device without timestamps.
    pub fn time_kernels(&self, on: bool) {
        let able = (self.shared.device.features()).contains(wgpu::Features::TIMESTAMP_QUERY);
        *lock(&self.shared.times) = (on && able).then(BTreeMap::new);
    }

    /// Returns the milliseconds that each kernel took since the last call; none where they are not taken.
    pub fn take_times(&self) -> Option<BTreeMap<&'static str, f64>> {
        lock(&self.shared.times).as_mut().map(std::mem::take)
    }

    /// Returns the device with a smaller limit on bindings, so that tables are split as on a smaller device.
    #[cfg(test)]
    pub(crate) fn with_binding_limit(&self, bytes: u64) -> Self {
        Self {
            binding: bytes.min(self.binding),
            ..self.clone()
        }
    }

    /// Bytes that one binding may hold.
    pub(crate) fn binding_limit(&self) -> u64 {
        self.binding
    }

    /// Limits of the device.
    pub(crate) fn limits(&self) -> wgpu::Limits {
        self.shared.device.limits()
    }

    /// Begins to record work.
    pub(crate) fn record(&self) -> Recorder<'_> {
        Recorder::new(self)
    }

    /// Returns the fault that ended the use of this device, if there was one.
    pub fn check(&self) -> Result<()> {
        match &*lock(&self.shared.fault) {
            Some(fault) => Err(failed(&self.shared.info.name, fault)),
            None => Ok(()),
        }
    }

    /// Marks the device as unusable, as a driver that fails does; later work is refused.
    pub fn give_up(&self, why: &str) {
        note(&self.shared.fault, why.to_owned());
    }

    /// Submits `commands`.
    fn submit(&self, commands: wgpu::CommandBuffer) -> Submitted {
        let resting = *lock(&self.shared.resting);
        if let Some(left) = resting.and_then(|until| until.checked_duration_since(Instant::now())) {
            std::thread::sleep(left);
        }
        let queue = &self.shared.queue;
        let index = queue.submit([commands]);
        let done = self.shared.drawn.load(Ordering::Relaxed).then(|| {
            let done = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&done);
            queue.on_submitted_work_done(move || told.store(true, Ordering::Release));
            done
        });
        Submitted { index, done }
    }

    /// Maps `staging`, which `submitted` writes, for reading.
    fn map(&self, staging: &wgpu::Buffer, submitted: &Submitted) -> Result<()> {
        let mapped = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&mapped);
        staging.map_async(wgpu::MapMode::Read, .., move |_| {
            told.store(true, Ordering::Release);
        });
        self.wait(&Submitted {
            index: submitted.index.clone(),
            done: submitted.done.as_ref().map(|_| mapped),
        })
    }

    /// Waits for `submitted`, at most ten seconds.
    ///
    /// While wgpu waits it lets no window present, and a wait that times out can panic where another thread sees the same work end (`maintain` in wgpu-core
    /// 30.0.1 compares with a value that it read before). Where a window draws with the device, it is therefore looked at again and again instead.
    fn wait(&self, submitted: &Submitted) -> Result<()> {
        let device = &self.shared.device;
        let begun = Instant::now();
        let poll = |poll: wgpu::PollType| {
            // It panics where the device is lost.
            let polled = catch_unwind(AssertUnwindSafe(|| device.poll(poll)));
            match polled {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(wgpu::PollError::Timeout)) => Err(unanswered()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("was lost".to_owned()),
            }
        };
        let waited = match &submitted.done {
            None => poll(wgpu::PollType::Wait {
                submission_index: Some(submitted.index.clone()),
                timeout: Some(PATIENCE),
            }),
            Some(done) => loop {
                if let Err(what) = poll(wgpu::PollType::Poll) {
                    break Err(what);
                }
                if done.load(Ordering::Acquire) {
                    break Ok(());
                }
                match begun.elapsed() {
                    long if long > PATIENCE => break Err(unanswered()),
                    short if short < BRIEFLY => std::thread::yield_now(),
                    _ => std::thread::sleep(MOMENT),
                }
            },
        };
        if let Err(what) = waited {
            self.give_up(&what);
        }
        self.check()
    }
}

/// Work handed to a device.
#[derive(Debug, Clone)]
struct Submitted {
    index: wgpu::SubmissionIndex,
    /// Set once it is done, where a window draws with the device.
    done: Option<Arc<AtomicBool>>,
}

fn unanswered() -> String {
    format!("did not answer for {} seconds", PATIENCE.as_secs())
}

/// Records the first fault.
fn note(fault: &Mutex<Option<String>>, what: String) {
    lock(fault).get_or_insert(what);
}

/// Locks, also after a panic elsewhere: what is kept here stays valid.
fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error of the device `name`.
fn failed(name: &str, what: &str) -> Error {
    Error::Device {
        device: name.to_owned(),
        what: what.to_owned(),
    }
}
