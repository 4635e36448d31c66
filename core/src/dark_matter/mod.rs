//! Splits the error of an SAE into a linear and a nonlinear part (Engels et al. 2024, arXiv 2410.14670).
//!
//! Two least-squares probes with biases read the activation, or another predictor, and predict the error vector and its squared norm. The prediction of the first
//! is the linear part of the error, the rest the nonlinear part. Unlike in the paper's code, fit and figures use different documents, and R² is given both as a
//! mean over dimensions (as in the paper) and weighted by variance.

pub mod depth;
mod fit;
#[cfg(test)]
mod golden_tests;
mod keep;
pub mod ladder;
mod linear;
mod maps;
mod measure;
mod normal;
mod pass;
pub mod places;
pub mod predict;
pub mod pursuit;
mod ridge;
mod sections;
pub mod self_test;
mod source;
mod spec;
pub mod splice;
pub(crate) mod split;
mod stream;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::corpus::{Positions, Rows};
use crate::dims::Matrix;
use crate::error::{Error, Key, Result};
use crate::ids::HookPoint;
pub use fit::{ROWS_AT_ONCE, tokens_at_once};
pub use maps::{LinearMap, linear_maps};
pub use measure::Intervals;
pub use source::{Batch, Source};
pub use spec::{FOLDS, FitSpec, Predictor, RIDGES, Ridge};
pub use stream::{StreamedFit, StreamedProbe};

use crate::fit::{Fit, Made, Verdict};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::{Autoencoder, Sae};
use crate::whole_file;

/// Least number of activations to fit a probe on, per dimension of the activation.
pub const TOKENS_PER_DIMENSION: usize = 20;

/// Default number of activations to fit a probe on, per dimension.
pub const FIT_PER_DIMENSION: usize = 10 * TOKENS_PER_DIMENSION;

/// Largest number of activations to measure a probe on, per dimension.
pub const MEASURED_PER_DIMENSION: usize = 5 * TOKENS_PER_DIMENSION;

/// FVU from which on the linear share says little: the error of a dictionary that reconstructs nothing is the activation itself, trivially linear.
const POOR: f64 = 0.5;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "r2_mean",
        "R² of the error vector predicted from the activation, held-out text, unweighted mean over dimensions",
    ),
    (
        "r2_weighted",
        "R² of the error vector, held-out text: 1 − Σ‖e − ê‖² / Σ‖e − mean e‖²",
    ),
    (
        "r2_norm",
        "R² of the squared norm of the error predicted from the activation, held-out text",
    ),
    (
        "fvu_total",
        "Σ‖x − x̂‖² / Σ‖x − mean x‖² on held-out text, over the positions that count",
    ),
    (
        "fvu_nonlinear",
        "Σ‖x − x̂ − ê‖² / Σ‖x − mean x‖² on held-out text: what reconstruction and linear part together leave",
    ),
    (
        "r2_mean_fit",
        "r2_mean on the text that was fitted on: larger than on held-out text by what the fit learnt by heart",
    ),
    (
        "r2_weighted_fit",
        "r2_weighted on the text that was fitted on",
    ),
    ("r2_norm_fit", "r2_norm on the text that was fitted on"),
    (
        "lambda",
        "ridge λ of the fit: Σ‖e − Wz − b‖² + λ · n · Σ_j var(z_j) ‖W_j‖² is least, n the number of activations; ridge regression on standardised predictors with penalty λ · n, the bias free",
    ),
    (
        "intervals",
        "95 % intervals of the held-out figures: the documents of the held-out text (runs of rows where it has fewer than 16) are drawn with replacement, with the fit as it is",
    ),
    (
        "curve",
        "R² of the error vector, weighted by variance, by λ: each fold of documents of the fitted text is predicted from the other folds",
    ),
];

/// Linear probes of the error vector and of its squared norm from the activation, with biases, and their accuracy on held-out text.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Weights `[d + 1, d]`: error ≈ [x, 1] · weights.
    pub weights: Matrix,
    /// Weights `[d + 1]`: ‖error‖² ≈ [x, 1] · norm_weights.
    pub norm_weights: Vec<f32>,
    /// Held-out R² of the error vector, mean over dimensions.
    pub r2_mean: f64,
    /// Held-out R² of the error vector, weighted by variance.
    pub r2_weighted: f64,
    /// Held-out R² of the squared norm.
    pub r2_norm: f64,
    /// Held-out FVU of the reconstruction.
    pub fvu_total: f64,
    /// Held-out FVU of reconstruction plus linear part.
    pub fvu_nonlinear: f64,
    /// Number of activations fitted on.
    pub fit_tokens: u64,
    /// Number of activations measured on.
    pub held_out_tokens: u64,
    /// Rule for the positions of both texts that count.
    pub positions: Positions,
    /// Whether documents packed in one row were kept apart.
    pub separate_documents: bool,
    /// Number of positions that do not count, in the fitted and in the held-out text; none in probes of older versions.
    pub left_out: Option<(u64, u64)>,
    /// Ridge added to the diagonal of the normal equations, which is scaled to 1; 0 unless the activations do not span their space.
    pub ridge: f64,
    /// Name of the dictionary.
    pub sae: String,
    /// [`Sae::fingerprint`] of the dictionary; empty in an older format.
    pub sae_fingerprint: String,
    /// Name of the model; empty in an older format.
    pub model: String,
    /// [`Model::fingerprint`] of the model; empty in an older format.
    pub model_fingerprint: String,
    /// Settings of the fit, its texts, and further figures.
    pub facts: Facts,
}

