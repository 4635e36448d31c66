//! Feature occlusion: a dictionary finds the values of an attribute with large vectors and misses those of one with small vectors at the same place.
//!
//! The toy is `a = u_i + v_j` with i and j drawn evenly and independently. On activations of a model, one attribute is taken out step by step, `a − α·(mean of its
//! value − mean of all)`, and a dictionary is trained for each α.

use serde::{Deserialize, Serialize};

use super::fit::Fit;
use super::found::{Count, count};
use super::{Attribute, Labelled, Spread, draws, mean};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;

/// F1 scores that a value's best feature must reach: those of the claim that occlusion fades at a lower one.
pub const THRESHOLDS: [f64; 2] = [0.9, 0.5];

/// Share of the large values that must be found at the lowest score for a verdict.
const ENOUGH: f64 = 0.5;

/// Settings of the toy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Toy {
    /// Width of the activations.
    pub width: usize,
    /// Values of either attribute.
    pub values: [usize; 2],
    /// Mean norm of the vectors of either attribute, the large one first.
    pub norms: [f64; 2],
    /// Rows; the first half builds, the second half tests.
    pub rows: usize,
}

impl Default for Toy {
    fn default() -> Self {
        Self {
            width: 64,
            values: [50, 50],
            norms: [1.0, 0.5],
            rows: 4_000,
        }
    }
}

/// Activations of the toy with the vectors that they are sums of.
#[derive(Debug, Clone, PartialEq)]
pub struct ToyData {
    /// Rows with the attributes `large` and `small`.
    pub labelled: Labelled,
    /// Vectors of either attribute, `[values, d]`.
    pub vectors: [Matrix; 2],
}

impl Toy {
    /// Draws vectors and rows. Vectors are Gaussian, and one factor for each attribute gives them the mean norm.
    pub fn data(&self, seed: u64) -> Result<ToyData> {
        let sound = |norm: &f64| norm.is_finite() && *norm > 0.0;
        if !self.norms.iter().all(sound) {
            return Err(Error::setting("norms", "give two numbers above 0"));
        }
        if self.width == 0 || self.values.contains(&0) {
            return Err(Error::setting(
                "values",
                "give a width and numbers of values of 1 or more",
            ));
        }
        let mut rng = draws::source(seed, draws::VECTORS);
        let mut vectors = [Matrix::default(), Matrix::default()];
        for ((vectors, count), norm) in vectors.iter_mut().zip(self.values).zip(self.norms) {
            *vectors = draws::normals(count, self.width, &mut rng)?;
            let length = |row: &[f32]| {
                row.iter()
                    .map(|x| f64::from(*x).powi(2))
                    .sum::<f64>()
                    .sqrt()
            };
            let lengths: f64 = vectors.iter_rows().map(length).sum();
            let factor = norm * count as f64 / lengths;
            for x in vectors.values_mut() {
                *x = (f64::from(*x) * factor) as f32;
            }
        }
        let mut rng = draws::source(seed, draws::ROWS);
        let [large, small] = &vectors;
        let mut activations = Matrix::zeros(self.rows, self.width);
        let mut rows = [Vec::new(), Vec::new()];
        for n in 0..self.rows {
            let at = self.values.map(|count| draws::below(count, &mut rng));
            let parts = large.row(at[0]).iter().zip(small.row(at[1]));
            for (x, (u, v)) in activations.row_mut(n).iter_mut().zip(parts) {
                *x = u + v;
            }
            rows.iter_mut().zip(at).for_each(|(rows, at)| rows.push(at));
        }
        let names = ["large", "small"].into_iter().zip(self.values).zip(rows);
        let attributes = names.map(|((name, count), rows)| Attribute {
            name: name.to_owned(),
            values: (0..count).map(|value| value.to_string()).collect(),
            rows,
        });
        Ok(ToyData {
            labelled: Labelled::new(activations, attributes.collect())?,
            vectors,
        })
    }
}

