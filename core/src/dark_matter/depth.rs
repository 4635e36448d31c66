//! The error along depth: all dictionaries of one model, on the same tokens, from one pass of the model.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::measure::{Measured, predicted};
use super::normal::NormalEquations;
use super::pass::{Pass, parts};
use super::split::linear_part;
use super::{Batch, FitSpec, FitTexts, Ridge, Source, percent};
use crate::corpus::{Blocks, Rows};
use crate::dims::Matrix;
use crate::error::{Error, Key, Result};
use crate::fit::Fit;
use crate::ids::HookPoint;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "l0",
        "mean number of active features per token of the held-out text",
    ),
    (
        "fvu_total",
        "Σ‖x − x̂‖² / Σ‖x − mean x‖² on held-out text, over the positions that count",
    ),
    (
        "fvu_nonlinear",
        "Σ‖x − x̂ − ê‖² / Σ‖x − mean x‖² on held-out text, ê the linear part fitted on the other text",
    ),
    (
        "total",
        "95 % interval of fvu_total, by bootstrap over documents",
    ),
    (
        "nonlinear",
        "95 % interval of fvu_nonlinear, with the fit as it is",
    ),
    (
        "r2_mean",
        "R² of the error vector predicted from the activation, held-out text, unweighted mean over dimensions",
    ),
    (
        "r2_weighted",
        "R² of the error vector, held-out text, weighted by variance",
    ),
    (
        "r2_norm",
        "R² of the squared norm of the error, held-out text",
    ),
];

/// Error of one dictionary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DepthRow {
    /// Name of the dictionary.
    pub sae: String,
    /// [`crate::sae::Sae::fingerprint`] of the dictionary.
    pub fingerprint: String,
    /// Hook of the dictionary.
    pub hook: HookPoint,
    /// Number of features.
    pub features: usize,
    /// Mean number of active features per token.
    pub l0: f64,
    /// FVU of the reconstruction on held-out text.
    pub fvu_total: f64,
    /// FVU of reconstruction plus linear part on held-out text.
    pub fvu_nonlinear: f64,
    /// Interval of `fvu_total`, 95 %.
    pub total: Option<[f64; 2]>,
    /// Interval of `fvu_nonlinear`, 95 %.
    pub nonlinear: Option<[f64; 2]>,
    /// R² of the error vector on held-out text, mean over dimensions.
    pub r2_mean: f64,
    /// R² of the error vector on held-out text, weighted by variance.
    pub r2_weighted: f64,
    /// R² of the squared norm of the error on held-out text.
    pub r2_norm: f64,
}

impl DepthRow {
    /// Returns the part of the FVU that adding the linear part takes away.
    pub fn fvu_linear(&self) -> f64 {
        self.fvu_total - self.fvu_nonlinear
    }
}

/// Error of several dictionaries of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Depth {
    /// Dictionaries, in the order of a forward pass; those of one hook by their number of features.
    pub rows: Vec<DepthRow>,
    /// Dictionaries that were left out, and why.
    pub left_out: Vec<(String, String)>,
    /// Number of activations fitted on.
    pub fit_tokens: u64,
    /// Number of activations measured on.
    pub held_out_tokens: u64,
    /// Parts of the text that were drawn for the intervals, as a phrase.
    pub drawn: String,
}