/// Settings and texts of a fit, and figures beside those of [`Probe`]; in an older format the defaults.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Hook of the dictionary; none in an older format.
    pub hook: Option<HookPoint>,
    /// Values that predict.
    pub predictor: Predictor,
    /// Number of first positions of each row that do not count.
    pub skip: usize,
    /// Choice of the ridge.
    pub ridge: Ridge,
    /// λ of the fit.
    pub lambda: f64,
    /// R² by λ in a cross-validation; empty without one.
    pub curve: Vec<(f64, f64)>,
    /// R² on the text that was fitted on; none in an older format.
    pub on_fit: Option<OnFit>,
    /// Intervals of the held-out figures; none in an older format and where nothing was drawn.
    pub intervals: Option<Intervals>,
    /// Parts of the held-out text that were drawn for the intervals, as a phrase.
    pub drawn: String,
    /// Fingerprint of the text fitted on; empty in an older format.
    pub fit_text: String,
    /// Fingerprint of the held-out text; empty in an older format.
    pub held_out_text: String,
}

/// R² on the text that was fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct OnFit {
    /// R² of the error vector, mean over dimensions.
    pub r2_mean: f64,
    /// R² of the error vector, weighted by variance.
    pub r2_weighted: f64,
    /// R² of the squared norm.
    pub r2_norm: f64,
}

/// Texts of a fit.
#[derive(Debug, Clone, Copy)]
pub struct FitTexts<'a> {
    /// Rows to fit on.
    pub fit: &'a Rows,
    /// Rows to measure on.
    pub held_out: &'a Rows,
    /// Fingerprints of both texts; empty if unknown.
    pub fingerprints: [&'a str; 2],
}

/// Error norms of one token.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ErrorNorms {
    /// Norm ‖x‖ of the activation.
    pub activation: f32,
    /// Norm ‖x − x̂‖ of the error.
    pub total: f32,
    /// Norm of the linear part.
    pub linear: f32,
    /// Norm of the nonlinear part.
    pub nonlinear: f32,
}

/// Decomposed activations, each `[n, d]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Reconstruction x̂.
    pub reconstruction: Matrix,
    /// Linear part of the error, which the probe predicts.
    pub linear: Matrix,
    /// Nonlinear part of the error.
    pub nonlinear: Matrix,
    /// Norms per token.
    pub norms: Vec<ErrorNorms>,
}

/// Fits the probes on the positions of the text to fit on that count (at least 20·p tokens for a predictor of width p, or refused) and measures them on the
/// held-out text. All rows are used: [`FitSpec::sample`] chooses them. `other` is the dictionary that [`Predictor::Other`] names.
pub fn fit(
    model: &Model,
    (sae, other): (Autoencoder<'_>, Option<&Sae>),
    spec: &FitSpec,
    texts: &FitTexts<'_>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Probe>> {
    fit::run(model, (sae, other), spec, texts, observe)
}

/// Writes a share in a sentence: whole percent, below ten percent with one digit more.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent > 0.0 && percent < 0.05 {
        "less than 0.1 %".to_owned()
    } else if percent != 0.0 && percent.abs() < 9.95 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

impl Probe {
    /// Checks that a probe can be stored at `path`, before fitting one.
    pub fn check_place(path: &Path) -> Result<()> {
        whole_file::check_regular(path)
    }

    /// Writes the probe as one safetensors file, atomically.
    pub fn save(&self, path: &Path) -> Result<()> {
        keep::save(self, path)
    }

    /// Reads a file that [`Probe::save`] wrote.
    pub fn open(path: &Path) -> Result<Self> {
        keep::open(path)
    }

    /// Returns the probe for use with `model` and `sae` despite the verdict of [`Fit::of_probe`].
    #[must_use]
    pub fn taken_for(mut self, model: &Model, sae: &Sae) -> Self {
        self.sae_fingerprint = sae.fingerprint();
        model.fingerprint().clone_into(&mut self.model_fingerprint);
        self
    }

