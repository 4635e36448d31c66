//! The `k` best entries of each row.
//!
//! Features are searched in chunks. Entries above their row's bar join the row's list, which has room for `k` entries and a whole chunk, so that it cannot
//! overflow. After each chunk the list is cut to the `k` best and the bar raised to the least of them: entries of later chunks have higher features, so only
//! those that exceed it can still be chosen.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};

use super::super::check_beta;
use super::{Encoder, check_finite, new_state, offsets, piece, rows_at_once, run_of, tile_params};
use crate::device::{Access, Buffer, Call, Gpu, Kernel, Recorder, Table};
use crate::error::{Error, Result};
use crate::kernels::codes::Codes;
use crate::kernels::product::{Family, Params, Tile, family};

/// Most entries of a row that can be chosen, since a row's entries are put in order in workgroup memory.
pub(super) const MOST: usize = crate::kernels::encode::MOST_ON_DEVICE;

/// Features of the first chunk, which leaves half its entries in the lists, and of the last ones, for many rows.
const CHUNKS: Range<usize> = 512..2048;
/// Rows that keep a device busy with chunks so small; with fewer rows chunks are larger.
const MANY: usize = 4096;

pub(super) const TOPK: Family = family!(
    "encode: topk",
    "topk",
    ["wide.wgsl", "narrow.wgsl"],
    ["encode/state.wgsl", "encode/offer.wgsl", "encode/topk.wgsl"],
    &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
        Access::Write,
    ]
);

pub(super) const SCORED: Family = family!(
    "encode: scored",
    "scored",
    ["wide_two.wgsl", "narrow_two.wgsl"],
    [
        "encode/state.wgsl",
        "encode/offer.wgsl",
        "encode/scored.wgsl"
    ],
    &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
        Access::Write,
        Access::Read,
        Access::Read,
    ]
);

pub(super) const SHRINK: Kernel = Kernel {
    name: "encode: shrink",
    source: include_str!("../select.wgsl"),
    entry: "shrink",
    constants: &[],
    buffers: &[Access::Write; 3],
};

pub(super) const FINISH: Kernel = Kernel {
    name: "encode: finish",
    source: include_str!("../finish.wgsl"),
    entry: "finish",
    constants: &[],
    buffers: &[
        Access::Read,
        Access::Read,
        Access::Write,
        Access::Write,
        Access::Write,
        Access::Write,
    ],
};

/// Value that ranks the entries of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Pre-activations; those ≤ 0 are left out.
    Positive,
    /// Magnitudes; entries keep their sign and zeros are left out.
    Signed,
    /// Pre-activations of either sign; zeros among the `k` largest are left out.
    Raw,
}

/// Inputs of a ranking by gradient, on a device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeviceRanking<'a> {
    /// `[n, d]`.
    pub(crate) gradients: &'a Table,
    /// `[f, d]`.
    pub(crate) w_dec: &'a Table,
    /// Weight of |g|, ≥ 0.
    pub(crate) beta: f32,
}

/// Keeps the `k` largest pre-activations of each row of `centred [n, d]`.
pub(crate) fn topk(
    gpu: &Gpu,
    centred: &Table,
    enc: Encoder<'_>,
    k: usize,
    kind: Kind,
) -> Result<Codes> {
    topk_by(gpu, (centred, enc), (k, kind), chunks(centred.rows()))
}

/// Sizes of the first chunk and of the last ones for `rows` rows.
fn chunks(rows: usize) -> Range<usize> {
    let times = (MANY / rows.max(1)).clamp(1, 8);
    CHUNKS.start * times..CHUNKS.end * times
}

