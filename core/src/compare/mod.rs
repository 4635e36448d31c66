//! Compares two dictionaries: directions of their features, shared and unique features, and how far matched features are active on the same tokens.
//!
//! Definitions
//! - **cosine** of feature `i` of A and `j` of B: ⟨a_i, b_j⟩ / (‖a_i‖ · ‖b_j‖) of their decoder rows, with its sign; 0 where a row is zero.
//! - **best** of a feature: the feature of the other dictionary with the largest cosine; the lower number among equals. Two features may have the same best.
//! - **one-to-one** pairs: greedy. The pair with the largest cosine is matched, both leave, the largest of the rest is matched, and so on while cosines are
//!   above 0. The sum of cosines may be below that of the Hungarian method, but each pair has a simple reason: neither feature had a better partner among those
//!   that were left.
//! - **shared**: features in one-to-one pairs whose cosine is at least a threshold. **Unique**: features whose best cosine is below it.
//! - **correlation** and **Jaccard** of a pair: see [`Together`].

mod cosines;
#[cfg(test)]
mod tests;
mod together;

use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint};
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;

use self::cosines::{Directions, one_to_one};

pub(crate) use self::cosines::nearest;

pub use self::together::{Together, together};

/// Default cosine from which matched features count as shared.
pub const SHARED: f32 = 0.7;

/// Feature of one dictionary paired with one of the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Feature of the first.
    pub a: FeatureId,
    /// Feature of the second.
    pub b: FeatureId,
    /// Cosine of their decoder rows.
    pub cosine: f32,
}

/// Comparison of two dictionaries by the directions of their features.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Best of each feature of the first, by number.
    pub best_of_a: Vec<Pair>,
    /// Best of each feature of the second, by number.
    pub best_of_b: Vec<Pair>,
    /// One-to-one pairs, by falling cosine.
    pub pairs: Vec<Pair>,
}

impl Comparison {
    /// Returns the pairs whose cosine is at least `least`.
    pub fn shared(&self, least: f32) -> &[Pair] {
        let end = self.pairs.partition_point(|pair| pair.cosine >= least);
        &self.pairs[..end]
    }

    /// Returns the features of the first whose best cosine is below `least`, lowest cosine first.
    pub fn unique_to_a(&self, least: f32) -> Vec<Pair> {
        below(&self.best_of_a, least)
    }

    /// Returns the features of the second whose best cosine is below `least`, lowest cosine first.
    pub fn unique_to_b(&self, least: f32) -> Vec<Pair> {
        below(&self.best_of_b, least)
    }
}

fn below(best: &[Pair], least: f32) -> Vec<Pair> {
    let below = best.iter().filter(|pair| pair.cosine < least);
    let mut below: Vec<Pair> = below.copied().collect();
    below.sort_by(|x, y| x.cosine.total_cmp(&y.cosine));
    below
}

/// Compares the decoder directions of `a` and `b`; `observe` gets the features of `a` done. Memory is bounded by the weights and a few million
/// candidate pairs, whatever the number of features.
pub fn compare(
    a: &Sae,
    b: &Sae,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Comparison>> {
    let (width, other) = (a.w_dec.columns(), b.w_dec.columns());
    if width != other {
        let what = format!(
            "{} writes activations {width} wide and {} {other} wide: compare dictionaries of the same width",
            a.name, b.name
        );
        return Err(Error::setting("sae", what));
    }
    a.w_dec.check()?;
    b.w_dec.check()?;
    let (of_a, of_b) = (Directions::new(&a.w_dec), Directions::new(&b.w_dec));
    one_to_one(&of_a, &of_b, observe)
}

/// Returns the places in `all` of the two dictionaries that are the most alike, or of `with` and the one most like it. Both write activations of one width; the same
/// hook counts before the same place in another block, then the numbers of features that are the closest. None where no two write one width.
pub fn most_comparable(all: &[&Sae], with: Option<usize>) -> Option<(usize, usize)> {
    let pairs = (0..all.len()).flat_map(|a| (0..all.len()).map(move |b| (a, b)));
    let asked = |(a, b): &(usize, usize)| match with {
        Some(with) => *a == with && *b != with,
        None => a < b,
    };
    let alike = pairs.filter(asked).filter(|(a, b)| {
        let width = |at: usize| all[at].w_dec.columns();
        width(*a) == width(*b)
    });
    alike.min_by_key(|(a, b)| {
        let (one, other) = (all[*a], all[*b]);
        let hook = |sae: &Sae| sae.provenance.hook;
        let site = |sae: &Sae| hook(sae).and_then(HookPoint::site);
        let same_hook = hook(one).is_some() && hook(one) == hook(other);
        let same_site = site(one).is_some() && site(one) == site(other);
        let features = one.features().abs_diff(other.features());
        (!same_hook, !same_site, features)
    })
}
