//! Records kernels and submits them in slices of a few milliseconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytemuck::Pod;

use super::{Buffer, Gpu, Kernel, Submitted, lock};
use crate::error::Result;

/// Slices submitted before the first of them must be done.
const AHEAD: usize = 2;
/// Kernels of a slice whose time is taken.
const TIMED: u32 = 128;

/// One run of a kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a, P> {
    /// Workgroups along x, y and z.
    pub(crate) groups: [usize; 3],
    /// Operations of one workgroup, roughly; large runs are split by it.
    pub(crate) work: f64,
    /// Uniform at binding 1; its size is a multiple of 16 bytes.
    pub(crate) params: P,
    /// Buffers from binding 2 on.
    pub(crate) buffers: &'a [&'a Buffer],
}

/// How much work a slice holds, learnt from how long slices take.
#[derive(Debug)]
pub(super) struct Pace {
    target: Duration,
    work: f64,
}

impl Pace {
    /// Work of the first slice: a few milliseconds of a slow device.
    const FIRST: f64 = 2e7;

    pub(super) fn new(target: Duration) -> Self {
        let work = Self::FIRST;
        Self { target, work }
    }

    pub(super) fn aim(&mut self, target: Duration) {
        self.work *= target.as_secs_f64() / self.target.as_secs_f64();
        self.target = target;
    }

    /// Learns that a slice of `work` took `time`.
    fn learn(&mut self, work: f64, time: Duration) {
        if work < 0.5 * self.work {
            return;
        }
        let ratio = self.target.as_secs_f64() / time.as_secs_f64().max(1e-6);
        self.work = (self.work * ratio.clamp(0.5, 2.0)).clamp(1e6, 1e12);
    }
}

/// Work in the order in which it will run. Dropped without [`Recorder::submit`], the last slice is lost.
#[derive(Debug)]
pub(crate) struct Recorder<'g> {
    gpu: &'g Gpu,
    encoder: Option<wgpu::CommandEncoder>,
    work: f64,
    submitted: VecDeque<(Submitted, f64)>,
    last_done: Instant,
    timer: Option<Timer>,
}

impl<'g> Recorder<'g> {
    pub(super) fn new(gpu: &'g Gpu) -> Self {
        let timed = lock(&gpu.shared.times).is_some();
        Self {
            gpu,
            encoder: None,
            work: 0.0,
            submitted: VecDeque::new(),
            last_done: Instant::now(),
            timer: timed.then(|| Timer::new(gpu)),
        }
    }

