//! Sums of tables on a device.

use crate::device::{Access, Call, Kernel, Recorder, Table};
use crate::error::Result;

/// Threads of a workgroup.
const WIDTH: usize = 256;

const ADD: Kernel = Kernel {
    name: "add",
    source: include_str!("add.wgsl"),
    entry: "add",
    constants: &[("WIDTH", WIDTH as u32)],
    buffers: &[Access::Read, Access::Read, Access::Write],
};

/// Shaders of this folder.
#[cfg(test)]
pub(in crate::kernels) const KERNELS: &[Kernel] = &[ADD];

/// Records the sum of two tables of equal shape.
pub(crate) fn added(recorder: &mut Recorder<'_>, a: &Table, b: &Table) -> Result<Table> {
    let sum = Table::zeros(recorder.gpu(), "a sum", (a.rows(), a.columns()))?;
    for ((a, b), sum) in a.blocks().zip(b.blocks()).zip(sum.blocks()) {
        let len = sum.buffer.len();
        let call = Call {
            groups: [len.div_ceil(WIDTH), 1, 1],
            work: (3 * WIDTH) as f64,
            params: [len as u32, 0, 0, 0],
            buffers: &[a.buffer, b.buffer, sum.buffer],
        };
        recorder.run(&ADD, call)?;
    }
    Ok(sum)
}
