//! Panel “What is the least edit?”: the aim, how many edits, and the result.

use umbra_core::causes::smallest::{ROUNDS, Smallest};
use umbra_core::workbench::patching::Asked;

use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::study::{Change, Study};

/// Name of the job.
pub(crate) const JOB: &str = "Search the smallest set of edits";

/// Aim of the edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Aim {
    /// A token should become the likeliest.
    #[default]
    Wins,
    /// The target should reach a value.
    Reach,
    /// The activations should become those of the second text.
    Toward,
}

impl Aim {
    /// All, in order, with their names and definitions.
    pub(crate) const ALL: [(Self, &'static str, &'static str); 3] = [
        (
            Self::Wins,
            "Let a token win",
            "Removes features until a token of your choice is the likeliest next one",
        ),
        (
            Self::Reach,
            "Reach a value",
            "Removes features until the target has a value of your choice",
        ),
        (
            Self::Toward,
            "Act like the second text",
            "Changes features of this text so that its activations come nearest to those of the second text of “Where does it matter?”",
        ),
    ];
}

/// Choices of a person.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Form {
    /// Aim.
    pub(crate) aim: Aim,
    /// Token that should win, as it is written.
    pub(crate) wins: String,
    /// Value that the target should reach, as it is written.
    pub(crate) reach: String,
    /// Most edits.
    pub(crate) rounds: usize,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            aim: Aim::default(),
            wins: String::new(),
            reach: "0".to_owned(),
            rounds: ROUNDS,
        }
    }
}

/// Facts of the panel. A result belongs to a dictionary.
#[derive(Debug, Default)]
pub(crate) struct SmallestState {
    /// Choices.
    pub(crate) form: Form,
    /// The result.
    pub(crate) study: Study<Asked<Smallest>, DictionaryId>,
}

/// Changes of the panel.
#[derive(Debug)]
pub(crate) enum Event {
    /// Choices changed.
    Form(Box<Form>),
    /// Change of the result.
    Study(Change<Asked<Smallest>, DictionaryId>),
}

impl SmallestState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Form(form) => self.form = *form,
            Event::Study(change) => self.study.apply(change),
        }
    }
}