    /// Splits the errors of activations `x [n, d]`: x̂ + linear + nonlinear, added in f32 in this order, is x within 2 units in the last place of the largest of
    /// |x|, |x̂| and |linear|. An error for a probe that reads another hook: [`Self::split_batch`].
    pub fn split(&self, sae: Autoencoder<'_>, x: &Matrix) -> Result<Split> {
        let predictor = &self.facts.predictor;
        if !predictor.is_at_own_hook() {
            let what = format!(
                "the probe of {} predicts from {predictor}, which is not read here: fit a probe from the activation or the reconstruction",
                self.sae
            );
            return Err(Error::setting(Key::Probe, what));
        }
        self.split_batch(Batch::from_activations(sae, x, predictor)?)
    }

    /// Splits the errors of a batch that a [`Source`] with the probe's predictor read, as [`Self::split`] does.
    pub fn split_batch(&self, batch: Batch) -> Result<Split> {
        split::split(&self.weights, batch)
    }

    /// Says in one sentence how much of the variance is missing, and how much of that a linear map adds.
    pub fn missing(&self) -> String {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let explained = format!(
            "The dictionary explains {} of the variance and misses {}",
            percent(1.0 - self.fvu_total),
            percent(self.fvu_total)
        );
        let linear = self.fvu_total - self.fvu_nonlinear;
        let from = &self.facts.predictor;
        if linear <= 0.0 {
            return format!("{explained}; a linear map of {from} adds nothing on held-out text");
        }
        format!(
            "{explained}: {} is a linear map of {from}, {} is not",
            percent(linear),
            percent(self.fvu_nonlinear)
        )
    }

    /// Says in one sentence how much of the error is linear.
    pub fn conclusion(&self) -> String {
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let unexplained = format!(
            "The dictionary leaves {} of the variance unexplained",
            percent(self.fvu_total)
        );
        let between = |ends: Option<[f64; 2]>| match ends {
            Some([low, high]) => format!(" (95 % interval {} to {})", percent(low), percent(high)),
            None => String::new(),
        };
        let of = |figure: fn(&Intervals) -> [f64; 2]| self.facts.intervals.as_ref().map(figure);
        let ends = of(|intervals| intervals.r2_weighted);
        let from = &self.facts.predictor;
        let is_found = ends.map_or(self.r2_weighted > 0.0, |[low, _]| low > 0.0);
        if !is_found {
            return format!(
                "{unexplained}; on held-out text no linear map of {from} predicts any of that error"
            );
        }
        let caveat = if self.fvu_total >= POOR {
            ", which says little where so much is missing"
        } else {
            ""
        };
        format!(
            "{unexplained}; a linear map of {from} predicts {}{} of that error and {}{} of the variation of its squared norm{caveat}",
            percent(self.r2_weighted),
            between(ends),
            percent(self.r2_norm.max(0.0)),
            between(of(|intervals| intervals.r2_norm).map(|ends| ends.map(|end| end.max(0.0)))),
        )
    }

    /// Returns a note if the fit needed a ridge.
    pub fn note(&self) -> Option<String> {
        (self.ridge > 0.0).then(|| {
            format!(
                "The predictors do not span their {} dimensions; a ridge of {:.0e} of each dimension's mean square was added",
                self.weights.rows() - 1,
                self.ridge
            )
        })
    }
}

impl Fit {
    /// Judges whether `probe` was fitted on the errors of `sae` in `model`, as far as they are given.
    pub fn of_probe(probe: &Probe, model: Option<&Model>, sae: Option<&Sae>) -> Self {
        let width = probe.weights.columns();
        if let Some(sae) = sae.filter(|sae| sae.w_dec.columns() != width) {
            let why = format!(
                "The probe of {} is {width} wide, {} is {}: choose its own dictionary, or fit it again with `umbra dark-matter fit`",
                probe.sae,
                sae.name,
                sae.w_dec.columns()
            );
            return Self::new(Verdict::Unfit, why);
        }
        let known = |print: &'_ String| !print.is_empty();
        let what = format!("The probe of {}", probe.sae);
        let made = Made {
            what: &what,
            remedy: "fit it again with `umbra dark-matter fit`",
            sae: &probe.sae,
            sae_fingerprint: Some(&probe.sae_fingerprint)
                .filter(|print| known(print))
                .map(String::as_str),
            model: &probe.model,
            model_fingerprint: Some(&probe.model_fingerprint)
                .filter(|print| known(print))
                .map(String::as_str),
        };
        Self::of_made(made, model, sae)
    }
}
