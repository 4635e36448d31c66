//! The feature table's data of one dictionary, read by a job.

use std::ops::Deref;

use umbra_core::features::Rarity;
use umbra_core::features::filter::{Column, Columns};
use umbra_core::features::scores::Score;
use umbra_core::ids::FeatureId;

use crate::state::catalogue::DictionaryId;

/// Quantities of all features of a dictionary, and the figures by which readings rank them.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The dictionary.
    pub(crate) dictionary: DictionaryId,
    /// Quantities of the features.
    columns: Columns,
    /// Figures by which activations are ranked.
    pub(crate) rarity: Rarity,
    /// Whether the index has variance, skewness and kurtosis.
    pub(crate) has_moments: bool,
}

impl Deref for Table {
    type Target = Columns;

    fn deref(&self) -> &Columns {
        &self.columns
    }
}

impl Table {
    /// The table of a dictionary, with the order of names, which takes longest to find.
    pub fn new(dictionary: DictionaryId, columns: Columns) -> Self {
        columns.rank(Column::Name);
        Self {
            dictionary,
            rarity: Rarity::new(&columns.summaries),
            // Features without a moment were never active.
            has_moments: columns.summaries.iter().any(|s| s.moments.is_some()),
            columns,
        }
    }

    /// Steering score of a feature, where it was measured.
    pub(crate) fn score(&self, feature: FeatureId) -> Option<&Score> {
        self.scores.as_ref()?.of(feature)
    }

    /// The size of the strongest activation of a feature, 1 where nothing is known.
    pub(crate) fn most(&self, feature: FeatureId) -> f64 {
        let summary = self.summaries.get(feature.index());
        let most = summary.map_or(1.0, |s| s.strongest().abs());
        most.max(f64::MIN_POSITIVE)
    }
}
