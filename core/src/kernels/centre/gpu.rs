//! Activations centred on a device.

use bytemuck::{Pod, Zeroable};

use crate::device::{Access, Buffer, Call, Gpu, Kernel, Table};
use crate::error::Result;
use crate::kernels::sums::gpu::{self as sums, RowSums};

/// Threads of a workgroup.
const WIDTH: usize = 64;

const CENTRE: Kernel = Kernel {
    name: "centre",
    source: include_str!("centre.wgsl"),
    entry: "centre",
    constants: &[("WIDTH", WIDTH as u32)],
    buffers: &[Access::Read, Access::Read, Access::Write],
};

/// Shaders of this folder.
#[cfg(test)]
pub(in crate::kernels) const KERNELS: &[Kernel] = &[CENTRE];

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    d: u32,
    wide: u32,
    at: u32,
    rows: u32,
    from: u32,
    to: u32,
    scale: f32,
    unused: u32,
}

/// Centred activations on a device.
#[derive(Debug, Clone)]
pub(crate) struct Centred {
    /// `[n, d]`.
    pub(crate) values: Table,
    /// Σ y² and Σ y by column, not yet read; they give the spread about the batch's mean.
    pub(crate) pending: RowSums,
}

/// Computes `scale · x[r, at + c] − less[c]` for `x [n, at + d or wider]` and `less [d]`.
pub(crate) fn centre(
    gpu: &Gpu,
    (x, at): (&Table, usize),
    less: &Buffer,
    scale: f32,
) -> Result<Centred> {
    let d = less.len();
    let values = Table::zeros(gpu, "activations", (x.rows(), d))?;
    let mut recorder = gpu.record();
    for from in x.blocks() {
        for to in values.blocks() {
            let first = from.rows.start.max(to.rows.start);
            let rows = from.rows.end.min(to.rows.end).saturating_sub(first);
            if rows == 0 {
                continue;
            }
            let call = Call {
                groups: [d.div_ceil(WIDTH), rows, 1],
                work: (4 * WIDTH) as f64,
                params: Params {
                    d: d as u32,
                    wide: x.columns() as u32,
                    at: at as u32,
                    rows: rows as u32,
                    from: (first - from.rows.start) as u32,
                    to: (first - to.rows.start) as u32,
                    scale,
                    unused: 0,
                },
                buffers: &[from.buffer, less, to.buffer],
            };
            recorder.run(&CENTRE, call)?;
        }
    }
    let pending = sums::rows(&mut recorder, &values)?;
    recorder.submit()?;
    Ok(Centred { values, pending })
}
