//! The tab Causes: causes of a prediction. The text, the target and the question here, the rest one file per panel.

pub(crate) mod attributed;
pub(crate) mod patching;
pub(crate) mod question;
pub(crate) mod smallest;

use question::Question;

/// Text and target of all panels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Form {
    /// The text; none for the sentence in Prompt.
    pub(crate) text: Option<String>,
    /// The target as the command line writes it; empty while none was chosen.
    pub(crate) target: String,
}

/// Facts of the tab.
#[derive(Debug, Default)]
pub(crate) struct CausesState {
    /// Text and target.
    pub(crate) form: Form,
    /// The question that is shown.
    pub(crate) question: Question,
    /// Features and parts as causes.
    pub(crate) attributed: attributed::AttributedState,
    /// Patching between two texts.
    pub(crate) patching: patching::PatchingState,
    /// The smallest set of edits.
    pub(crate) smallest: smallest::SmallestState,
}

/// Changes of the tab.
#[derive(Debug)]
pub(crate) enum Event {
    /// Text or target changed.
    Form(Form),
    /// Text and target of a kept result, for a form that nobody touched.
    Kept(Form),
    /// A question was asked.
    Question(Question),
    /// See [`attributed::Event`].
    Attributed(attributed::Event),
    /// See [`patching::Event`].
    Patching(patching::Event),
    /// See [`smallest::Event`].
    Smallest(smallest::Event),
}

impl CausesState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Form(form) => self.form = form,
            Event::Kept(form) => {
                if self.form == Form::default() {
                    self.form = form;
                }
            }
            Event::Question(question) => self.question = question,
            Event::Attributed(event) => self.attributed.apply(event),
            Event::Patching(event) => {
                self.patching.apply(event);
                self.adopt();
            }
            Event::Smallest(event) => self.smallest.apply(event),
        }
    }

    /// Takes texts and target of the kept patching into a form that nobody touched.
    fn adopt(&mut self) {
        let patch = &mut self.patching;
        let untouched = self.form == Form::default() && patch.form.second.is_none();
        let Some(kept) = patch.places.found.ready().filter(|_| untouched) else {
            return;
        };
        self.form = Form {
            text: kept.clean.clone(),
            target: kept.result.pair.target.clone(),
        };
        patch.form.second = Some(kept.corrupt.clone());
        patch.form.site = kept.result.site;
    }
}
