//! How many features it takes to cover the rows of each value of an attribute.
//!
//! On the rows that build, the candidates of a value are the features that are active on enough rows and whose precision for the value is high enough. The greedy cover
//! takes the candidate that is active on most rows of the value that are not covered yet, until the wanted share is. It may take a few more than the least possible
//! number. The chosen features are measured again on the rows that test.

use serde::{Deserialize, Serialize};

use super::super::{Attribute, Labelled, draws};
use crate::error::{Error, Result};
use crate::latents::Latents;
use crate::sae::Sae;

/// Share of a row by which a product of a share and a number of rows may be off.
const ROUNDING: f64 = 1e-6;

/// Settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoverSpec {
    /// Attribute.
    pub attribute: String,
    /// Least precision of a candidate.
    pub precision: f64,
    /// Least number of rows on which a candidate is active.
    pub support: usize,
    /// Share of a value's rows that is to be covered.
    pub share: f64,
    /// Seed of the values shuffled over the rows.
    pub seed: u64,
}

impl CoverSpec {
    /// Returns default settings for an attribute.
    pub fn new(attribute: impl Into<String>) -> Self {
        Self {
            attribute: attribute.into(),
            precision: 0.9,
            support: 5,
            share: 0.8,
            seed: 0,
        }
    }

    /// Checks that each setting is within its range.
    fn check(&self) -> Result<()> {
        let is_share = |share: f64| share > 0.0 && share <= 1.0;
        for (key, share) in [("precision", self.precision), ("share", self.share)] {
            if !is_share(share) {
                let what = format!("{share} is no share, give a number above 0, 1 at most");
                return Err(Error::setting(key, what));
            }
        }
        if self.support == 0 {
            return Err(Error::setting("support", "give 1 or more"));
        }
        Ok(())
    }
}

/// Feature of a cover.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// Feature.
    pub feature: u32,
    /// Rows that build on which it is active.
    pub support: usize,
    /// Share of them that have the value.
    pub precision: f64,
    /// Share of the value's rows that build on which it is active.
    pub recall: f64,
    /// Precision on the rows that test; none where it is active on none.
    pub held_out_precision: Option<f64>,
}

/// Cover of one value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cover {
    /// Value.
    pub value: String,
    /// Rows of the value, of those that build and of those that test.
    pub rows: [usize; 2],
    /// Features that are active on enough rows and precise enough.
    pub candidates: usize,
    /// Candidates where the values are shuffled over the rows.
    pub chance: usize,
    /// Whether the wanted share is covered.
    pub is_reached: bool,
    /// Share of the value's rows that build on which a chosen feature is active.
    pub covered: f64,
    /// Share of the value's rows that test on which a chosen feature is active; none where no row has the value.
    pub held_out: Option<f64>,
    /// Share of the covered rows that build on which more than one chosen feature is active; 0 for disjoint supports.
    pub overlap: f64,
    /// Chosen features, in order.
    pub features: Vec<Chosen>,
}

/// Covers of one dictionary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Covers {
    /// Dictionary.
    pub dictionary: String,
    /// Mean number of active features on a row that builds.
    pub l0: f64,
    /// Cover of each value that occurs.
    pub values: Vec<Cover>,
}

impl Covers {
    /// Returns the number of features that cover all values; none where one is not covered to the wanted share.
    pub fn needed(&self) -> Option<usize> {
        let all = self.values.iter().all(|cover| cover.is_reached);
        let count = self.values.iter().map(|cover| cover.features.len()).sum();
        (all && !self.values.is_empty()).then_some(count)
    }
}

/// Rows on which each feature is active (with a positive activation), `[f]`, ascending.
fn supports(latents: &Latents, features: usize) -> Vec<Vec<u32>> {
    let mut supports = vec![Vec::new(); features];
    for row in 0..latents.rows() {
        for (feature, act) in latents.row(row) {
            if act > 0.0 {
                supports[feature.index()].push(row as u32);
            }
        }
    }
    supports
}

/// Features that are candidates of `value`, with the rows of the value on which they are active.
fn candidates(
    supports: &[Vec<u32>],
    of: &[usize],
    value: usize,
    spec: &CoverSpec,
) -> Vec<(usize, Vec<u32>)> {
    let each = supports.iter().enumerate();
    let each = each.filter(|(_, support)| support.len() >= spec.support);
    let with_hits = each.map(|(feature, support)| {
        let hits = support
            .iter()
            .copied()
            .filter(|row| of[*row as usize] == value);
        (feature, hits.collect::<Vec<u32>>(), support.len())
    });
    with_hits
        .filter(|(_, hits, support)| hits.len() as f64 / *support as f64 >= spec.precision)
        .map(|(feature, hits, _)| (feature, hits))
        .collect()
}

