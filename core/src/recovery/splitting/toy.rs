//! The toy of over-splitting: for a mixture of N(μ, I) and N(−μ, I), random encoders of many features have a lower loss than the two features that the mixture has.
//!
//! The loss of a dictionary at λ is `mean over rows of ‖x − x̂‖² + λ · mean over rows of Σ activations`, with decoder rows of length 1.
//!
//! The ideal dictionary has encoder and decoder rows ±μ/‖μ‖ and one bias −b for both; b is the best of a grid for each λ, which includes 0. The random one has the
//! encoder rows `β · y` for rows y of the mixture, one bias, and the decoder rows `y/‖y‖`; one β for all features is the best of a grid for each λ. Both are chosen on
//! one set of rows and measured on another.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::super::{Spread, draws};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::progress::{Ended, Flow, Progress};
use crate::sae::{Relu, Sae};

/// Settings of the toy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Toy {
    /// Width.
    pub width: usize,
    /// ‖μ‖.
    pub norm: f64,
    /// Rows that choose, and as many that measure.
    pub rows: usize,
    /// Features of the random dictionary.
    pub features: usize,
    /// Bias of its encoder.
    pub bias: f64,
    /// Largest β; the grid has 21 values from 0 to it.
    pub beta: f64,
    /// Factors of the sum of activations.
    pub lambdas: Vec<f64>,
}

/// Values in the grid of β.
const BETAS: usize = 21;
/// Values in the grid of the ideal dictionary's biases, and its step.
const BIASES: usize = 51;
const BIAS_STEP: f64 = 0.1;

impl Default for Toy {
    fn default() -> Self {
        Self {
            width: 100,
            norm: 2.0,
            rows: 4_000,
            features: 1_000,
            bias: -2.35,
            beta: 0.1,
            lambdas: vec![0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
        }
    }
}

/// Parts of a dictionary's loss, means over rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Losses {
    /// ‖x − x̂‖².
    pub squared: f64,
    /// Sum of activations.
    pub l1: f64,
    /// Active features.
    pub l0: f64,
}

impl Losses {
    /// Measures `sae` on `x`.
    pub fn new(sae: &Sae, x: &Matrix) -> Result<Self> {
        let latents = sae.encode(x)?;
        let decoded = sae.decode(&latents, x)?;
        let pairs = x.values().iter().zip(decoded.values());
        let squared: f64 = pairs
            .map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2))
            .sum();
        let l1: f64 = latents.acts.iter().map(|act| f64::from(*act)).sum();
        let rows = x.rows().max(1) as f64;
        Ok(Self {
            squared: squared / rows,
            l1: l1 / rows,
            l0: latents.acts.len() as f64 / rows,
        })
    }

    /// The loss at `lambda`.
    pub fn total(&self, lambda: f64) -> f64 {
        self.squared + lambda * self.l1
    }
}

/// Draws rows of the mixture: a sign for each, then a normal number for each coordinate.
fn rows(mu: &[f64], count: usize, (seed, stream): (u64, u64)) -> Result<Matrix> {
    let mut rng = draws::source(seed, stream);
    let mut values = Vec::with_capacity(count * mu.len());
    for _ in 0..count {
        let sign = if draws::below(2, &mut rng) == 0 {
            1.0
        } else {
            -1.0
        };
        values.extend(
            mu.iter()
                .map(|mu| (sign * mu + draws::normal(&mut rng)) as f32),
        );
    }
    Matrix::new(count, mu.len(), values)
}

