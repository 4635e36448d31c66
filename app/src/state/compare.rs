//! Two dictionaries side by side: which, and what they have in common.

use std::sync::Arc;

use umbra_core::compare::{self, Comparison, Pair, Together};

use super::AppState;
use super::catalogue::DictionaryId;
use super::load::Load;

/// Bins of the histograms of best cosines, from 0 to 1.
const BINS: usize = 40;

/// The two that are compared.
pub(crate) type Two = (DictionaryId, DictionaryId);

/// The comparison of two dictionaries, ready to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Compared {
    /// Pairs and bests.
    pub(crate) found: Comparison,
    /// Edges of the bins.
    pub(crate) edges: Vec<f64>,
    /// Features of either by the cosine of their best; those below 0 in the first bin.
    pub(crate) counts: [Vec<u64>; 2],
}

impl Compared {
    /// Returns the comparison with the histograms of `found`.
    pub(crate) fn new(found: Comparison) -> Self {
        let count = |best: &[Pair]| {
            let mut counts = vec![0; BINS];
            for pair in best {
                let bin = (f64::from(pair.cosine) * BINS as f64) as usize;
                counts[bin.min(BINS - 1)] += 1;
            }
            counts
        };
        Self {
            counts: [count(&found.best_of_a), count(&found.best_of_b)],
            edges: (0..=BINS).map(|i| i as f64 / BINS as f64).collect(),
            found,
        }
    }
}

/// The comparison on screen.
#[derive(Debug, Default)]
pub(crate) struct CompareState {
    /// The two that were chosen.
    pub(crate) chosen: Option<Two>,
    /// The two that were asked for last.
    pub(crate) of: Option<Two>,
    /// Its result.
    pub(crate) compared: Load<Arc<Compared>>,
    /// Co-activation of each pair's features on a text.
    pub(crate) together: Load<Arc<Measured>>,
}

impl CompareState {
    /// Forgets the measurement on a text.
    pub(super) fn forget_measured(&mut self) {
        self.together = Load::Absent;
    }
}

/// Pairs on a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    /// Co-activations in the order of the pairs.
    pub(crate) pairs: Vec<Together>,
    /// The text, as a phrase.
    pub(crate) text: String,
}

/// Returns the two loaded dictionaries that are the most alike, or `with` and the one most like it.
pub(crate) fn most_comparable(state: &AppState, with: Option<DictionaryId>) -> Option<Two> {
    let all = state.catalogue.dictionaries.iter();
    let loaded = all.filter_map(|one| Some((one.id, &*one.load.ready()?.sae)));
    let (ids, saes): (Vec<_>, Vec<_>) = loaded.unzip();
    let with = match with {
        Some(with) => Some(ids.iter().position(|id| *id == with)?),
        None => None,
    };
    let (a, b) = compare::most_comparable(&saes, with)?;
    Some((ids[a], ids[b]))
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// Two were chosen.
    Chosen(Two),
    /// They are being compared, were or could not be.
    Compared(Two, Load<Arc<Compared>>),
    /// Their pairs are being measured on a text, were or could not be.
    Together(Two, Load<Arc<Measured>>),
}

impl CompareState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        let compare = self;
        match event {
            Event::Chosen(two) => compare.chosen = Some(two),
            Event::Compared(two, load) => {
                if load.is_loading() {
                    compare.of = Some(two);
                    compare.together = Load::Absent;
                }
                if compare.of == Some(two) {
                    compare.compared = load;
                }
            }
            Event::Together(two, load) => {
                if compare.of == Some(two) {
                    compare.together = load;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use umbra_core::ids::FeatureId;

    use super::*;

    #[test]
    fn bests_are_counted_by_their_cosine() {
        let pair = |cosine: f32| Pair {
            a: FeatureId(0),
            b: FeatureId(0),
            cosine,
        };
        let found = Comparison {
            best_of_a: vec![pair(-0.2), pair(0.01), pair(1.0)],
            best_of_b: vec![pair(0.5)],
            pairs: vec![],
        };
        let compared = Compared::new(found);
        let [a, b] = &compared.counts;
        assert_eq!((a[0], a[BINS - 1], b[BINS / 2]), (2, 1, 1));
        assert_eq!(compared.edges.len(), BINS + 1);
    }
}
