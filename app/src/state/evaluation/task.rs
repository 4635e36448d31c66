//! The task with a known answer: its settings and its result.

use std::collections::BTreeMap;
use std::sync::Arc;

use umbra_core::ids::HookPoint;
use umbra_core::tasks::site::Site;
use umbra_core::tasks::test::Evaluation;
use umbra_core::workbench::evaluate::task::Request;
use umbra_core::workbench::scores::Kind;

use crate::state::AppState;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::dark_matter::study::{Change, Study};
use crate::words;

/// Name of the job that runs it.
pub(crate) const JOB: &str = "Test dictionaries on sentences with two names";

/// Name of the task, under which its result is kept.
pub(crate) const NAME: &str = "ioi";

/// Least number of prompts.
pub(crate) const LEAST: usize = umbra_core::tasks::LEAST;

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
            prompts: umbra_core::tasks::ioi::PROMPTS,
            seed: 0,
            places: String::new(),
            ticked: BTreeMap::new(),
        }
    }
}

impl Form {
    /// Returns what is asked for, or why the places that are written are none.
    pub(crate) fn request(&self) -> Result<Request, String> {
        let sites = self.places.split_whitespace().map(str::parse);
        let sites: umbra_core::Result<Vec<Site>> = sites.collect();
        Ok(Request {
            count: self.prompts,
            seed: self.seed,
            sites: sites.map_err(|why| words::error(&why))?,
            ..Request::default()
        })
    }

    /// Whether a dictionary is tested.
    pub(crate) fn takes(&self, dictionary: &Dictionary) -> bool {
        let asked = self.ticked.get(&dictionary.id).copied();
        asked.unwrap_or_else(|| dictionary.hook().is_some_and(HookPoint::is_z))
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

/// Names of the dictionaries of the project that are baselines.
pub(crate) fn baselines(state: &AppState) -> Vec<&str> {
    let all = state.catalogue.dictionaries.iter();
    let baselines = all.filter(|one| {
        let loaded = one.load.ready();
        loaded.is_some_and(|loaded| Kind::new(&loaded.sae) == Kind::Baseline)
    });
    baselines.map(|one| one.name.as_str()).collect()
}

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct TaskState {
    /// Settings of the next run.
    pub(crate) form: Form,
    /// The result, of the model with this fingerprint.
    pub(crate) study: Study<Evaluation, String>,
}

impl TaskState {
    /// The result, if it is of the open model.
    pub(crate) fn result<'a>(&'a self, state: &AppState) -> Option<&'a Arc<Evaluation>> {
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
    Study(Change<Evaluation, String>),
}

impl TaskState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Form(form) => self.form = form,
            Event::Study(change) => self.study.apply(change),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written_and_others_are_refused_with_the_format() {
        let form = |places: &str| Form {
            places: places.to_owned(),
            ..Form::default()
        };
        let request = form("").request().unwrap();
        assert!(request.sites.is_empty() && request.count == Form::default().prompts);
        let two = form(" blocks.2.attn.hook_z:0,3@end  blocks.1.hook_resid_post@s2 ");
        assert_eq!(two.request().unwrap().sites.len(), 2);
        let why = form("blocks.2.attn.hook_z").request().unwrap_err();
        assert!(
            why.contains("names no position") && why.contains("@end"),
            "{why}"
        );
    }
}
