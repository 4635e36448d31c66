//! The selected dictionary's features: the table's data, what the index found for the filter, and what is known about single features.

mod found;
mod names;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use umbra_core::features::directions::DirectionMap;
use umbra_core::features::facts::Fact;
use umbra_core::features::filter::Answers;
use umbra_core::features::{Detail, Place, Preview, Sources, Words};
use umbra_core::ids::FeatureId;

use super::catalogue::{DictionaryId, LoadedIndex};
use super::load::Load;

pub(crate) use found::{Found, Query, Seeker};
pub(crate) use names::Previews;
pub use table::Table;

/// Pages and lists of neighbours kept at most; the oldest go first.
const KEPT: usize = 256;

/// A feature of a dictionary.
pub(crate) type Key = (DictionaryId, FeatureId);

/// Features by decreasing cosine of their decoder rows.
pub(crate) type Neighbours = Arc<Vec<(FeatureId, f32)>>;

/// Sources of examples, by the place of the example.
pub(crate) type SourcesByPlace = Arc<Vec<(Place, Sources)>>;

/// Values by feature, the latest kept.
#[derive(Debug)]
struct Kept<T> {
    by_feature: BTreeMap<Key, Load<T>>,
    order: std::collections::VecDeque<Key>,
    most: usize,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self::at_most(KEPT)
    }
}

impl<T> Kept<T> {
    fn at_most(most: usize) -> Self {
        Self {
            by_feature: BTreeMap::new(),
            order: std::collections::VecDeque::new(),
            most,
        }
    }

    fn get(&self, key: Key) -> Option<&Load<T>> {
        self.by_feature.get(&key)
    }

    fn retain(&mut self, keep: impl Fn(&Key) -> bool) {
        self.by_feature.retain(|key, _| keep(key));
        self.order.retain(keep);
    }

    fn set(&mut self, key: Key, load: Load<T>) {
        if self.by_feature.insert(key, load).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > self.most {
            if let Some(oldest) = self.order.pop_front() {
                self.by_feature.remove(&oldest);
            }
        }
    }
}

/// Table and pages.
#[derive(Debug, Default)]
pub(crate) struct FeaturesState {
    /// The dictionary whose table was asked for last.
    pub(crate) table_of: Option<DictionaryId>,
    /// Its index.
    pub(crate) index: Option<LoadedIndex>,
    /// Its table.
    pub(crate) table: Load<Arc<Table>>,
    /// The feature whose page was asked for last.
    pub(crate) detail_of: Option<Key>,
    /// Its page.
    pub(crate) detail: Load<Arc<Detail>>,
    /// Text of the table's filter.
    pub(crate) filter: String,
    /// Map of its decoder directions, kept with the project or computed.
    pub(crate) directions: Load<Arc<DirectionMap>>,
    /// The words of its index, once somebody searched.
    pub(crate) words: Load<Arc<Words>>,
    /// Result of the search for the filter's words.
    pub(crate) found: Found,
    /// Result of the palette's search.
    pub(crate) found_by_palette: Found,
    /// Names, examples and histograms that lists show of features of all dictionaries.
    pub(crate) previews: Previews,
    details: Kept<Arc<Detail>>,
    neighbours: Kept<Neighbours>,
    sources: Kept<SourcesByPlace>,
    facts: Kept<Arc<Vec<Fact>>>,
}

impl FeaturesState {
    /// Forgets everything that was read from an index; the filter stays.
    pub(super) fn forget(&mut self) {
        *self = Self {
            filter: std::mem::take(&mut self.filter),
            previews: std::mem::take(&mut self.previews),
            ..Self::default()
        };
    }

    /// The search of `seeker`.
    pub(crate) fn found_by(&self, seeker: Seeker) -> &Found {
        match seeker {
            Seeker::Table => &self.found,
            Seeker::Palette => &self.found_by_palette,
        }
    }

    fn found_mut(&mut self, seeker: Seeker) -> &mut Found {
        match seeker {
            Seeker::Table => &mut self.found,
            Seeker::Palette => &mut self.found_by_palette,
        }
    }

    /// Details of a feature of `dictionary`, if they were requested.
    pub(crate) fn detail(
        &self,
        dictionary: DictionaryId,
        feature: FeatureId,
    ) -> &Load<Arc<Detail>> {
        let kept = self.details.by_feature.get(&(dictionary, feature));
        kept.unwrap_or(&Load::Absent)
    }

    /// The nearest features by decoder cosine, if they were asked for.
    pub(crate) fn neighbours(
        &self,
        dictionary: DictionaryId,
        feature: FeatureId,
    ) -> &Load<Neighbours> {
        let kept = self.neighbours.by_feature.get(&(dictionary, feature));
        kept.unwrap_or(&Load::Absent)
    }

    /// The sources of those examples for which the index has none, if a person asked for them.
    pub(crate) fn sources(
        &self,
        dictionary: DictionaryId,
        feature: FeatureId,
    ) -> &Load<SourcesByPlace> {
        let kept = self.sources.by_feature.get(&(dictionary, feature));
        kept.unwrap_or(&Load::Absent)
    }

    /// The facts about a feature, once its page was read, if they were measured.
    pub(crate) fn facts(
        &self,
        dictionary: DictionaryId,
        feature: FeatureId,
    ) -> Option<&Arc<Vec<Fact>>> {
        self.facts.get((dictionary, feature))?.ready()
    }

