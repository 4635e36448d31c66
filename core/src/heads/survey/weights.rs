//! Figures of heads by their weights: copying, position in the QK circuit, successor and copy suppression.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use faer::{Mat, MatRef};
use rayon::prelude::*;

use super::ordinals;
use super::row::HeadRow;
use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Layer, Site, TokenId};
use crate::models::{HeadReads, Hooks, Model, Start, token_tensor};

/// Largest number of the text's most frequent tokens in the measure of copy suppression.
const FREQUENT: usize = 256;
/// Smallest number of such tokens, and of pairs of ordinal tokens.
const FEW_FREQUENT: usize = 40;
const FEW_PAIRS: usize = 10;
/// Share of the tokens that count as the lowest logits.
const LOWEST: usize = 20;

/// Fills the figures that weights decide into `heads`, layer by layer; token frequencies and row length are those of `rows`. False if `go_on` stopped it.
pub(super) fn fill(
    model: &Model,
    rows: &Rows,
    heads: &mut [HeadRow],
    go_on: &mut dyn FnMut() -> bool,
) -> Result<bool> {
    let config = model.config();
    let read = Embedded::new(model, rows)?;
    let circuit = model.unembed_embed()?;
    let probes = Probes::new(model, rows)?;
    for layer in 0..config.layers {
        if !go_on() {
            return Ok(false);
        }
        let own = &mut heads[layer * config.heads..][..config.heads];
        let layer = Layer::from(layer);
        let reads = model.head_reads(layer)?;
        for (row, copying) in own.iter_mut().zip(copying(model, layer, &reads, &circuit)?) {
            row.copying = copying;
        }
        if let Some(read) = &read {
            for (row, share) in own.iter_mut().zip(read.positional(model, &reads)?) {
                row.positional = share;
            }
        }
        probes.fill(model, layer, own)?;
    }
    Ok(true)
}

/// Number of query heads that share a key/value head.
fn sharing(model: &Model) -> usize {
    model.config().heads / model.config().kv_heads.max(1)
}

/// Computes Σλ / Σ|λ| of each head: the nonzero eigenvalues of `W_E W_V W_O W_U` are those of `W_O W_U W_E W_V`, `[e, e]`.
fn copying(
    model: &Model,
    layer: Layer,
    reads: &HeadReads,
    circuit: &Tensor,
) -> Result<Vec<Option<f64>>> {
    let (heads, e) = (model.config().heads, model.config().d_head);
    let written = model.output_weights(layer)?.to_tensor()?;
    let through = written.to_dtype(DType::F64)?.matmul(circuit)?; // [h·e, d]
    let value = reads.value.to_dtype(DType::F64)?;
    let sharing = sharing(model);
    (0..heads)
        .into_par_iter()
        .map(|head| {
            let left = through.narrow(0, head * e, e)?.contiguous()?;
            let right = value.narrow(1, head / sharing * e, e)?.contiguous()?;
            let product = left.matmul(&right)?.flatten_all()?.to_vec1::<f64>()?;
            Ok(positive_share(MatRef::from_row_major_slice(&product, e, e)))
        })
        .collect()
}

/// Computes Σλ / Σ|λ| of the eigenvalues of a square matrix; none if all are 0.
fn positive_share(matrix: MatRef<'_, f64>) -> Option<f64> {
    let matrix: Mat<f64> = matrix.to_owned();
    let values = matrix.eigenvalues().ok()?;
    let sizes: f64 = values.iter().map(|value| value.re.hypot(value.im)).sum();
    let sum: f64 = values.iter().map(|value| value.re).sum();
    (sizes > 0.0).then(|| sum / sizes)
}

/// Mean and covariances of what the first block reads, for draws of tokens as frequent as in a text and of the positions of its rows.
struct Embedded {
    /// Mean of token plus position, `[1, d]`, centred over d where the norms are.
    mean: Tensor,
    /// Covariance of token embeddings, `[d, d]`.
    tokens: Tensor,
    /// Covariance of position embeddings, `[d, d]`.
    positions: Tensor,
}

