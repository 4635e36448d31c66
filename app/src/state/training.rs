//! The training run: its curves and how it ended.

use umbra_core::train::Progress;

use super::AppState;
use super::jobs::JobId;

/// A run and its curves.
#[derive(Debug, Default)]
pub struct TrainingState {
    /// The running or last job.
    pub job: Option<JobId>,
    /// One point per report, oldest first.
    pub curve: Vec<Progress>,
}

/// What can change here.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// A run began.
    Started(JobId),
    /// One more point of the curves.
    Progress(Progress),
}

/// Carries out an event.
pub(super) fn apply(state: &mut AppState, event: Event) {
    match event {
        Event::Started(job) => {
            state.training = TrainingState {
                job: Some(job),
                ..TrainingState::default()
            };
        }
        Event::Progress(progress) => state.training.curve.push(progress),
    }
}
