//! Measures where the error is: the text to fit on is read once for the predictions of norms, the held-out text twice, for the mean activation and for the rest.

use rayon::prelude::*;

use super::examples::{Candidate, Extremes, excerpt};
use super::groups::{BoundClasses, Classes, Groups, Moment};
use super::norms::{ERROR, Fitting, NONLINEAR, Norms, Predicting};
use super::{Component, Places};
use crate::capture;
use crate::corpus::{Blocks, Resampled, Rows};
use crate::dark_matter::normal::squared_norm;
use crate::dark_matter::pass::{Pass, counted};
use crate::dark_matter::source::Source;
use crate::dark_matter::split::{linear_part, nonlinear_exact};
use crate::dark_matter::{Batch, ErrorNorms, FitTexts, Probe};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::eval::{self, Splicer};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::{Autoencoder, Sae};

/// Measures for [`super::measure`].
pub(super) fn run(
    model: &Model,
    (sae, other): (Autoencoder<'_>, Option<&Sae>),
    (probe, draws, seed): (&Probe, usize, u64),
    texts: &FitTexts<'_>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Places>> {
    let source = Source::new(model, sae, &probe.facts.predictor, other)?;
    let (fit, held_out) = (texts.fit, texts.held_out);
    if fit.counted() <= sae.width() || held_out.counted() < 2 {
        let what = format!(
            "{} counted tokens to fit on and {} to measure on are too few for predictions from {} dimensions: give more text",
            fit.counted(),
            held_out.counted(),
            sae.width()
        );
        return Err(Error::setting("corpus", what));
    }
    let mut pass = Pass::new(model, fit.len() + 2 * held_out.len(), observe);
    let reading = Reading { source, probe };
    let mut fitting = Fitting::new(sae.width());
    let ended = pass.chunks(fit, &mut |model, chosen| {
        let read = reading.read(model, fit, chosen)?;
        fitting.add(&read.batch.x, &read.norms)
    })?;
    let blocks = Blocks::new(held_out);
    let Some(mean) = mean_of(&mut pass, &reading.source, held_out, ended.is_stopped())? else {
        return Ok(Ended::STOPPED);
    };
    let classes = Classes::new(model, held_out)?;
    let classes = classes.bound();
    let mut seen = Seen {
        predicting: fitting.solved(blocks.len())?,
        groups: Groups::new(held_out.context(), blocks.len()),
        classes: &classes,
        worst: Extremes::new(1.0),
        best: Extremes::new(-1.0),
        mean,
    };
    let ended = pass.chunks(held_out, &mut |model, chosen| {
        let read = reading.read(model, held_out, chosen)?;
        seen.add(held_out, &blocks, chosen, &read);
        Ok(())
    })?;
    if ended.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let draws = Resampled::new(blocks.len(), draws, seed);
    let (norms, baselines) = seen.predicting.figures(&draws);
    Ok(Ended::Done(Places {
        sae: sae.name.clone(),
        hook: reading.source.hook(),
        all: seen.groups.all(),
        by_class: seen.groups.by_class(&draws),
        by_position: seen.groups.by_position(&draws),
        by_token: seen.groups.by_token(model),
        baselines,
        norms,
        worst: seen.worst.examples(model, held_out),
        best: seen.best.examples(model, held_out),
        fit_tokens: seen.predicting.fitted,
        drawn: blocks.said(),
    }))
}

/// Computes the mean activation of the dictionary over the positions that count; none if the pass was stopped, before or now.
fn mean_of(
    pass: &mut Pass<'_>,
    source: &Source<'_>,
    rows: &Rows,
    is_stopped: bool,
) -> Result<Option<Vec<f64>>> {
    if is_stopped {
        return Ok(None);
    }
    let mut sums = vec![0.0; source.sae().width()];
    let ended = pass.each(rows, &source.hooks()[..1], &mut |chosen, at| {
        let whole = at.first().cloned().unwrap_or_default();
        let x = rows.kept(chosen, &*source.sae().own_part(&whole)?);
        for row in x.iter_rows() {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += f64::from(*value);
            }
        }
        Ok(())
    })?;
    let n = rows.counted() as f64;
    let mean = sums.into_iter().map(|sum| sum / n).collect();
    Ok((!ended.is_stopped()).then_some(mean))
}

/// A dictionary with its probe.
struct Reading<'a> {
    source: Source<'a>,
    probe: &'a Probe,
}

/// Values of the positions of a few rows that count.
struct Read {
    batch: Batch,
    linear: Matrix,
    norms: Vec<Norms>,
}

impl Reading<'_> {
    fn read(&self, model: &Model, rows: &Rows, chosen: &[usize]) -> Result<Read> {
        let (at, losses) = with_losses(model, rows, chosen, &self.source)?;
        let batch = self.source.batch(rows, chosen, &at)?;
        let linear = linear_part(&self.probe.weights, batch.predictor())?;
        let context = rows.context();
        let tokens = counted(rows, chosen);
        let first = chosen.first().map_or(0, |row| row * context);
        let norms = tokens.par_iter().enumerate().map(|(i, token)| Norms {
            id: rows.tokens()[*token],
            squares: squares(&batch, &linear, i),
            l0: batch.latents.range(i).len(),
            loss: losses[token - first],
        });
        Ok(Read {
            norms: norms.collect(),
            batch,
            linear,
        })
    }
}

