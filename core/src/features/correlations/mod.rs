//! Correlations of features with each other and with the neurons of the hook, over a text, and alignment of decoder rows with neurons: the tables of SAEDashboard.
//! A neuron is an entry of the activation that the dictionary reads or writes.
//!
//! With n counted tokens and the values x, y of two features, or of a feature and a neuron (0 where a feature is not active):
//! cosine = Σxy / √(Σx² Σy²), Pearson = (n Σxy − Σx Σy) / √((n Σx² − (Σx)²)(n Σy² − (Σy)²)), summed in f64.

mod file;
#[cfg(test)]
mod tests;

use std::path::Path;

use rayon::prelude::*;
use serde_json::{Value, json};

pub use self::file::write;
use super::{Index, pass};
use crate::capture;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::FeatureId;
use crate::latents::Latents;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;

/// Number of features and of neurons listed for each feature, as in SAEDashboard.
pub const LISTED: usize = 3;
/// Bytes of sums held at once. A dictionary whose sums need more is measured in several passes.
const HELD: usize = 1 << 29;

/// Name and definition of every figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "pearson",
        "Pearson correlation over the counted tokens of a feature's activations with those of another feature, or with a neuron: an entry of the activation that the dictionary reads; 0 where a feature is not active",
    ),
    (
        "cosine",
        "sum of the products of the two over the root of the product of their sums of squares",
    ),
    (
        "value",
        "entry of the feature's decoder row, brought to length 1, at a neuron",
    ),
    (
        "l1",
        "size of that entry over the sum of the sizes of all entries of the row",
    ),
];

/// Another feature or a neuron, with its correlation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlated {
    /// Number of the feature or neuron.
    pub other: u32,
    /// Pearson correlation.
    pub pearson: f64,
    /// Cosine of the values.
    pub cosine: f64,
}

/// A neuron with the entry of a decoder row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aligned {
    /// Number of the neuron.
    pub neuron: u32,
    /// Entry of the row, brought to length 1.
    pub value: f64,
    /// Share of the entry's size in the sum of the sizes of all entries.
    pub l1: f64,
}

/// Correlations of one feature, each list largest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OfFeature {
    /// Features with the largest Pearson correlation; empty for a feature that does not vary.
    pub features: Vec<Correlated>,
    /// Neurons with the largest Pearson correlation; empty for a feature that does not vary.
    pub neurons: Vec<Correlated>,
    /// Neurons with the largest entries of the decoder row.
    pub alignment: Vec<Aligned>,
}

/// Correlations of a dictionary's features.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Correlations {
    /// Text that they were measured on, as a phrase.
    pub text: String,
    /// Hex SHA-256 of the text.
    pub fingerprint: String,
    /// Number of tokens that count.
    pub tokens: u64,
    /// By feature.
    pub features: Vec<OfFeature>,
}

impl Correlations {
    /// Returns the correlations of `feature`.
    pub fn of(&self, feature: FeatureId) -> Option<&OfFeature> {
        self.features.get(feature.index())
    }
}

impl OfFeature {
    /// Returns an object with the keys `features` (`feature pearson cosine`), `neurons` (`neuron pearson cosine`) and `alignment` (`neuron value l1`).
    pub fn json(&self) -> Value {
        let listed = |key: &str, all: &[Correlated]| -> Value {
            let one = |of: &Correlated| json!({key: of.other, "pearson": of.pearson, "cosine": of.cosine});
            all.iter().map(one).collect()
        };
        let aligned = |of: &Aligned| json!({"neuron": of.neuron, "value": of.value, "l1": of.l1});
        json!({
            "features": listed("feature", &self.features),
            "neurons": listed("neuron", &self.neurons),
            "alignment": self.alignment.iter().map(aligned).collect::<Value>(),
        })
    }
}

