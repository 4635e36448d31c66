//! Attention patterns of one text: all heads as thumbnails with three figures, one layer's full patterns, and what a direction reads through them by source token.

mod mixing;
#[cfg(test)]
mod tests;

use candle_core::Tensor;

use crate::error::{Error, Result};
use crate::ids::{Head, HookPoint, Layer, Site, TokenId};
use crate::models::{Hooks, Model, Start, token_tensor};
use crate::progress::{Ended, Flow, Progress};

pub use mixing::Mixing;

/// Limit on one layer's patterns, in bytes; longer texts are cut.
const HELD: usize = 256 << 20;

/// Largest number of cells along a side of a thumbnail.
const SIDE: usize = 32;

/// Figures of a head, by name and definition.
pub const DEFINITIONS: [(&str, &str); 3] = [
    (
        "previous",
        "mean weight on the token just before, over positions 1…t−1",
    ),
    (
        "first",
        "mean weight on the first token, over positions 1…t−1",
    ),
    (
        "entropy",
        "mean of −Σ a ln a over positions 1…t−1, nats: 0 where a head attends to a single token",
    ),
];

/// Summary of one head.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadGlance {
    /// Layer.
    pub layer: Layer,
    /// Head within the layer.
    pub head: Head,
    /// Mean weight on the previous token; 0 for a text of one token, as the other figures.
    pub previous: f32,
    /// Mean weight on the first token.
    pub first: f32,
    /// Mean entropy, nats.
    pub entropy: f32,
    /// Thumbnail of the pattern, `[side, side]`: the largest weight of each block of cells.
    pub thumbnail: Vec<f32>,
}

/// Summary of all heads of a model on one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// Tokens, BOS included.
    pub tokens: Vec<TokenId>,
    /// Their display forms.
    pub texts: Vec<String>,
    /// Heads, layer by layer.
    pub heads: Vec<HeadGlance>,
    /// Cells along a side of every thumbnail.
    pub side: usize,
    /// Number of tokens cut at the end to bound memory. The rest does not depend on them.
    pub cut: usize,
}

/// Patterns of one layer on one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Patterns {
    /// Tokens, BOS included.
    pub tokens: Vec<TokenId>,
    /// Their display forms.
    pub texts: Vec<String>,
    /// Layer.
    pub layer: Layer,
    /// Number of query heads.
    pub heads: usize,
    /// Weights after softmax, `[h, t, t]`: head, destination (query), source (key).
    values: Vec<f32>,
    /// Number of tokens cut at the end to bound memory.
    pub cut: usize,
}

impl Patterns {
    /// Returns the pattern of one head, `[t, t]`: destinations downwards, sources across.
    pub fn of(&self, head: Head) -> &[f32] {
        let cells = self.tokens.len() * self.tokens.len();
        &self.values[head.index() * cells..][..cells]
    }

    /// Returns the attention of the token at `at` to each source: sums to 1, 0 beyond `at`.
    pub fn sources(&self, head: Head, at: usize) -> &[f32] {
        &self.of(head)[at * self.tokens.len()..][..self.tokens.len()]
    }

    /// Returns the attention of each token to the token at `at`.
    pub fn destinations(&self, head: Head, at: usize) -> Vec<f32> {
        let t = self.tokens.len();
        self.of(head).iter().skip(at).step_by(t).copied().collect()
    }
}

/// Returns the largest of `weights` with their positions, largest first, without zeros.
pub fn strongest(weights: &[f32], most: usize) -> Vec<(usize, f32)> {
    let mut pairs: Vec<_> = weights.iter().copied().enumerate().collect();
    pairs.retain(|(_, weight)| *weight > 0.0);
    pairs.sort_by(|(i, a), (j, b)| b.total_cmp(a).then(i.cmp(j)));
    pairs.truncate(most);
    pairs
}

