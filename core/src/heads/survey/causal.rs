//! Worth of each head: the rise of cross-entropy when its z is replaced by its mean, on some rows, with an interval over rows.
//!
//! The residual stream that enters a layer is held for all rows, one layer at a time, so a head costs the layers above it alone.

use std::collections::BTreeMap;

use candle_core::Tensor;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::ablate::{Means, Replaced};
use super::row::HeadRow;
use crate::capture;
use crate::corpus::{self, Rows};
use crate::error::{Error, Result};
use crate::eval;
use crate::ids::{Head, HookPoint, Layer, Site, TokenId};
use crate::models::{Capture, Hooks, Model, Start, token_tensor};
use crate::progress::{Ended, Flow, Progress};

/// Rows of the causal test unless a person asks for another number.
pub const CAUSAL_ROWS: usize = 64;
/// Resamples of rows from which an interval is read.
const RESAMPLES: usize = 1000;

/// Size and seed of the causal test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Causal {
    /// Largest number of rows; more are drawn at even distances.
    pub rows: usize,
    /// Seed of the resamples.
    pub seed: u64,
}

impl Default for Causal {
    fn default() -> Self {
        Self {
            rows: CAUSAL_ROWS,
            seed: 0,
        }
    }
}

/// Circumstances of a causal test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CausalAbout {
    /// Rows used.
    pub rows: u64,
    /// Rows of the text, of which these are at even distances.
    pub of_rows: u64,
    /// Predictions charged.
    pub charged: u64,
    /// Cross-entropy of the unmodified model on these rows, nats per token.
    pub ce_clean: f64,
}

