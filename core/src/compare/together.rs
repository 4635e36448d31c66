//! Measures how far the two features of a pair are active on the same tokens.

use crate::capture;
use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::formats;
use crate::latents::Latents;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;

use super::Pair;

/// Number of rows of text read at a time.
const PIECE: usize = 8;

/// Figures of a pair on a text, over all positions that count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Together {
    /// Pearson correlation of the two activations over all tokens, inactive ones as 0; 0 if a feature is never active or constant.
    pub correlation: f64,
    /// Share of tokens on which both are active among those on which either is; 0 if neither ever is.
    pub jaccard: f64,
    /// Number of tokens on which the first is active.
    pub active_a: u64,
    /// Number of tokens on which the second is active.
    pub active_b: u64,
    /// Number of tokens on which both are active.
    pub both: u64,
}

/// Sums over tokens for one pair.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    active: [u64; 2],
    both: u64,
    sum: [f64; 2],
    square: [f64; 2],
    product: f64,
}

impl Sums {
    fn figures(&self, tokens: u64) -> Together {
        let n = tokens.max(1) as f64;
        let spread = |i: usize| self.square[i] - self.sum[i] * self.sum[i] / n;
        let shared = self.product - self.sum[0] * self.sum[1] / n;
        let spreads = (spread(0) * spread(1)).max(0.0).sqrt();
        let either = self.active[0] + self.active[1] - self.both;
        Together {
            correlation: if spreads > 0.0 {
                (shared / spreads).clamp(-1.0, 1.0)
            } else {
                0.0
            },
            jaccard: self.both as f64 / either.max(1) as f64,
            active_a: self.active[0],
            active_b: self.active[1],
            both: self.both,
        }
    }
}

/// Pairs that contain a feature, by feature: several features may have the same best.
struct Places {
    offsets: Vec<u32>,
    pairs: Vec<u32>,
}

impl Places {
    fn new(features: usize, pairs: impl Iterator<Item = usize> + Clone) -> Self {
        let mut offsets = vec![0_u32; features + 1];
        for feature in pairs.clone() {
            offsets[feature + 1] += 1;
        }
        for i in 0..features {
            offsets[i + 1] += offsets[i];
        }
        let mut next = offsets.clone();
        let mut placed = vec![0; offsets[features] as usize];
        for (pair, feature) in pairs.enumerate() {
            placed[next[feature] as usize] = pair as u32;
            next[feature] += 1;
        }
        Self {
            offsets,
            pairs: placed,
        }
    }

    fn get(&self, feature: usize) -> &[u32] {
        let (from, to) = (self.offsets[feature], self.offsets[feature + 1]);
        &self.pairs[from as usize..to as usize]
    }
}

/// Reads `rows` through `model` and both dictionaries, each at its own hook; the figures of each of `pairs`.
pub fn together(
    (a, b): (&Sae, &Sae),
    pairs: &[Pair],
    (model, rows): (&Model, &Rows),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Together>>> {
    for sae in [a, b] {
        sae.by_token()?;
        formats::check_ends(sae, model)?;
    }
    let hooks = [a.reads()?, b.reads()?];
    if rows.counted() == 0 {
        let what = "a comparison on text needs a row of 2 tokens or more, give more text";
        return Err(Error::setting("corpus", what));
    }
    let mut counting = Counting::new((a, b), pairs);
    let all: Vec<usize> = (0..rows.len()).collect();
    for some in all.chunks(PIECE) {
        let x = capture::activations_at(model, rows, some, &hooks)?;
        let [of_a, of_b] = x.as_slice() else {
            continue; // one table for each hook
        };
        let (of_a, of_b) = (a.own_part(of_a)?, b.own_part(of_b)?);
        counting.count(&a.encode(&of_a)?, &b.encode(&of_b)?, &rows.counts_of(some));
        let done = some.last().map_or(0, |last| last + 1);
        if observe(Progress::rows(done, rows.len())).is_break() && done < rows.len() {
            return Ok(Ended::STOPPED);
        }
    }
    Ok(Ended::Done(counting.figures()))
}

/// Measures pairs on given activations, `[n, d]` of each dictionary's hook; all rows count.
#[cfg(test)]
pub(super) fn together_on(
    (a, b): (&Sae, &Sae),
    pairs: &[Pair],
    (x_a, x_b): (&crate::dims::Matrix, &crate::dims::Matrix),
) -> Result<Vec<Together>> {
    let mut counting = Counting::new((a, b), pairs);
    counting.count(&a.encode(x_a)?, &b.encode(x_b)?, &vec![true; x_a.rows()]);
    Ok(counting.figures())
}

/// Counts pairs token by token.
struct Counting {
    of_a: Places,
    of_b: Places,
    sums: Vec<Sums>,
    /// Activation of the first feature of each pair on the latest token, and that token.
    at: Vec<(u64, f64)>,
    token: u64,
}

impl Counting {
    fn new((a, b): (&Sae, &Sae), pairs: &[Pair]) -> Self {
        Self {
            of_a: Places::new(a.features(), pairs.iter().map(|pair| pair.a.index())),
            of_b: Places::new(b.features(), pairs.iter().map(|pair| pair.b.index())),
            sums: vec![Sums::default(); pairs.len()],
            at: vec![(0, 0.0); pairs.len()],
            token: 0,
        }
    }

    /// Adds the tokens that `counts` accepts.
    fn count(&mut self, a: &Latents, b: &Latents, counts: &[bool]) {
        for i in (0..a.rows()).filter(|i| counts[*i]) {
            self.token += 1;
            for (feature, act) in a.row(i) {
                let act = f64::from(act);
                for pair in self.of_a.get(feature.index()) {
                    let pair = *pair as usize;
                    self.at[pair] = (self.token, act);
                    add(&mut self.sums[pair], 0, act);
                }
            }
            for (feature, act) in b.row(i) {
                let act = f64::from(act);
                for pair in self.of_b.get(feature.index()) {
                    let pair = *pair as usize;
                    add(&mut self.sums[pair], 1, act);
                    let (token, other) = self.at[pair];
                    let both = token == self.token;
                    self.sums[pair].both += u64::from(both);
                    self.sums[pair].product += f64::from(u8::from(both)) * other * act;
                }
            }
        }
    }

    fn figures(&self) -> Vec<Together> {
        let sums = self.sums.iter();
        sums.map(|sums| sums.figures(self.token)).collect()
    }
}

fn add(sums: &mut Sums, which: usize, act: f64) {
    sums.active[which] += 1;
    sums.sum[which] += act;
    sums.square[which] += act * act;
}
