//! Passes of the model for a ladder: one that fits the linear parts, one that measures.

use crate::capture;
use crate::corpus::{Blocks, Resampled, Rows, interval};
use crate::dark_matter::measure::{Measured, predicted};
use crate::dark_matter::normal::squared_norm;
use crate::dark_matter::{ROWS_AT_ONCE, linear, pursuit, split};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, TokenId};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Autoencoder;

use super::law::LEAST_RUNGS;
use super::sums::{Origins, Sums, Token};
use super::{
    Ladder, Law, LawIntervals, LinearPart, LinearParts, Passage, PowerLaw, Rung, Settings, check,
    place,
};

/// One pass of the model over the rows of a text.
struct Pass<'a> {
    model: &'a Model,
    saes: &'a [Autoencoder<'a>],
    rows: &'a Rows,
    hook: HookPoint,
}

impl Pass<'_> {
    /// Gives `take` the numbers and activations of the positions that count, chunk after chunk.
    fn each(
        &self,
        observe: &mut dyn FnMut(Progress) -> Flow,
        take: &mut dyn FnMut(&[usize], &Matrix) -> Result<()>,
    ) -> Result<Ended<()>> {
        let (rows, t) = (self.rows, self.rows.context());
        for start in (0..rows.len()).step_by(ROWS_AT_ONCE) {
            let chunk: Vec<usize> = (start..rows.len().min(start + ROWS_AT_ONCE)).collect();
            let whole = capture::activations(self.model, rows, &chunk, self.hook)?;
            let own = self.saes[0].own_part(&whole)?;
            let counts = rows.counts_of(&chunk);
            let at: Vec<usize> = (0..counts.len())
                .filter(|i| counts[*i])
                .map(|i| start * t + i)
                .collect();
            take(&at, &own.rows_where(&counts))?;
            let done = start + chunk.len();
            if observe(Progress::rows(done, rows.len())).is_break() && done < rows.len() {
                return Ok(Ended::STOPPED);
            }
        }
        Ok(Ended::Done(()))
    }
}

