//! Entries above their feature's bar, of which a row may have any number: chunk by chunk, masks tell which pass, the counts come to the host, which allocates
//! as much as there is, and the rows of all chunks are put together at the end.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};

use super::{Encoder, check_finite, new_state, offsets, piece, rows_at_once, run_of, tile_params};
use crate::device::{Access, Buffer, Call, Gpu, Kernel, Recorder, Table};
use crate::error::{Error, Result};
use crate::kernels::codes::Codes;
use crate::kernels::product::{Family, Params, Tile, family};

/// Features searched at once, a multiple of 32.
const CHUNK: usize = 4096;

pub(super) const ABOVE: Family = family!(
    "encode: above",
    "above",
    ["wide.wgsl", "narrow.wgsl"],
    ["encode/state.wgsl", "encode/above.wgsl"],
    &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
        Access::Write,
        Access::Write,
    ]
);

pub(super) const COUNT: Kernel = Kernel {
    name: "encode: count",
    source: include_str!("../count.wgsl"),
    entry: "count",
    constants: &[],
    buffers: &[Access::Read, Access::Write],
};

pub(super) const GATHER: Kernel = Kernel {
    name: "encode: gather",
    source: include_str!("../gather.wgsl"),
    entry: "gather",
    constants: &[],
    buffers: &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
        Access::Write,
    ],
};

pub(super) const PLACE: Kernel = Kernel {
    name: "encode: place",
    source: include_str!("../place.wgsl"),
    entry: "place",
    constants: &[],
    buffers: &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
        Access::Write,
        Access::Write,
    ],
};

/// Parameters of `count.wgsl` and `gather.wgsl`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct MaskParams {
    rows: u32,
    stride: u32,
    feature: u32,
    token: u32,
}

/// Entries of some tokens and features, in compressed rows.
#[derive(Debug)]
struct Part {
    tokens: Range<usize>,
    counts: Vec<u32>,
    features: Buffer,
    acts: Buffer,
}

/// Keeps every entry of the rows of `centred [n, d]` above its feature's bar, `bars [f]` f32.
pub(crate) fn above(gpu: &Gpu, centred: &Table, enc: Encoder<'_>, bars: &Buffer) -> Result<Codes> {
    above_by(gpu, (centred, enc), bars, CHUNK)
}

/// Selects with another size of chunks.
pub(in crate::kernels::encode) fn above_by(
    gpu: &Gpu,
    (centred, enc): (&Table, Encoder<'_>),
    bars: &Buffer,
    chunk: usize,
) -> Result<Codes> {
    enc.check("above", centred)?;
    let (n, f, d) = (centred.rows(), enc.features(), centred.columns());
    if bars.len() != f {
        return Err(Error::Shape {
            op: "above",
            what: format!("{} bars for {f} features", bars.len()),
        });
    }
    let mut parts = Vec::new();
    if f > 0 && d > 0 {
        let chunk = chunk.min(f).next_multiple_of(32);
        let most = rows_at_once(gpu, 4 * chunk);
        let mut token = 0;
        while token < n {
            let tokens = run_of(&[centred], token, most);
            token = tokens.end;
            Masks::new(gpu, &tokens, chunk)?.search((centred, enc), bars, &mut parts)?;
        }
    }
    join(gpu, n, &parts)
}

/// Buffers with which chunks of features of some rows are searched.
#[derive(Debug)]
struct Masks<'g> {
    gpu: &'g Gpu,
    tokens: Range<usize>,
    chunk: usize,
    mask: Buffer,
    values: Buffer,
    state: Buffer,
    counts: Buffer,
}

impl<'g> Masks<'g> {
    fn new(gpu: &'g Gpu, tokens: &Range<usize>, chunk: usize) -> Result<Self> {
        let rows = tokens.len();
        Ok(Self {
            gpu,
            tokens: tokens.clone(),
            chunk,
            mask: gpu.zeros("masks", rows * chunk / 32)?,
            values: gpu.zeros("masks", rows * chunk)?,
            state: gpu.upload("masks", &new_state(rows))?,
            counts: gpu.zeros("masks", rows)?,
        })
    }

