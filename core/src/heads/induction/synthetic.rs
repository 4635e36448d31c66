//! Reads the random sequences: one pass per chunk of sequences gives attention and output of all heads at the places that count.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::Tensor;
use rayon::prelude::*;

use super::direct::effects;
use super::{Curve, Options, PREFIXES, Protocol, Sequence, Synthetic};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::heads::growing;
use crate::ids::{Head, HookPoint, Layer, Site, TokenId};
use crate::models::{Hooks, Model, Start, token_tensor};
use crate::progress::{Ended, Flow, Progress};

/// Sequences of one pass. Fixed, so that the number of threads does not change results.
const CHUNK: usize = 4;
/// Chunks between two reports, at most. Fixed, since the products with W_O are over all of them.
const WAVE: usize = 16;

/// Number and prefix length of a sequence.
#[derive(Debug, Clone, Copy)]
struct Place {
    query: usize,
    number: usize,
    prefix: usize,
    answer: TokenId,
}

/// Computes [`super::synthetic`].
pub(super) fn synthetic(
    model: &Model,
    options: &Options,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Synthetic>> {
    options.check()?;
    let whole = options.sequences * PREFIXES;
    if observe(Progress::new(0, whole, "sequences")).is_break() {
        return Ok(Ended::STOPPED);
    }
    let protocol = Protocol::new(model)?;
    let places = places(&protocol, options);
    let answers: BTreeSet<TokenId> = places.iter().map(|place| place.answer).collect();
    let answers: Vec<TokenId> = answers.into_iter().collect();
    let all_directions = model.logit_directions(&answers)?;
    let row_of = |place: &Place| answers.partition_point(|token| *token < place.answer) as u32;
    let (layers, heads) = (model.config().layers, model.config().heads);
    // Sums of attention, direct effect and squared attention, layer by layer, head by head.
    let mut sums = vec![[[0.0_f64; PREFIXES]; 3]; layers * heads];
    let mut done = 0;
    for wave in growing(&places, (CHUNK, CHUNK * WAVE)) {
        let sequences: Vec<Sequence> = wave
            .par_iter()
            .map(|place| protocol.sequence(options.seed, place.number, place.prefix))
            .collect();
        let directions = all_directions.rows_of(&wave.iter().map(row_of).collect::<Vec<_>>());
        let read = read(model, &sequences)?;
        for layer in 0..layers {
            let part = read.layer(layer);
            let effects = effects(
                model,
                Layer::from(layer),
                (&part.z, &directions, &read.scales),
                part.written.as_ref(),
            )?;
            let rows = part.attention.iter_rows().zip(effects.iter_rows());
            for ((attention, effects), place) in rows.zip(wave) {
                let of_layer = &mut sums[layer * heads..(layer + 1) * heads];
                for (head, sum) in of_layer.iter_mut().enumerate() {
                    let (i, attention) = (place.prefix - 1, f64::from(attention[head]));
                    sum[0][i] += attention;
                    sum[1][i] += f64::from(effects[head]);
                    sum[2][i] += attention * attention;
                }
            }
        }
        done += wave.len();
        let progress = Progress::new(done, places.len(), "sequences");
        if observe(progress).is_break() && done < places.len() {
            return Ok(Ended::STOPPED);
        }
    }
    let n = options.sequences as f64;
    let mean = |sum: [f64; PREFIXES]| sum.map(|sum| sum / n);
    let error = |i: usize, of: &[[f64; PREFIXES]; 3]| {
        let variance = (of[2][i] - of[0][i] * of[0][i] / n) / (n - 1.0).max(1.0);
        (variance.max(0.0) / n).sqrt()
    };
    let curve = |(i, sums): (usize, [[f64; PREFIXES]; 3])| Curve {
        layer: Layer::from(i / heads),
        head: Head::from(i % heads),
        by_prefix: mean(sums[0]),
        error_by_prefix: std::array::from_fn(|i| error(i, &sums)),
        dla_by_prefix: mean(sums[1]),
    };
    Ok(Ended::Done(Synthetic {
        curves: sums.into_iter().enumerate().map(curve).collect(),
        options: *options,
        length: protocol.length(),
        protocol: protocol.describe(),
    }))
}

/// Lists all sequences by the position that attends, so that those of one pass end at about the same place and the pass reads nothing behind it.
fn places(protocol: &Protocol, options: &Options) -> Vec<Place> {
    let mut places: Vec<Place> = (0..options.sequences)
        .into_par_iter()
        .flat_map_iter(|number| {
            (1..=PREFIXES).map(move |prefix| {
                let sequence = protocol.sequence(options.seed, number, prefix);
                Place {
                    query: sequence.query(),
                    number,
                    prefix,
                    answer: sequence.answer(),
                }
            })
        })
        .collect();
    places.sort_by_key(|place| (place.query, place.number, place.prefix));
    places
}

/// Values of one layer at the places of n sequences.
#[derive(Debug, Default)]
pub(super) struct AtLayer {
    /// Attention of each head from query to source, `[n, h]`.
    pub(super) attention: Matrix,
    /// Output of all heads before W_O at the query, `[n, h·e]`.
    pub(super) z: Matrix,
    /// Output of attention at the query, `[n, d]`, where a norm follows attention.
    pub(super) written: Option<Matrix>,
}

/// Values of all layers.
#[derive(Debug)]
pub(super) struct Read {
    layers: Vec<AtLayer>,
    /// Scale of the final norm at the query, `[n]`.
    pub(super) scales: Vec<f32>,
}

impl Read {
    pub(super) fn layer(&self, layer: usize) -> &AtLayer {
        &self.layers[layer]
    }
}

/// Runs the sequences, some at a time, in parallel.
pub(super) fn read(model: &Model, sequences: &[Sequence]) -> Result<Read> {
    let parts: Vec<Collect<'_>> = sequences
        .par_chunks(CHUNK)
        .map(|chunk| collect(model, chunk))
        .collect::<Result<_>>()?;
    let layers = (0..model.config().layers).map(|layer| {
        let joined = |site: Site, width: usize| -> Result<Matrix> {
            let hook = HookPoint::block(layer, site);
            let mut values = Vec::with_capacity(sequences.len() * width);
            for part in &parts {
                values.extend_from_slice(part.of(hook)?);
            }
            Matrix::new(sequences.len(), width, values)
        };
        let config = model.config();
        let normed = model.has_norm_after_attention(Layer::from(layer));
        Ok(AtLayer {
            attention: joined(Site::Pattern, config.heads)?,
            z: joined(Site::Z, config.heads * config.d_head)?,
            written: if normed {
                Some(joined(Site::AttnOut, config.d_model)?)
            } else {
                None
            },
        })
    });
    let layers = layers.collect::<Result<_>>()?;
    let mut scales = Vec::with_capacity(sequences.len());
    for part in &parts {
        scales.extend_from_slice(part.of(HookPoint::FinalScale)?);
    }
    Ok(Read { layers, scales })
}

/// Reads one chunk in one pass, up to the last position that attends.
fn collect<'a>(model: &'a Model, chunk: &'a [Sequence]) -> Result<Collect<'a>> {
    let end = chunk.iter().map(Sequence::query).max().unwrap_or(0) + 1;
    let rows: Vec<&[TokenId]> = chunk.iter().map(|one| &one.tokens[..end]).collect();
    let mut collect = Collect {
        model,
        places: chunk
            .iter()
            .map(|one| (one.query(), one.source()))
            .collect(),
        values: BTreeMap::new(),
    };
    model.run(Start::Tokens(&token_tensor(&rows)?), &mut collect)?;
    Ok(collect)
}

/// Keeps the values at one query of each row of a pass, row after row.
struct Collect<'a> {
    model: &'a Model,
    /// Query and source of each row.
    places: Vec<(usize, usize)>,
    values: BTreeMap<HookPoint, Vec<f32>>,
}

impl Collect<'_> {
    fn of(&self, hook: HookPoint) -> Result<&[f32]> {
        let missing = || Error::hook(hook, format!("{} did not reach it", self.model.name()));
        self.values
            .get(&hook)
            .map(Vec::as_slice)
            .ok_or_else(missing)
    }
}

impl Hooks for Collect<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        match hook {
            HookPoint::Block(layer, Site::AttnOut) => self.model.has_norm_after_attention(layer),
            HookPoint::Block(_, site) => matches!(site, Site::Pattern | Site::Z),
            HookPoint::FinalScale => true,
            _ => false,
        }
    }

    fn visit(&mut self, hook: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let mut kept = Vec::new();
        for (row, (query, source)) in self.places.iter().enumerate() {
            let row = value.get(row)?;
            let at = if hook.site() == Some(Site::Pattern) {
                row.narrow(1, *query, 1)?.narrow(2, *source, 1)? // [h, 1, 1]
            } else {
                row.narrow(0, *query, 1)?
            };
            kept.extend(at.flatten_all()?.to_vec1::<f32>()?);
        }
        self.values.insert(hook, kept);
        Ok(None)
    }

    fn last(&self) -> Option<HookPoint> {
        Some(HookPoint::FinalScale)
    }
}
