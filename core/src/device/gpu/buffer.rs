//! Memory of a device, in words of four bytes.

use std::ops::Range;

use bytemuck::Pod;

use super::{Gpu, failed};
use crate::error::{Error, Result};

/// Bytes of a word.
const WORD: u64 = 4;
/// Words that are written at a time: each piece is copied into a staging buffer first.
const PIECE: usize = 4 << 20;

/// Words on a device: f32, u32 or i32, as the kernels that read them say. Never empty on the device, so that it can be bound. Clones share the memory.
#[derive(Debug, Clone)]
pub(crate) struct Buffer {
    raw: wgpu::Buffer,
    words: usize,
}

impl Buffer {
    /// Number of words.
    pub(crate) fn len(&self) -> usize {
        self.words
    }

    pub(super) fn raw(&self) -> &wgpu::Buffer {
        &self.raw
    }
}

impl Gpu {
    /// Allocates `words` zeros; `what` names them in errors.
    pub(crate) fn zeros(&self, what: &str, words: usize) -> Result<Buffer> {
        self.check()?;
        let bytes = (words.max(1) as u64) * WORD;
        if bytes > self.binding_limit() {
            return Err(failed(
                &self.info().name,
                &format!(
                    "cannot bind {bytes} bytes for {what}: its limit is {}; choose a smaller batch or the CPU",
                    self.binding_limit()
                ),
            ));
        }
        let device = &self.shared.device;
        let scope = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let raw = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(what),
            size: bytes,
            usage: wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST
                | wgpu::BufferUsages::INDIRECT,
            mapped_at_creation: false,
        });
        if pollster::block_on(scope.pop()).is_some() {
            return Err(self.out_of_memory(what, bytes));
        }
        Ok(Buffer { raw, words })
    }

    /// Error for an allocation that failed.
    fn out_of_memory(&self, what: &str, bytes: u64) -> Error {
        let what = format!(
            "has too little memory for {what} ({} MB): choose a smaller batch or dictionary, or the CPU",
            bytes >> 20
        );
        failed(&self.info().name, &what)
    }

    /// Copies `values`, four bytes each, to the device.
    pub(crate) fn upload<T: Pod>(&self, what: &str, values: &[T]) -> Result<Buffer> {
        const { assert!(size_of::<T>() == WORD as usize) };
        let buffer = self.zeros(what, values.len())?;
        self.write(&buffer, 0, values);
        Ok(buffer)
    }

    /// Overwrites words of `buffer` from word `at` on, before any work that is submitted later.
    pub(crate) fn write<T: Pod>(&self, buffer: &Buffer, at: usize, values: &[T]) {
        const { assert!(size_of::<T>() == WORD as usize) };
        for (i, piece) in values.chunks(PIECE).enumerate() {
            let offset = (at + i * PIECE) as u64 * WORD;
            let bytes = bytemuck::cast_slice(piece);
            self.shared.queue.write_buffer(&buffer.raw, offset, bytes);
        }
    }

    /// Reads words of `buffer` after all work submitted so far; waits for it.
    pub(crate) fn read<T: Pod>(&self, buffer: &Buffer, range: Range<usize>) -> Result<Vec<T>> {
        let mut all = self.read_all(&[(buffer, range)])?;
        Ok(all.pop().unwrap_or_default())
    }

    /// Reads several ranges with one wait.
    pub(crate) fn read_all<T: Pod>(
        &self,
        parts: &[(&Buffer, Range<usize>)],
    ) -> Result<Vec<Vec<T>>> {
        const { assert!(size_of::<T>() == WORD as usize) };
        self.check()?;
        let words: usize = parts.iter().map(|(_, range)| range.len()).sum();
        if words == 0 {
            return Ok(vec![Vec::new(); parts.len()]);
        }
        let staging = self.shared.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging"),
            size: words as u64 * WORD,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self
            .shared
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut at = 0;
        for (buffer, range) in parts {
            let (from, bytes) = (range.start as u64 * WORD, range.len() as u64 * WORD);
            if bytes > 0 {
                encoder.copy_buffer_to_buffer(&buffer.raw, from, &staging, at, bytes);
            }
            at += bytes;
        }
        let submitted = self.submit(encoder.finish());
        self.map(&staging, &submitted)?;
        let view = staging.get_mapped_range(..).map_err(|error| {
            failed(
                &self.info().name,
                &format!("did not return results ({error})"),
            )
        })?;
        let mut rest: &[u8] = &view;
        let mut all = Vec::with_capacity(parts.len());
        for (_, range) in parts {
            let (bytes, after) = rest.split_at(range.len() * WORD as usize);
            rest = after;
            all.push(bytemuck::pod_collect_to_vec(bytes));
        }
        Ok(all)
    }
}
