//! Search by text: the features of all open dictionaries that fire on the sentence of Prompt.

use std::collections::BTreeSet;
use std::sync::Arc;

use umbra_core::features::Rarity;
use umbra_core::features::fires::Fires;
use umbra_core::workbench::pair::Pair;

use super::AppState;
use super::catalogue::{DictionaryId, LoadedIndex};
use super::jobs::JobId;
use super::load::Load;
use super::prompt::Sentence;

/// Everything that a search depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The sentence, and the model that reads it.
    pub(crate) sentence: Sentence,
    /// Revision of the catalogue: which dictionaries and indexes there are.
    revision: u64,
}

/// Result of a search.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// The dictionaries that were searched; the features name them by their places here.
    pub(crate) dictionaries: Vec<DictionaryId>,
    /// The features, and the tokens of the sentence.
    pub(crate) fires: Fires,
    /// Names of dictionaries that were left out, with the reasons.
    pub(crate) left_out: Vec<(String, String)>,
}

/// Densities and maxima of an index.
pub(crate) type Known = (DictionaryId, LoadedIndex, Arc<Rarity>);

/// The search.
#[derive(Debug, Default)]
pub(crate) struct SearchState {
    /// The search that was asked for last.
    pub(crate) of: Option<Asked>,
    /// Its result; absent although asked for: it was stopped.
    pub(crate) load: Load<Arc<Found>>,
    /// The job, to be stopped when another search is asked for.
    pub(crate) job: Option<JobId>,
    /// The last result, shown until the next arrives.
    pub(crate) last: Option<Arc<Found>>,
    /// Number of results so far; a key for memos.
    pub(crate) arrived: u64,
    /// Dictionaries whose features the list leaves out.
    pub(crate) left_out: BTreeSet<DictionaryId>,
    /// Figures of indexes that earlier searches read.
    pub(crate) known: Vec<Known>,
}

impl SearchState {
    /// Forgets the results: they are of another model.
    pub(super) fn forget(&mut self) {
        *self = Self {
            left_out: std::mem::take(&mut self.left_out),
            arrived: self.arrived,
            ..Self::default()
        };
    }

    /// The figures of an index, if an earlier search read them.
    pub(crate) fn rarity(&self, index: &LoadedIndex) -> Option<&Arc<Rarity>> {
        let known = self.known.iter().find(|(_, of, _)| of == index);
        known.map(|(.., rarity)| rarity)
    }
}

impl AppState {
    /// The search that the sentence and the dictionaries call for; none without a sentence or a model.
    pub(crate) fn search_asked(&self) -> Option<Asked> {
        Some(Asked {
            sentence: self.sentence()?,
            revision: self.catalogue.revision,
        })
    }

    /// The dictionaries that are loaded and fit the model.
    pub(crate) fn searchable(&self) -> impl Iterator<Item = (DictionaryId, &Pair)> {
        let all = self.catalogue.dictionaries.iter();
        all.filter_map(|one| Some((one.id, self.pair(one.id)?)))
    }
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// A search is under way, has its result, failed or was stopped (absent).
    Search(Box<Asked>, Load<Arc<Found>>),
    /// The job that searches.
    Job(JobId),
    /// Figures of indexes were read.
    Known(Vec<Known>),
    /// The features of a dictionary are listed, or left out.
    List(DictionaryId, bool),
}

impl SearchState {
    /// Carries out an event. What arrives late for another search is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Search(of, load) => {
                if load.is_loading() {
                    self.of = Some((*of).clone());
                }
                if self.of.as_ref() != Some(&*of) {
                    return;
                }
                if let Load::Ready(found) = &load {
                    self.last = Some(Arc::clone(found));
                    self.arrived += 1;
                }
                self.load = load;
            }
            Event::Job(job) => self.job = Some(job),
            Event::Known(known) => {
                for one in known {
                    self.known.retain(|(id, ..)| *id != one.0);
                    self.known.push(one);
                }
            }
            Event::List(id, listed) => {
                if listed {
                    self.left_out.remove(&id);
                } else {
                    self.left_out.insert(id);
                }
            }
        }
    }
}