/// Values found by one dictionary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Settings.
    pub fit: Fit,
    /// Seed.
    pub seed: u64,
    /// Share of the first attribute that was removed.
    pub alpha: f64,
    /// For both attributes, the counts at each threshold.
    pub counts: [Vec<Count>; 2],
    /// Mean number of active features on a row that tests.
    pub l0: f64,
    /// Fraction of variance unexplained on the rows that test.
    pub fvu: f64,
    /// Share of features that are active on no row that tests.
    pub silent: f64,
}

impl Run {
    /// Returns the share of values of the first attribute that are found less that of the second, at threshold number `at`.
    pub fn gap(&self, at: usize) -> f64 {
        self.counts[0][at].share() - self.counts[1][at].share()
    }
}

/// Runs of several settings and seeds on the toy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToyStudy {
    /// Settings of the toy.
    pub toy: Toy,
    /// F1 scores, in the order of the counts.
    pub thresholds: Vec<f64>,
    /// Runs, by seed, then by setting.
    pub runs: Vec<Run>,
    /// At each threshold, the mean over seeds of the share found of either attribute; of a seed, the mean over settings.
    pub shares: Vec<[Spread; 2]>,
    /// At each threshold, the mean over seeds of the share of large values found less that of small values.
    pub gaps: Vec<Spread>,
    /// Mean over seeds of the gap at the first threshold less the gap at the last.
    pub fading: Spread,
}

/// Trains a dictionary of each of `fits` on the toy of each seed, and counts the values found. `observe` hears of passes over the rows.
pub fn toy(
    toy: &Toy,
    fits: &[Fit],
    seeds: std::ops::Range<u64>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<ToyStudy>> {
    if fits.is_empty() || seeds.is_empty() {
        return Err(Error::setting(
            "seeds",
            "no dictionary would be trained: give 1 or more",
        ));
    }
    let passes: usize = fits.iter().map(|fit| fit.epochs).sum();
    let mut work = Work::new(passes * seeds.clone().count(), observe);
    let mut runs = Vec::new();
    for seed in seeds.clone() {
        let halves = toy.data(seed)?.labelled.halves();
        for fit in fits {
            let asked = Asked {
                halves: &halves,
                attributes: [0, 1],
                fit: *fit,
                seed,
                alpha: 0.0,
            };
            match work.run(&asked)? {
                Ended::Done(run) => runs.push(run),
                Ended::Stopped(()) => return Ok(Ended::STOPPED),
            }
        }
    }
    Ok(Ended::Done(ToyStudy::new(*toy, seeds, runs)))
}

impl ToyStudy {
    fn new(toy: Toy, seeds: std::ops::Range<u64>, runs: Vec<Run>) -> Self {
        let over_seeds = |of: &dyn Fn(&Run) -> f64| {
            let each = seeds.clone().map(|seed| {
                let own: Vec<f64> = runs.iter().filter(|run| run.seed == seed).map(of).collect();
                own.iter().sum::<f64>() / own.len() as f64
            });
            Spread::new(&each.collect::<Vec<f64>>())
        };
        let last = THRESHOLDS.len() - 1;
        let thresholds = 0..THRESHOLDS.len();
        let share = |at: usize| [0, 1].map(|of| over_seeds(&|run| run.counts[of][at].share()));
        Self {
            toy,
            thresholds: THRESHOLDS.to_vec(),
            shares: thresholds.clone().map(share).collect(),
            gaps: thresholds
                .map(|at| over_seeds(&|run| run.gap(at)))
                .collect(),
            fading: over_seeds(&|run| run.gap(0) - run.gap(last)),
            runs,
        }
    }

    /// Whether large values are found more often at the first threshold, and less so at the last, by whole intervals over the seeds; none of one seed, or where
    /// fewer than half of the large values are found at the last threshold, so that dictionaries find too little to hide anything.
    pub fn holds(&self) -> Option<bool> {
        self.fading.interval?;
        let [large, _] = self.shares.last()?;
        if large.mean < ENOUGH {
            return None;
        }
        Some(self.gaps[0].is_above(0.0) && self.fading.is_above(0.0))
    }
}

/// Settings of a study of activations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Attribute that is removed, and the one that is looked for beside it.
    pub attributes: [String; 2],
    /// Shares of the first attribute that are removed.
    pub alphas: Vec<f64>,
    /// Settings of the dictionaries.
    pub fit: Fit,
    /// Number of dictionaries for each α: seeds 0, 1, ….
    pub seeds: u64,
}

