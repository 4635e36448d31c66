//! Induction on real text: pairs of token and source with strong attention, the length of the copy behind each, and attention once the copy is cut.

use std::collections::BTreeMap;

use candle_core::Tensor;
use rayon::prelude::*;

use super::{Folded, PREFIXES, Protocol};
use crate::capture;
use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::heads::growing;
use crate::ids::{Head, HookPoint, Layer, Site, TokenId};
use crate::models::{Hooks, Model, Start, token_tensor};
use crate::progress::{Ended, Flow, Progress};

/// Rows of one pass. Fixed, so that the number of threads does not change results.
const CHUNK: usize = 2;
/// Passes between two reports.
const WAVE: usize = 16;
/// Bins of the histogram: prefixes of 0 to 9 tokens, and longer ones.
const BINS: usize = PREFIXES + 2;

/// Settings of [`super::on_text`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextOptions {
    /// Attention above which a pair counts.
    pub threshold: f64,
    /// Most pairs of each head whose source is changed, one of each row.
    pub replaced: usize,
    /// Seed of the tokens put in.
    pub seed: u64,
}

impl Default for TextOptions {
    /// Returns the paper's threshold.
    fn default() -> Self {
        Self {
            threshold: 0.3,
            replaced: 50,
            seed: 0,
        }
    }
}

/// Result of [`super::on_text`].
#[derive(Debug, Clone, PartialEq)]
pub struct OnText {
    /// Heads, layer by layer.
    pub heads: Vec<TextHead>,
    /// Settings.
    pub options: TextOptions,
    /// Rows read.
    pub rows: usize,
    /// Tokens read, special ones included.
    pub tokens: usize,
}

impl OnText {
    /// Returns the figures of a head; none if the model has no such head.
    pub fn of(&self, layer: Layer, head: Head) -> Option<&TextHead> {
        let mut all = self.heads.iter();
        all.find(|one| (one.layer, one.head) == (layer, head))
    }
}

/// Figures of one head on real text.
#[derive(Debug, Clone, PartialEq)]
pub struct TextHead {
    /// Layer.
    pub layer: Layer,
    /// Head within the layer.
    pub head: Head,
    /// Pairs by the length of their prefix: 0, 1, … 9 tokens, and longer.
    pub prefix_counts: [u64; BINS],
    /// Attention before and after the copy was cut, over some of the pairs with a prefix of 2 or more; none where the head has none.
    pub replaced: Option<Replaced>,
}

impl TextHead {
    /// Returns the number of pairs with attention above the threshold.
    pub fn strong(&self) -> u64 {
        self.prefix_counts.iter().sum()
    }

    /// Returns the share of these pairs that continue a copy of one token or more; none without pairs.
    pub fn induction_share(&self) -> Option<f64> {
        let all = self.strong();
        (all > 0).then(|| 1.0 - self.prefix_counts[0] as f64 / all as f64)
    }
}

/// Mean attention before and after the token two before the source was replaced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Replaced {
    /// Number of pairs.
    pub pairs: usize,
    /// Mean attention before.
    pub before: f64,
    /// Mean attention after.
    pub after: f64,
}

/// Computes [`super::on_text`].
pub(super) fn on_text(
    model: &Model,
    rows: &Rows,
    options: &TextOptions,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<OnText>> {
    if rows.is_empty() || rows.context() < 3 {
        let what = "induction needs rows of 3 tokens or more, give more text or a longer context";
        return Err(Error::setting("corpus", what));
    }
    if !(0.0..1.0).contains(&options.threshold) {
        let what = "attention lies between 0 and 1, give a threshold of 0 or more and below 1";
        return Err(Error::setting("threshold", what));
    }
    let model = &*capture::reader(model, rows)?;
    let folded = Folded::new(model.codec(), model.config().vocab);
    let lab = Lab {
        model,
        rows,
        options: *options,
        folded,
        protocol: Protocol::new(model)?,
    };
    let Ended::Done(found) = lab.find(observe)? else {
        return Ok(Ended::STOPPED);
    };
    let Ended::Done(replaced) = lab.replace(&found.pairs, observe)? else {
        return Ok(Ended::STOPPED);
    };
    let heads = model.config().heads;
    let found = found.counts.into_iter().zip(replaced).enumerate();
    let of_head = |(i, (prefix_counts, replaced))| TextHead {
        layer: Layer::from(i / heads),
        head: Head::from(i % heads),
        prefix_counts,
        replaced,
    };
    Ok(Ended::Done(OnText {
        heads: found.map(of_head).collect(),
        options: *options,
        rows: rows.len(),
        tokens: rows.tokens().len(),
    }))
}

/// A pair with a prefix of 2 or more.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pair {
    row: usize,
    query: usize,
    source: usize,
    attention: f64,
}

