//! WGSL form: rows of a table by a list on the device.

use crate::device::{Access, Buffer, Call, Kernel, Recorder, Table};
use crate::error::Result;

const THREADS: usize = 64;

const GATHER: Kernel = Kernel {
    name: "gather",
    source: include_str!("gather.wgsl"),
    entry: "main",
    constants: &[("THREADS", THREADS as u32)],
    buffers: &[Access::Read, Access::Read, Access::Write],
};

/// All kernels of this operation.
#[cfg(test)]
pub(crate) const KERNELS: &[Kernel] = &[GATHER];

/// Returns a new table `[count, columns]` with the first `count` rows of `list`, recorded.
pub(crate) fn gather(
    recorder: &mut Recorder<'_>,
    table: &Table,
    list: &Buffer,
    count: usize,
) -> Result<Table> {
    let columns = table.columns();
    let out = Table::zeros(recorder.gpu(), "rows", (count, columns))?;
    for into in out.blocks() {
        for from in table.blocks() {
            let call = Call {
                groups: [columns.div_ceil(THREADS), into.rows.len(), 1],
                work: 4.0 * THREADS as f64,
                params: [
                    columns as u32,
                    into.rows.len() as u32,
                    into.rows.start as u32,
                    from.rows.start as u32,
                    from.rows.end as u32,
                    0,
                    0,
                    0,
                ],
                buffers: &[list, from.buffer, into.buffer],
            };
            recorder.run(&GATHER, call)?;
        }
    }
    Ok(out)
}