    /// The device.
    pub(crate) fn gpu(&self) -> &'g Gpu {
        self.gpu
    }

    fn encoder(&mut self) -> &mut wgpu::CommandEncoder {
        let device = &self.gpu.shared.device;
        self.encoder.get_or_insert_with(|| {
            device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
        })
    }

    /// Records a run of `kernel`, in several dispatches where it is large.
    pub(crate) fn run<P: Pod>(&mut self, kernel: &Kernel, call: Call<'_, P>) -> Result<()> {
        let most = self.gpu.limits().max_compute_workgroups_per_dimension as usize;
        let [x, y, z] = call.groups;
        if x * y * z == 0 {
            return Ok(());
        }
        let mut at = [0; 3];
        while at[2] < z {
            let room = (lock(&self.gpu.shared.pace).work / call.work.max(1.0)) as usize;
            let left = (room.saturating_sub((self.work / call.work.max(1.0)) as usize)).max(1);
            let mut part = [left.min(x - at[0]).min(most), 1, 1];
            if at[0] == 0 && part[0] == x {
                part[1] = (left / x).clamp(1, (y - at[1]).min(most));
                if at[1] == 0 && part[1] == y {
                    part[2] = (left / (x * y)).clamp(1, (z - at[2]).min(most));
                }
            }
            self.dispatch(kernel, &call, at, part)?;
            self.work += call.work * part.iter().product::<usize>() as f64;
            if self.work >= lock(&self.gpu.shared.pace).work {
                self.slice()?;
            }
            at[0] += part[0];
            if at[0] >= x {
                at = [0, at[1] + part[1], at[2]];
            }
            if at[1] >= y {
                at = [0, 0, at[2] + part[2]];
            }
        }
        Ok(())
    }

    fn dispatch<P: Pod>(
        &mut self,
        kernel: &Kernel,
        call: &Call<'_, P>,
        at: [usize; 3],
        groups: [usize; 3],
    ) -> Result<()> {
        debug_assert_eq!(call.buffers.len(), kernel.buffers.len(), "{}", kernel.name);
        debug_assert_eq!(size_of::<P>() % 16, 0, "{}", kernel.name);
        let compiled = kernel.compiled(self.gpu)?;
        let origin = [at[0] as u32, at[1] as u32, at[2] as u32, 0];
        let origin = self.uniform(bytemuck::bytes_of(&origin));
        let params = self.uniform(bytemuck::bytes_of(&call.params));
        let resources = [&origin, &params]
            .into_iter()
            .chain(call.buffers.iter().map(|b| b.raw()));
        let entries: Vec<wgpu::BindGroupEntry<'_>> = (0..)
            .zip(resources)
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let group = self
            .gpu
            .shared
            .device
            .create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(kernel.name),
                layout: &compiled.layout,
                entries: &entries,
            });
        let stamps = self.timer.as_mut().map(|timer| timer.next(kernel.name));
        let queries = self.timer.as_ref().map(|timer| timer.queries.clone());
        let writes =
            stamps
                .zip(queries.as_ref())
                .map(|(first, queries)| wgpu::ComputePassTimestampWrites {
                    query_set: queries,
                    beginning_of_pass_write_index: Some(first),
                    end_of_pass_write_index: Some(first + 1),
                });
        let encoder = self.encoder();
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(kernel.name),
            timestamp_writes: writes,
        });
        pass.set_pipeline(&compiled.pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(groups[0] as u32, groups[1] as u32, groups[2] as u32);
        drop(pass);
        if self.timer.as_ref().is_some_and(Timer::is_full) {
            self.slice()?;
        }
        Ok(())
    }

    /// A uniform of a few words; written at once, before any work that is not yet submitted.
    fn uniform(&self, bytes: &[u8]) -> wgpu::Buffer {
        let buffer = self
            .gpu
            .shared
            .device
            .create_buffer(&wgpu::BufferDescriptor {
                label: Some("parameters"),
                size: bytes.len().max(16) as u64,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: true,
            });
        if let Ok(mut view) = buffer.get_mapped_range_mut(..) {
            view.slice(..bytes.len()).copy_from_slice(bytes);
        }
        buffer.unmap();
        buffer
    }

    /// Records zeros for all of `buffer`.
    pub(crate) fn clear(&mut self, buffer: &Buffer) {
        self.encoder().clear_buffer(buffer.raw(), 0, None);
    }

    /// Records a copy of `words` words.
    pub(crate) fn copy(
        &mut self,
        (from, at): (&Buffer, usize),
        (to, place): (&Buffer, usize),
        words: usize,
    ) {
        let [at, place, bytes] = [at, place, words].map(|n| 4 * n as u64);
        if bytes > 0 {
            self.encoder()
                .copy_buffer_to_buffer(from.raw(), at, to.raw(), place, bytes);
        }
    }

    /// Submits what is recorded; waits if much is submitted and not yet done.
    fn slice(&mut self) -> Result<()> {
        self.gpu.check()?;
        let Some(mut encoder) = self.encoder.take() else {
            return Ok(());
        };
        if let Some(timer) = &mut self.timer {
            timer.resolve(&mut encoder);
        }
        let submitted = self.gpu.submit(encoder.finish());
        if self.submitted.is_empty() {
            self.last_done = Instant::now();
        }
        if let Some(timer) = &mut self.timer {
            timer.collect(self.gpu, &submitted)?;
        }
        self.submitted.push_back((submitted, self.work));
        self.work = 0.0;
        while self.submitted.len() > AHEAD {
            self.wait_for_first()?;
        }
        Ok(())
    }

    fn wait_for_first(&mut self) -> Result<()> {
        if let Some((submitted, work)) = self.submitted.pop_front() {
            self.gpu.wait(&submitted)?;
            let now = Instant::now();
            lock(&self.gpu.shared.pace).learn(work, now - self.last_done);
            self.last_done = now;
        }
        Ok(())
    }

    /// Submits the rest; work submitted later, and reads, come after it.
    pub(crate) fn submit(mut self) -> Result<()> {
        self.slice()?;
        while self.submitted.len() > 1 {
            self.wait_for_first()?;
        }
        Ok(())
    }
}

/// Timestamps around the kernels of a slice.
#[derive(Debug)]
struct Timer {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    read: wgpu::Buffer,
    names: Vec<&'static str>,
}

impl Timer {
    fn new(gpu: &Gpu) -> Self {
        let device = &gpu.shared.device;
        let size = u64::from(2 * TIMED) * 8;
        let buffer = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("timestamps"),
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        Self {
            queries: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: 2 * TIMED,
            }),
            resolved: buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC),
            read: buffer(wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ),
            names: Vec::new(),
        }
    }

    /// Index of the first of a kernel's two timestamps.
    fn next(&mut self, name: &'static str) -> u32 {
        let first = 2 * self.names.len() as u32;
        self.names.push(name);
        first
    }

    fn is_full(&self) -> bool {
        self.names.len() as u32 >= TIMED
    }

    fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        let count = 2 * self.names.len() as u32;
        if count > 0 {
            encoder.resolve_query_set(&self.queries, 0..count, &self.resolved, 0);
            encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.read, 0, u64::from(count) * 8);
        }
    }

    /// Waits for the slice and adds its times.
    fn collect(&mut self, gpu: &Gpu, submitted: &Submitted) -> Result<()> {
        if self.names.is_empty() {
            return Ok(());
        }
        gpu.map(&self.read, submitted)?;
        let period = f64::from(gpu.shared.queue.get_timestamp_period());
        if let Ok(view) = self.read.get_mapped_range(..) {
            let stamps: Vec<u64> = bytemuck::pod_collect_to_vec(&view[..16 * self.names.len()]);
            if let Some(times) = lock(&gpu.shared.times).as_mut() {
                for (name, pair) in self.names.drain(..).zip(stamps.chunks_exact(2)) {
                    let ticks = pair[1].saturating_sub(pair[0]);
                    *times.entry(name).or_default() += ticks as f64 * period / 1e6;
                }
            }
        }
        self.names.clear();
        self.read.unmap();
        Ok(())
    }
}