/// Dictionaries trained on activations from which one attribute is removed step by step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// Settings.
    pub spec: Spec,
    /// Rows that built and rows that tested.
    pub rows: [usize; 2],
    /// Mean norm of the difference vectors of either attribute, over the rows that build; before anything is removed.
    pub norms: [f64; 2],
    /// F1 scores, in the order of the counts.
    pub thresholds: Vec<f64>,
    /// Runs, by α, then by seed.
    pub runs: Vec<Run>,
}

impl Study {
    /// Returns the mean over seeds of the number of values found of attribute `of` at α number `alpha` and threshold number `at`.
    pub fn found(&self, alpha: usize, of: usize, at: usize) -> Spread {
        let seeds = self.spec.seeds as usize;
        let runs = self.runs.iter().skip(alpha * seeds).take(seeds);
        let found: Vec<f64> = runs.map(|run| run.counts[of][at].found as f64).collect();
        Spread::new(&found)
    }
}

/// Returns for each value of `attribute` the mean of its rows less the mean of all, `[values, d]`; zeros for a value that no row has.
pub fn differences(x: &Matrix, attribute: &Attribute) -> Result<Matrix> {
    attribute.check(x.rows())?;
    let all = mean(x);
    let mut sums = vec![vec![0.0_f64; x.columns()]; attribute.values.len()];
    for (row, value) in x.iter_rows().zip(&attribute.rows) {
        for (sum, x) in sums[*value].iter_mut().zip(row) {
            *sum += f64::from(*x);
        }
    }
    let mut out = Matrix::zeros(sums.len(), x.columns());
    for (value, (sum, count)) in sums.iter().zip(attribute.counts()).enumerate() {
        if count > 0 {
            let pairs = out.row_mut(value).iter_mut().zip(sum).zip(&all);
            pairs.for_each(|((out, sum), all)| *out = (sum / count as f64 - all) as f32);
        }
    }
    Ok(out)
}

/// Returns `x − α · difference of the row's value`.
pub fn removed(
    x: &Matrix,
    attribute: &Attribute,
    differences: &Matrix,
    alpha: f64,
) -> Result<Matrix> {
    attribute.check(x.rows())?;
    let mut out = x.clone();
    for (row, value) in attribute.rows.iter().enumerate() {
        let pairs = out.row_mut(row).iter_mut().zip(differences.row(*value));
        pairs.for_each(|(x, by)| *x = (f64::from(*x) - alpha * f64::from(*by)) as f32);
    }
    Ok(out)
}

