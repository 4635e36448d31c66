//! Fits the probes on a text: streams activations in fixed chunks of rows, first for the fit, then for the held-out figures.

use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Key, Result};
use crate::ids::HookPoint;
use crate::models::Model;
use crate::sae::Autoencoder;
use crate::{Ended, Flow, Progress, capture, formats};

use super::measure::Measured;
use super::normal::NormalEquations;
use super::{Probe, TOKENS_PER_DIMENSION, split};

/// Number of rows whose activations are in memory at a time.
pub const ROWS_AT_ONCE: usize = 32;

/// Returns how many tokens of `rows` the dictionary gets at a time, at most.
pub fn tokens_at_once(rows: &Rows) -> usize {
    rows.context() * ROWS_AT_ONCE.min(rows.len())
}

/// Fits the probes for [`super::fit`].
pub(super) fn run(
    model: &Model,
    sae: Autoencoder<'_>,
    fit: &Rows,
    held_out: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Probe>> {
    let hook = sae.hook()?;
    let width = formats::width_for(&sae, model, hook)?;
    check(sae, width, fit, held_out)?;
    let mut stream = Stream {
        model,
        sae,
        hook,
        done: 0,
        rows: fit.len() + held_out.len(),
        observe,
    };
    let mut equations = NormalEquations::new(width);
    let ended = stream.each(fit, &mut |x| {
        let (_, error) = split::error(sae, &x)?;
        equations.add(&x, &error)
    })?;
    if ended.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let fit_tokens = equations.tokens;
    let solution = equations.solve()?;
    let mut measured = Measured::new(width);
    let ended = stream.each(held_out, &mut |x| {
        let (_, error) = split::error(sae, &x)?;
        let linear = split::linear_part(&solution.weights, &x)?;
        measured.add(&x, &error, &linear, &solution.norm_weights);
        Ok(())
    })?;
    if ended.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let figures = measured.figures()?;
    Ok(Ended::Done(Probe {
        weights: solution.weights,
        norm_weights: solution.norm_weights,
        r2_mean: figures.r2_mean,
        r2_weighted: figures.r2_weighted,
        r2_norm: figures.r2_norm,
        fvu_total: figures.fvu_total,
        fvu_nonlinear: figures.fvu_nonlinear,
        fit_tokens,
        held_out_tokens: measured.tokens,
        positions: fit.mask().rule,
        separate_documents: fit.separates_documents(),
        left_out: Some((fit.left_out() as u64, held_out.left_out() as u64)),
        ridge: solution.ridge,
        sae: sae.name.clone(),
        sae_fingerprint: sae.fingerprint(),
        model: model.name().to_owned(),
        model_fingerprint: model.fingerprint().to_owned(),
    }))
}

/// Rejects a dictionary of another width and texts that are too short, before computing anything.
fn check(sae: Autoencoder<'_>, width: usize, fit: &Rows, held_out: &Rows) -> Result<()> {
    if sae.width() != width {
        return Err(Error::Shape {
            op: "dark matter",
            what: format!(
                "dictionary {} has width {}, its hook in this model {width}: open the model it was trained on",
                sae.name,
                sae.width()
            ),
        });
    }
    let tokens = fit.counted();
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
    if fit.mask() != held_out.mask() {
        let what = format!(
            "its positions count by {} and those of the training text by {}: read both by the same rule",
            held_out.mask().rule,
            fit.mask().rule
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

/// Rows read through a model, with overall progress.
struct Stream<'a> {
    model: &'a Model,
    sae: Autoencoder<'a>,
    hook: HookPoint,
    done: usize,
    rows: usize,
    observe: &'a mut dyn FnMut(Progress) -> Flow,
}

impl Stream<'_> {
    /// Gives `take` the activations at positions that count, chunk after chunk.
    fn each(
        &mut self,
        rows: &Rows,
        take: &mut dyn FnMut(Matrix) -> Result<()>,
    ) -> Result<Ended<()>> {
        for start in (0..rows.len()).step_by(ROWS_AT_ONCE) {
            let chunk: Vec<usize> = (start..rows.len().min(start + ROWS_AT_ONCE)).collect();
            let x = capture::activations(self.model, rows, &chunk, self.hook)?;
            let x = self.sae.own_part(&x)?;
            take(rows.kept(&chunk, &x))?;
            self.done += chunk.len();
            if (self.observe)(Progress::rows(self.done, self.rows)).is_break() {
                return Ok(Ended::STOPPED);
            }
        }
        Ok(Ended::Done(()))
    }
}
