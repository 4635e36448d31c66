//! Absorption: words that a feature for their first letter ought to fire on and does not, since a feature of the word itself stands in for it (Chanin et al. 2024,
//! arXiv 2409.14507; figures of SAEBench 0.6.0, `absorption_first_letter`).
//!
//! Words are the model's own tokens of a space and letters; classes are first letters, or labels that a person gives. One fifth of the words tests.
//! 1. A **probe** of each class: logistic regression of the class against the others on the activation at the word's token, classes weighted alike, penalty
//!    0.0026 / 2 · n · ‖w‖², which is SAEBench's loss, minimised to its end. A class whose probe has F1 ≤ 0.6 on test words is left out: the model does not know it.
//! 2. **Main features** of a class: a logistic regression with an L1 penalty on the codes of the training words orders features by positive weight. With the first
//!    k of them another regression predicts the class; k grows from 1 to 10 while F1 on test words grows by more than 0.03.
//! 3. Test words of the class with a positive score of the probe are its **true positives**. With p the probe's direction of length 1, x the activation, and a
//!    feature's projection a · ‖d‖ · cos(d, p) of its activation a and decoder row d:
//!    - **full absorption**: all main features are silent (below 1e-8), ⟨x, p⟩ > 0, and the one feature with the largest projection has a cosine of at least 0.025
//!      and makes at least 0.4 of ⟨x, p⟩.
//!    - **absorption fraction**: M is the projection of the main features, A that of up to three other features with a cosine of at least 0.1 and the largest
//!      positive projections. 0 where M ≥ ⟨x, p⟩ or A < 0.4 · ⟨x, p⟩; else 1 where M ≤ 0; else A' / (A' + M) with A' = min(A, ⟨x, p⟩ − M).
//! 4. A class has the mean over its true positives, a dictionary the mean over classes.
//!
//! Differences from SAEBench: both regressions are minimised to their end, where SAEBench makes 50 epochs of Adam; words have a space before them; projections
//! use the length of decoder rows, which SAEBench takes as 1; features without a positive weight are never main ones. Intervals are of a bootstrap over the true
//! positives of every class, with probes and main features as they are.

mod prompts;
mod rule;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use self::rule::Active;
use super::estimate::{Bootstrap, DRAWS, Estimate};
use super::regression::{Columns, Examples, Logistic, strongest};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::FeatureId;
use crate::latents::Latents;
use crate::sae::{Autoencoder, InputNorm};

pub use self::prompts::{EXAMPLES, Read, SPELLS, read};
pub use self::rule::{ABSORBERS, FRACTION_COSINE, FULL_COSINE, PROPORTION, SILENT};
pub use self::words::{FORMAT, LETTERS, Word, Words};

/// F1 that the probe of a class must exceed.
pub const LEAST_F1: f64 = 0.6;
/// Rise of F1 by which another main feature must help.
pub const F1_JUMP: f64 = 0.03;
/// Main features of a class, at most.
pub const MOST_MAIN: usize = 10;
/// Classes below which SAEBench evaluates nothing.
pub const LEAST_CLASSES: usize = 20;
/// Factor of half the squared weights in the mean loss of a probe: Adam's 1e-4 for the mean over 26 letters.
const PENALTY: f64 = 26.0 * 1e-4;
/// Factor of the sizes of weights in the mean loss that orders features.
const SPARSE_PENALTY: f64 = 0.01;
/// Words of a class that must train and test its probe.
const LEAST_WORDS: usize = 2;

/// Settings of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Classes that are judged; all without names.
    pub classes: Vec<String>,
    /// Lines before each word; none lets the model's spelling decide.
    pub examples: Option<usize>,
    /// Share of words that test.
    pub test_share: f64,
    /// Seed of the split, the lines and the bootstrap.
    pub seed: u64,
    /// Draws of the bootstrap.
    pub draws: usize,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            classes: Vec::new(),
            examples: None,
            test_share: 0.2,
            seed: 0,
            draws: DRAWS,
        }
    }
}

/// How well the probe of a class knows it, on test words.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// Name of the class.
    pub class: String,
    /// Words of the class that train and that test.
    pub words: [usize; 2],
    /// Share of test words that are told right.
    pub accuracy: f64,
    /// Share of the words that the probe says are of the class which are.
    pub precision: f64,
    /// Share of the words of the class which the probe says are.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
}

impl Quality {
    /// Whether the model knows the class.
    pub fn is_known(&self) -> bool {
        self.f1 > LEAST_F1
    }
}

/// Probes of the classes at one place, and the words they were fitted on.
#[derive(Debug, Clone)]
pub struct Probes {
    /// Quality of each probe.
    pub qualities: Vec<Quality>,
    /// Classes with too few words for a probe.
    pub too_few: Vec<String>,
    split: Split,
    directions: Vec<(usize, Logistic)>,
}

