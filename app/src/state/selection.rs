//! The selection, shared by all screens: dictionary, feature, token, head, edit. It survives switching screens; the inspector follows it.

use serde::{Deserialize, Serialize};
use umbra_core::ids::{FeatureId, Head, Layer};

use super::catalogue::DictionaryId;
use super::dark_matter::question::Question;
use super::evaluation::tab::Tab as EvaluationTab;
use super::heads::step::Shown;
use super::steering::tab::Tab;

/// The kind of thing selected last; the inspector shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Focus {
    /// Nothing yet.
    #[default]
    Nothing,
    /// The feature.
    Feature,
    /// The token of the prompt.
    Token,
    /// The head.
    Head,
    /// The edit of Steering.
    Edit,
}

/// The selection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Dictionary that Features, Prompt and the labs are about.
    pub(crate) dictionary: Option<DictionaryId>,
    /// Feature of that dictionary.
    pub(crate) feature: Option<FeatureId>,
    /// Position in the prompt's reading.
    pub(crate) token: Option<usize>,
    /// Attention head.
    pub(crate) head: Option<(Layer, Head)>,
    /// The step of Heads.
    pub(crate) shown: Shown,
    /// The question of Dark matter.
    pub(crate) question: Question,
    /// The tab of Steering.
    pub(crate) tab: Tab,
    /// The tab of Evaluation.
    pub(crate) evaluation: EvaluationTab,
    /// Place of an edit in Steering's stack.
    pub(crate) edit: Option<usize>,
    /// The one that came last.
    pub(crate) focus: Focus,
}

impl Selection {
    /// Another dictionary: the feature goes, token and head stay.
    pub(super) fn choose_dictionary(&mut self, dictionary: Option<DictionaryId>) {
        if self.dictionary != dictionary {
            self.dictionary = dictionary;
            self.feature = None;
            if self.focus == Focus::Feature {
                self.focus = Focus::Nothing;
            }
        }
    }

    /// Clears the selection.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Changes of this area. Views send `navigation::Command::Select*` instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A dictionary was chosen.
    Dictionary(DictionaryId),
    /// A feature was chosen.
    Feature(Option<FeatureId>),
    /// A token was chosen.
    Token(Option<usize>),
    /// A head was chosen.
    Head(Layer, Head),
    /// A step of Heads was chosen.
    Shown(Shown),
    /// A question of Dark matter was chosen.
    Question(Question),
    /// A tab of Steering was chosen.
    Tab(Tab),
    /// A tab of Evaluation was chosen.
    Evaluation(EvaluationTab),
    /// An edit of Steering was chosen.
    Edit(usize),
}

impl Selection {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        let selection = self;
        match event {
            Event::Dictionary(id) => selection.choose_dictionary(Some(id)),
            Event::Feature(feature) => {
                selection.feature = feature;
                selection.focus = Focus::Feature;
            }
            Event::Token(token) => {
                selection.token = token;
                selection.focus = Focus::Token;
            }
            Event::Head(layer, head) => {
                selection.head = Some((layer, head));
                selection.focus = Focus::Head;
            }
            Event::Shown(shown) => selection.shown = shown,
            Event::Question(question) => selection.question = question,
            Event::Tab(tab) => selection.tab = tab,
            Event::Evaluation(tab) => selection.evaluation = tab,
            Event::Edit(at) => {
                selection.edit = Some(at);
                selection.focus = Focus::Edit;
            }
        }
    }
}
