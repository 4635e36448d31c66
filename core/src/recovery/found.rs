//! F1 scores of features against the values of an attribute, and how many values have a feature of their own.

use serde::{Deserialize, Serialize};

use super::{Attribute, draws};
use crate::error::Result;
use crate::ids::FeatureId;
use crate::latents::Latents;

/// Feature with the largest F1 score for a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Feature; of equal scores the lowest.
    pub feature: u32,
    /// F1 score of the rows where it is active against the rows of the value.
    pub f1: f64,
    /// Share of the rows where it is active that have the value.
    pub precision: f64,
    /// Share of the rows of the value where it is active.
    pub recall: f64,
}

/// Values of an attribute that have a feature of their own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// F1 score that a value's best feature must reach.
    pub threshold: f64,
    /// Values whose best feature reaches it.
    pub found: usize,
    /// Values that do so where the values are shuffled over the rows.
    pub chance: usize,
    /// Values that occur.
    pub values: usize,
}

impl Count {
    /// Share of the values that occur; 0 where none does.
    pub fn share(&self) -> f64 {
        self.found as f64 / self.values.max(1) as f64
    }
}

/// Returns the best feature of each value of `attribute`; none of a value that no row has, or where no feature is active on its rows. A feature is active where its
/// activation is positive.
pub fn best(latents: &Latents, attribute: &Attribute) -> Result<Vec<Option<Best>>> {
    attribute.check(latents.rows())?;
    let features = latents
        .features
        .iter()
        .max()
        .map_or(0, |most| *most as usize + 1);
    let values = attribute.values.len();
    let mut fired = vec![0_usize; features];
    // Rows of each value on which each feature is active, `[v, f]`.
    let mut both = vec![0_usize; values * features];
    for (row, value) in attribute.rows.iter().enumerate() {
        for (feature, act) in latents.row(row) {
            if act > 0.0 {
                fired[feature.index()] += 1;
                both[value * features + feature.index()] += 1;
            }
        }
    }
    let counts = attribute.counts();
    let of_value = |(value, of): (usize, &usize)| {
        let mut best: Option<Best> = None;
        for (feature, fired) in fired.iter().enumerate() {
            let hits = both[value * features + feature];
            if hits == 0 {
                continue;
            }
            let f1 = 2.0 * hits as f64 / (fired + of) as f64;
            if best.is_none_or(|best| f1 > best.f1) {
                best = Some(Best {
                    feature: FeatureId::from(feature).0,
                    f1,
                    precision: hits as f64 / *fired as f64,
                    recall: hits as f64 / *of as f64,
                });
            }
        }
        best
    };
    Ok(counts.iter().enumerate().map(of_value).collect())
}

/// Counts the values of `attribute` whose best feature reaches each of `thresholds`, and the values that do so where `seed` shuffles them over the rows.
pub fn count(
    latents: &Latents,
    attribute: &Attribute,
    thresholds: &[f64],
    seed: u64,
) -> Result<Vec<Count>> {
    let found = best(latents, attribute)?;
    let mut rng = draws::source(seed, draws::SHUFFLE);
    let order = draws::order(attribute.rows.len(), &mut rng);
    let rows = order.iter().map(|row| attribute.rows[*row as usize]);
    let shuffled = Attribute {
        rows: rows.collect(),
        ..attribute.clone()
    };
    let chance = best(latents, &shuffled)?;
    let values = attribute
        .counts()
        .iter()
        .filter(|count| **count > 0)
        .count();
    let reach = |all: &[Option<Best>], threshold: f64| {
        let reached = all.iter().flatten().filter(|best| best.f1 >= threshold);
        reached.count()
    };
    let of = |threshold: &f64| Count {
        threshold: *threshold,
        found: reach(&found, *threshold),
        chance: reach(&chance, *threshold),
        values,
    };
    Ok(thresholds.iter().map(of).collect())
}
