//! Linear parts of the errors of several dictionaries: one pass of the model, ordinary least squares with an intercept and without a ridge.

use super::normal::NormalEquations;
use super::{ROWS_AT_ONCE, TOKENS_PER_DIMENSION, split};
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Key, Result};
use crate::ids::HookPoint;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Autoencoder;
use crate::{capture, formats};

/// Map from an activation to the linear part of its error.
#[derive(Debug, Clone)]
pub(super) struct Fitted {
    /// Weights `[d + 1, d]`: error ≈ [x, 1] · weights.
    pub(super) weights: Matrix,
    /// Weights `[d + 1]`: ‖error‖² ≈ [x, 1] · norm_weights.
    pub(super) norm_weights: Vec<f32>,
    /// Number of activations fitted on.
    pub(super) tokens: u64,
    /// Ridge on the diagonal of ones; 0 unless the activations do not span their space.
    pub(super) ridge: f64,
}

impl Fitted {
    /// Solves for the maps to errors `[n, d]` and to their squared norms.
    pub(super) fn new(equations: NormalEquations, d: usize) -> Result<Self> {
        let tokens = equations.tokens;
        let solution = equations.solve(0.0)?;
        Ok(Self {
            weights: solution.weights(0, d)?,
            norm_weights: solution.weights(d, 1)?.into_values(),
            tokens,
            ridge: solution.ridge,
        })
    }
}

/// Fits the linear part of the error of each dictionary on the positions of `fit` that count.
pub(super) fn fit(
    model: &Model,
    saes: &[Autoencoder<'_>],
    (fit, held_out): (&Rows, &Rows),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Fitted>>> {
    for sae in saes {
        check(model, *sae, fit)?;
    }
    alike(fit, held_out)?;
    let mut equations: Vec<NormalEquations> = saes
        .iter()
        .map(|sae| NormalEquations::new(sae.width(), sae.width() + 1))
        .collect();
    let ended = each(model, saes, fit, observe, &mut |read| {
        for ((sae, x), equations) in saes.iter().zip(&read).zip(&mut equations) {
            let (_, error) = split::error(*sae, x)?;
            equations.add_errors(x, &error)?;
        }
        Ok(())
    })?;
    if ended.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let solved = equations.into_iter().zip(saes);
    let solved = solved.map(|(equations, sae)| Fitted::new(equations, sae.width()));
    Ok(Ended::Done(solved.collect::<Result<_>>()?))
}

/// Runs the model over `rows` and gives `take` the activations `[n, d]` that each dictionary reads at the positions that count, chunk after chunk.
pub(super) fn each(
    model: &Model,
    saes: &[Autoencoder<'_>],
    rows: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
    take: &mut dyn FnMut(Vec<Matrix>) -> Result<()>,
) -> Result<Ended<()>> {
    let hooks: Vec<HookPoint> = saes.iter().map(|sae| sae.hook()).collect::<Result<_>>()?;
    let mut distinct = hooks.clone();
    distinct.sort_unstable();
    distinct.dedup();
    for start in (0..rows.len()).step_by(ROWS_AT_ONCE) {
        let chunk: Vec<usize> = (start..rows.len().min(start + ROWS_AT_ONCE)).collect();
        let all = capture::activations_at(model, rows, &chunk, &distinct)?;
        let mut read = Vec::with_capacity(saes.len());
        for (sae, hook) in saes.iter().zip(&hooks) {
            let whole = distinct.iter().zip(&all).find(|(at, _)| *at == hook);
            let Some((_, whole)) = whole else { continue };
            read.push(rows.kept(&chunk, &*sae.own_part(whole)?));
        }
        take(read)?;
        let done = start + chunk.len();
        if observe(Progress::rows(done, rows.len())).is_break() && done < rows.len() {
            return Ok(Ended::STOPPED);
        }
    }
    Ok(Ended::Done(()))
}

/// Says what a reader must know about the fits: few activations, or a ridge.
pub(super) fn notes(fitted: &[Fitted], saes: &[Autoencoder<'_>]) -> Vec<String> {
    let mut notes = Vec::new();
    for (fitted, sae) in fitted.iter().zip(saes) {
        let wanted = TOKENS_PER_DIMENSION * sae.width();
        if fitted.tokens < wanted as u64 {
            notes.push(format!(
                "The linear part of {} was fitted on {} activations, fewer than {TOKENS_PER_DIMENSION} per dimension ({wanted}): it fits chance too, so read its held-out figures with care",
                sae.name, fitted.tokens
            ));
        }
        if fitted.ridge > 0.0 {
            notes.push(format!(
                "The activations that {} reads do not span their {} dimensions; a ridge of {:.0e} of each dimension's mean square was added",
                sae.name,
                sae.width(),
                fitted.ridge
            ));
        }
    }
    notes
}

/// Rejects a dictionary of another width, and a text with fewer activations than unknowns.
pub(super) fn check(model: &Model, sae: Autoencoder<'_>, fit: &Rows) -> Result<()> {
    let width = formats::width_for(&sae, model, sae.hook()?)?;
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
    if fit.counted() <= width + 1 {
        let what = format!(
            "{} counted tokens do not determine a linear map of width {width} ({} needs {} or more): give more text",
            fit.counted(),
            sae.name,
            TOKENS_PER_DIMENSION * width
        );
        return Err(Error::setting("training text", what));
    }
    Ok(())
}

/// Rejects two texts that are read differently.
pub(super) fn alike(fit: &Rows, held_out: &Rows) -> Result<()> {
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
        let what = "fewer than two tokens count: give more text";
        return Err(Error::setting("held-out text", what));
    }
    Ok(())
}

/// Returns `a − b`.
pub(super) fn less(a: &Matrix, b: &Matrix) -> Matrix {
    let mut rest = a.clone();
    for (rest, b) in rest.values_mut().iter_mut().zip(b.values()) {
        *rest -= b;
    }
    rest
}