impl Embedded {
    /// Returns none for a model whose positions turn queries and keys, or which adds none.
    fn new(model: &Model, rows: &Rows) -> Result<Option<Self>> {
        let Some(table) = model.position_embeddings().filter(|_| !model.is_rotary()) else {
            return Ok(None);
        };
        let mut counts: BTreeMap<TokenId, u64> = BTreeMap::new();
        for token in rows.tokens() {
            *counts.entry(*token).or_default() += 1;
        }
        let all = rows.tokens().len() as f64;
        let (tokens, shares): (Vec<_>, Vec<_>) = counts
            .into_iter()
            .map(|(token, count)| (token, (count as f64 / all) as f32))
            .unzip();
        let centred = |x: Tensor| -> Result<Tensor> {
            if model.norms_centre() {
                return Ok(x.broadcast_sub(&x.mean_keepdim(1)?)?);
            }
            Ok(x)
        };
        let tokens = centred(model.embeddings(&tokens)?)?;
        let shares = Tensor::new(shares, &Device::Cpu)?.unsqueeze(1)?;
        let t = rows.context().min(table.dim(0)?);
        let positions = centred(table.narrow(0, 0, t)?.contiguous()?)?;
        let equal = Tensor::full(1.0 / t as f32, (t, 1), &Device::Cpu)?;
        let (token_mean, tokens) = covariance(&tokens, &shares)?;
        let (position_mean, positions) = covariance(&positions, &equal)?;
        let mean = (token_mean + position_mean)?;
        // One scale for all: root of the mean square of an entry.
        let square = trace(&tokens)? + trace(&positions)? + total(&mean.sqr()?)?;
        let scale = (square / model.config().d_model as f64).sqrt().max(1e-12);
        Ok(Some(Self {
            mean: (mean / scale)?,
            tokens: (tokens / (scale * scale))?,
            positions: (positions / (scale * scale))?,
        }))
    }

    /// Computes each head's share of the variance of scores over sources that depends on positions alone.
    fn positional(&self, model: &Model, reads: &HeadReads) -> Result<Vec<Option<f64>>> {
        let config = model.config();
        let gamma = reads.gamma.unsqueeze(1)?;
        let [query, key] = [&reads.query, &reads.key].map(|weight| weight.broadcast_mul(&gamma));
        let (query, key) = (query?, key?);
        let mut mean = self.mean.matmul(&query)?; // [1, h·e]
        if let Some(beta) = &reads.beta {
            mean = (mean + beta.unsqueeze(0)?.matmul(&reads.query)?)?;
        }
        if let Some(bias) = &reads.query_bias {
            mean = mean.broadcast_add(bias)?;
        }
        let by = |weight: &Tensor| -> Result<[Tensor; 2]> {
            Ok([self.positions.matmul(weight)?, self.tokens.matmul(weight)?])
        };
        let (query_by, key_by) = (by(&query)?, by(&key)?);
        let e = config.d_head;
        let part = |weight: &Tensor, through: &Tensor, head: usize| -> Result<Tensor> {
            let own = weight.narrow(1, head * e, e)?.t()?.contiguous()?;
            Ok(own.matmul(&through.narrow(1, head * e, e)?.contiguous()?)?) // [e, e]
        };
        let sharing = sharing(model);
        (0..config.heads)
            .map(|head| {
                let mean = mean.narrow(1, head * e, e)?.contiguous()?;
                let around = mean.t()?.matmul(&mean)?; // [e, e]
                let queries = [0, 1].map(|i| part(&query, &query_by[i], head));
                let [by_position, by_token] = queries;
                let keys = [0, 1].map(|i| part(&key, &key_by[i], head / sharing));
                let [key_position, key_token] = keys;
                let (key_position, key_token) = (key_position?, key_token?);
                let fixed = (by_position? + around)?;
                let alone = total(&(&fixed * &key_position)?)?;
                let all = total(&((fixed + by_token?)? * (key_position + key_token)?)?)?;
                Ok((all > 0.0).then(|| (alone / all).clamp(0.0, 1.0)))
            })
            .collect()
    }
}

