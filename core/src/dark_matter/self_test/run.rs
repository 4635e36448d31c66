//! Plants errors, fits the split as it is fitted on real errors, and measures what it makes of them on held-out text.

use super::world::{Read, first_of, mean, normal, plus, spread, square, weakest_first};
use super::{
    ABLATED, Cell, Grid, Kind, LARGEST, Parts, Planted, STEP, STEPS, SelfTest, Settings,
    correlation,
};
use crate::corpus::Rows;
use crate::dark_matter::linear;
use crate::dark_matter::normal::NormalEquations;
use crate::dark_matter::split;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Autoencoder;

/// Number of fits: the planted errors with one more for what is expected of absent features, and the grids.
const FITS: usize = 5 + ABLATED.len() * STEPS * STEPS;

/// Plants linear error, absent features and nonlinear error of the size of the dictionary's own error, and noises over a grid, in a world where `Sae(x)` is the
/// truth; fits the split on the positions of `fit` that count, with the ridge in use, and measures on `held_out`.
///
/// Memory holds all activations of both texts, six times over. Too few activations for a fit are an error.
pub fn self_test(
    model: &Model,
    sae: Autoencoder<'_>,
    (fit, held_out): (&Rows, &Rows),
    settings: &Settings,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<SelfTest>> {
    linear::check(model, sae, fit)?;
    linear::alike(fit, held_out)?;
    let mut done = 0;
    let total = fit.len() + held_out.len() + FITS;
    let mut both = Vec::with_capacity(2);
    for rows in [fit, held_out] {
        let Ended::Done(x) = read(model, sae, rows, &mut |pass| {
            observe(Progress::new(done + pass.done as usize, total, "steps"))
        })?
        else {
            return Ok(Ended::STOPPED);
        };
        done += rows.len();
        both.push(Read::new(sae, x)?);
    }
    let world = World::new(sae, &both, settings)?;
    let mut step = || {
        done += 1;
        observe(Progress::new(done, total, "steps")).is_break()
    };
    let Some(planted) = world.planted(&mut step)? else {
        return Ok(Ended::STOPPED);
    };
    let mut grids = Vec::with_capacity(ABLATED.len());
    for ablated in ABLATED {
        let Some(grid) = world.grid(ablated, &mut step)? else {
            return Ok(Ended::STOPPED);
        };
        grids.push(grid);
    }
    Ok(Ended::Done(SelfTest {
        sae: sae.name.clone(),
        hook: sae.hook()?.to_string(),
        fvu: world.fvu,
        rms: world.rms,
        planted,
        grids,
        fit_tokens: fit.counted() as u64,
        held_out_tokens: held_out.counted() as u64,
        settings: *settings,
    }))
}

/// Reads the activations at the positions of `rows` that count.
fn read(
    model: &Model,
    sae: Autoencoder<'_>,
    rows: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Matrix>> {
    let mut values = Vec::new();
    let ended = linear::each(model, &[sae], rows, observe, &mut |read| {
        values.extend_from_slice(read[0].values());
        Ok(())
    })?;
    if ended.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let width = sae.width();
    Matrix::new(values.len() / width, width, values).map(Ended::Done)
}

/// Truth, absent features, planted map and noises of both texts: the first to fit on, the second to measure on.
struct World<'a> {
    sae: Autoencoder<'a>,
    read: &'a [Read],
    settings: &'a Settings,
    /// Features, those of lowest mean activation first.
    order: Vec<usize>,
    /// Noise on the activation.
    on_activation: Vec<Matrix>,
    /// Noise on the reconstruction.
    on_reconstruction: Vec<Matrix>,
    /// FVU of the dictionary on the held-out text.
    fvu: f64,
    /// Size of planted errors.
    size: f64,
    rms: f64,
}

impl<'a> World<'a> {
    fn new(sae: Autoencoder<'a>, read: &'a [Read], settings: &'a Settings) -> Result<Self> {
        let held_out = &read[1];
        let noise = |stream: u64| {
            let of = read.iter().zip([0, 1]);
            of.map(|(read, text)| {
                let (n, d) = (read.truth.rows(), read.truth.columns());
                normal(n, d, (settings.seed, 2 * stream + text))
            })
            .collect::<Result<Vec<_>>>()
        };
        let variance = spread(&held_out.truth);
        let fvu = square(&linear::less(&held_out.x, &held_out.truth)) / spread(&held_out.x);
        if !(variance > 0.0 && fvu > 0.0 && fvu.is_finite()) {
            let what = format!(
                "the reconstructions of {} or its errors do not vary on the held-out text: give more text",
                sae.name
            );
            return Err(Error::Numeric { what });
        }
        Ok(Self {
            sae,
            read,
            settings,
            order: weakest_first(&read[0].latents, sae.features()),
            on_activation: noise(1)?,
            on_reconstruction: noise(2)?,
            fvu,
            size: fvu.min(LARGEST),
            rms: (variance / held_out.truth.values().len() as f64).sqrt(),
        })
    }

    /// Truths of both texts.
    fn truth(&self) -> Vec<Matrix> {
        self.read.iter().map(|read| read.truth.clone()).collect()
    }

    /// Contributions of absent features, of both texts.
    fn absent(&self, count: usize) -> Result<Vec<Matrix>> {
        let is_absent = first_of(&self.order, count);
        let of = |read: &Read| {
            let without = read.without(self.sae, &is_absent)?;
            Ok(linear::less(&read.truth, &without))
        };
        self.read.iter().map(of).collect()
    }

    /// Contributions of as few features, the weakest first, as make up the size of planted errors or more.
    fn as_large_as_the_error(&self) -> Result<Vec<Matrix>> {
        let (mut low, mut high) = (1, self.order.len());
        let size = |absent: &[Matrix]| square(&absent[1]) / spread(&self.read[1].truth);
        while low < high {
            let middle = usize::midpoint(low, high);
            if size(&self.absent(middle)?) < self.size {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.absent(low)
    }

    /// A random linear map of the truth about its mean, of the size of planted errors, of both texts.
    fn mapped(&self) -> Result<Vec<Matrix>> {
        let d = self.read[0].truth.columns();
        let mut map = normal(d + 1, d, (self.settings.seed, 0))?;
        let center = mean(&self.read[0].truth);
        let through = |map: &Matrix, j: usize| -> f64 {
            let products = (0..d).map(|i| center[i] * f64::from(map.row(i)[j]));
            products.sum()
        };
        for j in 0..d {
            let bias = -through(&map, j);
            map.row_mut(d)[j] = bias as f32;
        }
        let both = self
            .read
            .iter()
            .map(|read| split::linear_part(&map, &read.truth));
        let both: Vec<Matrix> = both.collect::<Result<_>>()?;
        Ok(self.sized(both))
    }

    /// Scales errors to the size of planted errors on the held-out text.
    fn sized(&self, both: Vec<Matrix>) -> Vec<Matrix> {
        let scale = (self.size * spread(&self.read[1].truth) / square(&both[1])).sqrt();
        both.into_iter()
            .map(|of| plus(&Matrix::zeros(of.rows(), of.columns()), scale, &of))
            .collect()
    }

    /// Plants each kind of error alone, then all three; none once stopped.
    fn planted(&self, stopped: &mut dyn FnMut() -> bool) -> Result<Option<Vec<Planted>>> {
        let truth = self.truth();
        let variance = spread(&truth[1]);
        let mapped = self.mapped()?;
        let absent = self.as_large_as_the_error()?;
        let noise = self.sized(self.on_reconstruction.clone());
        let size = |of: &[Matrix]| square(&of[1]) / variance;
        let lacking = self.expected(&truth[1], &absent[1])?;
        if stopped() {
            return Ok(None);
        }
        let joined: Vec<Matrix> = (0..2)
            .map(|text| plus(&plus(&mapped[text], 1.0, &absent[text]), 1.0, &noise[text]))
            .collect();
        let only = |linear: f64, nonlinear: f64| Parts { linear, nonlinear };
        let rest = lacking.nonlinear + size(&noise);
        let cases = [
            (Kind::Linear, &mapped, only(size(&mapped), 0.0)),
            (Kind::Absent, &absent, lacking),
            (Kind::Nonlinear, &noise, only(0.0, size(&noise))),
            (Kind::Together, &joined, only(size(&joined) - rest, rest)),
        ];
        let mut planted = Vec::with_capacity(cases.len());
        for (kind, error, expected) in cases {
            let estimated = self.estimated((&truth[0], &error[0]), (&truth[1], &error[1]))?;
            planted.push(Planted::new(kind, expected, estimated));
            if stopped() {
                return Ok(None);
            }
        }
        Ok(Some(planted))
    }

    /// Parts of an error `[n, d]` by least squares on the same activations, corrected for the degrees of freedom.
    fn expected(&self, x: &Matrix, error: &Matrix) -> Result<Parts> {
        let (n, d) = (x.rows() as f64, x.columns() as f64);
        let within = self.estimated((x, error), (x, error))?;
        let total = within.linear + within.nonlinear;
        let nonlinear = (within.nonlinear * n / (n - d - 1.0).max(1.0)).min(total);
        Ok(Parts {
            linear: total - nonlinear,
            nonlinear,
        })
    }

    /// Fits the split on activations and errors `[n, d]` and measures it on others.
    fn estimated(
        &self,
        (x, error): (&Matrix, &Matrix),
        (fresh, fresh_error): (&Matrix, &Matrix),
    ) -> Result<Parts> {
        let d = x.columns();
        let mut equations = NormalEquations::new(d, d);
        equations.add(x, |i, into| {
            for (into, error) in into.iter_mut().zip(error.row(i)) {
                *into = f64::from(*error);
            }
        })?;
        let weights = equations.solve(self.settings.ridge)?.weights(0, d)?;
        let predicted = split::linear_part(&weights, fresh)?;
        let variance = spread(fresh);
        let nonlinear = square(&linear::less(fresh_error, &predicted)) / variance;
        Ok(Parts {
            linear: square(fresh_error) / variance - nonlinear,
            nonlinear,
        })
    }

    /// Estimates over all pairs of noises; none once stopped.
    fn grid(&self, ablated: f64, stopped: &mut dyn FnMut() -> bool) -> Result<Option<Grid>> {
        let truth = self.truth();
        let count = (ablated * self.order.len() as f64).round() as usize;
        let absent = self.absent(count)?;
        let step = STEP * self.rms;
        let mut cells = Vec::with_capacity(STEPS * STEPS);
        for activation in 0..STEPS {
            let noisy = |text: usize| {
                let noise = &self.on_activation[text];
                plus(&truth[text], step * activation as f64, noise)
            };
            let x = [noisy(0), noisy(1)];
            for reconstruction in 0..STEPS {
                // x − x̂ = noise on the activation + absent features − noise on the reconstruction.
                let error = |text: usize| {
                    let of_activation = step * activation as f64;
                    let sum = plus(&absent[text], of_activation, &self.on_activation[text]);
                    let of_reconstruction = -step * reconstruction as f64;
                    plus(&sum, of_reconstruction, &self.on_reconstruction[text])
                };
                let errors = [error(0), error(1)];
                let estimated = if activation + reconstruction == 0 && count == 0 {
                    Parts::default()
                } else {
                    self.estimated((&x[0], &errors[0]), (&x[1], &errors[1]))?
                };
                cells.push(Cell {
                    activation,
                    reconstruction,
                    estimated,
                });
                if stopped() {
                    return Ok(None);
                }
            }
        }
        let correlation = correlation(&cells);
        Ok(Some(Grid {
            ablated,
            cells,
            correlation,
        }))
    }
}
