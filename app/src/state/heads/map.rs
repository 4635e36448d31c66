//! Appearance of the map of heads; it survives a restart.

use serde::{Deserialize, Serialize};

/// Appearance of the map.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MapState {
    /// Key of the figure that colours it; empty: the behaviour.
    pub(crate) figure: String,
    /// Whether the table of all heads stands in its place.
    pub(crate) table: bool,
}
