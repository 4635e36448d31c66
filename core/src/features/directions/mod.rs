//! A map of decoder directions: features of a dictionary on a plane, those with similar decoder rows close together.
//!
//! Positions are a t-SNE embedding (Barnes-Hut, crate `bhtsne`) of the decoder rows scaled to length 1, by the distance √(2 − 2·cosine). The nearest neighbours of
//! each row are exact. A dictionary with more than [`Asked::most`] live features is mapped by a sample that the seed draws; [`DirectionMap::of`] says out of how
//! many. Distances within a group of neighbours mean more than those between groups, and axes have no unit.

mod embed;
mod near;
#[cfg(test)]
mod tests;

use std::path::Path;

use rand::SeedableRng as _;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::FeatureId;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;

const VERSION: u32 = 1;

/// Number of features that are mapped at most, unless a person asks for another.
pub const MOST: usize = 8_192;
/// Perplexity: about the number of neighbours that count.
pub const PERPLEXITY: f32 = 30.0;
/// Number of steps of the embedding.
pub const STEPS: usize = 750;
/// Least number of features on a map.
pub const LEAST: usize = 8;

/// Settings of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Features that are mapped at most.
    pub most: usize,
    /// Seed of the sample and of the first positions.
    pub seed: u64,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            most: MOST,
            seed: 0,
        }
    }
}

/// Features of a dictionary on a plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DirectionMap {
    version: u32,
    /// Name of the dictionary.
    pub sae: String,
    /// [`Sae::fingerprint`] of the dictionary.
    pub sae_fingerprint: String,
    /// Settings.
    pub asked: Asked,
    /// Number of live features, from which those of the map were drawn.
    pub of: usize,
    /// Features on the map, ascending.
    pub features: Vec<FeatureId>,
    /// `[features]`: positions, centred.
    pub points: Vec<[f32; 2]>,
}

impl DirectionMap {
    /// Whether features were left out.
    pub fn is_sample(&self) -> bool {
        self.features.len() < self.of
    }

    /// Returns the features that are mapped, as a phrase.
    pub fn said(&self) -> String {
        let seed = self.asked.seed;
        if self.is_sample() {
            format!(
                "a sample of {} of {} live features, drawn with seed {seed}",
                self.features.len(),
                self.of
            )
        } else {
            format!("all {} live features, seed {seed}", self.of)
        }
    }

    /// Returns the map as JSON.
    pub fn json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|refused| Error::Numeric {
            what: format!("the map of directions cannot be written ({refused}): compute it again"),
        })
    }

    /// Reads a map from JSON; `path` names the file in errors.
    pub fn from_json(json: &[u8], path: &Path) -> Result<Self> {
        let map: Self = serde_json::from_slice(json).map_err(|refused| {
            let what =
                format!("the map of directions cannot be read ({refused}), compute it again");
            Error::input(what, path)
        })?;
        let whole = map.features.len() == map.points.len() && map.features.is_sorted();
        if map.version != VERSION || !whole {
            let what = "the map of directions is of another version, compute it again";
            return Err(Error::input(what, path));
        }
        Ok(map)
    }
}

/// Maps the decoder directions of those features of `sae` for which `live` holds; rows without a direction are left out. The same settings give the same bytes on
/// any number of threads.
pub fn map_directions(
    sae: &Sae,
    live: &dyn Fn(FeatureId) -> bool,
    asked: Asked,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<DirectionMap>> {
    let all: Vec<FeatureId> = (0..sae.features())
        .map(FeatureId::from)
        .filter(|feature| {
            live(*feature) && sae.w_dec.row(feature.index()).iter().any(|w| *w != 0.0)
        })
        .collect();
    if asked.most < LEAST || all.len() < LEAST {
        let what = format!(
            "a map needs at least {LEAST} live features, and {} of {} are to be mapped: choose another dictionary or a larger number",
            all.len().min(asked.most),
            sae.name
        );
        return Err(Error::setting("most", what));
    }
    let mut random = ChaCha8Rng::seed_from_u64(asked.seed);
    let mut drawn: Vec<usize> = if all.len() > asked.most {
        sample(&mut random, all.len(), asked.most).into_vec()
    } else {
        (0..all.len()).collect()
    };
    drawn.sort_unstable();
    let features: Vec<FeatureId> = drawn.into_iter().map(|at| all[at]).collect();
    let rows = unit_rows(&sae.w_dec, &features);
    let work = features.len() + STEPS * embed::ROWS_PER_STEP;
    let mut read = |done: usize| observe(Progress::new(done, work, "steps"));
    let neighbours = (3.0 * PERPLEXITY) as usize;
    let neighbours = neighbours.min(features.len() - 1);
    let Some(near) = near::neighbours(&rows, neighbours, &mut read) else {
        return Ok(Ended::STOPPED);
    };
    let before = features.len();
    let mut step = |steps: usize| read(before + steps * embed::ROWS_PER_STEP);
    let Some(points) = embed::embed(&near, &mut random, &mut step)? else {
        return Ok(Ended::STOPPED);
    };
    Ok(Ended::Done(DirectionMap {
        version: VERSION,
        sae: sae.name.clone(),
        sae_fingerprint: sae.fingerprint(),
        asked,
        of: all.len(),
        features,
        points,
    }))
}

/// Decoder rows of `features`, scaled to length 1: `[features, d]`.
fn unit_rows(w_dec: &Matrix, features: &[FeatureId]) -> Vec<Vec<f32>> {
    let unit = |feature: &FeatureId| {
        let row = w_dec.row(feature.index());
        let norm = row
            .iter()
            .map(|w| f64::from(*w).powi(2))
            .sum::<f64>()
            .sqrt();
        row.iter().map(|w| (f64::from(*w) / norm) as f32).collect()
    };
    features.iter().map(unit).collect()
}
