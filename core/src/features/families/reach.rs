//! Reach of features: how the activation at their strongest examples changes when all but the last n tokens are replaced.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{LAST, Reach};
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::Result;
use crate::features::pass;
use crate::features::predicate::Line;
use crate::features::tally::mix;
use crate::ids::{FeatureId, HookPoint, TokenId};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;

/// Examples whose passes run at once.
const CHUNK: usize = 32;
/// Rows tried for one of another document.
const TRIES: usize = 32;

/// Row and position of an example.
type Place = (u32, u32);

/// Measures the reach of every feature from its examples, `[f]`; a feature without examples has none. `seed` chooses the rows put in place.
pub(super) fn measure(
    (model, sae): (&Model, ByToken<'_>),
    rows: &Rows,
    examples: &[Vec<Place>],
    seed: u64,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Option<Reach>>>> {
    let hook = pass::hook_of(model, sae)?;
    let mut features: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
    for (f, places) in examples.iter().enumerate() {
        for place in places {
            features.entry(*place).or_default().push(f);
        }
    }
    let places: Vec<Place> = features.keys().copied().collect();
    let mut sums = vec![[0.0; LAST.len() + 1]; examples.len()];
    for (chunk, first) in places.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        let passes = LAST.len() + 1;
        if observe(Progress::rows(passes * first, passes * places.len())).is_break() {
            return Ok(Ended::STOPPED);
        }
        let passes: Vec<Vec<f32>> = chunk
            .par_iter()
            .map(|place| activations(model, hook, &Variants::new(rows, *place, seed)))
            .collect::<Result<_>>()?;
        let width = model.width(hook)?;
        let all = Matrix::new(chunk.len() * (LAST.len() + 1), width, passes.concat())?;
        let latents = sae.encode(&*sae.own_part(&all)?)?;
        for (i, place) in chunk.iter().enumerate() {
            for f in &features[place] {
                let act = |n: usize| {
                    let row = i * (LAST.len() + 1) + n;
                    f64::from(latents.get(row, FeatureId::from(*f)))
                };
                // Activations with the sign of the unedited one count.
                let sign = act(LAST.len()).signum();
                for (n, sum) in sums[*f].iter_mut().enumerate() {
                    *sum += (sign * act(n)).max(0.0);
                }
            }
        }
    }
    let reach = |(sums, places): (&[f64; LAST.len() + 1], &Vec<Place>)| {
        let whole = sums[LAST.len()];
        (!places.is_empty()).then(|| Reach {
            kept: std::array::from_fn(|n| if whole > 0.0 { sums[n] / whole } else { 0.0 }),
            examples: places.len() as u32,
        })
    };
    Ok(Ended::Done(sums.iter().zip(examples).map(reach).collect()))
}

/// Tokens up to a place, and those that are put in their place. Where documents are kept apart, they begin with the document.
#[derive(Debug)]
pub(super) struct Variants {
    pub(super) whole: Vec<TokenId>,
    /// `whole` with all replaced but a special token at its beginning.
    pub(super) other: Vec<TokenId>,
}

impl Variants {
    pub(super) fn new(rows: &Rows, (row, position): Place, seed: u64) -> Self {
        let at = position as usize;
        let line = Line::from_rows(rows, row as usize);
        let from = line.from[at];
        let whole = line.tokens[from..=at].to_vec();
        let mut other = replacement(rows, (row, position), from, seed);
        if rows.mask().special.contains(&whole[0]) {
            other[0] = whole[0];
        }
        Self { whole, other }
    }

    /// Returns how many tokens are replaced where the last `n` stay.
    pub(super) fn replaced(&self, n: usize) -> usize {
        self.whole.len().saturating_sub(n)
    }
}

/// Draws the tokens that are put in place of positions `from` to `position`: those of another row, if possible of another document, with text tokens in place of
/// special ones.
fn replacement(rows: &Rows, (row, position): Place, from: usize, seed: u64) -> Vec<TokenId> {
    let (own, at) = (row as usize, position as usize);
    let place = u64::from(row) << 32 | u64::from(position);
    let mut rng = ChaCha8Rng::seed_from_u64(mix(seed ^ mix(place)));
    let document = rows.document_number(own, at);
    let mut other = own;
    for _ in 0..TRIES {
        let drawn = rng.random_range(0..rows.len());
        if drawn == own {
            continue;
        }
        other = drawn;
        let documents: BTreeSet<u32> = (from..=at)
            .map(|t| rows.document_number(drawn, t))
            .collect();
        if !documents.contains(&document) {
            break;
        }
    }
    let special = &rows.mask().special;
    let mut text = |token: TokenId| {
        let mut token = token;
        for _ in 0..TRIES {
            if !special.contains(&token) {
                break;
            }
            token = rows.tokens()[rng.random_range(0..rows.tokens().len())];
        }
        token
    };
    rows.row(other)[from..=at]
        .iter()
        .map(|token| text(*token))
        .collect()
}

/// Returns the activations at the last position with the last n tokens kept, for each n of [`LAST`], then unchanged, one after the other. The replaced tokens are
/// read once.
pub(super) fn activations(model: &Model, hook: HookPoint, of: &Variants) -> Result<Vec<f32>> {
    let mut endings: Vec<(usize, &[TokenId])> = LAST
        .iter()
        .map(|last| of.replaced(*last))
        .map(|replaced| (replaced, &of.whole[replaced..]))
        .collect();
    endings.push((0, &of.whole));
    endings.reverse(); // what is shared ascends
    let mut values = model.at_endings(&of.other, &endings, hook)?;
    values.reverse();
    Ok(values.concat())
}