    /// Adds the entries of all features.
    fn search(
        &self,
        (centred, enc): (&Table, Encoder<'_>),
        bars: &Buffer,
        parts: &mut Vec<Part>,
    ) -> Result<()> {
        let rows = self.tokens.len();
        let mut feature = 0;
        while feature < enc.features() {
            let features = run_of(&[enc.w_enc], feature, self.chunk);
            feature = features.end;
            let mut recorder = self.gpu.record();
            recorder.clear(&self.mask);
            self.compare(&mut recorder, (centred, enc), bars, &features)?;
            let counting = Call {
                groups: [rows.div_ceil(64), 1, 1],
                work: 4.0 * self.chunk as f64,
                params: self.params(&features),
                buffers: &[&self.mask, &self.counts],
            };
            recorder.run(&COUNT, counting)?;
            recorder.submit()?;
            let mut found = (self.gpu)
                .read_all::<u32>(&[(&self.counts, 0..rows), (&self.state, 0..2 + rows)])?;
            let state = found.pop().unwrap_or_default();
            check_finite(&state, self.tokens.start)?;
            let counts = found.pop().unwrap_or_default();
            let bounds = offsets(&counts);
            let entries = bounds[rows] as usize;
            if entries == 0 {
                continue;
            }
            let part = Part {
                tokens: self.tokens.clone(),
                counts,
                features: self.gpu.zeros("codes", entries)?,
                acts: self.gpu.zeros("codes", entries)?,
            };
            let gathering = Call {
                groups: [rows, 1, 1],
                work: 4.0 * self.chunk as f64,
                params: self.params(&features),
                buffers: &[
                    &self.mask,
                    &self.values,
                    &self.gpu.upload("codes", &bounds)?,
                    &part.features,
                    &part.acts,
                ],
            };
            let mut recorder = self.gpu.record();
            recorder.run(&GATHER, gathering)?;
            recorder.submit()?;
            parts.push(part);
        }
        Ok(())
    }

    /// Compares the entries of `features` with their bars.
    fn compare(
        &self,
        recorder: &mut Recorder<'_>,
        (centred, enc): (&Table, Encoder<'_>),
        bars: &Buffer,
        features: &Range<usize>,
    ) -> Result<()> {
        let d = centred.columns();
        let rows = self.tokens.len();
        let tile = Tile::suiting(self.gpu, rows);
        let (left, right) = (piece(centred, &self.tokens), piece(enc.w_enc, features));
        let call = Call {
            groups: tile.groups(rows, features.len()),
            work: tile.work(d),
            params: Params {
                total: rows as u32,
                stride: self.chunk as u32,
                ..tile_params((&self.tokens, features), d, (left.1, right.1))
            },
            buffers: &[
                left.0,
                right.0,
                enc.b_enc,
                bars,
                &self.state,
                &self.mask,
                &self.values,
            ],
        };
        recorder.run(&ABOVE.kernel(tile, d), call)
    }

    fn params(&self, features: &Range<usize>) -> MaskParams {
        MaskParams {
            rows: self.tokens.len() as u32,
            stride: self.chunk as u32,
            feature: features.start as u32,
            token: self.tokens.start as u32,
        }
    }
}

/// Puts the entries of all parts, which ascend by feature for each token, together.
fn join(gpu: &Gpu, n: usize, parts: &[Part]) -> Result<Codes> {
    let mut counts = vec![0_u32; n];
    for part in parts {
        for (all, count) in counts[part.tokens.clone()].iter_mut().zip(&part.counts) {
            *all += count;
        }
    }
    let mut places = offsets(&counts);
    let entries = places[n] as usize;
    let codes = Codes {
        rows: n,
        entries,
        offsets: gpu.upload("codes", &places)?,
        tokens: gpu.zeros("codes", entries)?,
        features: gpu.zeros("codes", entries)?,
        acts: gpu.zeros("codes", entries)?,
    };
    let mut recorder = gpu.record();
    for part in parts {
        let rows = part.tokens.len();
        let params = [rows as u32, part.tokens.start as u32, 0, 0];
        let call = Call {
            groups: [rows, 1, 1],
            work: 256.0,
            params,
            buffers: &[
                &gpu.upload("codes", &offsets(&part.counts))?,
                &gpu.upload("codes", &places[part.tokens.clone()])?,
                &part.features,
                &part.acts,
                &codes.tokens,
                &codes.features,
                &codes.acts,
            ],
        };
        recorder.run(&PLACE, call)?;
        let now = places[part.tokens.clone()].iter_mut().zip(&part.counts);
        now.for_each(|(place, count)| *place += count);
    }
    recorder.submit()?;
    Ok(codes)
}