/// Selects with other sizes of chunks.
pub(in crate::kernels::encode) fn topk_by(
    gpu: &Gpu,
    (centred, enc): (&Table, Encoder<'_>),
    (k, kind): (usize, Kind),
    chunks: Range<usize>,
) -> Result<Codes> {
    enc.check("topk", centred)?;
    let search = Search {
        centred,
        enc,
        ranking: None,
        kind,
        k,
        chunks,
    };
    Ok(search.run(gpu)?.0)
}

/// Keeps the `k` largest scores of each row; returns their pre-activations, and the scores, `[nnz]` f32.
pub(crate) fn scored(
    gpu: &Gpu,
    centred: &Table,
    enc: Encoder<'_>,
    k: usize,
    ranking: DeviceRanking<'_>,
) -> Result<(Codes, Buffer)> {
    let chunks = chunks(centred.rows());
    scored_by(gpu, (centred, enc), (k, ranking), chunks)
}

/// Ranks with other sizes of chunks.
pub(in crate::kernels::encode) fn scored_by(
    gpu: &Gpu,
    (centred, enc): (&Table, Encoder<'_>),
    (k, ranking): (usize, DeviceRanking<'_>),
    chunks: Range<usize>,
) -> Result<(Codes, Buffer)> {
    enc.check("scored", centred)?;
    enc.check("scored", ranking.gradients)?;
    let shape = |table: &Table| (table.rows(), table.columns());
    if shape(ranking.gradients) != shape(centred) || shape(ranking.w_dec) != shape(enc.w_enc) {
        return Err(Error::Shape {
            op: "scored",
            what: "gradients or decoder have another shape than activations or encoder".to_owned(),
        });
    }
    check_beta(ranking.beta)?;
    let search = Search {
        centred,
        enc,
        ranking: Some(ranking),
        kind: Kind::Positive,
        k,
        chunks,
    };
    search.run(gpu)
}

/// One selection.
#[derive(Debug, Clone)]
struct Search<'a> {
    centred: &'a Table,
    enc: Encoder<'a>,
    ranking: Option<DeviceRanking<'a>>,
    kind: Kind,
    k: usize,
    /// Features of the first chunk and of the last ones.
    chunks: Range<usize>,
}

/// Parameters of `select.wgsl` and `finish.wgsl`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct RowParams {
    rows: u32,
    k: u32,
    capacity: u32,
    words: u32,
    dropped: u32,
    kind: u32,
    token: u32,
    unused: u32,
}

/// Lists of candidates of some rows.
#[derive(Debug)]
struct Lists {
    candidates: Buffer,
    bars: Buffer,
    state: Buffer,
    params: RowParams,
}

/// Result for some rows.
#[derive(Debug)]
struct Part {
    counts: Vec<u32>,
    entries: usize,
    tokens: Buffer,
    features: Buffer,
    acts: Buffer,
    scores: Buffer,
}

impl Search<'_> {
    fn run(self, gpu: &Gpu) -> Result<(Codes, Buffer)> {
        let (n, f) = (self.centred.rows(), self.enc.features());
        let k = self.k.min(f);
        if k > MOST {
            return Err(Error::Device {
                device: gpu.label(),
                what: format!(
                    "cannot select k = {k} entries per token: its limit is {MOST}; choose a smaller k or the CPU"
                ),
            });
        }
        let mut parts = Vec::new();
        if k > 0 && self.centred.columns() > 0 {
            let most = rows_at_once(gpu, 4 * self.words() * self.capacity(k));
            let mut lefts = vec![self.centred];
            lefts.extend(self.ranking.map(|ranking| ranking.gradients));
            let mut token = 0;
            while token < n {
                let tokens = run_of(&lefts, token, most);
                token = tokens.end;
                parts.push(self.rows(gpu, tokens, k)?);
            }
        }
        join(gpu, n, parts)
    }

    /// Words of a candidate: with its pre-activation where the key does not tell it.
    fn words(&self) -> usize {
        if self.ranking.is_some() || self.kind == Kind::Signed {
            3
        } else {
            2
        }
    }

    /// Entries that a list must have room for.
    fn capacity(&self, k: usize) -> usize {
        k + self.chunks.end.min(self.enc.features())
    }

    /// Selects from the rows `tokens`.
    fn rows(&self, gpu: &Gpu, tokens: Range<usize>, k: usize) -> Result<Part> {
        let (rows, words) = (tokens.len(), self.words());
        let capacity = self.capacity(k);
        let mut lists = Lists {
            candidates: gpu.zeros("candidates", rows * capacity * words)?,
            bars: gpu.zeros("candidates", rows)?,
            state: gpu.upload("candidates", &new_state(rows))?,
            params: RowParams {
                rows: rows as u32,
                k: k as u32,
                capacity: capacity as u32,
                words: words as u32,
                dropped: 0,
                kind: match (self.kind, self.ranking) {
                    (_, Some(_)) => 3,
                    (Kind::Positive, None) => 0,
                    (Kind::Signed, None) => 1,
                    (Kind::Raw, None) => 2,
                },
                token: tokens.start as u32,
                unused: 0,
            },
        };
        let mut rights = vec![self.enc.w_enc];
        rights.extend(self.ranking.map(|ranking| ranking.w_dec));
        let mut recorder = gpu.record();
        let (mut feature, f) = (0, self.enc.features());
        while feature < f {
            let most = feature.clamp(self.chunks.start, self.chunks.end);
            let features = run_of(&rights, feature, most);
            feature = features.end;
            self.search(&mut recorder, (&tokens, &features), &lists)?;
            if feature == f && self.kind == Kind::Raw {
                // The key of 0.
                lists.params.dropped = 1 << 31;
            }
            lists.shrink(&mut recorder)?;
        }
        recorder.submit()?;
        lists.finish(gpu)
    }

    /// Offers the entries of `tokens` × `features` to the lists.
    fn search(
        &self,
        recorder: &mut Recorder<'_>,
        (tokens, features): (&Range<usize>, &Range<usize>),
        lists: &Lists,
    ) -> Result<()> {
        let d = self.centred.columns();
        let tile = Tile::suiting(recorder.gpu(), tokens.len());
        let (left, right) = (piece(self.centred, tokens), piece(self.enc.w_enc, features));
        let params = Params {
            total: lists.params.rows,
            stride: lists.params.capacity,
            words: lists.params.words,
            kind: lists.params.kind,
            beta: self.ranking.map_or(0.0, |ranking| ranking.beta),
            ..tile_params((tokens, features), d, (left.1, right.1))
        };
        let mut buffers = vec![
            left.0,
            right.0,
            self.enc.b_enc,
            &lists.bars,
            &lists.state,
            &lists.candidates,
        ];
        let mut work = tile.work(d);
        let mut family = &TOPK;
        if let Some(ranking) = self.ranking {
            let (gradients, w_dec) = (
                piece(ranking.gradients, tokens),
                piece(ranking.w_dec, features),
            );
            debug_assert_eq!((gradients.1, w_dec.1), (left.1, right.1));
            buffers.extend([gradients.0, w_dec.0]);
            work *= 2.0;
            family = &SCORED;
        }
        let call = Call {
            groups: tile.groups(tokens.len(), features.len()),
            work,
            params,
            buffers: &buffers,
        };
        recorder.run(&family.kernel(tile, d), call)
    }
}

