//! Sums on a device: partial sums in f32 there, joined in f64 on the host.

use std::ops::Range;

use crate::device::{Access, Buffer, Call, Gpu, Kernel, Recorder, Table};
use crate::error::Result;
use crate::kernels::pending::{Pending, floats, read};

/// Rows of a block.
pub(super) const ROWS: usize = 128;
/// Values of a block of a list.
const BLOCK: usize = 4_096;
/// Columns of a workgroup.
const STRIP: usize = 32;

const SOURCE: &str = include_str!("sums.wgsl");
const CONSTANTS: &[(&str, u32)] = &[("ROWS", ROWS as u32), ("BLOCK", BLOCK as u32)];
const SUM_ROWS: Kernel = Kernel {
    name: "sums: rows",
    source: SOURCE,
    entry: "rows",
    constants: CONSTANTS,
    buffers: &[Access::Read, Access::Write, Access::Write],
};
const SUM_TOTAL: Kernel = Kernel {
    name: "sums: total",
    source: SOURCE,
    entry: "total",
    constants: CONSTANTS,
    buffers: &[Access::Read, Access::Write],
};

/// Shaders of this folder.
#[cfg(test)]
pub(in crate::kernels) const KERNELS: &[Kernel] = &[SUM_ROWS, SUM_TOTAL];

/// Sums over rows, on the host.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sums {
    /// Σ x².
    pub(crate) squared: f64,
    /// Σ over rows, `[d]`.
    pub(crate) columns: Vec<f64>,
}

/// Sums over the rows of a table, still on the device.
#[derive(Debug, Clone)]
pub(crate) struct RowSums {
    /// `[blocks, d]`.
    columns: Buffer,
    /// `[blocks, strips]`: squares about the means of the block.
    squares: Buffer,
    /// Rows of each block.
    blocks: Vec<usize>,
    d: usize,
}

impl RowSums {
    /// Reads the sums; waits for the device. [`read`] reads several results with one wait.
    pub(crate) fn sums(&self, gpu: &Gpu) -> Result<Sums> {
        read(gpu, self)
    }
}

impl Pending for RowSums {
    type Value = Sums;

    fn parts<'a>(&'a self, into: &mut Vec<(&'a Buffer, Range<usize>)>) {
        into.push((&self.columns, 0..self.columns.len()));
        into.push((&self.squares, 0..self.squares.len()));
    }

    fn join(&self, read: &mut dyn Iterator<Item = Vec<u32>>) -> Sums {
        let parts = floats(read.next());
        let mut squared: f64 = floats(read.next()).into_iter().map(f64::from).sum();
        let mut columns = vec![0.0; self.d];
        for (block, rows) in parts.chunks_exact(self.d.max(1)).zip(&self.blocks) {
            for (sum, part) in columns.iter_mut().zip(block) {
                let part = f64::from(*part);
                *sum += part;
                squared += part * part / *rows as f64;
            }
        }
        Sums { squared, columns }
    }
}

/// Records the sums over the rows of `table [n, d]`.
pub(crate) fn rows(recorder: &mut Recorder<'_>, table: &Table) -> Result<RowSums> {
    let (gpu, d) = (recorder.gpu(), table.columns());
    let strips = d.div_ceil(STRIP);
    let mut blocks = Vec::new();
    for block in table.blocks() {
        let rows = block.rows.len();
        blocks.extend((0..rows).step_by(ROWS).map(|at| ROWS.min(rows - at)));
    }
    let sums = RowSums {
        columns: gpu.zeros("sums", blocks.len() * d)?,
        squares: gpu.zeros("sums", blocks.len() * strips)?,
        blocks,
        d,
    };
    let mut first = 0;
    for block in table.blocks() {
        let rows = block.rows.len();
        let call = Call {
            groups: [strips, rows.div_ceil(ROWS), 1],
            work: (4 * ROWS * STRIP) as f64,
            params: [rows, d, strips, first].map(|n| n as u32),
            buffers: &[block.buffer, &sums.columns, &sums.squares],
        };
        recorder.run(&SUM_ROWS, call)?;
        first += rows.div_ceil(ROWS);
    }
    Ok(sums)
}

/// Sum of a list, still on the device.
#[derive(Debug, Clone)]
pub(crate) struct Total(Buffer);

impl Pending for Total {
    type Value = f64;

    fn parts<'a>(&'a self, into: &mut Vec<(&'a Buffer, Range<usize>)>) {
        into.push((&self.0, 0..self.0.len()));
    }

    fn join(&self, read: &mut dyn Iterator<Item = Vec<u32>>) -> f64 {
        floats(read.next()).into_iter().map(f64::from).sum()
    }
}

/// Records the sum of the first `len` of `values`.
pub(crate) fn total(recorder: &mut Recorder<'_>, values: &Buffer, len: usize) -> Result<Total> {
    let blocks = len.div_ceil(BLOCK);
    let partial = recorder.gpu().zeros("sums", blocks)?;
    let call = Call {
        groups: [blocks, 1, 1],
        work: BLOCK as f64,
        params: [len as u32, 0, 0, 0],
        buffers: &[values, &partial],
    };
    recorder.run(&SUM_TOTAL, call)?;
    Ok(Total(partial))
}