/// Words that train, and words that test.
#[derive(Debug, Clone)]
struct Split {
    train: Vec<usize>,
    test: Vec<usize>,
}

impl Split {
    fn new(words: usize, spec: &Spec) -> Result<Self> {
        if !(spec.test_share > 0.0 && spec.test_share < 1.0) {
            let what = format!(
                "{} is no share of words that test: give a number between 0 and 1",
                spec.test_share
            );
            return Err(Error::setting("test share", what));
        }
        let mut order: Vec<usize> = (0..words).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(spec.seed));
        let cut = ((1.0 - spec.test_share) * words as f64) as usize;
        let test = order.split_off(cut);
        Ok(Self { train: order, test })
    }
}

/// Absorption of one class in a dictionary.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// Name.
    pub name: String,
    /// Main features, the strongest first.
    pub main: Vec<FeatureId>,
    /// F1 of the regression on them, on test words.
    pub main_f1: f64,
    /// Number of true positives of the probe.
    pub true_positives: usize,
    /// Mean absorption fraction over them.
    pub fraction: Estimate,
    /// Share of them that are fully absorbed.
    pub full: Estimate,
    /// Words that are fully absorbed, with the feature that stands in.
    pub absorbed: Vec<(String, FeatureId)>,
}

/// Absorption in a dictionary.
#[derive(Debug, Clone, PartialEq)]
pub struct Absorption {
    /// Name of the dictionary.
    pub dictionary: String,
    /// Classes that the model knows and a feature of the dictionary predicts.
    pub classes: Vec<Class>,
    /// Known classes that no feature predicts.
    pub without_feature: Vec<String>,
    /// Mean absorption fraction over classes; none without classes.
    pub fraction: Option<Estimate>,
    /// Mean share of full absorption over classes.
    pub full: Option<Estimate>,
    /// Mean number of main features over classes.
    pub main_features: Option<f64>,
}

/// Fits the probes of the classes on the activations `x [n, d]` of the words.
pub fn probes(words: &Words, x: &Matrix, spec: &Spec) -> Result<Probes> {
    if x.rows() != words.words.len() {
        let what = format!(
            "{} activations for {} words: read every word once",
            x.rows(),
            words.words.len()
        );
        return Err(Error::setting("words", what));
    }
    let chosen = words.chosen(&spec.classes)?;
    on_split(words, x, (chosen, Split::new(words.words.len(), spec)?))
}

fn on_split(words: &Words, x: &Matrix, (chosen, split): (Vec<usize>, Split)) -> Result<Probes> {
    let count = |of: &[usize], class: usize| {
        of.iter()
            .filter(|at| words.words[**at].class == class)
            .count()
    };
    let (enough, few): (Vec<usize>, Vec<usize>) = chosen.into_iter().partition(|class| {
        count(&split.train, *class) >= LEAST_WORDS && count(&split.test, *class) >= LEAST_WORDS
    });
    let rows = split
        .train
        .iter()
        .flat_map(|at| x.row(*at).iter().map(|x| f64::from(*x)));
    let rows: Vec<f64> = rows.collect();
    let fitted: Vec<(Quality, Logistic)> = enough
        .par_iter()
        .map(|class| {
            let is_of: Vec<bool> = split
                .train
                .iter()
                .map(|at| words.words[*at].class == *class)
                .collect();
            let n = is_of.len() as f64;
            let of = count(&split.train, *class) as f64;
            let probe = Logistic::fitted(Examples {
                x: &rows,
                width: x.columns(),
                is_of: &is_of,
                weights: [(n - of) / of, 1.0],
                penalty: PENALTY * n,
            })?;
            let says = |at: &usize| probe.score(x.row(*at).iter().map(|x| f64::from(*x))) > 0.0;
            let answers = split
                .test
                .iter()
                .map(|at| (says(at), words.words[*at].class == *class));
            let quality = quality(
                &words.classes[*class],
                is_of.iter().filter(|is| **is).count(),
                &answers.collect::<Vec<_>>(),
            );
            Ok((quality, probe))
        })
        .collect::<Result<_>>()?;
    let (qualities, logistics): (Vec<Quality>, Vec<Logistic>) = fitted.into_iter().unzip();
    Ok(Probes {
        qualities,
        too_few: few
            .iter()
            .map(|class| words.classes[*class].clone())
            .collect(),
        directions: enough.into_iter().zip(logistics).collect(),
        split,
    })
}

