//! Lengths of decoder rows as a file stores them.

use std::sync::Arc;

use crate::ids::FeatureId;

/// Lengths of decoder rows in the file of a dictionary, `[f]`, where reading rescaled rows; none otherwise. They say nothing of what the dictionary computes, so
/// that two of them are always equal.
#[derive(Debug, Clone, Default)]
pub struct StoredLengths(Option<Arc<[f32]>>);

impl StoredLengths {
    /// Returns the length of the row of `feature`, if rows were rescaled.
    pub(super) fn of(&self, feature: FeatureId) -> Option<f64> {
        let lengths = self.0.as_ref()?;
        lengths.get(feature.index()).copied().map(f64::from)
    }
}

impl From<Option<Vec<f32>>> for StoredLengths {
    fn from(lengths: Option<Vec<f32>>) -> Self {
        Self(lengths.map(Into::into))
    }
}

impl PartialEq for StoredLengths {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