impl Depth {
    /// Says in one sentence how the error changes with depth.
    pub fn conclusion(&self) -> String {
        let by_total = |a: &&DepthRow, b: &&DepthRow| a.fvu_total.total_cmp(&b.fvu_total);
        let (Some(least), Some(most)) = (
            self.rows.iter().min_by(by_total),
            self.rows.iter().max_by(by_total),
        ) else {
            return "No dictionary was measured".to_owned();
        };
        if self.rows.len() == 1 {
            return format!(
                "{} leaves {} unexplained; depth needs a second dictionary",
                least.sae,
                percent(least.fvu_total)
            );
        }
        let apart =
            matches!((least.total, most.total), (Some(least), Some(most)) if least[1] < most[0]);
        let linear = |row: &DepthRow| row.fvu_linear() / row.fvu_total;
        let by_linear = |a: &&DepthRow, b: &&DepthRow| linear(a).total_cmp(&linear(b));
        let shares = [
            self.rows.iter().min_by(by_linear),
            self.rows.iter().max_by(by_linear),
        ]
        .map(|row| row.map_or(0.0, |row| 100.0 * linear(row)));
        let ends = if apart {
            format!(
                "{} at {} leaves most unexplained ({}), {} at {} least ({})",
                most.sae,
                most.hook,
                percent(most.fvu_total),
                least.sae,
                least.hook,
                percent(least.fvu_total)
            )
        } else {
            format!(
                "All {} dictionaries leave between {} and {} unexplained, within the intervals of each other",
                self.rows.len(),
                percent(least.fvu_total),
                percent(most.fvu_total)
            )
        };
        format!(
            "{ends}; {:.0} to {:.0} % of it is linear in the activation",
            shares[0], shares[1]
        )
    }
}

/// Fits and measures the errors of `saes`, dictionaries of `model`, on the same rows; those that do not belong to the model, or whose width needs more text, are
/// left out by name. An error if none is left, or if the predictor of `spec` is at another hook than the dictionary's.
pub fn measure(
    model: &Model,
    saes: &[&Sae],
    spec: &FitSpec,
    texts: &FitTexts<'_>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Depth>> {
    if !spec.predictor.is_at_own_hook() {
        let what = format!(
            "the errors of several dictionaries cannot be predicted from {}: choose the activation or the reconstruction",
            spec.predictor
        );
        return Err(Error::setting("predictor", what));
    }
    if spec.ridge == Ridge::CrossValidated {
        let what =
            "a cross-validation for each of several dictionaries is not offered: give a number";
        return Err(Error::setting("ridge", what));
    }
    let (mut studied, left_out) = studied(model, saes, spec, texts)?;
    let hooks: BTreeSet<HookPoint> = studied.iter().map(|one| one.source.hook()).collect();
    let hooks: Vec<HookPoint> = hooks.into_iter().collect();
    let (fit, held_out) = (texts.fit, texts.held_out);
    let mut pass = Pass::new(model, fit.len() + held_out.len(), observe);
    let ended = pass.each(fit, &hooks, &mut |chosen, at| {
        for one in &mut studied {
            let batch = one.batch(fit, chosen, (&hooks, at))?;
            one.equations
                .add_errors(batch.predictor(), &batch.error())?;
        }
        Ok(())
    })?;
    if ended.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let blocks = Blocks::new(held_out);
    let measuring = studied
        .into_iter()
        .map(|one| one.solved(blocks.len(), spec));
    let mut measuring: Vec<Measuring<'_>> = measuring.collect::<Result<_>>()?;
    let ended = pass.each(held_out, &hooks, &mut |chosen, at| {
        let parts = parts(&blocks, held_out, chosen);
        for one in &mut measuring {
            let batch = one.of.batch(held_out, chosen, (&hooks, at))?;
            one.add(&batch, &parts)?;
        }
        Ok(())
    })?;
    if ended.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let rows = measuring.iter().map(|one| one.row(spec));
    let mut rows: Vec<DepthRow> = rows.collect::<Result<_>>()?;
    rows.sort_by_key(|row| (row.hook, row.features, row.sae.clone()));
    Ok(Ended::Done(Depth {
        rows,
        left_out,
        fit_tokens: fit.counted() as u64,
        held_out_tokens: held_out.counted() as u64,
        drawn: blocks.said(),
    }))
}

/// Dictionaries that are measured, and the names of the others with the reason.
type Chosen<'a> = (Vec<Studied<'a>>, Vec<(String, String)>);

