//! Long work: named worker threads, one bounded channel back, cancellation. A panic in a worker becomes a failed job; closing the window stops and
//! joins all of them.
//!
//! # How an area starts a job
//! In a command: mark the state (`Load::Loading`), then
//! ```ignore
//! let (model, sae) = (model.clone(), sae.clone());               // Arc
//! context.jobs.start_or(
//!     "Read the prompt",                                          // shown in the strip
//!     move |why| Event::Prompt(…Failed(why)),                     // an event that says why it failed (or panicked)
//!     move |worker| {                                             // on its own thread
//!         let reading = umbra_core::prompt::read(&model, sae.by_token()?, &text, 10)?;
//!         worker.send(Event::Prompt(…Ready(Arc::new(reading))));  // results: never dropped
//!         Ok(())
//!     },
//! );
//! ```
//! An observer of the core is `&mut |at| worker.progress(at)`: progress may be dropped, and it answers `Break` once the job was told to stop. `start` without `_or` shows a failure as a notification; `start_quiet` also stays out of the strip (for what
//! takes less than a blink).

mod device;

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use umbra_core::device::give_back;
use umbra_core::error::{Notes, Result};
use umbra_core::progress::{Flow, Progress};
use umbra_core::workbench::pair::Pair;
use umbra_core::workbench::text::{Text, TextRequest};

use self::device::Held;
use crate::dialogs::{Ask, Dialogs, Reply};
use crate::state::jobs::{JobId, Status};
use crate::state::log::Notice;
use crate::state::requests::Command;
use crate::state::{Event, jobs, log, path};
use crate::words;

pub(crate) use self::device::{Computing, Holder, Wanted};

/// Events waiting for the window at most.
const CHANNEL: usize = 256;

/// Wakes the window up.
type Wake = Arc<dyn Fn() + Send + Sync>;

/// Counts the workers at work, but for those that wait for a person.
#[derive(Debug)]
struct AtWork(Arc<AtomicUsize>);

impl AtWork {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Makes the event that tells why a job failed.
type Failed = Box<dyn FnOnce(String) -> Event + Send>;

/// All workers of the window.
pub(crate) struct Jobs {
    sender: SyncSender<Event>,
    receiver: Option<Receiver<Event>>,
    asker: SyncSender<Command>,
    asked: Receiver<Command>,
    waiting: VecDeque<Event>,
    running: Vec<Running>,
    wake: Wake,
    next: u64,
    /// Who computes on a GPU.
    held: Held,
    at_work: Arc<AtomicUsize>,
    apart: Apart,
}

/// Threads for short work beside a long job, which keeps the others busy. Made when first used.
type Apart = Arc<OnceLock<Option<rayon::ThreadPool>>>;

struct Running {
    id: JobId,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    /// A file dialog waits for a person, so closing the window does not wait for it.
    dialog: bool,
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs")
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}

/// A worker's connection to the window.
pub(crate) struct Worker {
    id: JobId,
    stop: Arc<AtomicBool>,
    sender: SyncSender<Event>,
    asker: SyncSender<Command>,
    wake: Wake,
    held: Held,
    at_work: Arc<AtomicUsize>,
    apart: Apart,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Worker").field(&self.id).finish()
    }
}

impl Worker {
    /// Returns the job's id.
    pub(crate) fn id(&self) -> JobId {
        self.id
    }

