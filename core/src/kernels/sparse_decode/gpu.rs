//! Weighted sums of rows on a device: one pass for each block of the table, in order.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};

use crate::device::{Access, Buffer, Call, Gpu, Kernel, Recorder, Table};
use crate::error::Result;
use crate::kernels::codes::Codes;

/// Threads of a workgroup; each has four columns.
const WIDTH: usize = 64;

const ADD_ROWS: Kernel = Kernel {
    name: "sparse_decode: add_rows",
    source: include_str!("sparse_decode.wgsl"),
    entry: "add_rows",
    constants: &[("WIDTH", WIDTH as u32)],
    buffers: &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
    ],
};

/// Shaders of this folder.
#[cfg(test)]
pub(in crate::kernels) const KERNELS: &[Kernel] = &[ADD_ROWS];

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    d: u32,
    rows: u32,
    token: u32,
    stride: u32,
    first: u32,
    end: u32,
    base: u32,
    all: u32,
    goes_on: u32,
    sign: f32,
    unused: [u32; 2],
}

/// Start of a weighted sum.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) enum Start<'a> {
    /// `[d]`, equal for all tokens.
    One(&'a Buffer),
    /// `[n, d]`, split as the result.
    Rows(&'a Table),
}

/// Decodes `codes` with `w_dec [f, d]` and `b_dec [d]` into the reconstruction, `[n, d]`.
pub(crate) fn sparse_decode(
    gpu: &Gpu,
    codes: &Codes,
    w_dec: &Table,
    b_dec: &Buffer,
) -> Result<Table> {
    let mut recorder = gpu.record();
    let features = 0..w_dec.rows();
    let sum = weighted(
        &mut recorder,
        (Start::One(b_dec), 1.0),
        codes,
        features,
        w_dec,
    )?;
    recorder.submit()?;
    Ok(sum)
}

/// Records `start + sign · Σ_j acts[j] · w_dec[features[j]]` of each token over its entries with a feature in `features`.
pub(in crate::kernels) fn weighted(
    recorder: &mut Recorder<'_>,
    (start, sign): (Start<'_>, f32),
    codes: &Codes,
    features: Range<usize>,
    w_dec: &Table,
) -> Result<Table> {
    let d = w_dec.columns();
    let out = Table::zeros(recorder.gpu(), "the reconstruction", (codes.rows, d))?;
    let mean = codes.entries as f64 / codes.rows.max(1) as f64;
    let starts: Vec<(&Buffer, usize)> = match start {
        Start::One(row) => out.blocks().map(|_| (row, 0)).collect(),
        Start::Rows(rows) => rows.blocks().map(|block| (block.buffer, d)).collect(),
    };
    debug_assert_eq!(starts.len(), out.blocks().count(), "tables are split alike");
    for (into, (from, stride)) in out.blocks().zip(starts) {
        for (pass, block) in w_dec.blocks().enumerate() {
            let first = features.start.max(block.rows.start);
            let end = features.end.min(block.rows.end).max(first);
            if pass > 0 && first == end {
                continue;
            }
            let all = first == 0 && end == w_dec.rows();
            let call = Call {
                groups: [d.div_ceil(4 * WIDTH), into.rows.len(), 1],
                work: 8.0 * WIDTH as f64 * (4.0 + mean),
                params: Params {
                    d: d as u32,
                    rows: into.rows.len() as u32,
                    token: into.rows.start as u32,
                    stride: stride as u32,
                    first: first as u32,
                    end: end as u32,
                    base: block.rows.start as u32,
                    all: u32::from(all),
                    goes_on: u32::from(pass > 0),
                    sign,
                    unused: [0; 2],
                },
                buffers: &[
                    &codes.offsets,
                    &codes.features,
                    &codes.acts,
                    block.buffer,
                    from,
                    into.buffer,
                ],
            };
            recorder.run(&ADD_ROWS, call)?;
        }
    }
    Ok(out)
}