fn length(row: &[f32]) -> f64 {
    row.iter()
        .map(|x| f64::from(*x).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// Returns the rows at length 1 each.
fn directions(rows: &Matrix) -> Matrix {
    let mut out = rows.clone();
    for i in 0..rows.rows() {
        let length = length(rows.row(i));
        let factor = if length > 0.0 { 1.0 / length } else { 0.0 };
        let row = out.row_mut(i).iter_mut();
        row.for_each(|x| *x = (f64::from(*x) * factor) as f32);
    }
    out
}

/// Makes a dictionary of an encoder with one bias and the directions of `rows`.
fn dictionary(name: &str, w_enc: Matrix, bias: f64, rows: &Matrix) -> Sae {
    let (f, d) = (rows.rows(), rows.columns());
    let decoder = (directions(rows), vec![0.0; d]);
    Sae::new(name, (w_enc, vec![bias as f32; f]), decoder, Relu)
}

/// Returns the dictionary of the features μ and −μ with bias `bias`.
pub fn ideal(mu: &[f64], bias: f64) -> Result<Sae> {
    let both = mu.iter().copied().chain(mu.iter().map(|x| -x));
    let rows = Matrix::new(2, mu.len(), both.map(|x| x as f32).collect())?;
    Ok(dictionary("ideal", directions(&rows), bias, &rows))
}

/// Returns the dictionary whose encoder is `beta` times `rows`.
pub fn random(rows: &Matrix, beta: f64, bias: f64) -> Sae {
    let mut w_enc = rows.clone();
    let values = w_enc.values_mut().iter_mut();
    values.for_each(|x| *x = (f64::from(*x) * beta) as f32);
    dictionary("random", w_enc, bias, rows)
}

/// Losses at one λ, over seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AtLambda {
    /// λ.
    pub lambda: f64,
    /// Loss of the ideal dictionary with the best bias.
    pub ideal: Spread,
    /// Loss of the ideal dictionary without a bias.
    pub plain: Spread,
    /// Loss of the random dictionary with the best β.
    pub random: Spread,
    /// Loss of a dictionary without an active feature.
    pub nothing: Spread,
    /// Loss of the ideal dictionary with the best bias less that of the random one, on the rows of one seed.
    pub advantage: Spread,
    /// Best bias of the ideal dictionary, of each seed.
    pub biases: Vec<f64>,
    /// Best β, of each seed.
    pub betas: Vec<f64>,
    /// Mean active features of the random dictionary.
    pub l0: Spread,
}

/// Losses of both dictionaries over seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToyStudy {
    /// Settings.
    pub toy: Toy,
    /// Losses, by λ.
    pub at: Vec<AtLambda>,
}

/// Values of λ at which the claim must hold.
pub const CLAIMED: [f64; 3] = [1.0, 2.0, 3.0];

impl ToyStudy {
    /// Whether the random dictionary has the lower loss at λ 1, 2 and 3, by whole intervals over the seeds; none where one of them was not measured, or with one
    /// seed.
    pub fn holds(&self) -> Option<bool> {
        let mut all = true;
        for lambda in CLAIMED {
            let at = self.at.iter().find(|at| at.lambda == lambda)?;
            at.advantage.interval?;
            all &= at.advantage.is_above(0.0);
        }
        Some(all)
    }
}

/// Dictionaries of one seed with their losses on the rows that choose, and the rows that measure.
struct World {
    biases: Vec<(f64, Losses)>,
    betas: Vec<(f64, Losses)>,
    mu: Vec<f64>,
    encoder: Matrix,
    measure: Matrix,
}

/// Losses of one seed at one λ, measured.
struct Measured {
    ideal: f64,
    plain: f64,
    random: Losses,
    nothing: f64,
    bias: f64,
    beta: f64,
}

impl World {
    fn new(toy: &Toy, seed: u64, tick: &mut dyn FnMut() -> Flow) -> Result<Ended<Self>> {
        let mut rng = draws::source(seed, draws::VECTORS);
        let mut mu: Vec<f64> = (0..toy.width).map(|_| draws::normal(&mut rng)).collect();
        let factor = toy.norm / mu.iter().map(|x| x * x).sum::<f64>().sqrt();
        for x in &mut mu {
            *x *= factor;
        }
        let choose = rows(&mu, toy.rows, (seed, draws::ROWS))?;
        let encoder = rows(&mu, toy.features, (seed, draws::ENCODER))?;
        let mut biases = Vec::with_capacity(BIASES);
        for i in 0..BIASES {
            let bias = 0.0 - i as f64 * BIAS_STEP;
            biases.push((bias, Losses::new(&ideal(&mu, bias)?, &choose)?));
        }
        let mut betas = Vec::with_capacity(BETAS);
        for i in 0..BETAS {
            let beta = toy.beta * i as f64 / (BETAS - 1) as f64;
            betas.push((
                beta,
                Losses::new(&random(&encoder, beta, toy.bias), &choose)?,
            ));
            if tick().is_break() {
                return Ok(Ended::STOPPED);
            }
        }
        let measure = rows(&mu, toy.rows, (seed, draws::HELD_OUT))?;
        Ok(Ended::Done(Self {
            biases,
            betas,
            mu,
            encoder,
            measure,
        }))
    }

