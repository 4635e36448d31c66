//! Steering scores of a dictionary, kept in its index: for the command line and the window.

use std::path::Path;

use super::pair::Pair;
use super::text::Text;
use crate::error::Result;
use crate::features::Index;
use crate::features::scores::{self, Asked, Scores};
use crate::ids::FeatureId;
use crate::progress::{Ended, Flow, Progress};
use crate::steer::score::{CONTEXTS, TOKENS, score};

/// Settings of scores beside the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Contexts that are drawn.
    pub contexts: usize,
    /// Tokens of a context at most.
    pub tokens: usize,
    /// Seed of the draw.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            contexts: CONTEXTS,
            tokens: TOKENS,
            seed: 0,
        }
    }
}

/// Measures the live features of `index` on `text` and writes `out`, a copy of the index with the scores (it may be the index itself). Features that the index
/// holds scores of by the same settings are not measured again. Stopped, it writes the scores so far.
pub fn keep(
    (pair, text): (&Pair, &Text),
    (index, out): (&Index, &Path),
    settings: Settings,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Scores, Scores>> {
    index.check_features(&pair.sae)?;
    let asked = Asked {
        contexts: settings.contexts,
        tokens: settings.tokens,
        seed: settings.seed,
        text: text.phrase.clone(),
        fingerprint: text.fingerprint.clone(),
    };
    let live: Vec<FeatureId> = index
        .summaries()?
        .iter()
        .filter(|summary| summary.density > 0.0)
        .map(|summary| summary.feature)
        .collect();
    let before = index.scores()?;
    let subject = (&*pair.model, pair.sae.by_token()?);
    let ended = score(
        subject,
        (&text.rows, &asked),
        &live,
        before.clone(),
        observe,
    )?;
    if before.as_ref() != Some(ended.value()) && !ended.value().scores.is_empty() {
        scores::write(index, ended.value(), out)?;
    }
    Ok(ended)
}