/// Ablates each head in turn and fills `ce_increase` and its interval into `heads`, which are those of all layers. `observe` gets rows read, of one pass for each
/// head and one without change.
pub(super) fn run(
    model: &Model,
    rows: &Rows,
    settings: Causal,
    heads: &mut [HeadRow],
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<CausalAbout>> {
    let config = model.config();
    if heads.len() != config.layers * config.heads {
        let what = format!(
            "the survey holds {} heads, {} has {}: survey this model first",
            heads.len(),
            model.name(),
            config.layers * config.heads
        );
        return Err(Error::setting("survey", what));
    }
    let sample = rows.spread(settings.rows);
    let model = &*capture::reader(model, &sample)?;
    let chunks = eval::chunks(model, &sample)?;
    let test = Test {
        model,
        rows: &sample,
        means: Means::new(model, &sample, &(0..sample.len()).collect::<Vec<_>>())?,
    };
    let total = sample.len() * (heads.len() + 1);
    let mut done = 0;
    let mut go_on = |rows: usize| {
        done += rows;
        observe(Progress::rows(done, total)).is_continue() || done == total
    };
    let mut clean = Vec::new();
    let mut streams = Vec::new();
    for wave in chunks.chunks(eval::wave()) {
        let parts: Vec<_> = (wave.par_iter())
            .map(|chunk| test.clean(chunk))
            .collect::<Result<_>>()?;
        for (charged, stream) in parts {
            clean.extend(charged);
            streams.push(stream);
        }
        if !go_on(wave.iter().map(Vec::len).sum()) {
            return Ok(Ended::STOPPED);
        }
    }
    let per_layer = model.config().heads;
    for (number, row) in heads.iter_mut().enumerate() {
        let (layer, head) = (number / per_layer, number % per_layer);
        if head == 0 && layer > 0 {
            let before = Layer::from(layer - 1);
            streams = (chunks.par_iter().zip(&streams))
                .map(|(chunk, stream)| test.next(chunk, before, stream))
                .collect::<Result<_>>()?;
        }
        let which = BTreeMap::from([(Layer::from(layer), vec![Head::from(head)])]);
        let mut ablated = Vec::with_capacity(clean.len());
        let paired: Vec<_> = chunks.iter().zip(&streams).collect();
        for wave in paired.chunks(eval::wave()) {
            let parts: Vec<Vec<f64>> = (wave.par_iter())
                .map(|(chunk, stream)| test.ablated(chunk, &which, stream))
                .collect::<Result<_>>()?;
            ablated.extend(parts.into_iter().flatten());
            if !go_on(wave.iter().map(|(chunk, _)| chunk.len()).sum()) {
                return Ok(Ended::STOPPED);
            }
        }
        let rises: Vec<(f64, u64)> = (clean.iter().zip(ablated))
            .map(|((clean, charged), ablated)| (ablated - clean, *charged))
            .collect();
        row.ce_increase = Some(ratio(&rises));
        [row.ce_increase_low, row.ce_increase_high] =
            interval(&rises, settings.seed).map_or([None; 2], |ends| ends.map(Some));
    }
    Ok(Ended::Done(CausalAbout {
        rows: sample.len() as u64,
        of_rows: rows.len() as u64,
        charged: clean.iter().map(|(_, charged)| charged).sum(),
        ce_clean: ratio(&clean),
    }))
}

/// Sum over rows, over the number of predictions.
fn ratio(rows: &[(f64, u64)]) -> f64 {
    let sum: f64 = rows.iter().map(|(sum, _)| sum).sum();
    let charged: u64 = rows.iter().map(|(_, charged)| charged).sum();
    sum / charged as f64
}

/// Percentiles of the ratio over resamples of the rows; none of a single row.
fn interval(rows: &[(f64, u64)], seed: u64) -> Option<[f64; 2]> {
    if rows.len() < 2 {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let drawn = (0..RESAMPLES)
        .map(|_| {
            let some: Vec<_> = (0..rows.len())
                .map(|_| rows[rng.random_range(0..rows.len())])
                .collect();
            ratio(&some)
        })
        .filter(|ratio| ratio.is_finite());
    corpus::interval(drawn.collect())
}

/// Inputs of all passes.
struct Test<'a> {
    model: &'a Model,
    rows: &'a Rows,
    means: Means,
}

/// Loss summed over each row, and the predictions charged.
type Charged = Vec<(f64, u64)>;

impl Test<'_> {
    /// Runs unmodified rows; returns their losses and the stream that enters the first block.
    fn clean(&self, chunk: &[usize]) -> Result<(Charged, Tensor)> {
        let first = HookPoint::block(0, Site::ResidPre);
        let mut kept = Capture::to_the_end([first]);
        let input = token_tensor(&self.tokens(chunk))?;
        let logits = self.model.run(Start::Tokens(&input), &mut kept)?;
        let losses = self.losses(chunk, logits)?;
        let charged = chunk.iter().map(|row| self.charged(*row));
        Ok((
            losses.into_iter().zip(charged).collect(),
            self.kept(kept, first)?,
        ))
    }

    /// Runs block `layer` on the stream that enters it; returns the one that leaves it.
    fn next(&self, chunk: &[usize], layer: Layer, stream: &Tensor) -> Result<Tensor> {
        let hook = HookPoint::Block(layer, Site::ResidPost);
        let mut kept = Capture {
            last: Some(hook),
            ..Capture::to_the_end([hook])
        };
        self.run(chunk, layer, stream, &mut kept)?;
        self.kept(kept, hook)
    }

    /// Runs from the stream that enters the heads' layer with their z replaced; returns the loss of each row.
    fn ablated(
        &self,
        chunk: &[usize],
        heads: &BTreeMap<Layer, Vec<Head>>,
        stream: &Tensor,
    ) -> Result<Vec<f64>> {
        let layer = heads.keys().next().copied().unwrap_or_default();
        let mut replaced = Replaced::new(self.model, &self.means, heads);
        let logits = self.run(chunk, layer, stream, &mut replaced)?;
        self.losses(chunk, logits)
    }

    fn run(
        &self,
        chunk: &[usize],
        layer: Layer,
        stream: &Tensor,
        hooks: &mut dyn Hooks,
    ) -> Result<Option<Tensor>> {
        let input = token_tensor(&self.tokens(chunk))?;
        self.model
            .run(Start::Residual(layer, stream, Some(&input)), hooks)
    }

    fn tokens(&self, chunk: &[usize]) -> Vec<&[TokenId]> {
        chunk.iter().map(|row| self.rows.row(*row)).collect()
    }

    fn kept(&self, mut kept: Capture, hook: HookPoint) -> Result<Tensor> {
        let missing = || Error::hook(hook, format!("{} did not reach it", self.model.name()));
        kept.values.remove(&hook).ok_or_else(missing)
    }

    fn charged(&self, row: usize) -> u64 {
        let charges = self.rows.charges(row);
        charges.into_iter().filter(|charged| *charged).count() as u64
    }

    /// Sums the loss of each row as an evaluation does.
    fn losses(&self, chunk: &[usize], logits: Option<Tensor>) -> Result<Vec<f64>> {
        let logits = eval::whole(logits)?;
        let each = chunk.iter().enumerate();
        each.map(|(i, row)| {
            let own = logits.narrow(0, i, 1)?;
            eval::charge(&own, &[self.rows.row(*row)], &[self.rows.charges(*row)])
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_the_ratio_and_shrinks_with_the_spread() {
        let rows = |spread: f64| -> Vec<(f64, u64)> {
            (0..64)
                .map(|i| (10.0 + spread * f64::from(i % 5), 10))
                .collect()
        };
        let of = |spread: f64| {
            let rows = rows(spread);
            let [low, high] = interval(&rows, 0).unwrap();
            assert!(low <= ratio(&rows) && ratio(&rows) <= high);
            high - low
        };
        assert!(of(0.0) < 1e-12);
        assert!(of(1.0) > 2.0 * of(0.4));
        assert_eq!(interval(&rows(1.0)[..1], 0), None);
    }
}
