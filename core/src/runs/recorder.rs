//! Writes the record of a run while it trains. A failure to write does not end the run; it is reported at the end, after the dictionary is saved.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::record::{DeviceChoice, Figure, Record, Status};
use crate::device::Compute;
use crate::error::{Error, Result};
use crate::progress::Ended;
use crate::train::{Event, Outcome, Point, Spec};
use crate::whole_file::{self, Lock};

/// Name of the curves' file in a run's folder.
pub const EVENTS: &str = "events.jsonl";

/// Approximate maximum number of points of the curves in a file.
const POINTS: u64 = 2_000;

/// Figures at the end of a run, with their definitions.
fn figures(last: &Point) -> [(&'static str, f64, &'static str); 4] {
    [
        (
            "loss",
            last.loss,
            "training loss per activation (normalised squared error and the other terms), mean over the last 100 steps",
        ),
        (
            "fvu",
            last.fvu,
            "Σ‖x − x̂‖² / Σ‖x − mean(x)‖² over the activations of the last 100 steps",
        ),
        (
            "l0",
            last.l0,
            "active features per activation, mean over the last 100 steps",
        ),
        (
            "dead_fraction",
            last.dead_fraction,
            "share of features silent for longer than `dead_after` activations, at the end",
        ),
    ]
}

/// Figures of the last step, which differ from the mean over the last hundred steps in a short run.
fn at_end(last: &Point) -> [(&'static str, f64, &'static str); 3] {
    [
        (
            "loss_at_end",
            last.loss,
            "training loss per activation of the last step's batch",
        ),
        (
            "fvu_at_end",
            last.fvu,
            "Σ‖x − x̂‖² / Σ‖x − mean(x)‖² over the last step's batch",
        ),
        (
            "l0_at_end",
            last.l0,
            "active features per activation of the last step's batch",
        ),
    ]
}

/// Locked folder of a run: no other run can use it meanwhile, and readers see that this one is running.
#[derive(Debug)]
pub(crate) struct Locked {
    folder: PathBuf,
    /// First folder created for it.
    made: Option<PathBuf>,
    _lock: Lock,
}

impl Locked {
    /// Creates `folder` if it is missing and locks it.
    pub(crate) fn take(folder: &Path) -> Result<Self> {
        let made = whole_file::create_folder(folder)?;
        let taken =
            Lock::take(folder).map_err(|e| Error::io("cannot lock the folder", folder, e))?;
        let lock = taken.ok_or_else(|| {
            let what =
                "another run is training in this folder: wait for it, or name another folder";
            Error::input(what, folder)
        })?;
        whole_file::sweep(folder)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            made,
            _lock: lock,
        })
    }

    /// Removes folders created for a run that did not begin; existing folders keep their content.
    pub(crate) fn undo(self) {
        if let Some(made) = &self.made {
            drop(std::fs::remove_dir_all(made));
        }
    }
}

/// Records one run.
#[derive(Debug)]
pub struct Recorder {
    place: Locked,
    record: Record,
    events: File,
    path: PathBuf,
    every: u64,
    written: u64,
    /// Last reported step.
    last: Option<Point>,
    begun: Instant,
    /// Duration before the resumption, in seconds.
    earlier: f64,
    failure: Option<Error>,
}

impl Recorder {
    /// Begins the record of the run `spec` on the activations of `model` in `folder`, which is created; records of an earlier run there are replaced.
    pub fn begin(folder: &Path, spec: &Spec, model: &str) -> Result<Self> {
        Self::open(Locked::take(folder)?, spec, model, false)
    }

    /// Resumes the record in `folder` of a run that resumes from its checkpoint; start, duration and curves are kept.
    pub fn resume(folder: &Path, spec: &Spec, model: &str) -> Result<Self> {
        Self::open(Locked::take(folder)?, spec, model, true)
    }

    /// Begins or resumes the record in a locked folder.
    pub(crate) fn open(place: Locked, spec: &Spec, model: &str, resume: bool) -> Result<Self> {
        let folder = place.folder.as_path();
        let mut record = Record::new(model, spec.hook.to_string());
        for setting in spec.settings() {
            let text = spec.get(setting.key)?;
            record.settings.insert(setting.key.to_owned(), typed(&text));
        }
        let rate = json!(spec.peak_learning_rate());
        record
            .settings
            .insert("peak_learning_rate".to_owned(), rate);
        record.data.extend(spec.facts.clone());
        let path = folder.join(EVENTS);
        if resume && let Ok(before) = Record::read(folder) {
            record.begun_unix = before.begun_unix;
        }
        let earlier = if resume { seconds_of(&path) } else { 0.0 };
        let opened = record.write(folder).and_then(|()| {
            let mut how = OpenOptions::new();
            how.create(true)
                .write(true)
                .append(resume)
                .truncate(!resume);
            how.open(&path)
                .map_err(|e| Error::io("cannot write the file", &path, e))
        });
        let events = match opened {
            Ok(events) => events,
            Err(error) => {
                place.undo();
                return Err(error);
            }
        };
        Ok(Self {
            place,
            record,
            events,
            path,
            every: spec.steps().div_ceil(POINTS).max(1),
            written: 0,
            last: None,
            begun: Instant::now(),
            earlier,
            failure: None,
        })
    }

