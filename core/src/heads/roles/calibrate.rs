//! The cut of each criterion and the false positives of the rule, both from ten random live features of the layer.

use rand::SeedableRng as _;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use super::Criterion;
use super::clusters::clusters;
use super::verdict::{Shape, shape};
use crate::heads::PER_HEAD;
use crate::ids::FeatureId;

/// Share of random draws that may have the shape of a verdict at the cut.
pub const MOST: f64 = 0.05;

impl Criterion {
    /// Cuts that are tried, loosest first.
    pub const fn cuts(self) -> &'static [f64] {
        match self {
            Self::Directions => &[0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2],
            Self::Tokens => &[0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4],
        }
    }
}

/// Returns the shape of the clusters at `cut`.
pub(super) fn shape_at(distances: &[Vec<f64>], cut: f64) -> Shape {
    let found = clusters(distances.len(), |a, b| distances[a][b], cut);
    shape(&found.iter().map(Vec::len).collect::<Vec<_>>())
}

/// Returns the loosest cut at which at most [`MOST`] of the draws have the shape of a verdict, with their share there; none where no cut does.
pub(super) fn cut(criterion: Criterion, draws: &[Vec<Vec<f64>>]) -> Option<(f64, f64)> {
    let share = |cut: f64| {
        let shaped = draws
            .iter()
            .filter(|draw| shape_at(draw, cut) != Shape::Neither);
        shaped.count() as f64 / draws.len().max(1) as f64
    };
    let cuts = criterion.cuts().iter();
    cuts.map(|cut| (*cut, share(*cut)))
        .find(|(_, share)| *share <= MOST)
}

/// Draws ten random features of `live`, `draws` times.
pub(super) fn random(live: &[FeatureId], draws: usize, seed: u64) -> Vec<Vec<FeatureId>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let draw = |_| {
        let chosen = sample(&mut rng, live.len(), PER_HEAD.min(live.len()));
        chosen.into_iter().map(|at| live[at]).collect()
    };
    (0..draws).map(draw).collect()
}
