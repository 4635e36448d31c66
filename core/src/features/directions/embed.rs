//! The embedding in the plane, in parts between which it may be stopped.

use bhtsne::{Neighbor, SparseAffinities, tSNE};
use rand::Rng;
use rayon::ThreadPool;

use super::near::Near;
use super::{PERPLEXITY, STEPS};
use crate::error::{Error, Result};
use crate::progress::Flow;

/// Rows of neighbours that cost about as much as a step.
pub(super) const ROWS_PER_STEP: usize = 8;

/// Steps of a part.
const PART: usize = 125;

/// Steps with enlarged affinities, after which groups have formed.
const ENLARGED: usize = 250;

/// Accuracy of the Barnes-Hut sums: cells smaller than this share of their distance count as points.
const THETA: f32 = 0.5;

/// Extent of the first positions.
const FIRST: f32 = 1e-2;

/// Returns a position of each row from its neighbours; none if the observer, which is told the steps done, stops.
pub(super) fn embed(
    near: &[Vec<Near>],
    random: &mut impl Rng,
    observe: &mut dyn FnMut(usize) -> Flow,
) -> Result<Option<Vec<[f32; 2]>>> {
    // The library adds floats in parallel, in any order: one thread makes the result repeatable.
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let one = one.map_err(|refused| Error::Unsupported {
        what: format!("A thread for the map ({refused})"),
        remedy: "close other programs and try again".to_owned(),
    })?;
    let near: Vec<Vec<Neighbor<f32>>> = near
        .iter()
        .map(|row| {
            let row = row.iter();
            row.map(|(index, distance)| Neighbor {
                index: *index as usize,
                distance: *distance,
            })
            .collect()
        })
        .collect();
    let mut positions: Vec<f32> = (0..2 * near.len())
        .map(|_| FIRST * (random.random::<f32>() - 0.5))
        .collect();
    let mut affinities: Option<SparseAffinities<f32>> = None;
    let mut done = 0;
    while done < STEPS {
        if observe(done).is_break() {
            return Ok(None);
        }
        let part = PART.min(STEPS - done);
        let enlarged = done < ENLARGED;
        let (after, known) = part_of(&one, &near, (positions, affinities), (part, enlarged));
        (positions, affinities) = (after, known);
        done += part;
    }
    let points: Vec<[f32; 2]> = positions.as_chunks::<2>().0.to_vec();
    if points.iter().flatten().any(|x| !x.is_finite()) {
        return Err(Error::Numeric {
            what: "the map of directions is not finite: choose another seed".to_owned(),
        });
    }
    Ok(Some(points))
}

type State = (Vec<f32>, Option<SparseAffinities<f32>>);

/// Goes on for some steps from where it stands.
fn part_of(
    one: &ThreadPool,
    near: &[Vec<Neighbor<f32>>],
    (positions, affinities): State,
    (steps, enlarged): (usize, bool),
) -> State {
    // Less than a third of the neighbours, or the affinities of few rows would all be alike.
    let neighbours = near.first().map_or(0, Vec::len);
    let perplexity = PERPLEXITY.min(0.99 * neighbours as f32 / 3.0).max(1.0);
    one.install(|| {
        let places: Vec<u32> = (0..near.len() as u32).collect();
        let mut fit: tSNE<'_, f32, u32> = tSNE::new(&places);
        fit.perplexity(perplexity)
            .epochs(steps)
            .momentum(if enlarged { 0.5 } else { 0.8 })
            .final_momentum(if enlarged { 0.5 } else { 0.8 })
            .stop_lying_epoch(if enlarged { steps + 1 } else { 0 })
            .initial_embedding(positions);
        if let Some(affinities) = affinities {
            fit.with_affinities(affinities.clone());
            // The affinities are known, so that no distance is asked for.
            fit.barnes_hut(THETA, |_, _| 0.0);
            (fit.embedding(), Some(affinities))
        } else {
            fit.barnes_hut_with_neighbors(THETA, near);
            let affinities = fit.affinities();
            (fit.embedding(), affinities)
        }
    })
}
