//! Matrices on a device, in blocks of rows that fit one binding each.

use std::ops::Range;

use super::{Buffer, Gpu, Recorder};
use crate::dims::Matrix;
use crate::error::Result;

/// Rows of a block are a multiple of this where there is more than one block, so that no tile of a kernel crosses two.
const ROWS: usize = 128;
/// Words that are read at a time, through a staging buffer of this size.
const PIECE: usize = 16 << 20;

/// `[rows, columns]` of f32. Clones share the memory.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    rows: usize,
    columns: usize,
    per_block: usize,
    blocks: Vec<Buffer>,
}

/// Rows of a table that share a buffer.
#[derive(Debug, Clone)]
pub(crate) struct Block<'a> {
    /// First and end row.
    pub(crate) rows: Range<usize>,
    pub(crate) buffer: &'a Buffer,
}

impl Table {
    /// Allocates zeros.
    pub(crate) fn zeros(gpu: &Gpu, what: &str, (rows, columns): (usize, usize)) -> Result<Self> {
        let row = 4 * columns.max(1) as u64;
        let fit = (gpu.binding_limit() / row) as usize;
        let per_block = if rows <= fit { rows } else { fit / ROWS * ROWS };
        let per_block = per_block.max(1);
        let blocks = (0..rows.max(1))
            .step_by(per_block)
            .map(|first| gpu.zeros(what, per_block.min(rows - first) * columns))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            rows,
            columns,
            per_block,
            blocks,
        })
    }

    /// Copies `matrix` to the device.
    pub(crate) fn upload(gpu: &Gpu, what: &str, matrix: &Matrix) -> Result<Self> {
        let table = Self::zeros(gpu, what, (matrix.rows(), matrix.columns()))?;
        table.write(gpu, matrix);
        Ok(table)
    }

    /// Overwrites all values by those of a matrix of equal shape.
    pub(crate) fn write(&self, gpu: &Gpu, matrix: &Matrix) {
        debug_assert_eq!((matrix.rows(), matrix.columns()), (self.rows, self.columns));
        for block in self.blocks() {
            let range = block.rows.start * self.columns..block.rows.end * self.columns;
            gpu.write(block.buffer, 0, &matrix.values()[range]);
        }
    }

    /// Reads all values, after all submitted work.
    pub(crate) fn read(&self, gpu: &Gpu, into: &mut Matrix) -> Result<()> {
        debug_assert_eq!((into.rows(), into.columns()), (self.rows, self.columns));
        let columns = self.columns;
        for block in self.blocks() {
            let all = &mut into.values_mut()[block.rows.start * columns..block.rows.end * columns];
            for (i, piece) in all.chunks_mut(PIECE).enumerate() {
                let range = i * PIECE..i * PIECE + piece.len();
                piece.copy_from_slice(&gpu.read::<f32>(block.buffer, range)?);
            }
        }
        Ok(())
    }

    /// Sets all values to 0, in the order of the recorded work.
    pub(crate) fn clear(&self, recorder: &mut Recorder<'_>) {
        for buffer in &self.blocks {
            recorder.clear(buffer);
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Blocks in the order of rows.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        self.blocks.iter().enumerate().map(|(i, buffer)| Block {
            rows: i * self.per_block..((i + 1) * self.per_block).min(self.rows),
            buffer,
        })
    }

    /// The buffer of a table that has one block, as activations of a batch do.
    pub(crate) fn whole(&self) -> &Buffer {
        debug_assert_eq!(self.blocks.len(), 1, "the table is split");
        &self.blocks[0]
    }
}
