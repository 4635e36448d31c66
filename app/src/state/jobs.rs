//! Long work as the job strip and the log show it. Written by events that `jobs.rs` sends; carries out nothing itself.

use std::time::{Duration, Instant};

use super::AppState;

/// A job within this run of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub total: u64,
    /// What a unit is, plural (`rows`, `tokens`).
    pub unit: &'static str,
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// At work.
    Running,
    /// Told to stop, not yet there.
    Stopping,
    /// Ended by itself.
    Done,
    /// Ended because it was told to.
    Stopped,
    /// Ended with one sentence.
    Failed(String),
}

/// One job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What it does, as shown: `Evaluate z0`.
    pub name: String,
    /// Where it stands.
    pub status: Status,
    /// How far it is, once it says so.
    pub progress: Option<Progress>,
    /// When it began.
    pub started: Instant,
    /// How long it took, once ended.
    pub took: Option<Duration>,
    /// Units per second lately.
    pub per_second: Option<f64>,
    last: Option<(Instant, u64)>,
}

impl Job {
    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        matches!(self.status, Status::Running | Status::Stopping)
    }

    /// Share done, 0 to 1.
    pub fn share(&self) -> Option<f32> {
        let progress = self.progress?;
        (progress.total > 0).then(|| progress.done as f32 / progress.total as f32)
    }

    /// Time left at the present speed.
    pub fn remaining(&self) -> Option<Duration> {
        let (progress, speed) = (self.progress?, self.per_second?);
        let left = progress.total.saturating_sub(progress.done) as f64;
        (speed > 0.0)
            .then(|| left / speed)
            .filter(|seconds| *seconds < 1e7)
            .map(Duration::from_secs_f64)
    }
}

/// Running and lately ended jobs, oldest first.
#[derive(Debug, Default)]
pub struct JobsState {
    /// At most 50 ended ones are kept.
    pub list: Vec<Job>,
}

/// Ended jobs kept for the log.
const KEPT: usize = 50;

/// Least time between two measurements of speed.
const SPEED_WINDOW: Duration = Duration::from_millis(300);

impl JobsState {
    /// Jobs at work, oldest first.
    pub fn running(&self) -> impl Iterator<Item = &Job> {
        self.list.iter().filter(|job| job.is_running())
    }

    /// A job by id.
    pub fn get(&self, id: JobId) -> Option<&Job> {
        self.list.iter().find(|job| job.id == id)
    }

    fn get_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.list.iter_mut().find(|job| job.id == id)
    }
}

/// What can change here.
#[derive(Debug)]
pub enum Event {
    /// A job began.
    Started(JobId, String),
    /// A job got further.
    Progress(JobId, Progress),
    /// A job was told to stop.
    Stopping(JobId),
    /// A job ended: `Done`, `Stopped` or `Failed`.
    Ended(JobId, Status),
}

/// Carries out an event.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let now = Instant::now();
    match event {
        Event::Started(id, name) => {
            state.jobs.list.push(Job {
                id,
                name,
                status: Status::Running,
                progress: None,
                started: now,
                took: None,
                per_second: None,
                last: None,
            });
        }
        Event::Progress(id, progress) => {
            if let Some(job) = state.jobs.get_mut(id) {
                advance(job, progress, now);
            }
        }
        Event::Stopping(id) => {
            if let Some(job) = state.jobs.get_mut(id).filter(|job| job.is_running()) {
                job.status = Status::Stopping;
            }
        }
        Event::Ended(id, status) => end(state, id, status, now),
    }
}

fn advance(job: &mut Job, progress: Progress, now: Instant) {
    job.progress = Some(progress);
    let Some((at, done)) = job.last else {
        job.last = Some((now, progress.done));
        return;
    };
    let passed = now.duration_since(at);
    if passed < SPEED_WINDOW {
        return;
    }
    let speed = progress.done.saturating_sub(done) as f64 / passed.as_secs_f64();
    let smooth = job.per_second.map_or(speed, |old| 0.7 * old + 0.3 * speed);
    job.per_second = Some(smooth);
    job.last = Some((now, progress.done));
}

fn end(state: &mut AppState, id: JobId, status: Status, now: Instant) {
    let Some(job) = state.jobs.get_mut(id) else {
        return;
    };
    let took = now.duration_since(job.started);
    job.took = Some(took);
    let sentence = match &status {
        Status::Failed(sentence) => format!("{} failed: {sentence}", job.name),
        Status::Stopped => format!("{} stopped after {:.1} s", job.name, took.as_secs_f64()),
        _ => format!("{} took {:.1} s", job.name, took.as_secs_f64()),
    };
    job.status = status;
    state.log.line(sentence);
    let ended = state.jobs.list.iter().filter(|job| !job.is_running());
    let mut surplus = ended.count().saturating_sub(KEPT);
    state.jobs.list.retain(|job| {
        let drop = surplus > 0 && !job.is_running();
        surplus -= usize::from(drop);
        !drop
    });
}