    /// Whether it was told to stop.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Returns `Break` once the job was told to stop.
    pub(crate) fn flow(&self) -> Flow {
        if self.stopped() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Whether any other job is at work.
    pub(crate) fn is_beside_another(&self) -> bool {
        self.at_work.load(Ordering::Relaxed) > 1
    }

    /// Runs short work that a person waits for. Beside another job it has threads of its own, since that job's parts would go first on the common ones.
    pub(crate) fn at_once<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        if !self.is_beside_another() {
            return work();
        }
        let pool = self.apart.get_or_init(|| {
            let named = |i| format!("at once {i}");
            let builder = rayon::ThreadPoolBuilder::new().thread_name(named);
            builder.build().ok()
        });
        match pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Reports progress; dropped if the window is behind.
    pub(crate) fn progress(&self, progress: Progress) -> Flow {
        self.progress_at(progress, None)
    }

    /// Reports progress of work that measures its own speed, units per second.
    pub(crate) fn progress_at(&self, progress: Progress, per_second: Option<f64>) -> Flow {
        let event = Event::Jobs(jobs::Event::Progress(self.id, progress, per_second));
        if self.sender.try_send(event).is_ok() {
            (self.wake)();
        }
        self.flow()
    }

    /// Asks for something in the name of the person (the answer of a file dialog). Dropped if a person could not have asked so often.
    pub(crate) fn ask(&self, command: Command) {
        if self.asker.try_send(command).is_ok() {
            (self.wake)();
        }
    }

    /// The path that a person chooses in the system's dialog, or in the window's own where the system has none. Waits for the person.
    pub(crate) fn path(&self, dialogs: &dyn Dialogs, ask: Ask) -> Option<PathBuf> {
        match dialogs.ask(&ask) {
            Reply::Chosen(path) => Some(path),
            Reply::Cancelled => None,
            Reply::Unavailable => {
                let (answer, answered) = sync_channel(1);
                self.send(Event::Path(path::Event::Asked(ask, answer)));
                answered.recv().ok().flatten() // another question took its place, or the window closed
            }
        }
    }

    /// Sends an event that must arrive; waits while the channel is full. A closed window drops it, which is no error.
    pub(crate) fn send(&self, event: Event) {
        if self.sender.send(event).is_ok() {
            (self.wake)();
        }
    }

    /// A sentence for the log.
    pub(crate) fn line(&self, sentence: impl Into<String>) {
        self.send(Event::Log(log::Event::Line(sentence.into())));
    }

    /// Reads a text for a model and a dictionary; what was decided goes to the log.
    pub(crate) fn read(&self, request: &TextRequest, pair: &Pair) -> Result<Text> {
        let text = pair.read(request)?;
        self.notes(&text.said());
        Ok(text)
    }

    /// Sentences for the log.
    pub(crate) fn notes(&self, notes: &Notes) {
        for note in notes.iter() {
            self.line(note);
        }
    }
}

impl Jobs {
    /// No work yet; `wake` makes the window draw again.
    pub(crate) fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (sender, receiver) = sync_channel(CHANNEL);
        let (asker, asked) = sync_channel(CHANNEL);
        Self {
            sender,
            receiver: Some(receiver),
            asker,
            asked,
            waiting: VecDeque::new(),
            running: vec![],
            wake: Arc::new(wake),
            next: 0,
            held: Held::default(),
            at_work: Arc::default(),
            apart: Arc::default(),
        }
    }

    /// Starts a job whose failure is shown as a notification.
    pub(crate) fn start(
        &mut self,
        name: impl Into<String>,
        work: impl FnOnce(&Worker) -> Result<()> + Send + 'static,
    ) -> JobId {
        let name = name.into();
        let failed = notify_failure(&name);
        self.spawn(Some(name), failed, work)
    }

    /// Starts a job whose failure becomes an event.
    pub(crate) fn start_or(
        &mut self,
        name: impl Into<String>,
        failed: impl FnOnce(String) -> Event + Send + 'static,
        work: impl FnOnce(&Worker) -> Result<()> + Send + 'static,
    ) -> JobId {
        self.spawn(Some(name.into()), Box::new(failed), work)
    }

    /// Starts a job that stays out of the strip.
    pub(crate) fn start_quiet(
        &mut self,
        failed: impl FnOnce(String) -> Event + Send + 'static,
        work: impl FnOnce(&Worker) -> Result<()> + Send + 'static,
    ) -> JobId {
        self.spawn(None, Box::new(failed), work)
    }