/// Histogram and pairs of each head, layer by layer.
struct Found {
    counts: Vec<[u64; BINS]>,
    pairs: Vec<Vec<Pair>>,
}

impl Found {
    fn new(heads: usize) -> Self {
        Self {
            counts: vec![[0; BINS]; heads],
            pairs: vec![Vec::new(); heads],
        }
    }

    /// Adds what later rows gave, and keeps `most` pairs of each head.
    fn add(&mut self, part: Self, most: usize) {
        let bins = self.counts.iter_mut().flatten();
        for (sum, count) in bins.zip(part.counts.iter().flatten()) {
            *sum += count;
        }
        for (all, part) in self.pairs.iter_mut().zip(part.pairs) {
            let room = most.saturating_sub(all.len());
            all.extend(part.into_iter().take(room));
        }
    }
}

struct Lab<'a> {
    model: &'a Model,
    rows: &'a Rows,
    options: TextOptions,
    folded: Folded,
    protocol: Protocol,
}

impl Lab<'_> {
    /// Number of heads in all layers.
    fn heads(&self) -> usize {
        self.model.config().layers * self.model.config().heads
    }

    /// Reads all rows: the histogram of each head, and the first pairs with a prefix of 2 or more, at most one of each row and head.
    fn find(&self, observe: &mut dyn FnMut(Progress) -> Flow) -> Result<Ended<Found>> {
        let mut found = Found::new(self.heads());
        let all: Vec<usize> = (0..self.rows.len()).collect();
        let mut done = 0;
        for wave in growing(&all, (CHUNK, CHUNK * WAVE)) {
            let parts: Vec<Found> = wave
                .par_chunks(CHUNK)
                .map(|rows| self.find_in(rows))
                .collect::<Result<_>>()?;
            for part in parts {
                found.add(part, self.options.replaced);
            }
            done += wave.len();
            let progress = Progress::rows(done, all.len());
            if observe(progress).is_break() {
                return Ok(Ended::STOPPED);
            }
        }
        Ok(Ended::Done(found))
    }

    fn find_in(&self, chosen: &[usize]) -> Result<Found> {
        let tokens: Vec<&[TokenId]> = chosen.iter().map(|row| self.rows.row(*row)).collect();
        let layers = self.model.config().layers;
        let mut find = Find {
            lab: self,
            first_row: chosen[0],
            runs: tokens.iter().map(|row| self.runs(row)).collect(),
            found: Found::new(self.heads()),
            last: HookPoint::block(layers - 1, Site::Pattern),
        };
        self.model
            .run(Start::Tokens(&token_tensor(&tokens)?), &mut find)?;
        Ok(find.found)
    }

    /// Whether position `p` of `row` is text: neither the first nor a special token.
    fn is_text(&self, row: &[TokenId], p: usize) -> bool {
        p > 0 && !self.rows.mask().special.contains(&row[p])
    }

    /// Computes `[t, t]`: how many tokens match, walking back from `q` and `k` together (k < q), over text alone.
    fn runs(&self, row: &[TokenId]) -> Vec<u32> {
        let t = row.len();
        let text: Vec<bool> = (0..t).map(|p| self.is_text(row, p)).collect();
        let mut runs = vec![0; t * t];
        for q in 1..t {
            for k in 1..q {
                if text[q] && text[k] && self.folded.same(row[q], row[k]) {
                    runs[q * t + k] = 1 + runs[(q - 1) * t + k - 1];
                }
            }
        }
        runs
    }

    /// Reads each pair again with the token two before its source replaced.
    fn replace(
        &self,
        pairs: &[Vec<Pair>],
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<Vec<Option<Replaced>>>> {
        // Heads that share row and source share a pass.
        let mut passes: BTreeMap<(usize, usize), Vec<(usize, Pair)>> = BTreeMap::new();
        for (head, pairs) in pairs.iter().enumerate() {
            for pair in pairs {
                let of_pass = passes.entry((pair.row, pair.source)).or_default();
                of_pass.push((head, *pair));
            }
        }
        let passes: Vec<Vec<(usize, Pair)>> = passes.into_values().collect();
        let mut sums = vec![(0, 0.0, 0.0); self.heads()];
        let mut done = 0;
        for wave in growing(&passes, (CHUNK, CHUNK * WAVE)) {
            let parts: Vec<Vec<f64>> = wave
                .par_iter()
                .map(|pairs| self.after(pairs))
                .collect::<Result<_>>()?;
            for (pairs, after) in wave.iter().zip(parts) {
                for ((head, pair), after) in pairs.iter().zip(after) {
                    let (count, before, sum) = &mut sums[*head];
                    (*count, *before, *sum) = (*count + 1, *before + pair.attention, *sum + after);
                }
            }
            done += wave.len();
            let progress = Progress::new(done, passes.len(), "changed rows");
            if observe(progress).is_break() && done < passes.len() {
                return Ok(Ended::STOPPED);
            }
        }
        let mean = |(pairs, before, after): (usize, f64, f64)| {
            (pairs > 0).then(|| Replaced {
                pairs,
                before: before / pairs as f64,
                after: after / pairs as f64,
            })
        };
        Ok(Ended::Done(sums.into_iter().map(mean).collect()))
    }

    /// Returns attention of pairs that share row and source after the replacement, in their order.
    fn after(&self, pairs: &[(usize, Pair)]) -> Result<Vec<f64>> {
        let (_, first) = pairs[0];
        let end = pairs.iter().map(|(_, pair)| pair.query).max().unwrap_or(0) + 1;
        let mut row = self.rows.row(first.row)[..end].to_vec();
        let at = first.source - 2;
        let stream = (first.row * self.rows.context() + at) as u64;
        let is_other = |token: TokenId| {
            let taken = |of: TokenId| self.folded.same(token, of);
            let wanted = pairs.iter().map(|(_, pair)| row[pair.query - 1]);
            !taken(row[at]) && !wanted.into_iter().any(taken)
        };
        let Some(other) = self
            .protocol
            .random_token((self.options.seed, stream), is_other)
        else {
            let what = "the vocabulary has no other token to put in, open a larger model";
            return Err(Error::setting("model", what));
        };
        row[at] = other;
        let heads = self.model.config().heads;
        let deepest = pairs
            .iter()
            .map(|(head, _)| head / heads)
            .max()
            .unwrap_or(0);
        let mut look = Look {
            heads,
            pairs,
            after: vec![0.0; pairs.len()],
            last: HookPoint::block(deepest, Site::Pattern),
        };
        self.model
            .run(Start::Tokens(&token_tensor(&[&row])?), &mut look)?;
        Ok(look.after)
    }
}

