//! Pursuit of many tokens: in blocks whose estimates fit into memory; each token runs until it ends or lacks columns, which are then made for all of the block
//! at once.

use std::ops::Range;

use rayon::prelude::*;

use super::columns::Columns;
use super::token::{Among, Reached, Token};
use super::{Settings, signal};
use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};
use crate::kernels::encode::encode_raw_topk;
use crate::kernels::linear::rows_times;
use crate::latents::Latents;
use crate::sae::Sae;

/// Memory for columns, in bytes: all of a dictionary of 25,000 features.
const COLUMNS: usize = 5 << 28;
/// Memory for the estimates of a block, in bytes.
const ESTIMATES: usize = 64 << 20;
/// Largest number of tokens of a block.
const BLOCK: usize = 512;

/// Dictionary that codes are pursued in, with the columns of its Gram matrix made so far.
#[derive(Debug)]
pub(super) struct Pursuer<'a> {
    sae: &'a Sae,
    settings: Settings,
    columns: Columns<'a>,
}

impl<'a> Pursuer<'a> {
    /// Prepares a dictionary; an error for one that does not reconstruct what it reads, token by token.
    pub(super) fn new(sae: &'a Sae, settings: Settings) -> Result<Self> {
        sae.autoencoder()?;
        settings.check(sae)?;
        sae.check_weights()?;
        Ok(Self {
            sae,
            settings,
            columns: Columns::new(&sae.w_dec, COLUMNS),
        })
    }

    /// Pursues a code of each of the activations `x [n, d]` with `steps [n]` steps.
    pub(super) fn pursue(&mut self, x: &Matrix, steps: &[usize]) -> Result<Latents> {
        let signals = signal(self.sae, x)?;
        Dims::new("pursuit")
            .bind("x", x, "n d")?
            .bind_len("steps", steps.len(), "n")?;
        if signals.values().iter().any(|value| !value.is_finite()) {
            let what = "an activation is NaN or infinite, so that no code of it can be pursued: check the model with its own text";
            return Err(Error::Numeric {
                what: what.to_owned(),
            });
        }
        let short = match self.settings.shortlist {
            Some(most) => {
                let read = self.sae.centred(x)?;
                let listed = encode_raw_topk(&read, &self.sae.w_enc, &self.sae.b_enc, most)?;
                Some(listed)
            }
            None => None,
        };
        let mut parts = Vec::new();
        let mut start = 0;
        while start < x.rows() {
            let block = start..start + self.block(&steps[start..]);
            parts.push(match &short {
                Some(short) => self.listed(&signals, block.clone(), (steps, short)),
                None => self.whole(&signals, block.clone(), steps)?,
            });
            start = block.end;
        }
        Ok(Latents::joined(&parts))
    }

    /// Number of tokens of the next block, whose columns and estimates fit into memory together.
    fn block(&self, steps: &[usize]) -> usize {
        let f = self.sae.features().max(1);
        let most = (ESTIMATES / (4 * f)).clamp(1, BLOCK);
        let mut columns = 0;
        let fits = |steps: &&usize| {
            columns += **steps;
            columns <= self.columns.capacity()
        };
        steps.iter().take(most).take_while(fits).count().max(1)
    }

    /// Pursues the tokens of a block in their shortlists.
    fn listed(
        &self,
        signals: &Matrix,
        block: Range<usize>,
        (steps, short): (&[usize], &Latents),
    ) -> Latents {
        let dictionary = (&self.sae.w_dec, self.columns.longest);
        let codes: Vec<(Vec<u32>, Vec<f32>)> = block
            .into_par_iter()
            .map(|i| {
                let among = Among::These(short.features[short.range(i)].to_vec());
                let rule = (self.settings.method, steps[i]);
                let mut token = Token::new(dictionary, signals.row(i), rule, among);
                token.advance(&self.columns);
                code(&token)
            })
            .collect();
        joined(&codes)
    }

    /// Pursues the tokens of a block in the whole dictionary.
    fn whole(&mut self, signals: &Matrix, block: Range<usize>, steps: &[usize]) -> Result<Latents> {
        let (d, f) = (signals.columns(), self.sae.features());
        let dictionary = (&self.sae.w_dec, self.columns.longest);
        let part = signals.values()[block.start * d..block.end * d].to_vec();
        let mut estimates = rows_times(&Matrix::new(block.len(), d, part)?, &self.sae.w_dec);
        let mut tokens: Vec<Token<'_>> = estimates
            .values_mut()
            .par_chunks_mut(f.max(1))
            .zip(block)
            .map(|(estimates, i)| {
                let rule = (self.settings.method, steps[i]);
                Token::new(dictionary, signals.row(i), rule, Among::All(estimates))
            })
            .collect();
        self.columns.next_block();
        loop {
            let columns = &self.columns;
            let reached: Vec<Reached> = tokens
                .par_iter_mut()
                .map(|token| token.advance(columns))
                .collect();
            let mut missing = Vec::new();
            let mut in_use = Vec::new();
            for (token, reached) in tokens.iter().zip(reached) {
                if let Reached::Waits(features) = reached {
                    missing.extend(features);
                    in_use.extend_from_slice(&token.chosen);
                }
            }
            if missing.is_empty() {
                break;
            }
            for features in [&mut missing, &mut in_use] {
                features.sort_unstable();
                features.dedup();
            }
            self.columns.make(&missing, &in_use);
        }
        let codes: Vec<(Vec<u32>, Vec<f32>)> = tokens.par_iter().map(code).collect();
        Ok(joined(&codes))
    }
}

/// Features with positive weight, ascending, and the weights.
fn code(token: &Token<'_>) -> (Vec<u32>, Vec<f32>) {
    let pairs = token.chosen.iter().zip(&token.weights);
    let mut code: Vec<(u32, f32)> = pairs
        .map(|(feature, weight)| (*feature, *weight as f32))
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    code.sort_unstable_by_key(|(feature, _)| *feature);
    code.into_iter().unzip()
}

fn joined(codes: &[(Vec<u32>, Vec<f32>)]) -> Latents {
    let mut latents = Latents::with_capacity(codes.len(), 0);
    for (features, acts) in codes {
        latents.push_row(features, acts);
    }
    latents
}
