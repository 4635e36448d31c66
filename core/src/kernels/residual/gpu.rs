//! Residuals of codes on a device, their sums, and the pull-back to the entries.

use bytemuck::{Pod, Zeroable};

use crate::device::{Access, Buffer, Call, Gpu, Kernel, Recorder, Table};
use crate::error::Result;
use crate::kernels::add;
use crate::kernels::codes::Codes;
use crate::kernels::sparse_decode::gpu::{Start, weighted};
use crate::kernels::sums::gpu::{self as sums, RowSums, Sums};

/// Threads of a workgroup.
const WIDTH: usize = 64;
/// Entries of a workgroup.
const ENTRIES: usize = 4;

const PULL_BACK: Kernel = Kernel {
    name: "residual: pull_back",
    source: include_str!("residual.wgsl"),
    entry: "pull_back",
    constants: &[("WIDTH", WIDTH as u32)],
    buffers: &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
    ],
};

/// Shaders of this folder.
#[cfg(test)]
pub(in crate::kernels) const KERNELS: &[Kernel] = &[PULL_BACK];

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    d: u32,
    entries: u32,
    token: u32,
    token_end: u32,
    first: u32,
    end: u32,
    base: u32,
    scale: f32,
}

/// Residual of a code on a device, with its pull-back and its sums.
#[derive(Debug, Clone)]
pub(crate) struct Left {
    /// `[n, d]`.
    pub(crate) residual: Table,
    /// `[nnz]`: `scale · w_dec[feature] · residual[token]`.
    pub(crate) d_acts: Buffer,
    /// Σ residual² and Σ over tokens, not yet read.
    pub(crate) pending: RowSums,
}

impl Left {
    /// Reads Σ residual² and Σ over tokens; waits for the device. `pending::read` reads several results with one wait.
    pub(crate) fn sums(&self, gpu: &Gpu) -> Result<Sums> {
        self.pending.sums(gpu)
    }
}

/// Residuals of several reconstructions, each by the first features (Matryoshka).
#[derive(Debug, Clone)]
pub(crate) struct LeftByLevel {
    /// Residual of all features; its `d_acts` are those of all levels together.
    pub(crate) last: Left,
    /// For the features below each end, the sum of all residuals that they contribute to, `[n, d]`; the ends rise.
    pub(crate) tables: Vec<(usize, Table)>,
    /// Sums of the residual of each level, not yet read. The column sums of the first table are those of all levels together.
    pub(crate) pending: Vec<RowSums>,
}

/// Computes the residual of `codes` for `target [n, d]`, its sums and its pull-back.
pub(crate) fn residual(
    gpu: &Gpu,
    target: &Table,
    codes: &Codes,
    w_dec: &Table,
    scale: f32,
) -> Result<Left> {
    let mut recorder = gpu.record();
    let features = 0..w_dec.rows();
    let residual = weighted(
        &mut recorder,
        (Start::Rows(target), -1.0),
        codes,
        features,
        w_dec,
    )?;
    let pending = sums::rows(&mut recorder, &residual)?;
    let tables = [(w_dec.rows(), &residual)];
    let d_acts = pull_back(&mut recorder, &tables, codes, w_dec, scale)?;
    recorder.submit()?;
    Ok(Left {
        residual,
        d_acts,
        pending,
    })
}

/// Computes the residuals of decoding the features below each of `ends`, which rise to the number of features.
pub(crate) fn residual_by_level(
    gpu: &Gpu,
    target: &Table,
    codes: &Codes,
    (w_dec, ends): (&Table, &[usize]),
    scale: f32,
) -> Result<LeftByLevel> {
    let mut recorder = gpu.record();
    let mut residuals: Vec<Table> = Vec::with_capacity(ends.len());
    let mut pending = Vec::with_capacity(ends.len());
    let mut first = 0;
    for end in ends {
        let start = (Start::Rows(residuals.last().unwrap_or(target)), -1.0);
        let left = weighted(&mut recorder, start, codes, first..*end, w_dec)?;
        pending.push(sums::rows(&mut recorder, &left)?);
        residuals.push(left);
        first = *end;
    }
    let residual = residuals.last().unwrap_or(target).clone();
    let mut tables: Vec<(usize, Table)> = Vec::with_capacity(ends.len());
    for (end, left) in ends.iter().zip(&residuals).rev() {
        let sum = match tables.last() {
            Some((_, sum)) => add::gpu::added(&mut recorder, sum, left)?,
            None => left.clone(),
        };
        tables.push((*end, sum));
    }
    tables.reverse();
    let by_table: Vec<_> = tables.iter().map(|(end, table)| (*end, table)).collect();
    let d_acts = pull_back(&mut recorder, &by_table, codes, w_dec, scale)?;
    let of_last = match pending.last() {
        Some(pending) => pending.clone(),
        None => sums::rows(&mut recorder, &residual)?,
    };
    recorder.submit()?;
    Ok(LeftByLevel {
        last: Left {
            residual,
            d_acts,
            pending: of_last,
        },
        tables,
        pending,
    })
}

/// Records `scale · w_dec[feature] · table[token]` of each entry, `[nnz]`, where the table is the first of `tables` whose end lies beyond the feature.
fn pull_back(
    recorder: &mut Recorder<'_>,
    tables: &[(usize, &Table)],
    codes: &Codes,
    w_dec: &Table,
    scale: f32,
) -> Result<Buffer> {
    let d = w_dec.columns();
    let d_acts = recorder.gpu().zeros("gradients of codes", codes.entries)?;
    let mut done = 0;
    for (end, table) in tables {
        for rows in table.blocks() {
            for block in w_dec.blocks() {
                let first = done.max(block.rows.start);
                let end = (*end).min(block.rows.end);
                if first >= end {
                    continue;
                }
                let call = Call {
                    groups: [codes.entries.div_ceil(ENTRIES), 1, 1],
                    work: (2 * ENTRIES * d + 16 * WIDTH) as f64,
                    params: Params {
                        d: d as u32,
                        entries: codes.entries as u32,
                        token: rows.rows.start as u32,
                        token_end: rows.rows.end as u32,
                        first: first as u32,
                        end: end as u32,
                        base: block.rows.start as u32,
                        scale,
                    },
                    buffers: &[
                        &codes.tokens,
                        &codes.features,
                        block.buffer,
                        rows.buffer,
                        &d_acts,
                    ],
                };
                recorder.run(&PULL_BACK, call)?;
            }
        }
        done = *end;
    }
    Ok(d_acts)
}
