//! How well a feature says a value: F1 scores of the set of prompts on which it is active against predicates (Makelov et al. 2024, section 4.3).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Task;
use crate::ids::FeatureId;
use crate::latents::Latents;

/// Most values of a union.
pub const UNION: usize = 10;

/// Statement about a prompt: some attributes have some values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicate {
    /// Attributes, for example `io` or `io & pos`; predicates of one family differ in values alone.
    pub family: String,
    /// Values, for example ` Mary` or ` Mary & ABB`.
    pub value: String,
    /// Whether it holds, for each prompt that builds.
    pub holds: Vec<bool>,
}

/// Returns the predicates of a task's first half: each value of each attribute; each value of an attribute together with each of the edited attribute with the fewest values;
/// and for two edited attributes that share values, that either has the value.
pub fn predicates(task: &Task) -> Vec<Predicate> {
    let names: Vec<&str> = task.names().collect();
    let value = |prompt: usize, attribute: usize| task.builds()[prompt].values[attribute].as_str();
    let mut all = Vec::new();
    let mut push = |family: String, of: &dyn Fn(usize) -> Vec<String>| {
        let mut values: BTreeMap<String, Vec<bool>> = BTreeMap::new();
        for prompt in 0..task.building() {
            for value in of(prompt) {
                let fresh = || vec![false; task.building()];
                values.entry(value).or_insert_with(fresh)[prompt] = true;
            }
        }
        all.extend(values.into_iter().map(|(value, holds)| Predicate {
            family: family.clone(),
            value,
            holds,
        }));
    };
    for (attribute, name) in names.iter().enumerate() {
        push((*name).to_owned(), &|prompt| {
            vec![value(prompt, attribute).trim().to_owned()]
        });
    }
    let edited = 0..task.attributes.len();
    if let Some(fewest) = edited.clone().min_by_key(|one| task.counts(*one).len()) {
        for other in edited.clone().filter(|one| *one != fewest) {
            push(format!("{} & {}", names[other], names[fewest]), &|prompt| {
                let pair = [value(prompt, other), value(prompt, fewest)];
                vec![pair.map(str::trim).join(" & ")]
            });
        }
    }
    for one in edited.clone() {
        for other in edited.clone().filter(|other| *other > one) {
            let shared: BTreeSet<&str> = task.counts(one).into_keys().collect();
            if task
                .counts(other)
                .keys()
                .any(|value| shared.contains(value))
            {
                push(format!("{} or {}", names[one], names[other]), &|prompt| {
                    let both = [value(prompt, one), value(prompt, other)];
                    both.map(|value| value.trim().to_owned()).to_vec()
                });
            }
        }
    }
    all
}

/// Meaning of a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interpretation {
    /// Attributes.
    pub family: String,
    /// Values, one or the union of several.
    pub values: Vec<String>,
    /// F1 score of their union.
    pub f1: f64,
}

/// F1 scores of the features of one dictionary at one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Predicates, those of a family side by side.
    pub predicates: Vec<Predicate>,
    /// Features that are active on a prompt, rising.
    pub features: Vec<FeatureId>,
    /// Number of prompts on which each is active.
    pub active: Vec<usize>,
    /// F1 of each feature and predicate, `[features][predicates]`.
    pub f1: Vec<Vec<f64>>,
    sets: Vec<Vec<u32>>,
}

/// F1 = 2·both / (active + holding); 0 where neither happens.
pub fn f1(both: usize, active: usize, holding: usize) -> f64 {
    if active + holding == 0 {
        return 0.0;
    }
    2.0 * both as f64 / (active + holding) as f64
}

impl Scores {
    /// Scores the features of `latents`, one row for each prompt of the first half. A feature is active where its activation is above 0.
    pub fn new(predicates: Vec<Predicate>, latents: &Latents) -> Self {
        let prompts = predicates.first().map_or(0, |one| one.holds.len());
        let mut sets: BTreeMap<FeatureId, Vec<u32>> = BTreeMap::new();
        for prompt in 0..prompts.min(latents.rows()) {
            for (feature, act) in latents.row(prompt) {
                if act > 0.0 {
                    sets.entry(feature).or_default().push(prompt as u32);
                }
            }
        }
        let holding = predicates
            .iter()
            .map(|one| one.holds.iter().filter(|holds| **holds).count());
        let holding: Vec<usize> = holding.collect();
        let row = |set: &Vec<u32>| -> Vec<f64> {
            let each = predicates.iter().zip(&holding);
            each.map(|(one, holding)| {
                let both = set.iter().filter(|prompt| one.holds[**prompt as usize]);
                f1(both.count(), set.len(), *holding)
            })
            .collect()
        };
        let f1 = sets.values().map(row).collect();
        Self {
            features: sets.keys().copied().collect(),
            active: sets.values().map(Vec::len).collect(),
            sets: sets.into_values().collect(),
            predicates,
            f1,
        }
    }

    /// Returns the score of a feature for one predicate; 0 for a feature that is never active or a predicate that never holds.
    pub fn of(&self, feature: FeatureId, (family, value): (&str, &str)) -> f64 {
        let Ok(row) = self.features.binary_search(&feature) else {
            return 0.0;
        };
        let named = |one: &Predicate| one.family == family && one.value == value.trim();
        let column = self.predicates.iter().position(named);
        column.map_or(0.0, |column| self.f1[row][column])
    }

    /// Returns what each feature stands for: the family and the union of its values with the best F1. Values of a family are sorted by their F1, and the best beginning of at
    /// most [`UNION`] values is taken; a union that holds on every prompt says nothing and is left out.
    pub fn interpretations(&self) -> Vec<(FeatureId, Interpretation)> {
        let mut families: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (column, predicate) in self.predicates.iter().enumerate() {
            families.entry(&predicate.family).or_default().push(column);
        }
        let of = |row: usize| {
            let unions = families
                .iter()
                .map(|(name, columns)| self.union(row, name, columns));
            unions.reduce(|best, next| if next.f1 > best.f1 { next } else { best })
        };
        let rows = self.features.iter().enumerate();
        rows.filter_map(|(row, feature)| of(row).map(|best| (*feature, best)))
            .collect()
    }

    fn union(&self, row: usize, family: &str, columns: &[usize]) -> Interpretation {
        let mut sorted = columns.to_vec();
        let scores = &self.f1[row];
        sorted.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        let set = &self.sets[row];
        let prompts = self.predicates.first().map_or(0, |one| one.holds.len());
        let mut holds = vec![false; prompts];
        let mut best = (0.0, 0);
        for (taken, column) in sorted.iter().take(UNION).enumerate() {
            let each = holds.iter_mut().zip(&self.predicates[*column].holds);
            each.for_each(|(holds, more)| *holds |= more);
            let both = set.iter().filter(|prompt| holds[**prompt as usize]).count();
            let holding = holds.iter().filter(|holds| **holds).count();
            let score = f1(both, set.len(), holding);
            if score > best.0 && holding < prompts {
                best = (score, taken + 1);
            }
        }
        let values = sorted[..best.1].iter();
        Interpretation {
            family: family.to_owned(),
            values: values
                .map(|column| self.predicates[*column].value.clone())
                .collect(),
            f1: best.0,
        }
    }
}