    fn at(&self, toy: &Toy, lambda: f64) -> Result<Measured> {
        let best = |all: &[(f64, Losses)]| {
            let totals = all.iter().map(|(at, losses)| (*at, losses.total(lambda)));
            let least = totals.min_by(|a, b| a.1.total_cmp(&b.1));
            least.map_or(0.0, |(at, _)| at)
        };
        let (bias, beta) = (best(&self.biases), best(&self.betas));
        let of = |sae: &Sae| Losses::new(sae, &self.measure);
        let squares: f64 = self
            .measure
            .iter_rows()
            .map(|row| length(row).powi(2))
            .sum();
        Ok(Measured {
            ideal: of(&ideal(&self.mu, bias)?)?.total(lambda),
            plain: of(&ideal(&self.mu, 0.0)?)?.total(lambda),
            random: of(&random(&self.encoder, beta, toy.bias))?,
            nothing: squares / toy.rows as f64,
            bias,
            beta,
        })
    }
}

/// Measures both dictionaries at each λ for each seed. `observe` hears of random dictionaries.
pub fn study(
    toy: &Toy,
    seeds: Range<u64>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<ToyStudy>> {
    check(toy, &seeds)?;
    let total = seeds.clone().count() * BETAS;
    let mut done = 0;
    let mut measured: Vec<Vec<Measured>> = Vec::new();
    for seed in seeds {
        let mut tick = || {
            done += 1;
            observe(Progress::new(done, total, "dictionaries"))
        };
        let Ended::Done(world) = World::new(toy, seed, &mut tick)? else {
            return Ok(Ended::STOPPED);
        };
        let each = toy.lambdas.iter().map(|lambda| world.at(toy, *lambda));
        measured.push(each.collect::<Result<_>>()?);
    }
    let at = toy.lambdas.iter().enumerate().map(|(i, lambda)| {
        let seeds: Vec<&Measured> = measured.iter().map(|seed| &seed[i]).collect();
        let over = |of: &dyn Fn(&Measured) -> f64| {
            Spread::new(&seeds.iter().map(|one| of(one)).collect::<Vec<f64>>())
        };
        AtLambda {
            lambda: *lambda,
            ideal: over(&|one| one.ideal),
            plain: over(&|one| one.plain),
            random: over(&|one| one.random.total(*lambda)),
            nothing: over(&|one| one.nothing),
            advantage: over(&|one| one.ideal - one.random.total(*lambda)),
            biases: seeds.iter().map(|one| one.bias).collect(),
            betas: seeds.iter().map(|one| one.beta).collect(),
            l0: over(&|one| one.random.l0),
        }
    });
    Ok(Ended::Done(ToyStudy {
        toy: toy.clone(),
        at: at.collect(),
    }))
}

fn check(toy: &Toy, seeds: &Range<u64>) -> Result<()> {
    let refuse = |setting: &str, what: &str| Err(Error::setting(setting, what));
    if seeds.is_empty() {
        return refuse("seeds", "no dictionary would be measured: give 1 or more");
    }
    if toy.rows == 0 || toy.features == 0 || toy.width == 0 {
        return refuse(
            "rows",
            "give numbers of rows and features and a width of 1 or more",
        );
    }
    if !(toy.norm.is_finite() && toy.norm > 0.0) {
        return refuse("norm", "give a number above 0");
    }
    if !(toy.beta.is_finite() && toy.beta > 0.0 && toy.bias.is_finite()) {
        return refuse("beta", "give a number above 0, and a finite bias");
    }
    if toy.lambdas.is_empty() || toy.lambdas.iter().any(|l| !l.is_finite() || *l < 0.0) {
        return refuse("lambdas", "give numbers of 0 or more");
    }
    Ok(())
}
