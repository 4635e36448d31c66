//! Replaces the output of attention at S2 by that of a corrupted sentence, and by zeros at S2 and everywhere.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::Prompt;
use super::corrupt::{Corrupted, Corruption, corrupted};
use super::pass::{Change, Changes, differences};
use super::prompts::{LEAST_NAMES, names};
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{HookPoint, Layer, Site, TokenId};
use crate::models::{Model, token_tensor};
use crate::progress::{Ended, Flow};

/// Prompts between two reports.
const WAVE: usize = 16;
/// Rows of a prompt: clean, two baselines, two corruptions.
const ROWS: usize = 5;

/// Mean LD of the rows, over the prompts in which both corruptions are possible.
#[derive(Debug, Clone, PartialEq)]
pub struct Noising {
    /// Layers whose attention output was replaced.
    pub layers: Vec<Layer>,
    /// Number of prompts.
    pub prompts: usize,
    /// LD without a change.
    pub clean: f64,
    /// LD with zeros at S2 alone.
    pub zero_at_s2: f64,
    /// LD with zeros at every position.
    pub zero_everywhere: f64,
    /// LD with the output of the sentence with other names and more words.
    pub names: f64,
    /// LD with the output of the sentence without "and".
    pub and: f64,
}

/// LD of a corruption with its share recovered by each baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noised {
    /// Mean LD.
    pub ld: f64,
    /// (LD − zero at S2) / (clean − zero at S2); none where the two baselines are equal.
    pub recovered_at_s2: Option<f64>,
    /// (LD − zero everywhere) / (clean − zero everywhere).
    pub recovered_everywhere: Option<f64>,
}

impl Noising {
    /// Returns the figures of one corruption.
    pub fn of(&self, corruption: Corruption) -> Noised {
        let ld = match corruption {
            Corruption::Names => self.names,
            Corruption::And => self.and,
        };
        let recovered = |baseline: f64| {
            let whole = self.clean - baseline;
            (whole != 0.0).then(|| (ld - baseline) / whole)
        };
        Noised {
            ld,
            recovered_at_s2: recovered(self.zero_at_s2),
            recovered_everywhere: recovered(self.zero_everywhere),
        }
    }
}

pub(super) fn noising(
    model: &Model,
    prompts: &[Prompt],
    layers: &[Layer],
    observe: &mut dyn FnMut(usize) -> Flow,
) -> Result<Ended<Option<Noising>>> {
    let names: Vec<TokenId> = names(model)?.into_iter().map(|(_, token)| token).collect();
    if names.len() < LEAST_NAMES {
        return Ok(Ended::Done(None));
    }
    let (mut sums, mut count, mut done) = ([0.0; ROWS], 0_u32, 0);
    for wave in prompts.chunks(WAVE) {
        let parts: Vec<Option<Vec<f64>>> = wave
            .par_iter()
            .enumerate()
            .map(|(i, prompt)| one(model, prompt, layers, others(&names, prompt, done + i)))
            .collect::<Result<_>>()?;
        for lds in parts.into_iter().flatten() {
            count += 1;
            for (sum, ld) in sums.iter_mut().zip(lds) {
                *sum += ld;
            }
        }
        done += wave.len();
        if observe(done).is_break() && done < prompts.len() {
            return Ok(Ended::STOPPED);
        }
    }
    let [clean, zero_at_s2, zero_everywhere, names, and] = sums.map(|sum| sum / f64::from(count));
    Ok(Ended::Done((count > 0).then(|| Noising {
        layers: layers.to_vec(),
        prompts: count as usize,
        clean,
        zero_at_s2,
        zero_everywhere,
        names,
        and,
    })))
}

/// Returns two names that the prompt has not, decided by its number.
fn others(names: &[TokenId], prompt: &Prompt, number: usize) -> [TokenId; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
    let mut free: Vec<TokenId> = (names.iter().copied())
        .filter(|token| prompt.name_of(*token).is_none())
        .collect();
    free.shuffle(&mut rng);
    [free[0], free[1]]
}

/// Reads one prompt; none where a corruption is not possible.
fn one(
    model: &Model,
    prompt: &Prompt,
    layers: &[Layer],
    others: [TokenId; 2],
) -> Result<Option<Vec<f64>>> {
    let with = |corruption| corrupted(model, prompt, corruption, others);
    let (Some(names), Some(and)) = (with(Corruption::Names)?, with(Corruption::And)?) else {
        return Ok(None);
    };
    let hooks: Vec<HookPoint> = layers
        .iter()
        .map(|layer| HookPoint::Block(*layer, Site::AttnOut))
        .collect();
    let width = model.config().d_model;
    let (names, and) = (at_s2(model, &names, &hooks)?, at_s2(model, &and, &hooks)?);
    let put = |values: Vec<f32>| Change::Put(prompt.s2, values);
    let changes: Changes = hooks
        .into_iter()
        .zip(names.into_iter().zip(and))
        .map(|(hook, (names, and))| {
            let zero = put(vec![0.0; width]);
            (
                hook,
                vec![Change::Keep, zero, Change::Zero, put(names), put(and)],
            )
        })
        .collect();
    differences(model, prompt, (ROWS, &changes)).map(Some)
}

/// Returns the output of attention at S2 of a corrupted sentence, hook by hook.
fn at_s2(model: &Model, corrupted: &Corrupted, hooks: &[HookPoint]) -> Result<Vec<Vec<f32>>> {
    let captured = model.capture(&token_tensor(&[&corrupted.tokens])?, hooks)?;
    let width = model.config().d_model;
    let row = |hook: &HookPoint| {
        let value = Matrix::from_tensor(&captured[hook], width)?;
        Ok(value.row(corrupted.s2).to_vec())
    };
    hooks.iter().map(row).collect()
}
