//! The task with a known answer: its settings, its result, and the edit that is looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::found::{Found, Inspection};
use crate::state::AppState;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::dark_matter::study::{Change, Study};
use crate::state::load::Load;

/// Name of the job that runs it.
pub(crate) const JOB: &str = "Test dictionaries on sentences with two names";

/// Least number of prompts.
pub(crate) const LEAST: usize = 4;

/// Settings of the next run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Form {
    /// Number of prompts; half of them build, half test.
    pub(crate) prompts: usize,
    /// Seed of the names and templates.
    pub(crate) seed: u64,
    /// Places that are edited, separated by spaces; empty: those found by mean ablation.
    pub(crate) places: String,
    /// Dictionaries that a person took or left out; of the others, those of a hook of attention's values are taken.
    pub(crate) ticked: BTreeMap<DictionaryId, bool>,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            prompts: 600,
            seed: 0,
            places: String::new(),
            ticked: BTreeMap::new(),
        }
    }
}

impl Form {
    /// Whether a dictionary is tested.
    pub(crate) fn takes(&self, dictionary: &Dictionary) -> bool {
        let asked = self.ticked.get(&dictionary.id).copied();
        asked.unwrap_or_else(|| dictionary.hook().is_some_and(|hook| hook.is_z()))
    }
}

/// Returns the dictionaries that can be tested: those that fit the model.
pub(crate) fn candidates(state: &AppState) -> impl Iterator<Item = &Dictionary> {
    let fitting = state.fitting();
    fitting.filter(|one| state.pair(one.id).is_some())
}

/// Returns the dictionaries that the next run tests.
pub(crate) fn chosen(state: &AppState) -> Vec<DictionaryId> {
    let form = &state.evaluation.task.form;
    let taken = candidates(state).filter(|one| form.takes(one));
    taken.map(|one| one.id).collect()
}

/// An edit that is looked at: dictionary by its place in the result, attribute, prompt, and number of exchanged features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Looked {
    /// Place of the dictionary in the result.
    pub(crate) dictionary: usize,
    /// Place of the attribute.
    pub(crate) attribute: usize,
    /// Place of the prompt among the tested ones.
    pub(crate) prompt: usize,
    /// Number of exchanged features.
    pub(crate) k: usize,
}

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct TaskState {
    /// Settings of the next run.
    pub(crate) form: Form,
    /// The result, of the model with this fingerprint.
    pub(crate) study: Study<Found, String>,
    /// The edit that was asked for last.
    pub(crate) looked: Option<Looked>,
    /// Its steps.
    pub(crate) inspection: Load<Arc<Inspection>>,
}

impl TaskState {
    /// The result, if it is of the open model.
    pub(crate) fn result<'a>(&'a self, state: &AppState) -> Option<&'a Arc<Found>> {
        self.study.result(&key(state)?)
    }
}

/// The subject of the result: the open model.
pub(crate) fn key(state: &AppState) -> Option<String> {
    Some(state.model()?.model.fingerprint().to_owned())
}

/// Changes of the panel.
#[derive(Debug)]
pub(crate) enum Event {
    /// Other settings of the next run.
    Form(Form),
    /// A change of the result.
    Study(Change<Found, String>),
    /// The steps of an edit are being computed, were, or could not be.
    Inspected(Looked, Load<Arc<Inspection>>),
}

impl TaskState {
    /// Carries out an event. Steps that arrive late for another edit are dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Form(form) => self.form = form,
            Event::Study(change) => {
                if !matches!(change, Change::Failed(..)) {
                    self.looked = None;
                    self.inspection = Load::Absent;
                }
                self.study.apply(change);
            }
            Event::Inspected(looked, load) => {
                if load.is_loading() {
                    self.looked = Some(looked);
                }
                if self.looked == Some(looked) {
                    self.inspection = load;
                }
            }
        }
    }
}
