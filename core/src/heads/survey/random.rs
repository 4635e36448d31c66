//! Repeated random tokens: text in which nothing but an earlier copy tells the next token.

use std::collections::BTreeMap;

use candle_core::{CpuStorage, Storage, Tensor};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::ablate::{Means, Replaced};
use crate::corpus::{Positions, Rows};
use crate::error::{Error, Result};
use crate::eval;
use crate::ids::{Head, HookPoint, Layer, Site, TokenId};
use crate::models::{Hooks, Model, NoHooks, Start, token_tensor};

/// Rows of random tokens.
const ROWS: usize = 16;
/// Largest number of tokens that are repeated, as in the examples of TransformerLens.
const LONGEST: usize = 50;
/// Seed of the tokens.
const SEED: u64 = 0;

/// Rows of distinct random tokens that occur twice, behind BOS if the model has one.
#[derive(Debug)]
pub(super) struct Repeated {
    rows: Rows,
    /// Position of the first random token.
    first: usize,
    /// Number of tokens that are repeated.
    length: usize,
}

impl Repeated {
    /// Draws the rows; none for a model whose context or vocabulary is too small.
    pub(super) fn new(model: &Model) -> Option<Self> {
        let codec = model.codec();
        let bos = codec.bos().id;
        let first = usize::from(bos.is_some());
        let special: Vec<TokenId> = codec.special().collect();
        let vocabulary = (0..model.config().vocab as u32).map(TokenId);
        let words: Vec<TokenId> = vocabulary
            .filter(|token| codec.has(*token) && !special.contains(token))
            .collect();
        let room = model.config().context.saturating_sub(first) / 2;
        let length = LONGEST.min(room).min(words.len() / 2);
        if length < 2 {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        let mut tokens = Vec::new();
        for _ in 0..ROWS {
            let mut drawn = Vec::with_capacity(length);
            while drawn.len() < length {
                let token = words[rng.random_range(0..words.len())];
                if !drawn.contains(&token) {
                    drawn.push(token);
                }
            }
            tokens.extend(bos);
            tokens.extend_from_slice(&drawn);
            tokens.extend_from_slice(&drawn);
        }
        let context = first + 2 * length;
        let documents = vec![0; tokens.len()];
        let rows = Rows::new(context, tokens, documents, vec!["random tokens".to_owned()]);
        Some(Self {
            rows: rows.by(Positions::All),
            first,
            length,
        })
    }

    /// Computes the mean weight on the induction source over the second copy, head by head, layer by layer.
    pub(super) fn induction(&self, model: &Model) -> Result<Vec<f64>> {
        let config = model.config();
        let parts: Vec<Vec<f64>> = (0..ROWS)
            .into_par_iter()
            .map(|row| {
                let mut sources = Sources {
                    of: self,
                    last: HookPoint::block(config.layers - 1, Site::Pattern),
                    sums: Vec::with_capacity(config.layers * config.heads),
                };
                let input = token_tensor(&[self.rows.row(row)])?;
                model.run(Start::Tokens(&input), &mut sources)?;
                Ok(sources.sums)
            })
            .collect::<Result<_>>()?;
        let mut means = vec![0.0; config.layers * config.heads];
        for part in parts {
            for (mean, sum) in means.iter_mut().zip(part) {
                *mean += sum / (ROWS * self.length) as f64;
            }
        }
        Ok(means)
    }

    /// Computes the cross-entropy of the first and of the second copy, in nats per token, unmodified and with the z of all of `heads` replaced by its mean over
    /// positions from 1 on. The first token of either copy is left out: nothing foretells it.
    pub(super) fn ablated(&self, model: &Model, heads: &[(Layer, Head)]) -> Result<RandomAblation> {
        let rows: Vec<usize> = (0..ROWS).collect();
        let means = Means::new(model, &self.rows, &rows)?;
        let mut by_layer: BTreeMap<Layer, Vec<Head>> = BTreeMap::new();
        for (layer, head) in heads {
            by_layer.entry(*layer).or_default().push(*head);
        }
        let parts: Vec<[[f64; 2]; 2]> = rows
            .par_iter()
            .map(|row| {
                let tokens = [self.rows.row(*row)];
                let input = token_tensor(&tokens)?;
                let clean = model.run(Start::Tokens(&input), &mut NoHooks)?;
                let mut replaced = Replaced::new(model, &means, &by_layer);
                let changed = model.run(Start::Tokens(&input), &mut replaced)?;
                let mut of = [[0.0; 2]; 2];
                for (of, logits) in of.iter_mut().zip([clean, changed]) {
                    let logits = eval::whole(logits)?;
                    for (half, sum) in of.iter_mut().enumerate() {
                        let charges = self.charges(half);
                        *sum = eval::charge(&logits, &tokens, &[charges])?;
                    }
                }
                Ok(of)
            })
            .collect::<Result<_>>()?;
        let mut sums = [[0.0; 2]; 2];
        let each = (ROWS * (self.length - 1)) as f64;
        for part in parts {
            for (sums, part) in sums.iter_mut().zip(part) {
                for (sum, part) in sums.iter_mut().zip(part) {
                    *sum += part / each;
                }
            }
        }
        let [clean, ablated] = sums;
        Ok(RandomAblation { clean, ablated })
    }

    /// Marks the positions that are charged with the tokens of one copy but its first.
    fn charges(&self, half: usize) -> Vec<bool> {
        let from = self.first + half * self.length;
        let charged = from..from + self.length - 1;
        let each = 0..self.rows.context() - 1;
        each.map(|at| charged.contains(&at)).collect()
    }
}

/// Cross-entropy of repeated random tokens, in nats per token, of the first and of the second copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct RandomAblation {
    /// Of the unmodified model.
    pub clean: [f64; 2],
    /// With heads replaced by their mean.
    pub ablated: [f64; 2],
}

impl RandomAblation {
    /// Rise of the cross-entropy of the first and of the second copy.
    pub fn rise(&self) -> [f64; 2] {
        std::array::from_fn(|half| self.ablated[half] - self.clean[half])
    }
}

/// Replaces the z of all of `heads` by its mean over positions from 1 on, on repeated random tokens; none for a model whose context or vocabulary is too small.
pub fn random_ablation(model: &Model, heads: &[(Layer, Head)]) -> Result<Option<RandomAblation>> {
    let repeated = Repeated::new(model);
    repeated
        .map(|repeated| repeated.ablated(model, heads))
        .transpose()
}

/// Sums the weights on the induction sources of one row.
struct Sources<'a> {
    of: &'a Repeated,
    last: HookPoint,
    sums: Vec<f64>,
}

impl Hooks for Sources<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook.site() == Some(Site::Pattern)
    }

    fn visit(&mut self, _: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let (_, _, t, _) = value.dims4()?;
        let (storage, layout) = value.storage_and_layout();
        let Storage::Cpu(CpuStorage::F32(values)) = &*storage else {
            return Err(Error::Shape {
                op: "survey of heads",
                what: "the patterns are not f32 on the CPU".to_owned(),
            });
        };
        let second = self.of.first + self.of.length;
        let each = values[layout.start_offset()..].chunks_exact(t * t);
        self.sums.extend(each.take(value.dim(1)?).map(|pattern| {
            let weight = |query: usize| pattern[query * t + query + 1 - self.of.length];
            (second..second + self.of.length)
                .map(|query| f64::from(weight(query)))
                .sum::<f64>()
        }));
        Ok(None)
    }

    fn last(&self) -> Option<HookPoint> {
        Some(self.last)
    }
}
