//! A fit of the probes of a dictionary's error, from two texts to the probe.

use super::pair::Pair;
use super::text::Text;
use crate::corpus::Rows;
use crate::dark_matter::{self, FitSpec, FitTexts, Probe};
use crate::error::Result;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;

/// Rows of both texts that a fit reads, chosen by its settings.
#[derive(Debug, Clone)]
pub struct Sampled {
    /// Rows to fit on.
    pub fit: Rows,
    /// Rows to measure on.
    pub held_out: Rows,
    fingerprints: [String; 2],
}

impl Sampled {
    /// Chooses rows of the text to fit on and of the text to measure on, for activations of width `width`.
    pub fn new(spec: &FitSpec, texts: &[Text; 2], width: usize) -> Self {
        let [fit, held_out] = texts;
        let fingerprints = [&fit.fingerprint, &held_out.fingerprint].map(Clone::clone);
        let (fit, held_out) = spec.sample((&fit.rows, &held_out.rows), width);
        Self {
            fit,
            held_out,
            fingerprints,
        }
    }

    /// Number of tokens that the dictionary gets at a time, at most.
    pub fn tokens_at_once(&self) -> usize {
        dark_matter::tokens_at_once(&self.fit)
    }

    /// Returns the rows as the studies of the error take them.
    pub fn texts(&self) -> FitTexts<'_> {
        let [fit, held_out] = &self.fingerprints;
        FitTexts {
            fit: &self.fit,
            held_out: &self.held_out,
            fingerprints: [fit, held_out],
        }
    }

    /// Fits the probes of `pair`; `other` is the dictionary that the predictor names.
    pub fn fit(
        &self,
        pair: &Pair,
        other: Option<&Sae>,
        spec: &FitSpec,
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<Probe>> {
        let sae = pair.sae.autoencoder()?;
        dark_matter::fit(&pair.model, (sae, other), spec, &self.texts(), observe)
    }
}