    /// Starts a file dialog; closing the window does not wait for it.
    pub(crate) fn start_dialog(
        &mut self,
        work: impl FnOnce(&Worker) -> Result<()> + Send + 'static,
    ) {
        let waiting = None; // for a person, and not at work
        let failed = notify_failure("The file dialog");
        let id = self.spawn_as(None, failed, waiting, work);
        for running in self.running.iter_mut().filter(|running| running.id == id) {
            running.dialog = true;
        }
    }

    fn spawn(
        &mut self,
        name: Option<String>,
        failed: Failed,
        work: impl FnOnce(&Worker) -> Result<()> + Send + 'static,
    ) -> JobId {
        let at_work = AtWork::new(&self.at_work);
        self.spawn_as(name, failed, Some(at_work), work)
    }

    fn spawn_as(
        &mut self,
        name: Option<String>,
        failed: Failed,
        at_work: Option<AtWork>,
        work: impl FnOnce(&Worker) -> Result<()> + Send + 'static,
    ) -> JobId {
        let id = JobId(self.next);
        self.next += 1;
        let stop = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            id,
            stop: Arc::clone(&stop),
            sender: self.sender.clone(),
            asker: self.asker.clone(),
            wake: Arc::clone(&self.wake),
            held: Arc::clone(&self.held),
            at_work: Arc::clone(&self.at_work),
            apart: Arc::clone(&self.apart),
        };
        let thread_name = name.clone().unwrap_or_else(|| format!("job {}", id.0));
        let shown = name.is_some();
        if let Some(name) = name {
            self.waiting
                .push_back(Event::Jobs(jobs::Event::Started(id, name)));
        }
        let spawned = std::thread::Builder::new()
            .name(thread_name)
            .spawn(move || {
                let _at_work = at_work;
                work_through(&worker, work, failed, shown);
                if shown {
                    give_back(); // large work frees much
                }
            });
        match spawned {
            Ok(thread) => self.running.push(Running {
                id,
                stop,
                thread,
                dialog: false,
            }),
            Err(error) => self.waiting.push_back(Event::Jobs(jobs::Event::Ended(
                id,
                Status::Failed(format!("the system cannot start a thread ({error})")),
            ))),
        }
        id
    }

    /// Tells a job to stop; it ends at its next report.
    pub(crate) fn stop(&self, id: JobId) {
        if let Some(running) = self.running.iter().find(|running| running.id == id) {
            running.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Events that arrived since the last call, oldest first.
    pub(crate) fn drain(&mut self) -> Vec<Event> {
        let mut events: Vec<Event> = self.waiting.drain(..).collect();
        if let Some(receiver) = &self.receiver {
            events.extend(receiver.try_iter().take(CHANNEL));
        }
        self.running.retain(|running| !running.thread.is_finished());
        events
    }

    /// Commands that workers asked for since the last call, oldest first.
    pub(crate) fn asked(&self) -> Vec<Command> {
        self.asked.try_iter().collect()
    }

    /// Whether any worker has not ended.
    #[cfg(test)]
    pub(crate) fn is_busy(&self) -> bool {
        self.running
            .iter()
            .any(|running| !running.thread.is_finished())
    }

    /// Tells all to stop, stops listening and waits for them.
    pub(crate) fn close(&mut self) {
        for running in &self.running {
            running.stop.store(true, Ordering::Relaxed);
        }
        self.receiver = None; // whoever waits to send is let go
        for running in self.running.drain(..).filter(|running| !running.dialog) {
            drop(running.thread.join()); // panics were caught inside
        }
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.close();
    }
}

fn notify_failure(name: &str) -> Failed {
    let name = name.to_owned();
    Box::new(move |why| Event::Log(log::Event::Show(Notice::failure(format!("{name}: {why}")))))
}

/// The body of a worker thread.
fn work_through(
    worker: &Worker,
    work: impl FnOnce(&Worker) -> Result<()>,
    failed: Failed,
    shown: bool,
) {
    let result = catch_unwind(AssertUnwindSafe(|| work(worker)));
    let why = match result {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(words::error(&error)),
        Err(panic) => Some(format!(
            "an internal error stopped this ({}); please report it",
            panic_message(panic.as_ref())
        )),
    };
    let status = match (&why, worker.stopped()) {
        (Some(why), _) => Status::Failed(why.clone()),
        (None, true) => Status::Stopped,
        (None, false) => Status::Done,
    };
    if let Some(why) = why {
        worker.send(failed(why));
    }
    if shown {
        let ended = Event::Jobs(jobs::Event::Ended(worker.id, status));
        worker.send(ended);
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::state::AppState;

    /// Applies events until nothing runs and nothing waits.
    fn settle(jobs: &mut Jobs, state: &mut AppState) {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let busy = jobs.is_busy();
            let events = jobs.drain();
            let quiet = events.is_empty();
            for event in events {
                state.apply(event);
            }
            if quiet && !busy {
                return;
            }
            assert!(Instant::now() < until, "the jobs did not settle");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_job_reports_and_ends() {
        let (mut jobs, mut state) = (Jobs::new(|| {}), AppState::default());
        let id = jobs.start("Count", |worker| {
            for done in 0..1000 {
                worker.progress(Progress::rows(done, 1000)).continue_value();
            }
            worker.send(Event::Log(log::Event::Line("counted".to_owned())));
            Ok(())
        });
        settle(&mut jobs, &mut state);
        let job = state.jobs.get(id).unwrap();
        assert_eq!((job.name.as_str(), &job.status), ("Count", &Status::Done));
        assert!(state.log.lines.iter().any(|line| line.text == "counted"));
        assert!(job.progress.is_some());
    }

    #[test]
    fn short_work_beside_a_long_job_has_threads_of_its_own() {
        let mut jobs = Jobs::new(|| {});
        let (tell, told) = sync_channel(4);
        let name = || std::thread::current().name().unwrap_or_default().to_owned();
        let ask = move |jobs: &mut Jobs| {
            let tell = tell.clone();
            jobs.start("Read", move |worker| {
                tell.send(worker.at_once(name)).unwrap();
                Ok(())
            });
        };
        ask(&mut jobs);
        assert_eq!(told.recv().unwrap(), "Read");
        while jobs.is_busy() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (end, over) = sync_channel::<()>(1);
        jobs.start("Train", move |_| {
            over.recv().ok();
            Ok(())
        });
        ask(&mut jobs);
        assert!(told.recv().unwrap().starts_with("at once"));
        end.send(()).unwrap();
    }

    #[test]
    fn a_panic_becomes_a_failed_job_and_the_window_stays() {
        let (mut jobs, mut state) = (Jobs::new(|| {}), AppState::default());
        let id = jobs.start("Fall", |_| panic!("over the edge"));
        settle(&mut jobs, &mut state);
        let Status::Failed(why) = &state.jobs.get(id).unwrap().status else {
            panic!("not failed");
        };
        assert!(why.contains("over the edge"), "{why}");
        assert_eq!(state.log.notices.len(), 1);
        let second = jobs.start("Stand", |_| Ok(()));
        settle(&mut jobs, &mut state);
        assert_eq!(state.jobs.get(second).unwrap().status, Status::Done);
    }

    #[test]
    fn a_job_told_to_stop_stops_and_says_so() {
        let (mut jobs, mut state) = (Jobs::new(|| {}), AppState::default());
        let id = jobs.start("Wait", |worker| {
            while worker.progress(Progress::rows(0, 1)).is_continue() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        });
        jobs.stop(id);
        settle(&mut jobs, &mut state);
        assert_eq!(state.jobs.get(id).unwrap().status, Status::Stopped);
    }

    #[test]
    fn closing_lets_go_of_a_worker_that_waits_to_send() {
        let mut jobs = Jobs::new(|| {});
        jobs.start("Flood", |worker| {
            let line = || Event::Log(log::Event::Line(String::new()));
            while !worker.stopped() {
                worker.send(line());
            }
            Ok(())
        });
        std::thread::sleep(Duration::from_millis(20)); // the channel fills up
        let before = Instant::now();
        jobs.close();
        assert!(before.elapsed() < Duration::from_secs(5));
    }
}