/// Figures of answers, each what was said and what is.
fn quality(class: &str, train: usize, answers: &[(bool, bool)]) -> Quality {
    let count =
        |said: bool, is: bool| answers.iter().filter(|one| **one == (said, is)).count() as f64;
    let (hits, false_alarms, misses) = (count(true, true), count(true, false), count(false, true));
    let share = |of: f64, all: f64| if all > 0.0 { of / all } else { 0.0 };
    Quality {
        class: class.to_owned(),
        words: [train, (hits + misses) as usize],
        accuracy: share(hits + count(false, false), answers.len() as f64),
        precision: share(hits, hits + false_alarms),
        recall: share(hits, hits + misses),
        f1: share(2.0 * hits, 2.0 * hits + false_alarms + misses),
    }
}

/// Measures the absorption of every known class in a dictionary that reads the activations `x [n, d]` of the words, on which `probes` were fitted.
pub fn absorption(
    sae: Autoencoder<'_>,
    (words, x): (&Words, &Matrix),
    probes: &Probes,
    spec: &Spec,
) -> Result<Absorption> {
    if x.rows() != words.words.len() {
        let what = format!(
            "{} activations for {} words: read every word once",
            x.rows(),
            words.words.len()
        );
        return Err(Error::setting("words", what));
    }
    let latents = sae.encode(x)?;
    let scales = scales(sae, x)?;
    let train = Columns::new(&latents, &probes.split.train, sae.features());
    let test = Columns::new(&latents, &probes.split.test, sae.features());
    let known = probes.directions.iter().zip(&probes.qualities);
    let known: Vec<&(usize, Logistic)> = known
        .filter(|(_, quality)| quality.is_known())
        .map(|(probe, _)| probe)
        .collect();
    let read = Codes {
        sae,
        words,
        x,
        latents: &latents,
        scales: &scales,
        columns: [&train, &test],
        split: &probes.split,
    };
    let found: Vec<(usize, Option<Measured>)> = known
        .par_iter()
        .map(|(class, probe)| Ok((*class, read.class(*class, probe, spec)?)))
        .collect::<Result<_>>()?;
    let mut without_feature = Vec::new();
    let (mut classes, mut fractions, mut fulls) = (Vec::new(), Vec::new(), Vec::new());
    for (class, found) in found {
        match found {
            None => without_feature.push(words.classes[class].clone()),
            Some((class, [fraction, full])) => {
                classes.push(class);
                fractions.push(fraction);
                fulls.push(full);
            }
        }
    }
    let over = |groups: &[Vec<f64>]| {
        let groups: Vec<&[f64]> = groups.iter().map(Vec::as_slice).collect();
        Estimate::from_groups(&groups, bootstrap(spec))
    };
    let main: usize = classes.iter().map(|class: &Class| class.main.len()).sum();
    Ok(Absorption {
        dictionary: sae.name.clone(),
        without_feature,
        fraction: over(&fractions),
        full: over(&fulls),
        main_features: (!classes.is_empty()).then(|| main as f64 / classes.len() as f64),
        classes,
    })
}

fn bootstrap(spec: &Spec) -> Bootstrap {
    Bootstrap {
        draws: spec.draws,
        seed: spec.seed,
    }
}

/// Returns for each row of `x [n, d]` the factor by which the dictionary's input normalisation scales what it decodes.
pub(super) fn scales(sae: Autoencoder<'_>, x: &Matrix) -> Result<Vec<f64>> {
    if sae.input_norm == InputNorm::None || sae.features() == 0 {
        return Ok(vec![1.0; x.rows()]);
    }
    let lengths: Vec<f64> = sae.w_dec.iter_rows().map(length).collect();
    let longest = (0..lengths.len()).max_by(|a, b| lengths[*a].total_cmp(&lengths[*b]));
    let longest = longest.unwrap_or_default();
    let mut codes = Latents::with_capacity(x.rows(), 1);
    for _ in 0..x.rows() {
        codes.push_row(&[longest as u32], &[1.0]);
    }
    let with = sae.decode(&codes, x)?;
    let without = sae.decode(&Latents::empty(x.rows()), x)?;
    let rows = with.iter_rows().zip(without.iter_rows());
    let differences = rows.map(|(with, without)| {
        let squares = with
            .iter()
            .zip(without)
            .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
        squares.sum::<f64>().sqrt() / lengths[longest]
    });
    Ok(differences.collect())
}

