//! The selected dictionary's features: the table's data and the page of the selected feature.

use std::sync::Arc;

use umbra_core::features::{Detail, Summary};
use umbra_core::ids::FeatureId;

use super::catalogue::DictionaryId;
use super::{AppState, Load};

/// What the table shows of one dictionary.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Whose features.
    pub dictionary: DictionaryId,
    /// Scalars, by feature.
    pub summaries: Vec<Summary>,
    /// The strongest token of each feature's top example.
    pub top_tokens: Vec<String>,
}

/// Table and page.
#[derive(Debug, Default)]
pub struct FeaturesState {
    /// The dictionary whose table was asked for last.
    pub table_of: Option<DictionaryId>,
    /// Its table.
    pub table: Load<Arc<Table>>,
    /// The feature whose page was asked for last.
    pub detail_of: Option<(DictionaryId, FeatureId)>,
    /// Its page.
    pub detail: Load<Arc<Detail>>,
}

/// What can change here.
#[derive(Debug)]
pub enum Event {
    /// The table of a dictionary is asked for, arrived or failed.
    Table(DictionaryId, Load<Arc<Table>>),
    /// The page of a feature is asked for, arrived or failed.
    Detail(DictionaryId, FeatureId, Load<Arc<Detail>>),
}

/// Carries out an event. What arrives late for another selection is dropped.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let features = &mut state.features;
    match event {
        Event::Table(of, load) => {
            if load.is_loading() {
                features.table_of = Some(of);
            }
            if features.table_of == Some(of) {
                features.table = load;
            }
        }
        Event::Detail(dictionary, feature, load) => {
            let of = Some((dictionary, feature));
            if load.is_loading() {
                features.detail_of = of;
            }
            if features.detail_of == of {
                features.detail = load;
            }
        }
    }
}
