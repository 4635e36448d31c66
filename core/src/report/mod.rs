//! Chosen features as plain data, then as one self-contained HTML page or JSON.

use std::path::Path;

use crate::error::Result;
use crate::features::Index;
use crate::ids::FeatureId;

/// Which features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// These.
    Listed(Vec<FeatureId>),
    /// The N with the largest maximum activation.
    Top(usize),
}

/// Writes the report of `choice` to `out` (`.html` or `.json`), with `labels` (feature, text) shown beside their features.
pub fn write(
    index: &Index,
    choice: &Choice,
    labels: &[(FeatureId, String)],
    out: &Path,
) -> Result<()> {
    unimplemented!(
        "{} {choice:?} {labels:?} {}",
        index.about().sae,
        out.display()
    )
}
