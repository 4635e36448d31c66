//! Host side: buffers and dispatches of sums, sort, bounds and gather.

use crate::device::{Access, Buffer, Call, Kernel, Recorder};
use crate::error::Result;

/// Threads of a workgroup, which is also the number of digits of a pass.
const WIDTH: u32 = 256;
/// Values of one thread in exclusive sums.
const EACH: u32 = 8;
/// Keys of one thread in the sort.
const ROUNDS: u32 = 4;
/// Bits of a digit.
const DIGIT: u32 = 8;

const SCAN: &[(&str, u32)] = &[("WIDTH", WIDTH), ("EACH", EACH)];
const SORT: &[(&str, u32)] = &[
    ("WIDTH", WIDTH),
    ("ROUNDS", ROUNDS),
    ("MARKS", WIDTH * WIDTH / 32),
];

const SUM_BLOCKS: Kernel = Kernel {
    name: "sums: of blocks",
    source: include_str!("scan.wgsl"),
    entry: "sum_blocks",
    constants: SCAN,
    buffers: &[Access::Read, Access::Write],
};
const SCAN_BLOCKS: Kernel = Kernel {
    name: "sums: within blocks",
    entry: "scan_blocks",
    buffers: &[Access::Write, Access::Read],
    ..SUM_BLOCKS
};
const COUNT: Kernel = Kernel {
    name: "sort: count digits",
    source: include_str!("sort.wgsl"),
    entry: "count_digits",
    constants: SORT,
    buffers: &[Access::Read, Access::Write],
};
const SCATTER: Kernel = Kernel {
    name: "sort: scatter",
    entry: "scatter",
    buffers: &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
        Access::Write,
    ],
    ..COUNT
};
const BOUNDS: Kernel = Kernel {
    name: "sort: bounds",
    entry: "bounds",
    buffers: &[Access::Read, Access::Write],
    ..COUNT
};
const GATHER: Kernel = Kernel {
    name: "sort: gather",
    entry: "gather",
    buffers: &[Access::Read, Access::Read, Access::Write],
    ..COUNT
};

/// All kernels of this folder.
#[cfg(test)]
pub(crate) const KERNELS: &[Kernel] = &[SUM_BLOCKS, SCAN_BLOCKS, COUNT, SCATTER, BOUNDS, GATHER];

/// Number of bits that hold every number below `end`, at least one.
pub(crate) fn bits_below(end: usize) -> u32 {
    (usize::BITS - end.saturating_sub(1).leading_zeros()).max(1)
}

/// Replaces the first `len` of `values` by the sums of all before them, modulo 2³².
pub(crate) fn exclusive_sums(
    recorder: &mut Recorder<'_>,
    values: &Buffer,
    len: usize,
) -> Result<()> {
    if len == 0 {
        return Ok(());
    }
    let blocks = len.div_ceil((WIDTH * EACH) as usize);
    let work = f64::from(WIDTH * EACH * 3);
    let params = [len as u32, 0, 0, 0];
    let sums = recorder.gpu().zeros("sums", blocks)?;
    if blocks > 1 {
        let call = Call {
            groups: [blocks, 1, 1],
            work,
            params,
            buffers: &[values, &sums],
        };
        recorder.run(&SUM_BLOCKS, call)?;
        exclusive_sums(recorder, &sums, blocks)?;
    }
    let call = Call {
        groups: [blocks, 1, 1],
        work,
        params,
        buffers: &[values, &sums],
    };
    recorder.run(&SCAN_BLOCKS, call)
}

/// Sorts the first `len` of `keys` by their low `bits`, stably; returns keys and payloads in that order. Without a payload, it is the number of the key.
pub(crate) fn sort(
    recorder: &mut Recorder<'_>,
    (keys, payload): (&Buffer, Option<&Buffer>),
    len: usize,
    bits: u32,
) -> Result<(Buffer, Buffer)> {
    let gpu = recorder.gpu();
    let blocks = len.div_ceil((WIDTH * ROUNDS) as usize);
    let counts = gpu.zeros("counts of digits", blocks * WIDTH as usize)?;
    let pair = || -> Result<(Buffer, Buffer)> {
        Ok((gpu.zeros("sorted", len)?, gpu.zeros("sorted", len)?))
    };
    let mut sorted = pair()?;
    let passes = bits.div_ceil(DIGIT).max(1);
    let mut spare = if passes > 1 { pair()? } else { sorted.clone() };
    let groups = [blocks, 1, 1];
    for pass in 0..passes {
        let (from, carried) = match (pass, payload) {
            (0, payload) => (keys, payload.unwrap_or(keys)),
            _ => (&spare.0, &spare.1),
        };
        let numbered = u32::from(pass == 0 && payload.is_none());
        let wide = (bits - pass * DIGIT).min(DIGIT);
        let params = Pass {
            len: len as u32,
            blocks: blocks as u32,
            shift: pass * DIGIT,
            numbered,
            mask: (1 << wide) - 1,
            unused: [0; 3],
        };
        let call = Call {
            groups,
            work: f64::from(WIDTH * ROUNDS * 4),
            params,
            buffers: &[from, &counts],
        };
        recorder.run(&COUNT, call)?;
        exclusive_sums(recorder, &counts, blocks * WIDTH as usize)?;
        let call = Call {
            groups,
            work: f64::from(WIDTH * ROUNDS * 32),
            params,
            buffers: &[from, carried, &counts, &sorted.0, &sorted.1],
        };
        recorder.run(&SCATTER, call)?;
        if pass + 1 < passes {
            std::mem::swap(&mut sorted, &mut spare);
        }
    }
    Ok(sorted)
}

/// Uniform of a pass of the sort.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Pass {
    len: u32,
    blocks: u32,
    shift: u32,
    numbered: u32,
    mask: u32,
    unused: [u32; 3],
}

/// Returns the number of `sorted` keys below each of `0..=values`, `[values + 1]`: where the entries of each value begin.
pub(crate) fn bounds(
    recorder: &mut Recorder<'_>,
    (sorted, len): (&Buffer, usize),
    values: usize,
) -> Result<Buffer> {
    let found = recorder.gpu().zeros("bounds", values + 1)?;
    let params = Pass {
        len: len as u32,
        blocks: values as u32,
        ..bytemuck::Zeroable::zeroed()
    };
    let call = Call {
        groups: [(values + 1).div_ceil(WIDTH as usize), 1, 1],
        work: f64::from(WIDTH * bits_below(len + 1)),
        params,
        buffers: &[sorted, &found],
    };
    recorder.run(&BOUNDS, call)?;
    Ok(found)
}

/// Returns `from[order[i]]` for the first `len` of `order`, four bytes each.
pub(crate) fn gather(
    recorder: &mut Recorder<'_>,
    (order, len): (&Buffer, usize),
    from: &Buffer,
) -> Result<Buffer> {
    let gathered = recorder.gpu().zeros("gathered", len)?;
    let params = Pass {
        len: len as u32,
        ..bytemuck::Zeroable::zeroed()
    };
    let call = Call {
        groups: [len.div_ceil(WIDTH as usize), 1, 1],
        work: f64::from(WIDTH),
        params,
        buffers: &[order, from, &gathered],
    };
    recorder.run(&GATHER, call)?;
    Ok(gathered)
}