/// Computes the mean `[1, d]` and covariance `[d, d]` of the rows of `x [n, d]`, which occur in `shares [n, 1]`.
fn covariance(x: &Tensor, shares: &Tensor) -> Result<(Tensor, Tensor)> {
    let mean = x.broadcast_mul(shares)?.sum_keepdim(0)?;
    let off = x.broadcast_sub(&mean)?;
    let covariance = off.broadcast_mul(shares)?.t()?.contiguous()?.matmul(&off)?;
    Ok((mean, covariance))
}

fn total(x: &Tensor) -> Result<f64> {
    let values = x.flatten_all()?.to_vec1::<f32>()?;
    Ok(values.iter().map(|value| f64::from(*value)).sum())
}

fn trace(x: &Tensor) -> Result<f64> {
    let rows = x.to_vec2::<f32>()?;
    let diagonal = rows.iter().enumerate().map(|(i, row)| f64::from(row[i]));
    Ok(diagonal.sum())
}

/// Tokens whose effect on one another is read off the OV circuit.
struct Probes {
    ordinals: ordinals::Kinds,
    /// Streams that enter the first block and those that leave it, `[n, 1, d]`, of ordinal and of frequent tokens; none where they are too few.
    streams: [Option<[Tensor; 2]>; 2],
    /// Unembeddings of the same tokens, `[n, d]`.
    unembeddings: [Option<Tensor>; 2],
}

impl Probes {
    fn new(model: &Model, rows: &Rows) -> Result<Self> {
        let ordinals = ordinals::Kinds::new(model.codec());
        let frequent = frequent(model, rows);
        let enough = [
            ordinals.pairs() >= FEW_PAIRS,
            frequent.len() >= FEW_FREQUENT,
        ];
        let mut streams = [None, None];
        let mut unembeddings = [None, None];
        let tokens = [ordinals.tokens(), &frequent];
        for i in (0..2).filter(|i| enough[*i]) {
            streams[i] = Some(self::streams(model, tokens[i])?);
            unembeddings[i] = Some(model.unembeddings(tokens[i])?);
        }
        Ok(Self {
            ordinals,
            streams,
            unembeddings,
        })
    }

    fn fill(&self, model: &Model, layer: Layer, heads: &mut [HeadRow]) -> Result<()> {
        for i in 0..2 {
            let (Some(streams), Some(unembeddings)) = (&self.streams[i], &self.unembeddings[i])
            else {
                continue;
            };
            let stream = &streams[usize::from(layer.index() > 0)];
            let gains = gains(model, layer, stream, unembeddings)?;
            for (row, gains) in heads.iter_mut().zip(gains) {
                match i {
                    0 => row.successor = self.ordinals.share(&gains),
                    _ => row.copy_suppression = Some(suppressed(&gains)),
                }
            }
        }
        Ok(())
    }
}

/// Returns the most frequent tokens of a text that are not special, ties by id.
fn frequent(model: &Model, rows: &Rows) -> Vec<TokenId> {
    let mut counts: BTreeMap<TokenId, u64> = BTreeMap::new();
    for token in rows.tokens() {
        *counts.entry(*token).or_default() += 1;
    }
    for special in model.codec().special() {
        counts.remove(&special);
    }
    let mut tokens: Vec<_> = counts.into_iter().collect();
    tokens.sort_by(|(a, many), (b, more)| more.cmp(many).then(a.cmp(b)));
    tokens.truncate(FREQUENT);
    tokens.into_iter().map(|(token, _)| token).collect()
}

/// Returns the streams that enter and leave the first block at each of `tokens` alone (behind BOS, if the model has one), `[n, 1, d]`.
fn streams(model: &Model, tokens: &[TokenId]) -> Result<[Tensor; 2]> {
    let bos = model.codec().bos().id;
    let rows: Vec<Vec<TokenId>> = tokens
        .iter()
        .map(|token| bos.into_iter().chain([*token]).collect())
        .collect();
    let rows: Vec<&[TokenId]> = rows.iter().map(Vec::as_slice).collect();
    let hooks = [Site::ResidPre, Site::ResidPost].map(|site| HookPoint::block(0, site));
    let captured = model.capture(&token_tensor(&rows)?, &hooks)?;
    let last = |hook: HookPoint| -> Result<Tensor> {
        let missing = || Error::hook(hook, format!("{} did not reach it", model.name()));
        let stream = captured.get(&hook).ok_or_else(missing)?;
        Ok(stream.narrow(1, rows[0].len() - 1, 1)?.contiguous()?)
    };
    Ok([last(hooks[0])?, last(hooks[1])?])
}

