//! A small block of what a run reads, encoded anew by each snapshot of its dictionary.

use std::collections::BTreeMap;
use std::sync::Arc;

use umbra_core::capture;
use umbra_core::corpus::Mask;
use umbra_core::dims::Matrix;
use umbra_core::error::Result;
use umbra_core::ids::{FeatureId, TokenId};
use umbra_core::latents::Latents;
use umbra_core::models::Model;
use umbra_core::sae::Sae;
use umbra_core::train::Spec;

use super::work::Reads;
use crate::state::training::{Browsed, Fired};

/// Rows of the block.
const ROWS: usize = 32;

/// Examples kept of a feature.
const EXAMPLES: usize = 4;

/// Activations with their tokens.
#[derive(Debug)]
pub(super) struct Block {
    /// `[n, d]`, row after row.
    activations: Matrix,
    tokens: Arc<Vec<String>>,
    context: usize,
    /// Whether each token counts, `[n]`.
    counts: Vec<bool>,
}

impl Block {
    /// Rows from all over what the run reads.
    pub(super) fn new(reads: &Reads, spec: &Spec) -> Result<Self> {
        let spread = |rows: usize| -> Vec<usize> {
            let n = rows.min(ROWS);
            (0..n).map(|i| i * rows / n).collect()
        };
        match reads {
            Reads::Text(model, text) => {
                let rows = &text.text.rows;
                let chosen = spread(rows.len());
                let tokens = chosen.iter().flat_map(|row| rows.row(*row));
                let mask = Mask {
                    rule: spec.positions,
                    special: rows.mask().special.clone(),
                };
                Ok(Self {
                    activations: capture::activations(model, rows, &chosen, spec.hook)?,
                    tokens: shown(tokens.copied(), Some(model)),
                    context: rows.context(),
                    counts: chosen
                        .iter()
                        .flat_map(|row| mask.counts(rows.row(*row)))
                        .collect(),
                })
            }
            Reads::Store(store, open) => {
                let chosen = spread(store.rows());
                // Only the model that the store is of reads its tokens.
                let print = store.about().model_fingerprint.as_deref();
                let is_its = |model: &&Arc<Model>| print == Some(model.fingerprint());
                let model = open.as_ref().filter(is_its);
                Ok(Self {
                    activations: store.activations(spec.hook, &chosen)?,
                    tokens: shown(store.tokens(&chosen)?.into_iter(), model.map(Arc::as_ref)),
                    context: store.about().context,
                    counts: store.counts(&chosen)?,
                })
            }
        }
    }

    /// Finds the tokens that the features of `sae` fire on.
    pub(super) fn browse(&self, sae: &Sae) -> Result<Browsed> {
        let latents = sae.encode(&*sae.own_part(&self.activations)?)?;
        let rows = self.activations.rows() / self.context;
        let mut all: BTreeMap<FeatureId, Seen> = BTreeMap::new();
        for row in 0..rows {
            for (feature, in_row) in self.seen_in(&latents, row) {
                let seen = all.entry(feature).or_default();
                seen.times += in_row.times;
                seen.best.extend(in_row.best);
            }
        }
        let read = self.counts.iter().filter(|counts| **counts).count();
        let mut features: Vec<Fired> = (all.into_iter())
            .map(|(feature, mut seen)| {
                seen.best.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
                seen.best.truncate(EXAMPLES);
                Fired {
                    feature,
                    share: seen.times as f64 / read.max(1) as f64,
                    examples: seen.best,
                }
            })
            .collect();
        features.sort_by(|a, b| b.share.total_cmp(&a.share));
        let seen = sae.provenance.other.get("tokens_seen");
        Ok(Browsed {
            seen: seen.and_then(serde_json::Value::as_u64).unwrap_or(0),
            tokens: Arc::clone(&self.tokens),
            context: self.context,
            read,
            features,
            in_all: sae.features(),
        })
    }

    /// Finds the features that fire in one row at the positions that count.
    fn seen_in(&self, latents: &Latents, row: usize) -> BTreeMap<FeatureId, Seen> {
        let mut all: BTreeMap<FeatureId, Seen> = BTreeMap::new();
        let positions = row * self.context..(row + 1) * self.context;
        let positions = positions.filter(|at| self.counts[*at]);
        for (at, (feature, act)) in positions.flat_map(|at| latents.row(at).map(move |e| (at, e))) {
            let seen = all.entry(feature).or_default();
            seen.times += 1;
            match seen.best.first_mut() {
                Some(best) if best.1.abs() >= act.abs() => {}
                Some(best) => *best = (at, act),
                None => seen.best.push((at, act)),
            }
        }
        all
    }
}

/// A feature in some rows.
#[derive(Debug, Default)]
struct Seen {
    times: usize,
    /// Its strongest token and activation in each row.
    best: Vec<(usize, f32)>,
}

/// Tokens in display form; as numbers without a model.
fn shown(tokens: impl Iterator<Item = TokenId>, model: Option<&Model>) -> Arc<Vec<String>> {
    let show = |token: TokenId| match model {
        Some(model) => model.codec().display(token),
        None => format!(" {token}"),
    };
    Arc::new(tokens.map(show).collect())
}