/// Fits the linear parts for [`LinearParts::fit`].
pub(super) fn fit(
    model: &Model,
    saes: &[Autoencoder<'_>],
    texts: (&Rows, &Rows),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<LinearParts>> {
    check(model, saes)?;
    let fitted = linear::fit(model, saes, texts, observe)?;
    Ok(fitted.map(|parts| LinearParts {
        notes: linear::notes(&parts, saes),
        parts,
    }))
}

/// Measures for [`Ladder::measure`].
pub(super) fn measure(
    model: &Model,
    (saes, linear): (&[Autoencoder<'_>], Option<&LinearParts>),
    rows: &Rows,
    settings: &Settings,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Ladder>> {
    check(model, saes)?;
    if linear.is_some_and(|linear| linear.parts.len() != saes.len()) {
        let what = "they are of other dictionaries than the ladder: fit them again";
        return Err(Error::setting("linear parts", what));
    }
    if rows.counted() < 2 {
        let what = "fewer than two tokens count: give more text";
        return Err(Error::setting("corpus", what));
    }
    let pass = Pass {
        model,
        saes,
        rows,
        hook: saes[0].hook()?,
    };
    let mut measuring = Measuring::new(saes, linear, rows, settings);
    let ended = pass.each(observe, &mut |at, x| measuring.take(at, x))?;
    if ended.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    measuring.finish(model, settings).map(Ended::Done)
}

/// Norms of one token's errors, as regressors.
#[derive(Debug, Default)]
struct Norms {
    active: Vec<u32>,
    error: Vec<f64>,
    regressors: Vec<f64>,
}

/// State of a measuring pass.
struct Measuring<'a> {
    saes: &'a [Autoencoder<'a>],
    linear: Option<&'a LinearParts>,
    rows: &'a Rows,
    blocks: Blocks,
    sums: Vec<Sums>,
    /// Set by the first chunk.
    origins: Option<Origins>,
    /// Held-out figures of the linear parts.
    measured: Vec<Measured>,
    pursued: Pursued,
    kept: Kept,
}

impl<'a> Measuring<'a> {
    fn new(
        saes: &'a [Autoencoder<'a>],
        linear: Option<&'a LinearParts>,
        rows: &'a Rows,
        settings: &Settings,
    ) -> Self {
        let (m, d, blocks) = (saes.len(), saes[0].width(), Blocks::new(rows));
        let regressors = if linear.is_some() { 2 * m } else { m };
        let parts = linear.map_or(0, |linear| linear.parts.len());
        Self {
            saes,
            linear,
            rows,
            sums: vec![Sums::new(m, d, regressors); blocks.len()],
            blocks,
            origins: None,
            measured: (0..parts).map(|_| Measured::new(d, 1)).collect(),
            pursued: Pursued::new(m, rows.counted(), settings.pursued),
            kept: Kept::new(rows, regressors, settings),
        }
    }

    /// Adds activations `[n, d]` of the positions `at`.
    fn take(&mut self, at: &[usize], x: &Matrix) -> Result<()> {
        let m = self.saes.len();
        let mut norms: Vec<Norms> = (0..x.rows()).map(|_| Norms::default()).collect();
        let mut nonlinear: Vec<Vec<f64>> = Vec::new();
        let sample = self.pursued.sample(x);
        for (i, sae) in self.saes.iter().enumerate() {
            let codes = sae.encode(x)?;
            let mut error = sae.decode(&codes, x)?;
            for (error, x) in error.values_mut().iter_mut().zip(x.values()) {
                *error = x - *error;
            }
            for (row, norms) in norms.iter_mut().enumerate() {
                let square = squared_norm(error.row(row));
                norms.active.push(codes.range(row).len() as u32);
                norms.error.push(square);
                norms.regressors.push(square.sqrt());
            }
            self.pursued.add(i, *sae, &sample)?;
            if let Some(linear) = self.linear {
                let fitted = &linear.parts[i];
                let part = split::linear_part(&fitted.weights, x)?;
                let weights = fitted.norm_weights.iter().map(|weight| f64::from(*weight));
                let weights: Vec<f64> = weights.collect();
                // One part: the ladder draws its own sums.
                self.measured[i].add(
                    [x, &error, &part],
                    &predicted(x, &weights),
                    &vec![0; x.rows()],
                );
                for (error, part) in error.values_mut().iter_mut().zip(part.values()) {
                    *error -= part;
                }
                let left = (0..x.rows()).map(|row| squared_norm(error.row(row)).sqrt());
                nonlinear.push(left.collect());
            }
        }
        for (row, norms) in norms.iter_mut().enumerate() {
            norms
                .regressors
                .extend(nonlinear.iter().map(|all| all[row]));
        }
        if norms
            .iter()
            .any(|n| n.regressors.iter().any(|v| !v.is_finite()))
        {
            return Err(Error::Numeric {
                what: "the error of a dictionary of the ladder holds NaN or infinite values: check activations and dictionaries with `umbra eval`"
                    .to_owned(),
            });
        }
        let origins = self.origins.get_or_insert_with(|| origins(x, &norms));
        for ((row, norms), at) in norms.iter().enumerate().zip(at) {
            let token = Token {
                x: x.row(row),
                active: &norms.active,
                error: &norms.error,
                regressors: &norms.regressors,
            };
            self.sums[self.blocks.of_token(*at)].add(&token, origins);
            self.kept.offer(*at, &norms.regressors);
        }
        debug_assert!(norms.iter().all(|norms| norms.error.len() == m));
        Ok(())
    }

    /// Computes the figures.
    fn finish(self, model: &Model, settings: &Settings) -> Result<Ladder> {
        let (m, d) = (self.saes.len(), self.saes[0].width());
        let origins = self.origins.unwrap_or(Origins {
            x: vec![0.0; d],
            regressors: Vec::new(),
        });
        let regressors = if self.linear.is_some() { 2 * m } else { m };
        let empty = Sums::new(m, d, regressors);
        let mut all = empty.clone();
        for block in &self.sums {
            all.join(block, 1.0);
        }
        let fvu = all.fvu();
        if fvu.iter().any(|fvu| !fvu.is_finite()) {
            return Err(Error::Numeric {
                what: "the activations of the text are constant, so that a share of their variance means nothing: give more text"
                    .to_owned(),
            });
        }
        let widths: Vec<usize> = self.saes.iter().map(|sae| sae.features()).collect();
        let drawn = drawn(&self.sums, &empty, settings);
        let intervals = column_intervals(&drawn, m);
        let mut rungs = Vec::new();
        for (i, sae) in self.saes.iter().enumerate() {
            let figures = self.measured.get(i).map(Measured::figures).transpose()?;
            rungs.push(Rung {
                name: sae.name.clone(),
                fingerprint: sae.fingerprint(),
                features: sae.features(),
                tokens_seen: (sae.provenance.other.get("tokens_seen"))
                    .and_then(serde_json::Value::as_u64),
                l0: all.l0(i),
                fvu: fvu[i],
                fvu_interval: intervals[i],
                norm_mean: all.mean(i, &origins),
                linear: figures.map(|figures| LinearPart {
                    fvu_nonlinear: figures.fvu_nonlinear,
                    r2_weighted: figures.r2_weighted,
                    r2_mean: figures.r2_mean,
                    r2_norm: figures.r2_norm,
                }),
                introduced: self.pursued.saved(i).map(|share| share * fvu[i]),
            });
        }
        let table = |of: &dyn Fn(usize, usize) -> Option<f64>| -> Vec<Vec<Option<f64>>> {
            let row = |i| (0..m).map(|j| of(i, j)).collect();
            (0..m).map(row).collect()
        };
        let gain = |i: usize, j: usize| (i != j).then(|| all.gain(i, m + i, j)).flatten();
        Ok(Ladder {
            hook: place(&self.saes[0]),
            rungs,
            token_r2: table(&|i, j| all.r2(i, j)),
            nonlinear_gain: if self.linear.is_some() {
                table(&gain)
            } else {
                Vec::new()
            },
            law: law(&widths, &fvu, &drawn),
            passages: self.kept.finish(model, self.rows, m),
            tokens: all.tokens() as u64,
            fit_tokens: self.linear.map(LinearParts::tokens),
            pursued: self.pursued.tokens(),
            blocks: self.blocks.said(),
            draws: settings.draws,
        })
    }
}

/// Squared errors of the encoder and of pursuit on a sample of the tokens.
struct Pursued {
    /// Tokens between two of the sample; none: there is no sample.
    every: Option<usize>,
    seen: usize,
    taken: u64,
    /// Σ‖x − x̂‖² by the encoder's codes and by pursuit's, `[m]`.
    error: Vec<[f64; 2]>,
}

impl Pursued {
    fn new(m: usize, counted: usize, wanted: usize) -> Self {
        Self {
            every: (wanted > 0).then(|| counted.div_ceil(wanted).max(1)),
            seen: 0,
            taken: 0,
            error: vec![[0.0; 2]; m],
        }
    }

    /// Takes the sample of the next activations.
    fn sample(&mut self, x: &Matrix) -> Matrix {
        let Some(every) = self.every else {
            return Matrix::default();
        };
        let first = self.seen;
        self.seen += x.rows();
        let chosen: Vec<bool> = (first..self.seen).map(|at| at % every == 0).collect();
        let sample = x.rows_where(&chosen);
        self.taken += sample.rows() as u64;
        sample
    }

    /// Adds the squared errors of dictionary `i` on a sample.
    fn add(&mut self, i: usize, sae: Autoencoder<'_>, x: &Matrix) -> Result<()> {
        if self.every.is_none() || x.rows() == 0 {
            return Ok(());
        }
        let settings = pursuit::Settings::default();
        let encoded = sae.encode(x)?;
        let steps = pursuit::steps(&encoded, settings);
        let pursued = pursuit::pursue(&sae, x, &steps, settings)?;
        for (sum, codes) in self.error[i].iter_mut().zip([&encoded, &pursued]) {
            let decoded = sae.decode(codes, x)?;
            for (x, decoded) in x.values().iter().zip(decoded.values()) {
                *sum += (f64::from(*x) - f64::from(*decoded)).powi(2);
            }
        }
        Ok(())
    }

    /// Share of the encoder's squared error that pursuit saves with dictionary `i`; negative where it adds to it.
    fn saved(&self, i: usize) -> Option<f64> {
        let [encoder, pursuit] = self.error[i];
        (encoder > 0.0).then(|| 1.0 - pursuit / encoder)
    }

    fn tokens(&self) -> Option<u64> {
        self.every.map(|_| self.taken)
    }
}

/// Means of the first chunk, which the sums are taken about.
fn origins(x: &Matrix, norms: &[Norms]) -> Origins {
    let n = x.rows().max(1) as f64;
    let mut mean = vec![0.0; x.columns()];
    for row in x.iter_rows() {
        for (mean, x) in mean.iter_mut().zip(row) {
            *mean += f64::from(*x) / n;
        }
    }
    let mut regressors = vec![0.0; norms.first().map_or(0, |norms| norms.regressors.len())];
    for token in norms {
        for (mean, value) in regressors.iter_mut().zip(&token.regressors) {
            *mean += value / n;
        }
    }
    Origins {
        x: mean,
        regressors,
    }
}

/// Returns the FVUs of every draw of blocks, `[draws][m]`.
fn drawn(blocks: &[Sums], empty: &Sums, settings: &Settings) -> Vec<Vec<f64>> {
    if blocks.len() < 2 {
        return Vec::new();
    }
    let draws = Resampled::new(blocks.len(), settings.draws, settings.seed);
    let of = |draw: usize| {
        let mut sums = empty.clone();
        for (block, times) in blocks.iter().zip(draws.weights(draw)) {
            if times > 0 {
                sums.join(block, f64::from(times));
            }
        }
        sums.fvu()
    };
    let all = (0..draws.len()).map(of);
    all.filter(|fvu| fvu.iter().all(|fvu| fvu.is_finite()))
        .collect()
}

/// Returns the interval of each of `m` columns.
fn column_intervals(drawn: &[Vec<f64>], m: usize) -> Vec<Option<[f64; 2]>> {
    let of = |i: usize| interval(drawn.iter().map(|fvu| fvu[i]).collect());
    (0..m).map(of).collect()
}

/// Fits the power law to all tokens and to every draw.
fn law(widths: &[usize], fvu: &[f64], drawn: &[Vec<f64>]) -> Option<Law> {
    let fit = |fvu: &[f64]| {
        let rungs: Vec<(usize, f64)> = widths.iter().copied().zip(fvu.iter().copied()).collect();
        PowerLaw::fit(&rungs)
    };
    let law = fit(fvu)?;
    let laws: Vec<PowerLaw> = drawn.iter().filter_map(|fvu| fit(fvu)).collect();
    let of = |value: fn(&PowerLaw) -> f64| interval(laws.iter().map(value).collect());
    let intervals = of(|law| law.a)
        .zip(of(|law| law.b))
        .zip(of(|law| law.c))
        .map(|((a, b), c)| LawIntervals { a, b, c });
    Some(Law {
        law,
        intervals,
        fitted_draws: laws.len(),
        degrees_of_freedom: fvu.len() + 1 - LEAST_RUNGS,
    })
}

/// Passages that are kept token by token.
struct Kept {
    /// First position of each passage, ascending.
    starts: Vec<usize>,
    length: usize,
    regressors: usize,
    /// Positions and regressors of each passage.
    held: Vec<Vec<(usize, Vec<f32>)>>,
}

impl Kept {
    /// Chooses passages that begin with evenly spaced rows and do not overlap.
    fn new(rows: &Rows, regressors: usize, settings: &Settings) -> Self {
        let length = settings.passage.max(1);
        let each = length.div_ceil(rows.context().saturating_sub(1).max(1));
        let count = (rows.len() / each.max(1)).clamp(1, settings.passages.max(1));
        let starts: Vec<usize> = (0..count)
            .map(|i| i * rows.len() / count * rows.context())
            .collect();
        Self {
            held: vec![Vec::new(); starts.len()],
            starts,
            length,
            regressors,
        }
    }

    /// Keeps a token if it belongs to a passage. Positions come in ascending order.
    fn offer(&mut self, at: usize, regressors: &[f64]) {
        let Some(passage) = self
            .starts
            .partition_point(|start| *start <= at)
            .checked_sub(1)
        else {
            return;
        };
        let held = &mut self.held[passage];
        if held.len() < self.length {
            held.push((at, regressors.iter().map(|norm| *norm as f32).collect()));
        }
    }

    fn finish(self, model: &Model, rows: &Rows, m: usize) -> Vec<Passage> {
        let split = self.regressors > m;
        let passage = |held: Vec<(usize, Vec<f32>)>| {
            let first = held.first()?.0;
            let column = |i: usize| held.iter().map(|(_, norms)| norms[i]).collect();
            let token = |at: usize| -> TokenId { rows.tokens()[at] };
            let t = rows.context();
            Some(Passage {
                document: rows.document(first / t, first % t).to_owned(),
                tokens: held
                    .iter()
                    .map(|(at, _)| model.codec().display(token(*at)))
                    .collect(),
                norms: (0..m).map(column).collect(),
                nonlinear: if split {
                    (m..2 * m).map(column).collect()
                } else {
                    Vec::new()
                },
            })
        };
        self.held.into_iter().filter_map(passage).collect()
    }
}