/// Trains dictionaries on the first half of `labelled` with each share of the first attribute removed, and counts on the second half, with as much removed, the values
/// of both attributes that are found. Differences come from the first half. `observe` hears of passes over the rows.
pub fn study(
    labelled: &Labelled,
    spec: &Spec,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Study>> {
    let places = [
        labelled.attribute(&spec.attributes[0])?,
        labelled.attribute(&spec.attributes[1])?,
    ];
    if places[0] == places[1] {
        return Err(Error::setting("attribute", "give two different attributes"));
    }
    if spec.seeds == 0 || spec.alphas.is_empty() {
        return Err(Error::setting(
            "seeds",
            "no dictionary would be trained: give 1 or more",
        ));
    }
    if let Some(alpha) = spec
        .alphas
        .iter()
        .find(|alpha| !(0.0..=1.0).contains(*alpha))
    {
        let what = format!("{alpha} is no share of an attribute, give numbers from 0 to 1");
        return Err(Error::setting("alphas", what));
    }
    let halves = labelled.halves();
    let first = &halves[0];
    let both = [
        differences(&first.activations, &first.attributes[places[0]])?,
        differences(&first.activations, &first.attributes[places[1]])?,
    ];
    let passes = spec.alphas.len() * spec.seeds as usize * spec.fit.epochs;
    let mut work = Work::new(passes, observe);
    let mut runs = Vec::new();
    for alpha in &spec.alphas {
        let mut less = halves.clone();
        for half in &mut less {
            half.activations = removed(
                &half.activations,
                &half.attributes[places[0]],
                &both[0],
                *alpha,
            )?;
        }
        for seed in 0..spec.seeds {
            let asked = Asked {
                halves: &less,
                attributes: places,
                fit: spec.fit,
                seed,
                alpha: *alpha,
            };
            match work.run(&asked)? {
                Ended::Done(run) => runs.push(run),
                Ended::Stopped(()) => return Ok(Ended::STOPPED),
            }
        }
    }
    Ok(Ended::Done(Study {
        spec: spec.clone(),
        rows: [0, 1].map(|half| halves[half].activations.rows()),
        norms: [0, 1].map(|of| mean_norm(&both[of], &first.attributes[places[of]])),
        thresholds: THRESHOLDS.to_vec(),
        runs,
    }))
}

/// Mean norm of the vectors of the values that rows have, each value once.
fn mean_norm(vectors: &Matrix, attribute: &Attribute) -> f64 {
    let counts = attribute.counts();
    let there = vectors
        .iter_rows()
        .zip(&counts)
        .filter(|(_, count)| **count > 0);
    let norms: Vec<f64> = there
        .map(|(row, _)| {
            row.iter()
                .map(|x| f64::from(*x).powi(2))
                .sum::<f64>()
                .sqrt()
        })
        .collect();
    norms.iter().sum::<f64>() / norms.len().max(1) as f64
}

/// Values of two attributes that a trained dictionary finds.
pub fn by_dictionary(
    sae: &Sae,
    rows: &Labelled,
    attributes: [usize; 2],
) -> Result<[Vec<Count>; 2]> {
    let latents = sae.encode(&rows.activations)?;
    let [one, other] = attributes.map(|of| count(&latents, &rows.attributes[of], &THRESHOLDS, 0));
    Ok([one?, other?])
}

/// One dictionary that is asked for.
struct Asked<'a> {
    halves: &'a [Labelled; 2],
    attributes: [usize; 2],
    fit: Fit,
    seed: u64,
    alpha: f64,
}

/// Passes done so far, of those of all dictionaries.
struct Work<'a> {
    done: usize,
    total: usize,
    observe: &'a mut dyn FnMut(Progress) -> Flow,
}

impl<'a> Work<'a> {
    fn new(total: usize, observe: &'a mut dyn FnMut(Progress) -> Flow) -> Self {
        Self {
            done: 0,
            total,
            observe,
        }
    }

    fn run(&mut self, asked: &Asked<'_>) -> Result<Ended<Run>> {
        let [build, test] = asked.halves;
        let (before, total) = (self.done, self.total);
        let observe = &mut *self.observe;
        let mut on = |epoch| observe(Progress::new(before + epoch, total, "passes"));
        let Ended::Done(sae) = asked.fit.train(&build.activations, asked.seed, &mut on)? else {
            return Ok(Ended::STOPPED);
        };
        self.done += asked.fit.epochs;
        let x = &test.activations;
        let latents = sae.encode(x)?;
        let [one, other] = asked
            .attributes
            .map(|of| count(&latents, &test.attributes[of], &THRESHOLDS, asked.seed));
        let mut active = vec![false; sae.features()];
        latents
            .features
            .iter()
            .for_each(|feature| active[*feature as usize] = true);
        let silent = active.iter().filter(|active| !**active).count();
        Ok(Ended::Done(Run {
            fit: asked.fit,
            seed: asked.seed,
            alpha: asked.alpha,
            counts: [one?, other?],
            l0: latents.features.len() as f64 / x.rows().max(1) as f64,
            fvu: fvu(x, &sae.decode(&latents, x)?),
            silent: silent as f64 / sae.features().max(1) as f64,
        }))
    }
}

/// Σ‖x − x̂‖² / Σ‖x − mean‖².
fn fvu(x: &Matrix, of: &Matrix) -> f64 {
    let mean = mean(x);
    let (mut left, mut all) = (0.0, 0.0);
    for (x, of) in x.iter_rows().zip(of.iter_rows()) {
        for ((x, of), mean) in x.iter().zip(of).zip(&mean) {
            left += (f64::from(*x) - f64::from(*of)).powi(2);
            all += (f64::from(*x) - mean).powi(2);
        }
    }
    left / all
}