fn length(row: &[f32]) -> f64 {
    row.iter()
        .map(|w| f64::from(*w).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// A class with the fraction of each true positive, and whether it is fully absorbed.
type Measured = (Class, [Vec<f64>; 2]);

/// Codes of the words in a dictionary.
struct Codes<'a> {
    sae: Autoencoder<'a>,
    words: &'a Words,
    x: &'a Matrix,
    latents: &'a Latents,
    scales: &'a [f64],
    /// Codes by feature, of the words that train and that test.
    columns: [&'a Columns; 2],
    split: &'a Split,
}

impl Codes<'_> {
    /// Measures one class; none where no feature predicts the class.
    fn class(&self, class: usize, probe: &Logistic, spec: &Spec) -> Result<Option<Measured>> {
        let (main, main_f1) = self.main(class)?;
        if main.is_empty() {
            return Ok(None);
        }
        let direction: Vec<f64> = {
            let length = probe.weights.iter().map(|w| w * w).sum::<f64>().sqrt();
            probe.weights.iter().map(|w| w / length).collect()
        };
        let mut cosines: BTreeMap<FeatureId, (f64, f64)> = BTreeMap::new();
        let (mut fractions, mut fulls, mut absorbed) = (Vec::new(), Vec::new(), Vec::new());
        for at in &self.split.test {
            let word = &self.words.words[*at];
            let values = || self.x.row(*at).iter().map(|x| f64::from(*x));
            if word.class != class || probe.score(values()) <= 0.0 {
                continue;
            }
            let mut active = Vec::new();
            for (feature, act) in self.latents.row(*at) {
                let (length, cosine) = match cosines.get(&feature) {
                    Some(known) => *known,
                    None => *cosines
                        .entry(feature)
                        .or_insert(self.cosine(feature, &direction)?),
                };
                active.push(Active {
                    feature,
                    size: f64::from(act) * length * self.scales[*at],
                    cosine,
                });
            }
            let whole: f64 = values().zip(&direction).map(|(x, p)| x * p).sum();
            let judged = rule::judge(&active, &main, whole);
            fractions.push(judged.fraction);
            fulls.push(f64::from(u8::from(judged.absorber.is_some())));
            absorbed.extend(judged.absorber.map(|feature| (word.text.clone(), feature)));
        }
        let estimate = |values: &[f64]| Estimate::from_values(values, bootstrap(spec));
        let (Some(fraction), Some(full)) = (estimate(&fractions), estimate(&fulls)) else {
            return Ok(None);
        };
        let class = Class {
            name: self.words.classes[class].clone(),
            main,
            main_f1,
            true_positives: fractions.len(),
            fraction,
            full,
            absorbed,
        };
        Ok(Some((class, [fractions, fulls])))
    }

    /// Returns the length of a feature's decoder row and its cosine with `direction`, of length 1.
    fn cosine(&self, feature: FeatureId, direction: &[f64]) -> Result<(f64, f64)> {
        let row = self.sae.direction(feature)?;
        let length = length(row);
        let product: f64 = row
            .iter()
            .zip(direction)
            .map(|(w, p)| f64::from(*w) * p)
            .sum();
        Ok((length, if length > 0.0 { product / length } else { 0.0 }))
    }

    /// Returns the main features of a class and the F1 of the regression on them.
    fn main(&self, class: usize) -> Result<(Vec<FeatureId>, f64)> {
        let is_of = |of: &[usize]| -> Vec<bool> {
            of.iter()
                .map(|at| self.words.words[*at].class == class)
                .collect()
        };
        let (train, test) = (is_of(&self.split.train), is_of(&self.split.test));
        let n = train.len() as f64;
        let of = train.iter().filter(|is| **is).count() as f64;
        let weights = self.columns[0].fitted(Examples {
            x: &[],
            width: 0,
            is_of: &train,
            weights: [(n - of) / of, 1.0],
            penalty: SPARSE_PENALTY,
        })?;
        let order = strongest(&weights, MOST_MAIN);
        let mut best: Option<(usize, f64)> = None;
        for k in 1..=order.len() {
            let rows = |columns: &Columns, n: usize| -> Vec<f64> {
                let dense: Vec<Vec<f64>> =
                    order[..k].iter().map(|f| columns.dense(*f, n)).collect();
                (0..n)
                    .flat_map(|row| dense.iter().map(move |column| column[row]))
                    .collect()
            };
            let x = rows(self.columns[0], train.len());
            let probe = Logistic::fitted(Examples {
                x: &x,
                width: k,
                is_of: &train,
                weights: [n / (2.0 * of), n / (2.0 * (n - of))],
                penalty: 1.0,
            })?;
            let x = rows(self.columns[1], test.len());
            let answers = x.chunks_exact(k).zip(&test);
            let answers = answers.map(|(row, is)| (probe.score(row.iter().copied()) > 0.0, *is));
            let f1 = quality("", 0, &answers.collect::<Vec<_>>()).f1;
            if best.is_some_and(|(_, before)| f1 <= before + F1_JUMP) {
                break;
            }
            best = Some((k, f1));
        }
        let (k, f1) = best.unwrap_or_default();
        let main = order.into_iter().take(k).map(FeatureId::from);
        Ok((main.collect(), f1))
    }
}
