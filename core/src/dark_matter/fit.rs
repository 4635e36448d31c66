//! Fits the probes on a text: streams activations in fixed chunks of rows, first for the fit, then for the held-out figures.

use crate::corpus::{Blocks, Rows};
use crate::error::{Error, Key, Result};
use crate::models::Model;
use crate::sae::{Autoencoder, Sae};
use crate::{Ended, Flow, Progress};

use super::measure::{Measured, predicted, rounded};
use super::normal::{NormalEquations, Solution};
use super::pass::{Pass, counted, parts};
use super::source::Source;
use super::{
    FOLDS, Facts, FitSpec, FitTexts, OnFit, Probe, Ridge, TOKENS_PER_DIMENSION, ridge, split,
};

/// Number of rows whose activations are in memory at a time.
pub const ROWS_AT_ONCE: usize = 32;

/// Returns how many tokens of `rows` the dictionary gets at a time, at most.
pub fn tokens_at_once(rows: &Rows) -> usize {
    rows.context() * ROWS_AT_ONCE.min(rows.len())
}

/// Fits the probes for [`super::fit`].
pub(super) fn run(
    model: &Model,
    (sae, other): (Autoencoder<'_>, Option<&Sae>),
    spec: &FitSpec,
    texts: &FitTexts<'_>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Probe>> {
    let source = Source::new(model, sae, &spec.predictor, other)?;
    check(&source, texts)?;
    let rows = texts.fit.len() + texts.held_out.len();
    let mut pass = Pass::new(model, rows, observe);
    let Ended::Done(fitted) = fitted(&source, spec, texts.fit, &mut pass)? else {
        return Ok(Ended::STOPPED);
    };
    let d = sae.width();
    let weights = fitted.solution.weights(0, d)?;
    let norm_weights = fitted.solution.weights(d, 1)?.into_values();
    let blocks = Blocks::new(texts.held_out);
    let mut measured = Measured::new(d, blocks.len());
    let for_norms: Vec<f64> = norm_weights.iter().map(|w| f64::from(*w)).collect();
    let ended = pass.each(texts.held_out, source.hooks(), &mut |chosen, at| {
        let batch = source.batch(texts.held_out, chosen, at)?;
        let linear = split::linear_part(&weights, batch.predictor())?;
        measured.add(
            [&batch.x, &batch.error(), &linear],
            &predicted(batch.predictor(), &for_norms),
            &parts(&blocks, texts.held_out, chosen),
        );
        Ok(())
    })?;
    if ended.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let figures = measured.figures()?;
    let left_out = texts.fit.left_out() as u64;
    Ok(Ended::Done(Probe {
        weights,
        norm_weights,
        r2_mean: figures.r2_mean,
        r2_weighted: figures.r2_weighted,
        r2_norm: figures.r2_norm,
        fvu_total: figures.fvu_total,
        fvu_nonlinear: figures.fvu_nonlinear,
        fit_tokens: fitted.tokens,
        held_out_tokens: measured.tokens,
        positions: texts.fit.mask().rule,
        separate_documents: texts.fit.separates_documents(),
        left_out: Some((left_out, texts.held_out.left_out() as u64)),
        ridge: fitted.solution.ridge,
        sae: sae.name.clone(),
        sae_fingerprint: sae.fingerprint(),
        model: model.name().to_owned(),
        model_fingerprint: model.fingerprint().to_owned(),
        facts: Facts {
            hook: Some(source.hook()),
            predictor: spec.predictor.clone(),
            skip: texts.fit.skipped(),
            ridge: spec.ridge,
            lambda: fitted.lambda,
            curve: fitted.curve,
            on_fit: Some(fitted.on_fit),
            intervals: measured.intervals(spec.draws, spec.seed),
            drawn: blocks.said(),
            fit_text: texts.fingerprints[0].to_owned(),
            held_out_text: texts.fingerprints[1].to_owned(),
        },
    }))
}

/// A fit and its figures on the text that it was fitted on.
struct Fitted {
    solution: Solution,
    tokens: u64,
    lambda: f64,
    curve: Vec<(f64, f64)>,
    on_fit: OnFit,
}

/// Sums the normal equations over the text to fit on, chooses the ridge, and solves.
fn fitted(
    source: &Source<'_>,
    spec: &FitSpec,
    rows: &Rows,
    pass: &mut Pass<'_>,
) -> Result<Ended<Fitted>> {
    let d = source.sae().width();
    let empty = NormalEquations::new(source.inputs(), d + 1);
    let is_compared = spec.ridge == Ridge::CrossValidated;
    let fold_of = if is_compared {
        ridge::folds(rows)
    } else {
        Vec::new()
    };
    let count = if is_compared { FOLDS } else { 1 };
    let mut folds = vec![empty; count];
    let ended = pass.each(rows, source.hooks(), &mut |chosen, at| {
        let batch = source.batch(rows, chosen, at)?;
        let (z, error) = (batch.predictor(), batch.error());
        if let [all] = folds.as_mut_slice() {
            return all.add_errors(z, &error);
        }
        let tokens = counted(rows, chosen);
        for (number, fold) in (0..).zip(&mut folds) {
            let own: Vec<bool> = tokens
                .iter()
                .map(|token| fold_of[*token] == number)
                .collect();
            fold.add_errors(&z.rows_where(&own), &error.rows_where(&own))?;
        }
        Ok(())
    })?;
    if ended.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let all = whole(&mut folds);
    let (lambda, curve) = match spec.ridge {
        Ridge::None => (0.0, Vec::new()),
        Ridge::Fixed(lambda) => (lambda, Vec::new()),
        Ridge::CrossValidated => {
            let curve = ridge::curve(&all, &folds, d)?;
            let curve: Vec<_> = (curve.into_iter())
                .map(|(lambda, r2)| (lambda, rounded(r2)))
                .collect();
            (ridge::best(&curve), curve)
        }
    };
    let (tokens, spreads) = (all.tokens, all.spreads());
    let solution = all.solve(lambda)?;
    let on_fit = OnFit::new(&solution.left, &spreads);
    Ok(Ended::Done(Fitted {
        solution,
        tokens,
        lambda,
        curve,
        on_fit,
    }))
}

/// Returns the sums of all folds; a single fold is taken as it is.
fn whole(folds: &mut Vec<NormalEquations>) -> NormalEquations {
    match folds.as_slice() {
        [_] => folds.remove(0),
        all => {
            let first = all[0].clone();
            all[1..].iter().fold(first, |sum, fold| sum.with(fold, 1.0))
        }
    }
}

impl OnFit {
    /// Computes R² from the squared errors and the spreads of all targets, the squared norm last.
    fn new(left: &[f64], spreads: &[f64]) -> Self {
        let d = left.len().saturating_sub(1);
        let ratio = |left: f64, spread: f64| {
            if spread > 0.0 {
                1.0 - left / spread
            } else {
                0.0
            }
        };
        let pairs = left.iter().zip(spreads).take(d);
        let each: Vec<f64> = pairs
            .filter(|(_, spread)| **spread > 0.0)
            .map(|(left, spread)| ratio(*left, *spread))
            .collect();
        let all = |of: &[f64]| of.iter().take(d).sum::<f64>();
        let of_norm = left.last().zip(spreads.last());
        Self {
            r2_mean: rounded(each.iter().sum::<f64>() / each.len().max(1) as f64),
            r2_weighted: rounded(ratio(all(left), all(spreads))),
            r2_norm: rounded(of_norm.map_or(0.0, |(left, spread)| ratio(*left, *spread))),
        }
    }
}

/// Rejects texts that are too short or read otherwise than each other, before computing anything.
pub(super) fn check(source: &Source<'_>, texts: &FitTexts<'_>) -> Result<()> {
    let (fit, held_out) = (texts.fit, texts.held_out);
    let tokens = fit.counted();
    let width = source.inputs();
    let needed = TOKENS_PER_DIMENSION * width;
    if tokens < needed {
        return Err(Error::setting(
            "training text",
            format!(
                "{tokens} counted tokens are too few for a linear probe of width {width}, which needs {needed}: give more text"
            ),
        ));
    }
    if fit.separates_documents() != held_out.separates_documents() {
        let what = "one text is read with separate documents and the other across documents: read both the same way";
        return Err(Error::setting(Key::SeparateDocuments, what));
    }
    if fit.mask() != held_out.mask() || fit.skipped() != held_out.skipped() {
        let what = format!(
            "its positions count by {} from position {} on and those of the training text by {} from position {} on: read both by the same rule",
            held_out.mask().rule,
            held_out.skipped(),
            fit.mask().rule,
            fit.skipped()
        );
        return Err(Error::setting("held-out text", what));
    }
    if held_out.counted() < 2 {
        return Err(Error::setting(
            "held-out text",
            "fewer than two tokens count: give more text",
        ));
    }
    Ok(())
}
