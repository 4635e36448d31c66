//! Which features the screen shows, in which order, and why a search found them. Draws nothing.

use std::sync::Arc;

use umbra_core::features::Hit;
use umbra_core::features::filter::{Answers, Filter, Known, Sort};
use umbra_core::ids::FeatureId;

use crate::state::features::Table;

/// Everything the rows depend on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RowsKey {
    pub(super) table: usize,
    pub(super) labels: u64,
    pub(super) filter: String,
    pub(super) sort: Sort,
    pub(super) answers: usize,
}

/// Features in the order shown, and why they were found.
#[derive(Debug, Default)]
pub struct Shown {
    /// Features that the filter keeps, in order.
    pub rows: Vec<FeatureId>,
    pub(super) found: Found,
}

impl Shown {
    /// Filters and sorts the features of `table`; `labels` ascend by feature.
    pub fn new(
        table: &Table,
        labels: &[(FeatureId, &str)],
        answers: &Arc<Answers>,
        (filter, sort): (&Filter, &Sort),
    ) -> Self {
        let known = Known {
            columns: table,
            labels,
            answers,
        };
        let found = filter.phrase().is_some();
        Self {
            rows: filter.prepare(known).sorted(sort),
            found: if found {
                Found::new(answers, table.features())
            } else {
                Found::default()
            },
        }
    }
}

/// Reasons that a search found, by feature.
#[derive(Debug, Default)]
pub(super) struct Found {
    answers: Arc<Answers>,
    /// Place of each feature among the hits; none of those that were not found.
    places: Vec<Option<u32>>,
}

impl Found {
    /// The hits of the first text, of a dictionary with so many features.
    fn new(answers: &Arc<Answers>, features: usize) -> Self {
        let mut places = vec![None; features];
        for (place, hit) in (0..).zip(answers.first()) {
            if let Some(entry) = places.get_mut(hit.feature.index()) {
                *entry = Some(place);
            }
        }
        Self {
            answers: Arc::clone(answers),
            places,
        }
    }

    /// The hits, best first.
    pub(super) fn hits(&self) -> &[Hit] {
        self.answers.first()
    }

    /// Why a feature was found.
    pub(super) fn of(&self, feature: FeatureId) -> Option<&Hit> {
        let place = self.places.get(feature.index()).copied().flatten()?;
        self.hits().get(place as usize)
    }
}