/// All heads at a glance; `observe` gets the layers done.
pub fn overview(
    model: &Model,
    tokens: &[TokenId],
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Overview>> {
    let layers = model.config().layers;
    let last = HookPoint::block(layers - 1, Site::Pattern);
    model.check_hook(last)?;
    let (tokens, cut) = fitting(model, tokens);
    let side = tokens.len().min(SIDE);
    let mut glance = Glance {
        layers,
        last,
        side,
        heads: Vec::new(),
        stopped: false,
        observe,
    };
    model.run(Start::Tokens(&token_tensor(&[tokens])?), &mut glance)?;
    if glance.stopped {
        return Ok(Ended::STOPPED);
    }
    Ok(Ended::Done(Overview {
        tokens: tokens.to_vec(),
        texts: texts(model, tokens),
        heads: glance.heads,
        side,
        cut,
    }))
}

/// Computes the patterns of all heads of `layer`.
pub fn patterns(model: &Model, tokens: &[TokenId], layer: Layer) -> Result<Patterns> {
    let hook = HookPoint::Block(layer, Site::Pattern);
    let (tokens, cut) = fitting(model, tokens);
    let mut captured = model.capture(&token_tensor(&[tokens])?, &[hook])?;
    let pattern = captured
        .remove(&hook)
        .ok_or_else(|| Error::hook(hook, format!("{} did not reach it", model.name())))?;
    Ok(Patterns {
        tokens: tokens.to_vec(),
        texts: texts(model, tokens),
        layer,
        heads: pattern.dim(1)?,
        values: pattern.flatten_all()?.to_vec1()?,
        cut,
    })
}

/// Cuts `tokens` so that a layer's patterns stay within [`HELD`], and returns how many were cut. No pattern depends on later tokens.
fn fitting<'a>(model: &Model, tokens: &'a [TokenId]) -> (&'a [TokenId], usize) {
    let most = (HELD / (model.config().heads.max(1) * size_of::<f32>())).isqrt();
    let kept = tokens.len().min(most);
    (&tokens[..kept], tokens.len() - kept)
}

fn texts(model: &Model, tokens: &[TokenId]) -> Vec<String> {
    tokens.iter().map(|id| model.codec().display(*id)).collect()
}

/// Reads every layer's patterns as the pass reaches them and keeps their summaries.
struct Glance<'a> {
    layers: usize,
    last: HookPoint,
    side: usize,
    heads: Vec<HeadGlance>,
    stopped: bool,
    observe: &'a mut dyn FnMut(Progress) -> Flow,
}

impl Hooks for Glance<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook.site() == Some(Site::Pattern)
    }

    fn visit(&mut self, hook: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let Some(layer) = hook.layer().filter(|_| !self.stopped) else {
            return Ok(None);
        };
        let (_, heads, t, _) = value.dims4()?;
        let values = value.flatten_all()?.to_vec1::<f32>()?;
        let each = values.chunks_exact((t * t).max(1)).take(heads).enumerate();
        let side = self.side;
        self.heads.extend(
            each.map(|(head, pattern)| glance(layer, Head::from(head), (pattern, t), side)),
        );
        let progress = Progress::new(layer.index() + 1, self.layers, "layers");
        self.stopped = (self.observe)(progress).is_break();
        Ok(None)
    }

    fn last(&self) -> Option<HookPoint> {
        Some(self.last)
    }
}

fn glance(layer: Layer, head: Head, (pattern, t): (&[f32], usize), side: usize) -> HeadGlance {
    let rows = || pattern.chunks_exact(t).enumerate().skip(1);
    let mean = |sum: f64| (sum / (t.max(2) - 1) as f64) as f32;
    let entropy = |row: &[f32]| -> f64 {
        let terms = row.iter().map(|a| f64::from(*a)).filter(|a| *a > 0.0);
        -terms.map(|a| a * a.ln()).sum::<f64>()
    };
    HeadGlance {
        layer,
        head,
        previous: mean(rows().map(|(at, row)| f64::from(row[at - 1])).sum()),
        first: mean(rows().map(|(_, row)| f64::from(row[0])).sum()),
        entropy: mean(rows().map(|(_, row)| entropy(row)).sum()),
        thumbnail: smaller(pattern, t, side),
    }
}

/// Shrinks `pattern [t, t]` to `[side, side]`, each cell the largest of its block.
fn smaller(pattern: &[f32], t: usize, side: usize) -> Vec<f32> {
    let mut small = vec![0.0_f32; side * side];
    for (at, row) in pattern.chunks_exact(t).enumerate() {
        for (source, weight) in row.iter().enumerate() {
            let cell = &mut small[(at * side / t) * side + source * side / t];
            *cell = cell.max(*weight);
        }
    }
    small
}