/// Chooses the dictionaries that belong to `model` and have enough text.
fn studied<'a>(
    model: &Model,
    saes: &[&'a Sae],
    spec: &'a FitSpec,
    texts: &FitTexts<'_>,
) -> Result<Chosen<'a>> {
    let (mut studied, mut left_out) = (Vec::new(), Vec::new());
    let mut last = None;
    for sae in saes {
        match Studied::new(model, sae, spec, texts) {
            Ok(one) => studied.push(one),
            Err(why) => {
                left_out.push((sae.name.clone(), why.to_string()));
                last = Some(why);
            }
        }
    }
    match last {
        Some(why) if studied.is_empty() => Err(why),
        None if studied.is_empty() => Err(Error::setting(Key::Sae, "no dictionary is named")),
        _ => Ok((studied, left_out)),
    }
}

/// Dictionary while the text to fit on is read.
struct Studied<'a> {
    source: Source<'a>,
    equations: NormalEquations,
}

impl<'a> Studied<'a> {
    fn new(model: &Model, sae: &'a Sae, spec: &'a FitSpec, texts: &FitTexts<'_>) -> Result<Self> {
        let fit = Fit::judge(model, sae);
        if fit.is_refused() {
            return Err(Error::Mismatch { what: fit.why });
        }
        let source = Source::new(model, sae.autoencoder()?, &spec.predictor, None)?;
        super::fit::check(&source, texts)?;
        let width = sae.width();
        Ok(Self {
            source,
            equations: NormalEquations::new(width, width + 1),
        })
    }

    fn batch(
        &self,
        rows: &Rows,
        chosen: &[usize],
        (hooks, at): (&[HookPoint], &[Matrix]),
    ) -> Result<Batch> {
        let own = hooks.iter().position(|hook| *hook == self.source.hook());
        let own = own.and_then(|own| at.get(own..=own)).unwrap_or_default();
        self.source.batch(rows, chosen, own)
    }

    fn solved(mut self, parts: usize, spec: &FitSpec) -> Result<Measuring<'a>> {
        let width = self.source.sae().width();
        let equations = std::mem::replace(&mut self.equations, NormalEquations::new(0, 0));
        let lambda = match spec.ridge {
            Ridge::None | Ridge::CrossValidated => 0.0,
            Ridge::Fixed(lambda) => lambda,
        };
        let solution = equations.solve(lambda)?;
        Ok(Measuring {
            weights: solution.weights(0, width)?,
            for_norms: solution.column(width).to_vec(),
            measured: Measured::new(width, parts),
            active: 0,
            of: self,
        })
    }
}

/// Dictionary while the held-out text is read.
struct Measuring<'a> {
    of: Studied<'a>,
    weights: Matrix,
    for_norms: Vec<f64>,
    measured: Measured,
    active: u64,
}

impl Measuring<'_> {
    fn add(&mut self, batch: &Batch, parts: &[usize]) -> Result<()> {
        let linear = linear_part(&self.weights, batch.predictor())?;
        let predicted = predicted(batch.predictor(), &self.for_norms);
        self.measured
            .add([&batch.x, &batch.error(), &linear], &predicted, parts);
        self.active += batch.latents.features.len() as u64;
        Ok(())
    }

    fn row(&self, spec: &FitSpec) -> Result<DepthRow> {
        let sae = self.of.source.sae();
        let figures = self.measured.figures()?;
        let ends = self.measured.intervals(spec.draws, spec.seed);
        Ok(DepthRow {
            sae: sae.name.clone(),
            fingerprint: sae.fingerprint(),
            hook: self.of.source.hook(),
            features: sae.features(),
            l0: self.active as f64 / self.measured.tokens.max(1) as f64,
            fvu_total: figures.fvu_total,
            fvu_nonlinear: figures.fvu_nonlinear,
            total: ends.map(|ends| ends.fvu_total),
            nonlinear: ends.map(|ends| ends.fvu_nonlinear),
            r2_mean: figures.r2_mean,
            r2_weighted: figures.r2_weighted,
            r2_norm: figures.r2_norm,
        })
    }
}
