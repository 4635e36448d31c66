//! The logit lens of the sentence in Prompt.

use std::sync::Arc;

use umbra_core::lens::Lens;

use super::jobs::JobId;
use super::load::Load;
use super::prompt::Sentence;

/// The lens.
#[derive(Debug, Default)]
pub(crate) struct LensState {
    /// The sentence that it is for.
    pub(crate) of: Option<Sentence>,
    /// The lens; absent although asked for: reading it was stopped.
    pub(crate) load: Load<Arc<Lens>>,
    /// The job that reads it, to be stopped when another sentence is asked for.
    pub(crate) job: Option<JobId>,
    /// The last one that succeeded, shown until the next arrives, and what it is of.
    pub(crate) last: Option<(Sentence, Arc<Lens>)>,
}

impl LensState {
    /// Returns the lens to show for `sentence`: its own, or the last one of the same model.
    pub(crate) fn shown(&self, sentence: &Sentence) -> Option<&Arc<Lens>> {
        let (of, lens) = self.last.as_ref()?;
        of.same_model(sentence).then_some(lens)
    }
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// A lens is being read, arrived, failed or was stopped (absent).
    Lens(Sentence, Load<Arc<Lens>>),
    /// The job that reads it.
    Job(JobId),
}

impl LensState {
    /// Carries out an event. What arrives late for another sentence is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        let lens = self;
        match event {
            Event::Lens(of, load) => {
                if load.is_loading() {
                    lens.of = Some(of.clone());
                }
                if lens.of.as_ref() != Some(&of) {
                    return;
                }
                if let Load::Ready(arrived) = &load {
                    lens.last = Some((of, Arc::clone(arrived)));
                }
                lens.load = load;
            }
            Event::Job(job) => lens.job = Some(job),
        }
    }
}