impl Lists {
    /// Cuts each list to the `k` best and raises its bar.
    fn shrink(&self, recorder: &mut Recorder<'_>) -> Result<()> {
        let call = Call {
            groups: [self.params.rows as usize, 1, 1],
            work: f64::from(16 * self.params.k + 4_000),
            params: self.params,
            buffers: &[&self.candidates, &self.bars, &self.state],
        };
        recorder.run(&SHRINK, call)
    }

    /// Puts what is left in order.
    fn finish(self, gpu: &Gpu) -> Result<Part> {
        let rows = self.params.rows as usize;
        let state: Vec<u32> = gpu.read(&self.state, 0..2 + 2 * rows)?;
        check_finite(&state, self.params.token as usize)?;
        let counts = state[2 + rows..].to_vec();
        let bounds = offsets(&counts);
        let entries = bounds[rows] as usize;
        let scored = self.params.kind == 3;
        let part = Part {
            counts,
            entries,
            tokens: gpu.zeros("codes", entries)?,
            features: gpu.zeros("codes", entries)?,
            acts: gpu.zeros("codes", entries)?,
            scores: gpu.zeros("scores", if scored { entries } else { 0 })?,
        };
        let call = Call {
            groups: [rows, 1, 1],
            work: f64::from(self.params.k * (self.params.k + 16)),
            params: self.params,
            buffers: &[
                &self.candidates,
                &gpu.upload("codes", &bounds)?,
                &part.tokens,
                &part.features,
                &part.acts,
                &part.scores,
            ],
        };
        let mut recorder = gpu.record();
        recorder.run(&FINISH, call)?;
        recorder.submit()?;
        Ok(part)
    }
}

/// Puts the results of all rows together.
fn join(gpu: &Gpu, rows: usize, mut parts: Vec<Part>) -> Result<(Codes, Buffer)> {
    let mut counts: Vec<u32> = Vec::with_capacity(rows);
    for part in &parts {
        counts.extend(&part.counts);
    }
    counts.resize(rows, 0);
    let entries: usize = parts.iter().map(|part| part.entries).sum();
    let bounds = gpu.upload("codes", &offsets(&counts))?;
    let codes = |part: Part| {
        let codes = Codes {
            rows,
            entries,
            offsets: bounds,
            tokens: part.tokens,
            features: part.features,
            acts: part.acts,
        };
        (codes, part.scores)
    };
    if parts.len() == 1
        && let Some(part) = parts.pop()
    {
        return Ok(codes(part));
    }
    let scored: usize = parts.iter().map(|part| part.scores.len()).sum();
    let all = Part {
        counts,
        entries,
        tokens: gpu.zeros("codes", entries)?,
        features: gpu.zeros("codes", entries)?,
        acts: gpu.zeros("codes", entries)?,
        scores: gpu.zeros("scores", scored)?,
    };
    let mut recorder = gpu.record();
    let mut at = 0;
    for part in &parts {
        for (from, to) in [
            (&part.tokens, &all.tokens),
            (&part.features, &all.features),
            (&part.acts, &all.acts),
        ] {
            recorder.copy((from, 0), (to, at), part.entries);
        }
        recorder.copy((&part.scores, 0), (&all.scores, at), part.scores.len());
        at += part.entries;
    }
    recorder.submit()?;
    Ok(codes(all))
}
