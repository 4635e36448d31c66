//! A reading's features in their order, with what the order was made from.

use std::collections::HashMap;
use std::sync::Arc;

use umbra_core::features::Survey;
use umbra_core::ids::FeatureId;
use umbra_core::prompt::Reading;

use crate::state::features::Table;
use crate::state::settings::Ranking;

/// A survey and what it was made from.
#[derive(Debug)]
pub(crate) struct Surveyed {
    /// The reading.
    pub(crate) reading: Arc<Reading>,
    /// The index's table, if there is one.
    pub(crate) table: Option<Arc<Table>>,
    /// Its features by surprise; by size without a table.
    pub(crate) survey: Survey,
    /// Its features in the order that was chosen, if that differs.
    pub(crate) chosen: Option<(Ranking, Survey)>,
    /// Share of each feature in the reconstruction of the text, if that is the order.
    pub(crate) shares: HashMap<FeatureId, f64>,
}
