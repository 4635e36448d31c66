//! Fits of a dictionary's error, and studies of where the error is, from two texts to the result and its place with a project.

use serde_json::json;

use super::pair::Pair;
use super::text::Text;
use crate::dark_matter::depth::{self, Depth};
use crate::dark_matter::places::{self, Places};
use crate::dark_matter::{self, FitSpec, FitTexts, Probe};
use crate::error::Result;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::project::{MadeWith, Project};
use crate::sae::Sae;

/// Kind of the study of where the error of a dictionary is, kept under the dictionary's name.
pub const PLACES: &str = "places";
/// Kind of the study of the error along depth, kept under [`super::error_parts::ALL`].
pub const DEPTH: &str = "depth";

/// Rows of both texts that a fit reads, chosen by its settings.
#[derive(Debug, Clone)]
pub struct Sampled {
    /// Text to fit on and text to measure on, with the chosen rows.
    pub texts: [Text; 2],
}

impl Sampled {
    /// Chooses rows of the text to fit on and of the text to measure on, for activations of width `width`.
    pub fn new(spec: &FitSpec, texts: [Text; 2], width: usize) -> Self {
        let (fit, held_out) = spec.sample((&texts[0].rows, &texts[1].rows), width);
        let [mut fitted, mut measured] = texts;
        (fitted.rows, measured.rows) = (fit, held_out);
        Self {
            texts: [fitted, measured],
        }
    }

    /// Number of tokens that the dictionary gets at a time, at most.
    pub fn tokens_at_once(&self) -> usize {
        dark_matter::tokens_at_once(&self.texts[0].rows)
    }

    fn read(&self) -> FitTexts<'_> {
        let [fit, held_out] = &self.texts;
        FitTexts {
            fit: &fit.rows,
            held_out: &held_out.rows,
            fingerprints: [&fit.fingerprint, &held_out.fingerprint],
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
        dark_matter::fit(&pair.model, (sae, other), spec, &self.read(), observe)
    }

    /// Measures where the error of `pair` is, split by `probe`.
    pub fn places(
        &self,
        pair: &Pair,
        other: Option<&Sae>,
        (probe, spec): (&Probe, &FitSpec),
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<Places>> {
        let sae = pair.sae.autoencoder()?;
        let by = (probe, spec.draws, spec.seed);
        places::measure(&pair.model, (sae, other), by, &self.read(), observe)
    }

    /// Measures the errors of `saes` along the depth of `model`.
    pub fn depth(
        &self,
        model: &Model,
        saes: &[&Sae],
        spec: &FitSpec,
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<Depth>> {
        depth::measure(model, saes, spec, &self.read(), observe)
    }

    /// Keeps where the error of `pair` is with `project`.
    pub fn keep_places(
        &self,
        project: &Project,
        pair: &Pair,
        (probe, spec): (&Probe, &FitSpec),
        places: &Places,
    ) -> Result<()> {
        // The probe may have been fitted otherwise, and on another text, than these norms.
        let of_probe = json!({ "facts": probe.facts, "tokens": probe.fit_tokens });
        let made = self.made(&pair.model, &[&pair.sae], (spec, &of_probe))?;
        project.keep_study(PLACES, &pair.sae.name, &made, places)
    }

    /// Keeps the error along depth with `project`.
    pub fn keep_depth(
        &self,
        project: &Project,
        (model, saes): (&Model, &[&Sae]),
        spec: &FitSpec,
        depth: &Depth,
    ) -> Result<()> {
        let made = self.made(model, saes, (spec, &json!(null)))?;
        project.keep_study(DEPTH, super::error_parts::ALL, &made, depth)
    }

    fn made(
        &self,
        model: &Model,
        saes: &[&Sae],
        (spec, probe): (&FitSpec, &serde_json::Value),
    ) -> Result<MadeWith> {
        let texts =
            (self.texts.each_ref()).map(|text| (text.phrase.as_str(), text.fingerprint.as_str()));
        let [fit, held_out] = &self.texts;
        let settings = json!({
            "fit": spec,
            "probe": probe,
            "positions": held_out.rows.mask().rule,
            "fit_tokens": fit.rows.counted(),
            "held_out_tokens": held_out.rows.counted(),
        });
        MadeWith::new(model, saes, &texts, &settings)
    }
}
