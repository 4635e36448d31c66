//! Random contexts of a text, read once.

use std::collections::BTreeSet;

use rand::SeedableRng as _;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::features::scores::Asked;
use crate::ids::{FeatureId, HookPoint, Site, TokenId};
use crate::models::{Model, Trunk, token_tensor};
use crate::sae::ByToken;

/// Keys and values of contexts that are held at once, in numbers; further contexts are read again for each batch of features.
const HELD: usize = 1 << 27;

/// Contexts, with the features that are active at the last position of each.
pub(super) struct Contexts<'m> {
    /// Hook that the dictionary writes first.
    pub(super) hook: HookPoint,
    /// Mean length of the residual stream at positions behind the first.
    pub(super) norm: f64,
    tokens: Vec<Vec<TokenId>>,
    active: Vec<BTreeSet<FeatureId>>,
    /// As many of them as may be held.
    held: Vec<Trunk<'m>>,
}

impl<'m> Contexts<'m> {
    /// Draws contexts at positions that count, each from the beginning of its row (or of its document, where documents are kept apart) on.
    pub(super) fn draw(
        (model, sae): (&'m Model, ByToken<'_>),
        rows: &Rows,
        asked: &Asked,
    ) -> Result<Self> {
        crate::formats::check_ends(&sae, model)?;
        let hook = sae.first_output()?.hook;
        let bos = if rows.separates_documents() {
            Some(model.codec().bos_between_documents()?)
        } else {
            None
        };
        let mut places = Vec::new();
        for row in 0..rows.len() {
            let mut begin = 0;
            for (at, counts) in rows.counts(row).iter().enumerate() {
                if bos.is_some_and(|bos| rows.row(row)[at] == bos) {
                    begin = at;
                }
                if *counts && at > begin && at - begin < asked.tokens {
                    places.push((row, begin, at));
                }
            }
        }
        if places.is_empty() || asked.contexts == 0 {
            let what = "the text has no context of two tokens, give more text";
            return Err(Error::setting("corpus", what));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(asked.seed);
        let drawn = sample(&mut rng, places.len(), asked.contexts.min(places.len()));
        let mut drawn: Vec<usize> = drawn.into_vec();
        drawn.sort_unstable();
        let tokens: Vec<Vec<TokenId>> = drawn
            .into_iter()
            .map(|place| {
                let (row, begin, at) = places[place];
                rows.row(row)[begin..=at].to_vec()
            })
            .collect();
        let mut contexts = Self {
            hook,
            norm: 0.0,
            tokens,
            active: Vec::new(),
            held: Vec::new(),
        };
        contexts.look(model, sae)?;
        contexts.hold(model)?;
        Ok(contexts)
    }

    /// Measures the length of the residual stream, and which features are active.
    fn look(&mut self, model: &Model, sae: ByToken<'_>) -> Result<()> {
        let (reads, stream) = (sae.reads()?, stream_of(model, self.hook));
        let width = model.width(reads)?;
        let (mut lengths, mut n) = (0.0, 0);
        let mut last = Vec::new();
        for tokens in &self.tokens {
            let values = model.capture(&token_tensor(&[tokens])?, &[reads, stream])?;
            let missing = |hook: HookPoint| Error::hook(hook, "was not reached");
            let value = |hook| values.get(&hook).ok_or_else(|| missing(hook));
            let x = Matrix::from_tensor(value(reads)?, width)?;
            last.extend_from_slice(x.row(x.rows() - 1));
            let stream = Matrix::from_tensor(value(stream)?, model.width(stream)?)?;
            for row in stream.iter_rows().skip(1) {
                let own = own_part(row, (model, sae), self.hook);
                lengths += own
                    .iter()
                    .map(|x| f64::from(*x).powi(2))
                    .sum::<f64>()
                    .sqrt();
                n += 1;
            }
        }
        self.norm = lengths / f64::from(n.max(1));
        let x = Matrix::new(self.tokens.len(), width, last)?;
        let own = sae.own_part(&x)?;
        let latents = sae.encode(&own)?;
        self.active = (0..self.tokens.len())
            .map(|token| {
                let kept = latents.range(token).filter(|i| latents.acts[*i] != 0.0);
                kept.map(|i| FeatureId(latents.features[i])).collect()
            })
            .collect();
        Ok(())
    }

    /// Reads as many contexts as may be held.
    fn hold(&mut self, model: &'m Model) -> Result<()> {
        let config = model.config();
        let per_token = 2 * config.layers * config.kv_heads * config.d_head;
        let mut room = HELD;
        for tokens in &self.tokens {
            let Some(left) = room.checked_sub(tokens.len() * per_token) else {
                break;
            };
            room = left;
            self.held.push(model.trunk(tokens, self.hook, 1)?);
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether `feature` is silent at the last position of context `at`.
    pub(super) fn is_silent(&self, at: usize, feature: FeatureId) -> bool {
        !self.active[at].contains(&feature)
    }

    /// Returns context `at` as it was read.
    pub(super) fn trunk<'s>(&'s self, model: &'s Model, at: usize) -> Result<Held<'s>> {
        if let Some(held) = self.held.get(at) {
            return Ok(Held::Kept(held));
        }
        let trunk = model.trunk(&self.tokens[at], self.hook, 1)?;
        Ok(Held::Read(Box::new(trunk)))
    }

    #[cfg(test)]
    pub(super) fn tokens(&self) -> &[Vec<TokenId>] {
        &self.tokens
    }
}

/// A context that was read before, or just now.
pub(super) enum Held<'s> {
    /// It is held.
    Kept(&'s Trunk<'s>),
    /// It was read for this batch.
    Read(Box<Trunk<'s>>),
}

impl<'s> std::ops::Deref for Held<'s> {
    type Target = Trunk<'s>;

    fn deref(&self) -> &Trunk<'s> {
        match self {
            Self::Kept(trunk) => trunk,
            Self::Read(trunk) => trunk,
        }
    }
}

/// Returns the hook whose length is the unit of strengths: of the residual stream behind what is written at `hook`; the hook itself where directions are of another
/// space (`hook_z`).
fn stream_of(model: &Model, hook: HookPoint) -> HookPoint {
    let HookPoint::Block(layer, site) = hook else {
        return hook;
    };
    let block = |site| HookPoint::Block(layer, site);
    match site {
        Site::AttnOut if model.check_hook(block(Site::ResidMid)).is_ok() => block(Site::ResidMid),
        Site::AttnOut | Site::MlpOut => block(Site::ResidPost),
        _ => hook,
    }
}

/// Returns the part of a value that the dictionary reads: one head's, or all of it.
fn own_part<'x>(row: &'x [f32], (model, sae): (&Model, ByToken<'_>), hook: HookPoint) -> &'x [f32] {
    match (sae.provenance.head, model.heads(hook)) {
        (Some(head), Some(heads)) => {
            let width = row.len() / heads.max(1);
            &row[head.index() * width..(head.index() + 1) * width]
        }
        _ => row,
    }
}