    /// The table, if it is of `dictionary`.
    pub(crate) fn table_for(&self, dictionary: DictionaryId) -> Option<&Arc<Table>> {
        self.table
            .ready()
            .filter(|table| table.dictionary == dictionary)
    }
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// Another index is shown: what was read from the one before goes.
    Index(DictionaryId, Box<LoadedIndex>),
    /// The table of a dictionary is asked for, arrived or failed.
    Table(DictionaryId, Load<Arc<Table>>),
    /// The page of a feature is shown.
    PageOf(DictionaryId, FeatureId),
    /// Details of a feature are loading, ready or failed.
    Detail(DictionaryId, FeatureId, Load<Arc<Detail>>),
    /// The facts about a feature were read.
    Facts(DictionaryId, FeatureId, Arc<Vec<Fact>>),
    /// The neighbours of a feature are asked for, arrived or failed.
    Neighbours(DictionaryId, FeatureId, Load<Neighbours>),
    /// The sources of a feature's examples are being computed, arrived or failed.
    Sources(DictionaryId, FeatureId, Load<SourcesByPlace>),
    /// A job reads previews.
    PreviewsAsked,
    /// Previews of these features arrived; none: the index cannot be read.
    Previews(DictionaryId, Vec<FeatureId>, Option<Vec<Preview>>),
    /// The words of the dictionary's index are being read, were or could not be.
    Words(DictionaryId, Load<Arc<Words>>),
    /// A search is asked for.
    Asked(Seeker, Query),
    /// A job searches.
    Searching(Seeker),
    /// A search arrived or failed.
    Found(Seeker, Query, Load<Arc<Answers>>),
    /// The map of a dictionary's decoder directions is being computed, arrived or failed.
    Directions(DictionaryId, Load<Arc<DirectionMap>>),
    /// Another filter of the table.
    Filter(String),
}

impl FeaturesState {
    /// Carries out an event. What arrives late for another selection is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        let features = self;
        match event {
            Event::Index(of, index) => {
                *features = Self {
                    filter: std::mem::take(&mut features.filter),
                    previews: std::mem::take(&mut features.previews),
                    table_of: Some(of),
                    index: Some(*index),
                    table: Load::Loading,
                    ..Self::default()
                };
            }
            Event::Table(of, load) => {
                if load.is_loading() {
                    features.table_of = Some(of);
                }
                if features.table_of == Some(of) {
                    features.table = load;
                }
            }
            Event::PageOf(dictionary, feature) => {
                let key = (dictionary, feature);
                features.detail_of = Some(key);
                let kept = features.details.by_feature.get(&key);
                features.detail = kept.cloned().unwrap_or_default();
            }
            Event::Detail(dictionary, feature, load) => {
                let key = (dictionary, feature);
                if features.detail_of == Some(key) {
                    features.detail = load.clone();
                }
                features.details.set(key, load);
            }
            Event::Facts(of, feature, found) => {
                features.facts.set((of, feature), Load::Ready(found));
            }
            Event::Neighbours(dictionary, feature, load) => {
                features.neighbours.set((dictionary, feature), load);
            }
            Event::Sources(dictionary, feature, load) => {
                features.sources.set((dictionary, feature), load);
            }
            Event::PreviewsAsked => features.previews.reading = true,
            Event::Previews(dictionary, of, found) => features.previews.set(dictionary, &of, found),
            Event::Filter(filter) => features.filter = filter,
            Event::Words(of, load) => {
                if features.table_of == Some(of) {
                    if let Load::Failed(why) = &load {
                        features.found.failed(why);
                        features.found_by_palette.failed(why);
                    }
                    features.words = load;
                }
            }
            Event::Asked(seeker, query) => features.found_mut(seeker).ask(query),
            Event::Searching(seeker) => features.found_mut(seeker).at_work = true,
            Event::Found(seeker, query, answers) => {
                features.found_mut(seeker).arrived(&query, answers);
            }
            Event::Directions(of, load) => {
                if features.table_of == Some(of) {
                    features.directions = load;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_page_is_kept_but_not_shown_for_another_feature() {
        let mut state = FeaturesState::default();
        let id = DictionaryId(0);
        let ready = || Load::Ready(Arc::new(Detail::default()));
        state.apply(Event::PageOf(id, FeatureId(1)));
        state.apply(Event::Detail(id, FeatureId(1), Load::Loading));
        state.apply(Event::PageOf(id, FeatureId(2)));
        state.apply(Event::Detail(id, FeatureId(1), ready()));
        assert!(state.detail.is_absent());
        assert!(state.detail(id, FeatureId(1)).ready().is_some());
        state.apply(Event::PageOf(id, FeatureId(1)));
        assert!(state.detail.ready().is_some());
    }

    #[test]
    fn at_most_so_many_pages_are_kept() {
        let mut kept = Kept::default();
        for i in 0..KEPT + 5 {
            kept.set((DictionaryId(0), FeatureId::from(i)), Load::Ready(i));
        }
        assert_eq!(kept.by_feature.len(), KEPT);
        assert!(
            !kept
                .by_feature
                .contains_key(&(DictionaryId(0), FeatureId(4)))
        );
    }
}
