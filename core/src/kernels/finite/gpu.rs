//! WGSL form.

use crate::device::{Access, Buffer, Call, Kernel, Recorder, Table};
use crate::error::Result;

/// Threads of a workgroup, and values of a thread.
const WIDTH: usize = 256;
const EACH: usize = 16;

const LOOK: Kernel = Kernel {
    name: "finite",
    source: include_str!("finite.wgsl"),
    entry: "look",
    constants: &[("WIDTH", WIDTH as u32), ("EACH", EACH as u32)],
    buffers: &[Access::Read, Access::Write],
};

/// Shaders of this folder.
#[cfg(test)]
pub(in crate::kernels) const KERNELS: &[Kernel] = &[LOOK];

/// Records that `flag [1]` u32 becomes 1 if a value of `table` is NaN or infinite.
pub(crate) fn not_finite(recorder: &mut Recorder<'_>, table: &Table, flag: &Buffer) -> Result<()> {
    for block in table.blocks() {
        let len = block.rows.len() * table.columns();
        let call = Call {
            groups: [len.div_ceil(WIDTH * EACH), 1, 1],
            work: (2 * WIDTH * EACH) as f64,
            params: [len as u32, 0, 0, 0],
            buffers: &[block.buffer, flag],
        };
        recorder.run(&LOOK, call)?;
    }
    Ok(())
}
