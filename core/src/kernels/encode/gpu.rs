//! The rules on a device: a tile of the product is compared with bars while it is in registers, and only entries that pass leave the workgroup. The table
//! `[n, f]` is never stored.

mod above;
mod budget;
mod columns;
mod cut;
mod list;
#[cfg(test)]
mod list_tests;
mod topk;

use std::ops::Range;

use super::not_finite;
#[cfg(test)]
use crate::device::Kernel;
use crate::device::{Buffer, Gpu, Table};
use crate::error::{Error, Result};
use crate::kernels::product::{Params, pieces};

pub(crate) use above::above;
pub(crate) use budget::{Least, budget};
pub(crate) use columns::by_feature;
pub(crate) use list::{Candidates, ListBar, filter_list};
pub(crate) use topk::{DeviceRanking, Kind, scored, topk};
#[cfg(test)]
pub(super) use {
    above::above_by,
    topk::{scored_by, topk_by},
};

/// Kernels of tiles: for every tile and way to read.
#[cfg(test)]
pub(crate) const TILED: [&[Kernel]; 4] = [
    &list::LIST.all(),
    &topk::TOPK.all(),
    &topk::SCORED.all(),
    &above::ABOVE.all(),
];

/// The other kernels of this folder.
#[cfg(test)]
pub(crate) const KERNELS: &[Kernel] = &[
    topk::SHRINK,
    topk::FINISH,
    above::COUNT,
    above::GATHER,
    above::PLACE,
    cut::KERNELS[0],
    cut::KERNELS[1],
    cut::KERNELS[2],
    cut::KERNELS[3],
    cut::KERNELS[4],
    cut::KERNELS[5],
];

/// Bytes that the candidates of some rows may take, where one binding may hold as much.
const ROOM: u64 = 256 << 20;

/// An encoder on a device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoder<'a> {
    /// `[f, d]`.
    pub(crate) w_enc: &'a Table,
    /// `[f]` f32.
    pub(crate) b_enc: &'a Buffer,
}

impl Encoder<'_> {
    /// Number of features.
    pub(crate) fn features(&self) -> usize {
        self.w_enc.rows()
    }

    /// Checks that rows of `left` can be encoded.
    fn check(&self, op: &'static str, left: &Table) -> Result<()> {
        let (f, d) = (self.w_enc.rows(), self.w_enc.columns());
        if left.columns() == d && self.b_enc.len() == f {
            return Ok(());
        }
        let (columns, biases) = (left.columns(), self.b_enc.len());
        Err(Error::Shape {
            op,
            what: format!(
                "rows of {columns} values and {biases} biases do not fit an encoder [{f}, {d}]"
            ),
        })
    }
}

/// Word of a state that was never set.
const NONE: u32 = u32::MAX;

/// Words of the state of a selection over `rows` rows, as `state.wgsl` says; with room for their counts.
fn new_state(rows: usize) -> Vec<u32> {
    let mut state = vec![NONE; 2 + 2 * rows];
    state[0] = 0;
    state[2 + rows..].fill(0);
    state
}

/// Returns an error for the first entry that is not finite, if there is one; `token` is the number of the state's first row.
fn check_finite(state: &[u32], token: usize) -> Result<()> {
    let row = state[1];
    if row == NONE {
        return Ok(());
    }
    let feature = state[2 + row as usize];
    Err(not_finite((token + row as usize, feature as usize)))
}

/// Rows of several tables of equal height that lie in one buffer of each; at most `most` of them, from `from` on.
fn run_of(tables: &[&Table], from: usize, most: usize) -> Range<usize> {
    let mut end = from.saturating_add(most).min(tables[0].rows());
    for table in tables {
        let holds = table.blocks().find(|block| block.rows.contains(&from));
        end = end.min(holds.map_or(end, |block| block.rows.end));
    }
    from..end
}

/// The buffer that holds all of `rows`, and the first of them in it.
fn piece<'a>(table: &'a Table, rows: &Range<usize>) -> (&'a Buffer, u32) {
    let all = pieces(table, rows.clone());
    debug_assert_eq!(all.len(), 1, "the rows lie in several buffers");
    (all[0].buffer, all[0].first as u32)
}

/// Parameters of the tiles of `tokens` × `features`; `first` are their first rows in their buffers.
fn tile_params(
    (tokens, features): (&Range<usize>, &Range<usize>),
    d: usize,
    first: (u32, u32),
) -> Params {
    Params {
        rows: tokens.len() as u32,
        columns: features.len() as u32,
        d: d as u32,
        left_first: first.0,
        right_first: first.1,
        feature: features.start as u32,
        ..Params::default()
    }
}

/// Bounds of rows with these counts.
fn offsets(counts: &[u32]) -> Vec<u32> {
    let mut all = Vec::with_capacity(counts.len() + 1);
    let mut end = 0_u32;
    all.push(end);
    for count in counts {
        // More than any buffer holds, so that allocating as many is refused.
        end = end.saturating_add(*count);
        all.push(end);
    }
    all
}

/// Rows of at most `bytes` each that may be handled at once.
fn rows_at_once(gpu: &Gpu, bytes: usize) -> usize {
    let fit = gpu.binding_limit().min(ROOM) as usize / bytes.max(1);
    if fit < 128 {
        fit.max(1)
    } else {
        fit / 128 * 128
    }
}

/// Entries of a chunk that a list has room for.
const CHUNK: usize = 1 << 22;

/// Features whose entries in `n` rows fit a list beside `kept` entries.
fn features_at_once(gpu: &Gpu, n: usize, kept: usize) -> usize {
    let most = (gpu.binding_limit() / 4) as usize;
    let fit = most.saturating_sub(kept).min(CHUNK) / n.max(1);
    if fit < 128 {
        fit.max(1)
    } else {
        fit / 128 * 128
    }
}
