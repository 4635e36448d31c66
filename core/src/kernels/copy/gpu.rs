//! Host side: one run over whole buffers.

use crate::device::{Access, Buffer, Call, Kernel, Recorder};
use crate::error::Result;

/// Threads of a workgroup.
const THREADS: u32 = 256;
/// Words that a workgroup copies.
const WORDS: usize = 16 * THREADS as usize;

const COPY: Kernel = Kernel {
    name: "copy",
    source: include_str!("copy.wgsl"),
    entry: "copy",
    constants: &[("THREADS", THREADS)],
    buffers: &[Access::Read, Access::Write],
};

/// Kernels of this folder.
#[cfg(test)]
pub(crate) const KERNELS: &[Kernel] = &[COPY];

/// Records a copy of all words of `from` into `into`, of equal length.
pub(crate) fn run(recorder: &mut Recorder<'_>, from: &Buffer, into: &Buffer) -> Result<()> {
    debug_assert_eq!(from.len(), into.len());
    let call = Call {
        groups: [from.len().div_ceil(WORDS), 1, 1],
        work: WORDS as f64,
        params: [from.len() as u32, 0, 0, 0],
        buffers: &[from, into],
    };
    recorder.run(&COPY, call)
}