/// Computes the squared norms of all components at token `i`, in the order of [`Component::ALL`].
fn squares(batch: &Batch, linear: &Matrix, i: usize) -> [f64; Component::ALL.len()] {
    let rows = [batch.x.row(i), batch.reconstruction.row(i), linear.row(i)];
    let mut squares = [0.0; Component::ALL.len()];
    for j in 0..batch.x.columns() {
        let values = rows.map(|row| row[j]);
        let [x, reconstruction, linear] = values.map(f64::from);
        let of = [
            x,
            reconstruction,
            reconstruction + linear,
            x - reconstruction,
            linear,
            nonlinear_exact(values),
        ];
        for (square, value) in squares.iter_mut().zip(of) {
            *square += value * value;
        }
    }
    squares
}

/// Values of a few rows at some hooks, and the loss at each position, where one is charged.
type WithLosses = (Vec<Matrix>, Vec<Option<f64>>);

/// Reads rows that follow each other to the logits: activations at the hooks of `source`, `[rows·t, d]`, and losses `[rows·t]`.
fn with_losses(
    model: &Model,
    rows: &Rows,
    chosen: &[usize],
    source: &Source<'_>,
) -> Result<WithLosses> {
    let reader = capture::reader(model, rows)?;
    let context = rows.context();
    let splicer = Splicer::new(&reader, rows);
    let chunks: Vec<WithLosses> = chosen
        .par_chunks(eval::chunk_rows(&reader, rows))
        .map(|chosen| {
            let clean = splicer.clean(chosen, source.hooks())?;
            let mut losses = vec![None; chosen.len() * context];
            clean.charge_each(&clean.logits, &mut |(row, at), loss| {
                losses[row * context + at] = Some(loss);
            })?;
            let at = source.hooks().iter();
            let at = at.map(|hook| splicer.activation(&clean, *hook));
            Ok((at.collect::<Result<_>>()?, losses))
        })
        .collect::<Result<_>>()?;
    let mut all = Vec::with_capacity(source.hooks().len());
    for hook in 0..source.hooks().len() {
        let parts = chunks.iter().map(|(at, _)| &at[hook]);
        let values: Vec<f32> = parts.clone().flat_map(Matrix::values).copied().collect();
        let columns = parts.clone().next().map_or(0, Matrix::columns);
        all.push(Matrix::new(chosen.len() * context, columns, values)?);
    }
    let losses = chunks.into_iter().flat_map(|(_, losses)| losses).collect();
    Ok((all, losses))
}

/// Everything that the pass over the held-out text collects.
struct Seen<'a> {
    predicting: Predicting,
    groups: Groups,
    classes: &'a BoundClasses<'a>,
    worst: Extremes,
    best: Extremes,
    mean: Vec<f64>,
}

impl Seen<'_> {
    fn add(&mut self, rows: &Rows, blocks: &Blocks, chosen: &[usize], read: &Read) {
        let context = rows.context();
        let tokens = counted(rows, chosen);
        let parts: Vec<usize> = tokens.iter().map(|token| blocks.of_token(*token)).collect();
        self.predicting.add(&read.batch.x, &read.norms, &parts);
        let spreads: Vec<f64> = (0..tokens.len())
            .into_par_iter()
            .map(|i| {
                let pairs = read.batch.x.row(i).iter().zip(&self.mean);
                pairs.map(|(x, mean)| (f64::from(*x) - mean).powi(2)).sum()
            })
            .collect();
        let first = chosen.first().map_or(0, |row| row * context);
        let mut shares = vec![0.0_f32; chosen.len() * context];
        for (i, token) in tokens.iter().enumerate() {
            if spreads[i] > 0.0 {
                shares[token - first] = (read.norms[i].squares[ERROR] / spreads[i]) as f32;
            }
        }
        let mut classes = (usize::MAX, Vec::new());
        for (i, token) in tokens.iter().enumerate() {
            let (row, position) = (token / context, token % context);
            if classes.0 != row {
                classes = (row, self.classes.of_row(rows, row));
            }
            let norms = &read.norms[i];
            let moment = Moment {
                error: norms.squares[ERROR],
                left: norms.squares[NONLINEAR],
                spread: spreads[i],
            };
            self.groups.add(
                (norms.id, position, parts[i]),
                &classes.1[position],
                &moment,
            );
            if moment.spread <= 0.0 {
                continue;
            }
            let share = moment.error / moment.spread;
            let candidate = || {
                let shown = excerpt(position, context);
                let base = row * context - first;
                Candidate {
                    row,
                    position,
                    token: norms.id,
                    share,
                    norms: read.at(i),
                    around: shares[base + shown.start..base + shown.end].to_vec(),
                }
            };
            self.worst.offer((norms.id, share), candidate);
            self.best.offer((norms.id, share), candidate);
        }
    }
}

impl Read {
    /// Norms at token `i`.
    fn at(&self, i: usize) -> ErrorNorms {
        let squares = &self.norms[i].squares;
        ErrorNorms {
            activation: squares[0].sqrt() as f32,
            total: squares[ERROR].sqrt() as f32,
            linear: squared_norm(self.linear.row(i)).sqrt() as f32,
            nonlinear: squares[NONLINEAR].sqrt() as f32,
        }
    }
}
