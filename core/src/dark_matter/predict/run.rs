//! Fits the maps on one text and measures them on another: one pass of the model over each for all sources.

use super::sums::{Spread, accuracy, drawn};
use super::{DRAWS, Predictions, Relation, Row};
use crate::corpus::{Blocks, Resampled, Rows};
use crate::dark_matter::linear::{self, Fitted};
use crate::dark_matter::normal::NormalEquations;
use crate::dark_matter::split;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::HookPoint;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Autoencoder;

/// Predicts the error of `target` and its parts from the reconstructions of `sources`, from its own, and from the activation, by least squares with an intercept
/// and without a ridge, fitted on the positions of `fit` that count and measured on `held_out`.
///
/// Normal equations of a source of width `w` take 8·(w + 1)·(w + 2d + 2) bytes. A source that is `target` itself is not read twice. Too few activations for a fit,
/// and texts that are read differently, are errors.
pub fn predict(
    model: &Model,
    target: Autoencoder<'_>,
    sources: &[Autoencoder<'_>],
    (fit, held_out): (&Rows, &Rows),
    seed: u64,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Predictions>> {
    let own = target.fingerprint();
    let mut all = vec![target];
    all.extend(sources.iter().filter(|sae| sae.fingerprint() != own));
    for sae in &all {
        linear::check(model, *sae, fit)?;
    }
    linear::alike(fit, held_out)?;
    let total = fit.len() + held_out.len();
    let mut report = |pass: Progress| observe(Progress::rows(pass.done as usize, total));
    let Ended::Done(maps) = fitted(model, &all, fit, &mut report)? else {
        return Ok(Ended::STOPPED);
    };
    let mut report =
        |pass: Progress| observe(Progress::rows(fit.len() + pass.done as usize, total));
    let blocks = Blocks::new(held_out);
    let Ended::Done(measured) = measured(model, &all, &maps, (held_out, &blocks), &mut report)?
    else {
        return Ok(Ended::STOPPED);
    };
    let draws = Resampled::new(blocks.len(), DRAWS, seed);
    let variance = measured.activation.about_mean();
    Ok(Ended::Done(Predictions {
        sae: target.name.clone(),
        hook: target.hook()?.to_string(),
        features: target.features(),
        fvu_total: measured.parts[0].square() / variance,
        fvu_nonlinear: measured.parts[2].square() / variance,
        rows: rows(&all, &measured, &draws)?,
        fit_tokens: fit.counted() as u64,
        held_out_tokens: held_out.counted() as u64,
        positions: held_out.mask().rule,
        blocks: blocks.said(),
        notes: notes(&all, &maps),
    }))
}

/// Least-squares maps.
struct Maps {
    /// From the activation to the error.
    probe: Fitted,
    /// From the reconstruction of each dictionary, the target's first.
    sources: Vec<Source>,
}

/// Maps from a reconstruction of width `w` to the target's error and to its activation, `[w + 1, d]` each.
struct Source {
    error: Matrix,
    activation: Matrix,
    ridge: f64,
}

fn fitted(
    model: &Model,
    all: &[Autoencoder<'_>],
    rows: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Maps>> {
    let d = all[0].width();
    let mut probe = NormalEquations::new(d, d + 1);
    let mut equations: Vec<NormalEquations> = all
        .iter()
        .map(|sae| NormalEquations::new(sae.width(), 2 * d))
        .collect();
    let ended = linear::each(model, all, rows, observe, &mut |read| {
        let (own, error) = split::error(all[0], &read[0])?;
        let both = |i: usize, into: &mut [f64]| {
            let values = error.row(i).iter().chain(read[0].row(i));
            for (into, value) in into.iter_mut().zip(values) {
                *into = f64::from(*value);
            }
        };
        probe.add_errors(&read[0], &error)?;
        equations[0].add(&own, both)?;
        for ((sae, x), equations) in all.iter().zip(&read).zip(&mut equations).skip(1) {
            equations.add(&sae.decode(&sae.encode(x)?, x)?, both)?;
        }
        Ok(())
    })?;
    if ended.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let sources = equations.into_iter().map(|equations| {
        let solution = equations.solve(0.0)?;
        Ok(Source {
            error: solution.weights(0, d)?,
            activation: solution.weights(d, d)?,
            ridge: solution.ridge,
        })
    });
    Ok(Ended::Done(Maps {
        probe: Fitted::new(probe, d)?,
        sources: sources.collect::<Result<_>>()?,
    }))
}

/// Sums over the held-out text.
struct Measured {
    activation: Spread,
    /// The error, its linear and its nonlinear part.
    parts: [Spread; 3],
    /// Rest of the three that the activation's map, then each source's, leaves.
    left: Vec<[Spread; 3]>,
}

fn measured(
    model: &Model,
    all: &[Autoencoder<'_>],
    maps: &Maps,
    (rows, blocks): (&Rows, &Blocks),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Measured>> {
    let d = all[0].width();
    let spread = || Spread::new(d, blocks.len());
    let three = || [spread(), spread(), spread()];
    let mut sums = Measured {
        activation: spread(),
        parts: three(),
        left: (0..=all.len()).map(|_| three()).collect(),
    };
    let counted: Vec<usize> = (0..rows.tokens().len())
        .filter(|at| rows.counts(at / rows.context())[at % rows.context()])
        .map(|at| blocks.of_token(at))
        .collect();
    let mut at = 0;
    let ended = linear::each(model, all, rows, observe, &mut |read| {
        let x = &read[0];
        let block_of = &counted[at..at + x.rows()];
        at += x.rows();
        let (own, error) = split::error(all[0], x)?;
        let linear = split::linear_part(&maps.probe.weights, x)?;
        let rest = linear::less(&error, &linear);
        sums.activation.add(x, block_of);
        let parts = [&error, &linear, &rest];
        for (sum, part) in sums.parts.iter_mut().zip(parts) {
            sum.add(part, block_of);
        }
        let nothing = Matrix::zeros(x.rows(), d);
        let mut predicted = vec![[linear.clone(), linear.clone(), nothing]];
        for (i, (sae, map)) in all.iter().zip(&maps.sources).enumerate() {
            let reconstruction = match i {
                0 => own.clone(),
                _ => sae.decode(&sae.encode(&read[i])?, &read[i])?,
            };
            predicted.push(through(map, &maps.probe, &reconstruction)?);
        }
        for (left, predicted) in sums.left.iter_mut().zip(&predicted) {
            for ((left, part), predicted) in left.iter_mut().zip(parts).zip(predicted) {
                left.add(&linear::less(part, predicted), block_of);
            }
        }
        Ok(())
    })?;
    Ok(match ended {
        Ended::Done(()) => Ended::Done(sums),
        Ended::Stopped(()) => Ended::STOPPED,
    })
}

/// Predicts the error, the linear and the nonlinear part from a source `[n, w]`. The linear part is a linear map of the activation, so its least-squares prediction
/// is that map of the predicted activation; the nonlinear part is what is left of the error.
fn through(map: &Source, probe: &Fitted, source: &Matrix) -> Result<[Matrix; 3]> {
    let error = split::linear_part(&map.error, source)?;
    let activation = split::linear_part(&map.activation, source)?;
    let linear = split::linear_part(&probe.weights, &activation)?;
    let rest = linear::less(&error, &linear);
    Ok([error, linear, rest])
}

/// Name, hook and width of a source; no name for the activation itself.
type Origin = (Option<String>, HookPoint, usize);

fn rows(all: &[Autoencoder<'_>], measured: &Measured, draws: &Resampled) -> Result<Vec<Row>> {
    let hook = all[0].hook()?;
    let variance = measured.activation.about_mean();
    let [of_error, of_linear, of_rest] = &measured.parts;
    let activation = std::iter::once((None, hook, all[0].width()));
    let dictionaries: Vec<Origin> = all
        .iter()
        .map(|sae| Ok((Some(sae.name.clone()), sae.hook()?, sae.width())))
        .collect::<Result<_>>()?;
    let sources = activation.chain(dictionaries);
    let row = |(from, [error, linear, rest]): (Origin, &[Spread; 3])| Row {
        source: from.0,
        hook: from.1.to_string(),
        relation: Relation::new(from.1, hook),
        width: from.2,
        error: accuracy(of_error, error, draws),
        linear: accuracy(of_linear, linear, draws),
        nonlinear: accuracy(of_rest, rest, draws),
        fvu_left: rest.square() / variance,
        reduction: 1.0 - rest.square() / of_rest.square(),
        reduction_interval: drawn((&rest.squares(), &of_rest.squares()), draws),
    };
    Ok(sources.zip(&measured.left).map(row).collect())
}

/// Says what a reader must know about the fits.
fn notes(all: &[Autoencoder<'_>], maps: &Maps) -> Vec<String> {
    let mut notes = linear::notes(std::slice::from_ref(&maps.probe), &all[..1]);
    let ridged = all
        .iter()
        .zip(&maps.sources)
        .filter(|(_, map)| map.ridge > 0.0);
    notes.extend(ridged.map(|(sae, map)| {
        format!(
            "The reconstructions of {} do not span their {} dimensions; a ridge of {:.0e} of each dimension's mean square was added",
            sae.name,
            sae.width(),
            map.ridge
        )
    }));
    notes
}
