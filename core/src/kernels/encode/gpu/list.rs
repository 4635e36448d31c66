//! Entries of a table that pass a bar, in one list: what rules over the whole batch or over features choose from.

use std::ops::Range;

use super::{Encoder, check_finite, new_state, piece, run_of, tile_params};
use crate::device::{Access, Buffer, Call, Gpu, Recorder, Table};
use crate::error::Result;
use crate::kernels::product::{Family, Params, Tile, family};

pub(super) const LIST: Family = family!(
    "encode: list",
    "list",
    ["wide.wgsl", "narrow.wgsl"],
    ["encode/state.wgsl", "encode/list.wgsl"],
    &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
        Access::Write,
        Access::Write,
        Access::Write,
    ]
);

/// Bar that entries of a list must pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListBar<'a> {
    /// f32: one value, or one for each feature.
    pub(crate) values: &'a Buffer,
    pub(crate) by_feature: bool,
    /// Keeps positive entries that equal the bar too; otherwise entries must exceed it.
    pub(crate) reaches: bool,
}

/// A list of entries on a device, in any order.
#[derive(Debug, Clone)]
pub(crate) struct Candidates {
    rows: usize,
    capacity: usize,
    /// Word 0 is the number of entries found, which may exceed the capacity: those beyond are lost.
    pub(crate) state: Buffer,
    /// `[capacity]` u32.
    pub(crate) tokens: Buffer,
    /// `[capacity]` u32.
    pub(crate) features: Buffer,
    /// `[capacity]` f32.
    pub(crate) values: Buffer,
}

impl Candidates {
    /// Allocates an empty list of entries of `rows` tokens.
    pub(crate) fn list(gpu: &Gpu, rows: usize, capacity: usize) -> Result<Self> {
        let room = || gpu.zeros("candidates", capacity);
        Ok(Self {
            rows,
            capacity,
            state: gpu.upload("candidates", &new_state(rows))?,
            tokens: room()?,
            features: room()?,
            values: room()?,
        })
    }

    /// Number of entries that the list holds at most.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the number of entries found, after all submitted work; an error if an entry of the table was not finite.
    pub(crate) fn found(&self, gpu: &Gpu) -> Result<usize> {
        let state: Vec<u32> = gpu.read(&self.state, 0..2 + self.rows)?;
        check_finite(&state, 0)?;
        Ok(state[0] as usize)
    }
}

/// Records the search of the pre-activations of `features` for entries that pass `bar`, which are added to `into`.
pub(crate) fn filter_list(
    recorder: &mut Recorder<'_>,
    centred: &Table,
    enc: Encoder<'_>,
    features: Range<usize>,
    bar: ListBar<'_>,
    into: &Candidates,
) -> Result<()> {
    enc.check("filter_list", centred)?;
    let d = centred.columns();
    let tile = Tile::suiting(recorder.gpu(), centred.rows());
    let kernel = LIST.kernel(tile, d);
    let mut token = 0;
    while token < centred.rows() && d > 0 {
        let tokens = run_of(&[centred], token, usize::MAX);
        let mut feature = features.start;
        while feature < features.end {
            let some = run_of(&[enc.w_enc], feature, features.end - feature);
            let (left, right) = (piece(centred, &tokens), piece(enc.w_enc, &some));
            let params = Params {
                token: tokens.start as u32,
                stride: into.capacity as u32,
                kind: u32::from(bar.by_feature) | (u32::from(bar.reaches) << 1),
                ..tile_params((&tokens, &some), d, (left.1, right.1))
            };
            let call = Call {
                groups: tile.groups(tokens.len(), some.len()),
                work: tile.work(d),
                params,
                buffers: &[
                    left.0,
                    right.0,
                    enc.b_enc,
                    bar.values,
                    &into.state,
                    &into.tokens,
                    &into.features,
                    &into.values,
                ],
            };
            recorder.run(&kernel, call)?;
            feature = some.end;
        }
        token = tokens.end;
    }
    Ok(())
}
