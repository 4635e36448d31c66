//! WGSL form: sums of spans of features, recorded chunk by chunk, and their sum.

use std::ops::Range;

use crate::device::{Access, Buffer, Call, Gpu, Kernel, Recorder, Table};
use crate::error::Result;

/// Features of a span; chunks begin at multiples of it.
pub(crate) const SPAN: usize = 128;
/// Spans that are joined on the device.
const JOIN: usize = 64;
const LANES: usize = 64;
const SPLITS: usize = 4;

const CONSTANTS: &[(&str, u32)] = &[
    ("SPAN", SPAN as u32),
    ("JOIN", JOIN as u32),
    ("LANES", LANES as u32),
    ("SPLITS", SPLITS as u32),
];
const SPANS: Kernel = Kernel {
    name: "through: spans",
    source: include_str!("through.wgsl"),
    entry: "spans",
    constants: CONSTANTS,
    buffers: &[Access::Read, Access::Read, Access::Read, Access::Write],
};
const JOINS: Kernel = Kernel {
    name: "through: joins",
    entry: "joins",
    buffers: &[Access::Read, Access::Write],
    ..SPANS
};

/// All kernels of this operation.
#[cfg(test)]
pub(crate) const KERNELS: &[Kernel] = &[SPANS, JOINS];

/// Sums by span of all features, and their joins.
#[derive(Debug, Clone)]
pub(crate) struct Through {
    /// `[f / SPAN, d]`.
    spans: Table,
    /// `[f / SPAN / JOIN, d]`.
    joins: Table,
}

/// Features of one run.
#[derive(Debug, Clone)]
pub(crate) struct Chunk<'a> {
    /// Begins at a multiple of [`SPAN`]; ends at one, or with the dictionary.
    pub(crate) features: Range<usize>,
    /// Gradients `[_]`, and the place of the first feature.
    pub(crate) read: (&'a Buffer, usize),
    /// `[_, d]`, and the row of the first feature.
    pub(crate) w_enc: (&'a Buffer, usize),
    /// `[count, 2]`: lengths of decoder rows and something else, where rows are free.
    pub(crate) facts: Option<&'a Buffer>,
    /// Factor on every gradient.
    pub(crate) factor: f32,
}

impl Through {
    /// Allocates the sums for `f` features that read `d` columns.
    pub(crate) fn new(gpu: &Gpu, (f, d): (usize, usize)) -> Result<Self> {
        let spans = f.div_ceil(SPAN);
        Ok(Self {
            spans: Table::zeros(gpu, "sums through the encoder", (spans, d))?,
            joins: Table::zeros(gpu, "sums through the encoder", (spans.div_ceil(JOIN), d))?,
        })
    }

    /// Records the sums of a chunk; it must come before the encoder moves.
    pub(crate) fn add(&self, recorder: &mut Recorder<'_>, chunk: &Chunk<'_>) -> Result<()> {
        let columns = self.spans.columns();
        let (count, first) = (chunk.features.len(), chunk.features.start / SPAN);
        let (mut done, spans) = (0, count.div_ceil(SPAN));
        for block in self.spans.blocks() {
            let begin = (first + done).max(block.rows.start);
            let end = (first + spans).min(block.rows.end);
            if begin >= end {
                continue;
            }
            let (skipped, some) = (done * SPAN, end - begin);
            let features = (count - skipped).min(some * SPAN);
            let call = Call {
                groups: [columns.div_ceil(LANES), some, 1],
                work: (2 * SPAN * LANES) as f64,
                params: [
                    columns as u32,
                    features as u32,
                    (chunk.read.1 + skipped) as u32,
                    (chunk.w_enc.1 + skipped) as u32,
                    (begin - block.rows.start) as u32,
                    u32::from(chunk.facts.is_some()),
                    chunk.factor.to_bits(),
                    skipped as u32,
                ],
                buffers: &[
                    chunk.read.0,
                    chunk.facts.unwrap_or(chunk.read.0),
                    chunk.w_enc.0,
                    block.buffer,
                ],
            };
            recorder.run(&SPANS, call)?;
            done += some;
        }
        Ok(())
    }

    /// Records the joins, after the sums of all chunks.
    pub(crate) fn join(&self, recorder: &mut Recorder<'_>) -> Result<()> {
        let columns = self.spans.columns();
        for block in self.spans.blocks() {
            let spans = block.rows.len();
            let call = Call {
                groups: [columns.div_ceil(LANES), spans.div_ceil(JOIN), 1],
                work: (2 * JOIN * LANES) as f64,
                params: [
                    columns as u32,
                    spans as u32,
                    0,
                    0,
                    (block.rows.start / JOIN) as u32,
                    0,
                    0,
                    0,
                ],
                buffers: &[block.buffer, self.joins.whole()],
            };
            recorder.run(&JOINS, call)?;
        }
        Ok(())
    }

    /// Reads the sums, `[d]`, after all submitted work.
    pub(crate) fn read(&self, gpu: &Gpu) -> Result<Vec<f64>> {
        let (rows, columns) = (self.joins.rows(), self.joins.columns());
        let values: Vec<f32> = gpu.read(self.joins.whole(), 0..rows * columns)?;
        let mut sums = vec![0.0; columns];
        for row in values.chunks_exact(columns.max(1)) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += f64::from(*value);
            }
        }
        Ok(sums)
    }
}