/// Measures the correlations of `sae`'s features over the positions of `rows` that count. Memory is bounded: a large dictionary takes several passes. Text and
/// fingerprint of the result are empty.
pub fn measure(
    (model, sae): (&Model, ByToken<'_>),
    rows: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Correlations>> {
    measure_within((model, sae), rows, HELD, observe)
}

/// Measures the correlations over a text, named by a phrase and its fingerprint, and writes `index` with them to `out`, which may be the index itself. Nothing is
/// written where `observe` stops it.
pub fn keep(
    subject: (&Model, ByToken<'_>),
    (rows, text, fingerprint): (&Rows, &str, &str),
    (index, out): (&Index, &Path),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Correlations>> {
    let Ended::Done(mut found) = measure(subject, rows, observe)? else {
        return Ok(Ended::STOPPED);
    };
    text.clone_into(&mut found.text);
    fingerprint.clone_into(&mut found.fingerprint);
    write(index, &found, out)?;
    Ok(Ended::Done(found))
}

fn measure_within(
    (model, sae): (&Model, ByToken<'_>),
    rows: &Rows,
    held: usize,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Correlations>> {
    let hook = pass::hook_of(model, sae)?;
    pass::check_text(rows, &(0..rows.len()))?;
    let (features, width) = (sae.features(), sae.width());
    let block = (held / (8 * (features + width))).clamp(1, features.max(1));
    let passes = features.div_ceil(block).max(1);
    let all: Vec<usize> = (0..rows.len()).collect();
    let mut found = Vec::with_capacity(features);
    for (number, first) in (0..features).step_by(block).enumerate() {
        let mut sums = Sums::new(first..(first + block).min(features), (features, width));
        for chunk in all.chunks(pass::ROWS_AT_ONCE) {
            let done = number * rows.len() + chunk[0];
            if observe(Progress::rows(done, passes * rows.len())).is_break() {
                return Ok(Ended::STOPPED);
            }
            let x = capture::activations(model, rows, chunk, hook)?;
            let x = sae.own_part(&x)?;
            let x = rows.kept(chunk, &x);
            sums.add(&x, &sae.encode(&x)?);
        }
        found.extend(sums.correlations());
    }
    for (of, row) in found.iter_mut().zip(sae.w_dec.iter_rows()) {
        of.alignment = alignment(row);
    }
    Ok(Ended::Done(Correlations {
        tokens: rows.counted() as u64,
        features: found,
        ..Correlations::default()
    }))
}

/// Sums over tokens for a range of features.
struct Sums {
    range: std::ops::Range<usize>,
    tokens: usize,
    /// `[f]`: Σx and Σx² of every feature.
    features: (Vec<f64>, Vec<f64>),
    /// `[d]`: Σy and Σy² of every neuron.
    neurons: (Vec<f64>, Vec<f64>),
    /// Σxy of each feature of the range with every feature, `[f]`, and every neuron, `[d]`.
    products: Vec<(Vec<f64>, Vec<f64>)>,
}

impl Sums {
    fn new(range: std::ops::Range<usize>, (features, width): (usize, usize)) -> Self {
        let zeros = |n: usize| vec![0.0; n];
        Self {
            tokens: 0,
            features: (zeros(features), zeros(features)),
            neurons: (zeros(width), zeros(width)),
            products: vec![(zeros(features), zeros(width)); range.len()],
            range,
        }
    }

    /// Adds tokens: `x [n, d]` and their latents.
    fn add(&mut self, x: &Matrix, latents: &Latents) {
        self.tokens += x.rows();
        for row in x.iter_rows() {
            let sums = self.neurons.0.iter_mut().zip(&mut self.neurons.1);
            for ((sum, squares), value) in sums.zip(row) {
                let value = f64::from(*value);
                *sum += value;
                *squares += value * value;
            }
        }
        // Tokens and activations of each feature of the range, in order of tokens, so that threads do not change the sums.
        let mut active: Vec<Vec<(usize, f64)>> = vec![Vec::new(); self.range.len()];
        for token in 0..latents.rows() {
            for i in latents.range(token) {
                let (feature, act) = (latents.features[i] as usize, f64::from(latents.acts[i]));
                self.features.0[feature] += act;
                self.features.1[feature] += act * act;
                if act != 0.0 && self.range.contains(&feature) {
                    active[feature - self.range.start].push((token, act));
                }
            }
        }
        let each = self.products.par_iter_mut().zip(&active);
        each.for_each(|((with_features, with_neurons), active)| {
            for (token, act) in active {
                for i in latents.range(*token) {
                    with_features[latents.features[i] as usize] += act * f64::from(latents.acts[i]);
                }
                for (sum, value) in with_neurons.iter_mut().zip(x.row(*token)) {
                    *sum += act * f64::from(*value);
                }
            }
        });
    }

    /// Returns the largest correlations of each feature of the range.
    fn correlations(&self) -> Vec<OfFeature> {
        let each = self.products.par_iter().zip(self.range.clone());
        let of = |((with_features, with_neurons), feature): (&(Vec<f64>, Vec<f64>), usize)| {
            let own = (self.features.0[feature], self.features.1[feature]);
            let mut features = self.against(own, with_features, &self.features);
            features.retain(|of| of.other as usize != feature);
            features.truncate(LISTED);
            let mut neurons = self.against(own, with_neurons, &self.neurons);
            neurons.truncate(LISTED);
            OfFeature {
                features,
                neurons,
                alignment: Vec::new(),
            }
        };
        each.map(of).collect()
    }

    /// Returns the [`LISTED`] + 1 largest correlations of values with the sums `own` with others, ties by number; others that do not vary are left out.
    fn against(
        &self,
        own: (f64, f64),
        products: &[f64],
        (sums, squares): &(Vec<f64>, Vec<f64>),
    ) -> Vec<Correlated> {
        let n = self.tokens as f64;
        // Values that are all alike leave only rounding of their sums.
        let spread = |sum: f64, squares: f64| {
            let spread = n * squares - sum * sum;
            if spread > 1e-12 * n * squares {
                spread
            } else {
                f64::NAN
            }
        };
        let mut all: Vec<Correlated> = Vec::with_capacity(products.len());
        for (other, product) in products.iter().enumerate() {
            let (sum, square) = (sums[other], squares[other]);
            let pearson =
                (n * product - own.0 * sum) / (spread(own.0, own.1) * spread(sum, square)).sqrt();
            if pearson.is_finite() {
                all.push(Correlated {
                    other: other as u32,
                    pearson,
                    cosine: product / (own.1 * square).sqrt(),
                });
            }
        }
        largest(all, LISTED + 1, |of| (of.pearson, of.other))
    }
}

/// Returns the neurons with the largest entries of a decoder row.
fn alignment(row: &[f32]) -> Vec<Aligned> {
    let entries = || row.iter().map(|entry| f64::from(*entry));
    let length = entries().map(|entry| entry * entry).sum::<f64>().sqrt();
    let sizes = entries().map(f64::abs).sum::<f64>();
    if length == 0.0 {
        return Vec::new();
    }
    let all = (0..).zip(entries()).map(|(neuron, entry)| Aligned {
        neuron,
        value: entry / length,
        l1: entry.abs() / sizes,
    });
    largest(all.collect(), LISTED, |of| (of.value, of.neuron))
}

/// Returns the `most` largest of `all`, largest first, ties by number.
fn largest<T>(mut all: Vec<T>, most: usize, key: impl Fn(&T) -> (f64, u32)) -> Vec<T> {
    let order = |a: &T, b: &T| {
        let (a, b) = (key(a), key(b));
        b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
    };
    if all.len() > most {
        all.select_nth_unstable_by(most, order);
        all.truncate(most);
    }
    all.sort_by(order);
    all
}
