//! The trace of one feature at one token back to what makes it up.

use std::sync::Arc;

use umbra_core::heads::circuit::{Circuit, Settings};

use super::attribution;
use crate::state::catalogue::DictionaryId;
use crate::state::load::Load;

/// Limits of a trace in the window; the slider hides from there on.
pub(crate) const TRACED: Settings = Settings {
    threshold: 0.002,
    depth: 6,
    most: 400,
};

/// Least share that is shown until a person moves the slider.
const SHOWN: f64 = 0.01;

/// Identifies a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// The feature, the sentence and the token.
    pub(crate) target: attribution::Key,
    /// Other dictionaries that may take part, in the project's order.
    pub(crate) others: Vec<DictionaryId>,
}

/// A finished trace.
#[derive(Debug, Clone)]
pub(crate) struct Traced {
    /// The whole graph.
    pub(crate) circuit: Circuit,
    /// The project's dictionary of each of its dictionaries.
    pub(crate) dictionaries: Vec<DictionaryId>,
    /// Dictionaries that were left out, with the reasons, and what else was decided.
    pub(crate) notes: Vec<String>,
}

/// Facts of the panel.
#[derive(Debug)]
pub(crate) struct CircuitState {
    /// Whether the selected feature is traced where the attribution explains another.
    pub(crate) own: bool,
    /// The trace requested last.
    pub(crate) of: Option<Key>,
    /// The trace.
    pub(crate) load: Load<Arc<Traced>>,
    /// Least share of the explained feature that a contribution must carry to be shown.
    pub(crate) threshold: f64,
    /// The part of the graph that is shown.
    pub(crate) shown: Option<Arc<Circuit>>,
    /// Id of the selected node; the explained feature unless set.
    pub(crate) selected: Option<String>,
}

impl Default for CircuitState {
    fn default() -> Self {
        Self {
            own: false,
            of: None,
            load: Load::default(),
            threshold: SHOWN,
            shown: None,
            selected: None,
        }
    }
}

/// Changes of the panel.
#[derive(Debug)]
pub(crate) enum Event {
    /// A trace is being computed, arrived or failed.
    Traced(Key, Load<Arc<Traced>>),
    /// Another share is the least one shown.
    Threshold(f64),
    /// A node was selected.
    Selected(String),
    /// Whether the selected feature is traced where the attribution explains another.
    Own(bool),
}

impl CircuitState {
    /// Carries out an event. What arrives late for something else is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Traced(of, load) => {
                if load.is_loading() {
                    self.of = Some(of.clone());
                    (self.selected, self.shown) = (None, None);
                }
                if self.of.as_ref() == Some(&of) {
                    self.load = load;
                    self.prune();
                }
            }
            Event::Threshold(threshold) => {
                self.threshold = threshold;
                self.prune();
            }
            Event::Selected(id) => self.selected = Some(id),
            Event::Own(own) => self.own = own,
        }
    }

    fn prune(&mut self) {
        let traced = self.load.ready();
        self.shown = traced.map(|traced| Arc::new(traced.circuit.pruned(self.threshold)));
    }
}
