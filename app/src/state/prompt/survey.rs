//! A reading's features in their order, with what the order was made from.

use std::sync::Arc;

use umbra_core::features::Survey;
use umbra_core::prompt::Reading;

use crate::state::features::Table;

/// A survey and what it was made from.
#[derive(Debug)]
pub(crate) struct Surveyed {
    /// The reading.
    pub(crate) reading: Arc<Reading>,
    /// The index's table, if there is one.
    pub(crate) table: Option<Arc<Table>>,
    /// Its features by surprise; by size without a table.
    pub(crate) survey: Survey,
    /// Its features by size, if that order was chosen and differs.
    pub(crate) by_size: Option<Survey>,
}