/// Keeps the mixed values of one layer.
struct Mixed {
    hook: HookPoint,
    z: Option<Tensor>,
}

impl Hooks for Mixed {
    fn wants(&self, hook: HookPoint) -> bool {
        hook == self.hook
    }

    fn visit(&mut self, _: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        self.z = Some(value.clone());
        Ok(None)
    }

    fn last(&self) -> Option<HookPoint> {
        Some(self.hook)
    }
}

/// Computes, for each head of `layer`, what attending to each token adds to the logit of each, `[n, n]` row-major, less the mean over the tokens attended to.
/// Rows of one token attend to it alone, so that `z` is its value.
fn gains(
    model: &Model,
    layer: Layer,
    stream: &Tensor,
    unembeddings: &Tensor,
) -> Result<Vec<Vec<f32>>> {
    let (heads, e) = (model.config().heads, model.config().d_head);
    let n = stream.dim(0)?;
    let mut mixed = Mixed {
        hook: HookPoint::Block(layer, Site::Z),
        z: None,
    };
    // Any token does: only where documents begin matters, and each row is one.
    let tokens = Tensor::zeros((n, 1), DType::U32, &Device::Cpu)?;
    model.run(Start::Residual(layer, stream, Some(&tokens)), &mut mixed)?;
    let z = mixed
        .z
        .ok_or_else(|| Error::hook(mixed.hook, "the pass did not reach it"))?;
    let z = z.reshape((n, heads, e))?;
    let written = model.w_o(layer)?.to_tensor()?;
    let mut read = unembeddings.clone();
    if model.norms_centre() {
        // Centring what is written is centring what reads it.
        read = read.broadcast_sub(&read.mean_keepdim(1)?)?;
    }
    let read = read.t()?.contiguous()?; // [d, n]
    (0..heads)
        .map(|head| {
            let own = z.narrow(1, head, 1)?.squeeze(1)?.contiguous()?; // [n, e]
            let written = written.narrow(0, head * e, e)?.contiguous()?;
            let gains = own.matmul(&written.matmul(&read)?)?; // [n, n]
            let gains = gains.broadcast_sub(&gains.mean_keepdim(0)?)?;
            Ok(gains.flatten_all()?.to_vec1()?)
        })
        .collect()
}

/// Returns the share of tokens whose own gain is among the lowest twentieth of all tokens' gains from attending to it.
fn suppressed(gains: &[f32]) -> f64 {
    let n = gains.len().isqrt();
    let below = |i: usize| {
        let row = &gains[i * n..][..n];
        row.iter().filter(|gain| **gain < row[i]).count()
    };
    let lowest = (n / LOWEST).max(1);
    let count = (0..n).filter(|i| below(*i) < lowest).count();
    count as f64 / n.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvalues_of_a_rotation_have_no_positive_share_and_those_of_one_all() {
        let share =
            |values: &[f64]| positive_share(MatRef::from_row_major_slice(values, 2, 2)).unwrap();
        assert!((share(&[2.0, 0.0, 0.0, 3.0]) - 1.0).abs() < 1e-12);
        assert!((share(&[0.0, -1.0, 1.0, 0.0])).abs() < 1e-12);
        assert!((share(&[3.0, 0.0, 0.0, -1.0]) - 0.5).abs() < 1e-12);
        assert_eq!(
            positive_share(MatRef::from_row_major_slice(&[0.0; 4], 2, 2)),
            None
        );
    }

    #[test]
    fn a_token_that_lowers_itself_is_suppressed() {
        let n = 40;
        let gain = |i: usize, j: usize| {
            if i == j {
                -1.0
            } else {
                (i * 7 + j) as f32 % 5.0
            }
        };
        let mut gains: Vec<f32> = (0..n * n).map(|at| gain(at / n, at % n)).collect();
        assert_eq!(suppressed(&gains), 1.0);
        gains[0] = 9.0;
        assert_eq!(suppressed(&gains), 39.0 / 40.0);
    }
}