/// Chooses candidates until `wanted` rows are covered or none adds a row; returns their places, and how many chosen ones are active on each row.
fn greedy(candidates: &[(usize, Vec<u32>)], rows: usize, wanted: usize) -> (Vec<usize>, Vec<u32>) {
    let mut times = vec![0_u32; rows];
    let mut chosen = Vec::new();
    let mut covered = 0;
    while covered < wanted {
        let adds = |hits: &[u32]| hits.iter().filter(|row| times[**row as usize] == 0).count();
        let mut best = (0, 0);
        for (at, (_, hits)) in candidates.iter().enumerate() {
            let adds = adds(hits);
            if adds > best.0 {
                best = (adds, at);
            }
        }
        let (added, at) = best;
        if added == 0 {
            break;
        }
        covered += added;
        for row in &candidates[at].1 {
            times[*row as usize] += 1;
        }
        chosen.push(at);
    }
    (chosen, times)
}

/// Covers each value of the attribute with features of `sae`.
pub fn cover(sae: &Sae, labelled: &Labelled, spec: &CoverSpec) -> Result<Covers> {
    spec.check()?;
    let place = labelled.attribute(&spec.attribute)?;
    let [build, test] = labelled.halves();
    let codes = [
        sae.encode(&build.activations)?,
        sae.encode(&test.activations)?,
    ];
    let [of, tested] = [&build.attributes[place], &test.attributes[place]];
    covers(&sae.name, [&codes[0], &codes[1]], [of, tested], spec)
}

/// Covers each value by the codes of the rows that build and of those that test.
pub fn covers(
    name: &str,
    codes: [&Latents; 2],
    of: [&Attribute; 2],
    spec: &CoverSpec,
) -> Result<Covers> {
    spec.check()?;
    for (attribute, codes) in of.iter().zip(codes) {
        attribute.check(codes.rows())?;
    }
    let most = codes
        .iter()
        .filter_map(|codes| codes.features.iter().max())
        .max();
    let features = most.map_or(0, |most| *most as usize + 1);
    let supports = codes.map(|codes| supports(codes, features));
    let mut rng = draws::source(spec.seed, draws::SHUFFLE);
    let order = draws::order(of[0].rows.len(), &mut rng);
    let shuffled: Vec<usize> = order.iter().map(|row| of[0].rows[*row as usize]).collect();
    let counts = of.map(Attribute::counts);
    let mut values = Vec::new();
    for (value, name) in of[0].values.iter().enumerate() {
        let rows = [counts[0][value], counts[1].get(value).copied().unwrap_or(0)];
        if rows[0] == 0 {
            continue;
        }
        let all = candidates(&supports[0], &of[0].rows, value, spec);
        let wanted = (spec.share * rows[0] as f64 - ROUNDING).ceil() as usize;
        let (chosen, times) = greedy(&all, of[0].rows.len(), wanted);
        let covered = times.iter().filter(|times| **times > 0).count();
        let doubly = times.iter().filter(|times| **times > 1).count();
        let features: Vec<Chosen> = chosen
            .iter()
            .map(|at| {
                let (feature, hits) = &all[*at];
                let support = supports[0][*feature].len();
                Chosen {
                    feature: *feature as u32,
                    support,
                    precision: hits.len() as f64 / support as f64,
                    recall: hits.len() as f64 / rows[0] as f64,
                    held_out_precision: precision(&supports[1][*feature], &of[1].rows, value),
                }
            })
            .collect();
        values.push(Cover {
            value: name.clone(),
            rows,
            candidates: all.len(),
            chance: candidates(&supports[0], &shuffled, value, spec).len(),
            is_reached: covered >= wanted,
            covered: covered as f64 / rows[0] as f64,
            held_out: held_out(&features, &supports[1], (&of[1].rows, value)),
            overlap: doubly as f64 / covered.max(1) as f64,
            features,
        });
    }
    Ok(Covers {
        dictionary: name.to_owned(),
        l0: codes[0].features.len() as f64 / codes[0].rows().max(1) as f64,
        values,
    })
}

/// Share of the rows of a support that have the value; none of no row.
fn precision(support: &[u32], of: &[usize], value: usize) -> Option<f64> {
    let hits = support
        .iter()
        .filter(|row| of[**row as usize] == value)
        .count();
    (!support.is_empty()).then(|| hits as f64 / support.len() as f64)
}

/// Share of the value's rows on which one of the chosen features is active; none where there is no such row.
fn held_out(
    chosen: &[Chosen],
    supports: &[Vec<u32>],
    (of, value): (&[usize], usize),
) -> Option<f64> {
    let mut covered = vec![false; of.len()];
    for chosen in chosen {
        for row in &supports[chosen.feature as usize] {
            covered[*row as usize] = true;
        }
    }
    let own = of.iter().zip(&covered).filter(|(of, _)| **of == value);
    let own: Vec<bool> = own.map(|(_, covered)| *covered).collect();
    let share = own.iter().filter(|covered| **covered).count() as f64 / own.len() as f64;
    (!own.is_empty()).then_some(share)
}
