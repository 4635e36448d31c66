//! Long work as the job strip and the log show it. Written by events that `jobs.rs` sends; carries out nothing itself.

use std::time::{Duration, Instant};

use umbra_core::progress::{Pace, Progress};

use crate::widgets::number;

/// A job within this run of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct JobId(pub(crate) u64);

/// Status of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Status {
    /// Running.
    Running,
    /// Stopping.
    Stopping,
    /// Ended by itself.
    Done,
    /// Stopped on request.
    Stopped,
    /// Ended with one sentence.
    Failed(String),
}

/// One job.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// Its id.
    pub(crate) id: JobId,
    /// Its name, as shown: `Evaluate z0`.
    pub(crate) name: String,
    /// Status.
    pub(crate) status: Status,
    /// Progress, once reported.
    pub(crate) progress: Option<Progress>,
    /// Start time.
    pub(crate) started: Instant,
    /// Duration, once ended.
    pub(crate) took: Option<Duration>,
    /// Units per second, where the work itself measures it.
    measured: Option<f64>,
    pace: Pace,
}

impl Job {
    /// Whether it has not ended.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.status, Status::Running | Status::Stopping)
    }

    /// Share done, 0 to 1.
    pub(crate) fn share(&self) -> Option<f32> {
        Some(self.progress?.share()? as f32)
    }

    /// Returns the job's recent speed in units per second, the same everywhere.
    pub(crate) fn per_second(&self) -> Option<f64> {
        self.progress?;
        self.measured.or_else(|| self.pace.per_second())
    }

    /// Time left at that speed.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let (progress, speed) = (self.progress?, self.per_second()?);
        let left = progress.total.saturating_sub(progress.done) as f64;
        (speed > 0.0)
            .then(|| left / speed)
            .filter(|seconds| *seconds < 1e7)
            .map(Duration::from_secs_f64)
    }

    /// Returns progress, speed and remaining time in the words used everywhere; none before the first progress.
    pub(crate) fn standing(&self) -> Option<String> {
        let progress = self.progress.filter(|progress| progress.done > 0)?;
        let far = (progress.done, progress.total);
        let (speed, left) = (self.per_second(), self.remaining());
        Some(number::standing(far, progress.unit, speed, left))
    }
}

/// Running and lately ended jobs, oldest first.
#[derive(Debug, Default)]
pub(crate) struct JobsState {
    /// Jobs, running and ended; at most 50 ended ones are kept.
    pub(crate) list: Vec<Job>,
}

/// Ended jobs kept for the log.
const KEPT: usize = 50;

impl JobsState {
    /// Jobs at work, oldest first.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Job> {
        self.list.iter().filter(|job| job.is_running())
    }

    /// A job by id.
    pub(crate) fn get(&self, id: JobId) -> Option<&Job> {
        self.list.iter().find(|job| job.id == id)
    }

    fn get_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.list.iter_mut().find(|job| job.id == id)
    }
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// A job began.
    Started(JobId, String),
    /// A job got further, at so many units per second where it measures that itself.
    Progress(JobId, Progress, Option<f64>),
    /// A job was told to stop.
    Stopping(JobId),
    /// A job ended: `Done`, `Stopped` or `Failed`.
    Ended(JobId, Status),
}

impl JobsState {
    /// Carries out an event; returns the line for the log where a job ended.
    pub(super) fn apply(&mut self, event: Event) -> Option<String> {
        let now = Instant::now();
        match event {
            Event::Started(id, name) => {
                self.list.push(Job {
                    id,
                    name,
                    status: Status::Running,
                    progress: None,
                    started: now,
                    took: None,
                    measured: None,
                    pace: Pace::default(),
                });
            }
            Event::Progress(id, progress, measured) => {
                if let Some(job) = self.get_mut(id) {
                    job.progress = Some(progress);
                    job.measured = measured;
                    job.pace.mark(now, progress.done);
                }
            }
            Event::Stopping(id) => {
                if let Some(job) = self.get_mut(id).filter(|job| job.is_running()) {
                    job.status = Status::Stopping;
                }
            }
            Event::Ended(id, status) => return self.end(id, status, now),
        }
        None
    }

    fn end(&mut self, id: JobId, status: Status, now: Instant) -> Option<String> {
        let job = self.get_mut(id)?;
        let took = now.duration_since(job.started);
        job.took = Some(took);
        let sentence = match &status {
            Status::Failed(sentence) => format!("{} failed: {sentence}", job.name),
            Status::Stopped => format!("{} stopped after {:.1} s", job.name, took.as_secs_f64()),
            _ => format!("{} took {:.1} s", job.name, took.as_secs_f64()),
        };
        job.status = status;
        let ended = self.list.iter().filter(|job| !job.is_running());
        let mut surplus = ended.count().saturating_sub(KEPT);
        self.list.retain(|job| {
            let drop = surplus > 0 && !job.is_running();
            surplus -= usize::from(drop);
            !drop
        });
        Some(sentence)
    }
}