    /// Records the device that computes the run, and why it was chosen.
    pub fn computes_on(&mut self, compute: &Compute, why: &str) {
        self.record.device = compute.label();
        self.record.device_choice = Some(DeviceChoice {
            id: compute.id().to_owned(),
            why: why.to_owned(),
            fault: None,
        });
        self.rewrite();
    }

    /// Writes the record as it stands; a failure is told at the end.
    fn rewrite(&mut self) {
        if let Err(error) = self.record.write(&self.place.folder) {
            self.failure.get_or_insert(error);
        }
    }

    /// Records an event of the run.
    pub fn observe(&mut self, event: &Event) {
        if let Event::Progress(at) = event
            && at.step > 0
        {
            self.last = Some(*at);
        }
        if let (Event::Fault(fault), Some(choice)) = (event, &mut self.record.device_choice) {
            choice.fault = Some(fault.clone());
            self.rewrite();
        }
        let line = match event {
            Event::Note(note) | Event::Fault(note) => {
                json!({ "event": "note", "seconds": self.seconds(), "note": note })
            }
            Event::Progress(at) if self.is_point(at) => {
                self.written = at.step;
                let mut line = json!({
                    "event": "progress", "seconds": self.seconds(), "step": at.step, "tokens_seen": at.tokens_seen, "loss": at.loss, "fvu": at.fvu,
                    "l0": at.l0, "dead_fraction": at.dead_fraction, "learning_rate": at.learning_rate, "tokens_per_second": at.tokens_per_second,
                });
                if let Some(norm) = at.gradient_norm {
                    line["gradient_norm"] = norm.into();
                }
                line
            }
            _ => return,
        };
        self.write(&line);
    }

    /// Ends the record with the result of the run; an error if a write failed now or before.
    pub fn end(&mut self, ended: Result<&Ended<Outcome, Outcome>, &Error>) -> Result<()> {
        self.record.seconds = self.seconds();
        match ended {
            Ok(ended) => {
                let outcome = ended.value();
                self.record.status = if ended.is_stopped() {
                    Status::Stopped
                } else {
                    Status::Finished
                };
                self.record.tokens_seen = outcome.tokens_seen;
                let at_end = self.last.iter().flat_map(at_end);
                for (name, value, definition) in figures(&outcome.last).into_iter().chain(at_end) {
                    let figure = Figure {
                        value: value.is_finite().then_some(value),
                        definition: definition.to_owned(),
                    };
                    self.record.figures.insert(name.to_owned(), json!(figure));
                }
            }
            Err(error) => {
                self.record.status = Status::Failed;
                self.record.problem = Some(error.to_string());
            }
        }
        let line = json!({ "event": "ended", "seconds": self.record.seconds, "status": self.record.status, "problem": self.record.problem });
        self.write(&line);
        self.record.write(&self.place.folder)?;
        self.failure.take().map_or(Ok(()), Err)
    }

    fn seconds(&self) -> f64 {
        let seconds = self.earlier + self.begun.elapsed().as_secs_f64();
        (seconds * 1e3).round() / 1e3
    }

    fn is_point(&self, at: &Point) -> bool {
        at.step > self.written && (at.step.is_multiple_of(self.every) || at.step == at.steps)
    }

    /// Appends a line; an incomplete line is removed again.
    fn write(&mut self, line: &Value) {
        let before = self.events.metadata().map(|metadata| metadata.len());
        if let Err(e) = self.events.write_all(format!("{line}\n").as_bytes()) {
            if let Ok(length) = before {
                drop(self.events.set_len(length));
            }
            let failure = Error::io("cannot write the file", &self.path, e);
            self.failure.get_or_insert(failure);
        }
    }
}

/// Returns the seconds of the last event of a run's curves; 0 if there is none.
fn seconds_of(path: &Path) -> f64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let last = text.lines().next_back().unwrap_or_default();
    let last: Value = serde_json::from_str(last).unwrap_or_default();
    last["seconds"].as_f64().unwrap_or(0.0)
}

/// Converts the text of a setting to a number or truth value if it is one.
fn typed(text: &str) -> Value {
    let whole = text.parse().map(|n: u64| json!(n));
    let real = || text.parse().map(|x: f64| json!(x)).ok();
    let truth = || text.parse().map(|b: bool| json!(b)).ok();
    whole
        .ok()
        .or_else(real)
        .or_else(truth)
        .unwrap_or_else(|| json!(text))
}
