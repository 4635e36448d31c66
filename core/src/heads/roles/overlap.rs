//! Overlap of the tokens at which features peak, with case and leading space folded, and of the tokens before them.

use std::collections::{BTreeMap, BTreeSet};

use crate::heads::features::{OnText, Peak};
use crate::ids::{FeatureId, TokenId};
use crate::models::Model;

/// Number of strongest tokens of a feature that are compared.
pub const PEAKS: usize = 20;

/// Number of peak tokens that name a cluster.
pub const NAMED: usize = 4;

/// Tokens of a vocabulary with case and leading space folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folded {
    /// Number of each token's folded form, `[v]`.
    pub(super) of_token: Vec<u32>,
    /// Folded forms by number.
    pub(super) forms: Vec<String>,
}

/// Places at which tokens are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// The token at which the feature peaks.
    Peak,
    /// The token before it.
    Before,
}

impl Folded {
    /// Folds the tokens of the model's vocabulary.
    pub(super) fn new(model: &Model) -> Self {
        let codec = model.codec();
        let mut number: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        let mut forms = Vec::new();
        let of_token = (0..model.config().vocab).map(TokenId::from).map(|token| {
            let folded = codec.folded(token);
            let form = String::from_utf8(folded.clone());
            *number.entry(folded).or_insert_with(|| {
                forms.push(form.unwrap_or_else(|_| codec.display(token)));
                forms.len() as u32 - 1
            })
        });
        Self {
            of_token: of_token.collect(),
            forms,
        }
    }

    /// Returns the folded forms of the first [`PEAKS`] tokens at which `feature` peaks, or of those before them, in the blocks that `weights` has.
    pub(super) fn set(
        &self,
        text: &OnText,
        (feature, at): (FeatureId, At),
        weights: Option<&[u32]>,
    ) -> BTreeSet<u32> {
        let drawn = |peak: &&Peak| weights.is_none_or(|weights| weights[peak.block as usize] > 0);
        let peaks = text.peaks(feature).iter().filter(drawn).take(PEAKS);
        peaks
            .filter_map(|peak| match at {
                At::Peak => Some(peak.token),
                At::Before => peak.before,
            })
            .filter_map(|token| self.of_token.get(token.index()).copied())
            .collect()
    }

    /// Returns the [`NAMED`] folded tokens at which some features peak most often in the blocks that `weights` has, most often first.
    pub(super) fn names(
        &self,
        text: &OnText,
        features: &[FeatureId],
        weights: Option<&[u32]>,
    ) -> Vec<String> {
        let drawn = |peak: &&Peak| weights.is_none_or(|weights| weights[peak.block as usize] > 0);
        let mut counts: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
        let peaks = features
            .iter()
            .flat_map(|feature| text.peaks(*feature).iter().filter(drawn).take(PEAKS));
        for (order, peak) in peaks.enumerate() {
            if let Some(form) = self.of_token.get(peak.token.index()) {
                counts.entry(*form).or_insert((0, order)).0 += 1;
            }
        }
        let mut ranked: Vec<_> = counts.into_iter().collect();
        ranked.sort_by(|(_, a), (_, b)| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        ranked.truncate(NAMED);
        let named = ranked
            .into_iter()
            .map(|(form, _)| self.forms[form as usize].clone());
        named.collect()
    }
}

/// Computes |a ∩ b| / |a ∪ b|; 0 if both are empty.
pub(super) fn jaccard(a: &BTreeSet<u32>, b: &BTreeSet<u32>) -> f64 {
    let union = a.union(b).count();
    if union == 0 {
        0.0
    } else {
        a.intersection(b).count() as f64 / union as f64
    }
}

/// Computes the Jaccard index of every pair, `[n, n]`.
pub(super) fn overlaps(sets: &[BTreeSet<u32>]) -> Vec<Vec<f64>> {
    let row = |a: &BTreeSet<u32>| sets.iter().map(|b| jaccard(a, b)).collect();
    sets.iter().map(row).collect()
}