/// Finds the pairs of some rows as the pass reaches each layer's patterns.
struct Find<'a> {
    lab: &'a Lab<'a>,
    first_row: usize,
    /// Matching tokens behind each pair of positions, row by row.
    runs: Vec<Vec<u32>>,
    found: Found,
    last: HookPoint,
}

impl Find<'_> {
    /// Counts the pairs of one head in row `n` of these rows; `pattern` is `[t, t]`.
    fn look(&mut self, n: usize, head: usize, pattern: &[f32]) {
        let (number, runs) = (self.first_row + n, &self.runs[n]);
        let row = self.lab.rows.row(number);
        let t = row.len();
        let text: Vec<bool> = (0..t).map(|p| self.lab.is_text(row, p)).collect();
        let strong = pattern.iter().enumerate().filter_map(|(cell, attention)| {
            let (query, source) = (cell / t, cell % t);
            let attention = f64::from(*attention);
            let counts = attention > self.lab.options.threshold && text[query] && text[source];
            counts.then_some((query, source, attention))
        });
        let mut first = None;
        for (query, source, attention) in strong {
            let prefix = runs[query * t + source - 1] as usize;
            self.found.counts[head][prefix.min(BINS - 1)] += 1;
            if prefix >= 2 && first.is_none() {
                first = Some(Pair {
                    row: number,
                    query,
                    source,
                    attention,
                });
            }
        }
        self.found.pairs[head].extend(first);
    }
}

impl Hooks for Find<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook.site() == Some(Site::Pattern)
    }

    fn visit(&mut self, hook: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let Some(layer) = hook.layer() else {
            return Ok(None);
        };
        let (_, heads, t, _) = value.dims4()?;
        let values = value.flatten_all()?.to_vec1::<f32>()?;
        for (n, patterns) in values.chunks_exact(heads * t * t).enumerate() {
            for (head, pattern) in patterns.chunks_exact(t * t).enumerate() {
                self.look(n, layer.index() * heads + head, pattern);
            }
        }
        Ok(None)
    }

    fn last(&self) -> Option<HookPoint> {
        Some(self.last)
    }
}

/// Reads the attention of some pairs in one row.
struct Look<'a> {
    heads: usize,
    pairs: &'a [(usize, Pair)],
    after: Vec<f64>,
    last: HookPoint,
}

impl Hooks for Look<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook.site() == Some(Site::Pattern)
    }

    fn visit(&mut self, hook: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let layer = hook.layer().map_or(0, Layer::index);
        for ((head, pair), after) in self.pairs.iter().zip(&mut self.after) {
            if head / self.heads == layer {
                let row = value.get(0)?.get(head % self.heads)?.get(pair.query)?;
                *after = f64::from(row.get(pair.source)?.to_scalar::<f32>()?);
            }
        }
        Ok(None)
    }

    fn last(&self) -> Option<HookPoint> {
        Some(self.last)
    }
}
