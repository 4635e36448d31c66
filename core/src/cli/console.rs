//! Output of commands: answers on standard output; notes, progress and errors on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::words;
use crate::error::{Error, Notes, Result};
use crate::progress::{Flow, Pace, Progress};
use crate::text::{Bos, TextCodec};
use crate::whole_file;
use crate::workbench::devices::Placing;

/// Set by Ctrl-C; observers turn it into a stop at the next safe place.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Time between two lines of progress where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Output of one command.
#[derive(Debug)]
pub struct Console {
    json: bool,
    bars: MultiProgress,
    pipe_closed: AtomicBool,
    /// Latest decision on BOS.
    bos: Mutex<Option<Bos>>,
    /// Device that runs the dictionary.
    placing: Mutex<Option<Placing>>,
    /// Notes that are printed once however often they are given.
    said: Mutex<Vec<String>>,
    answered: AtomicBool,
    wrong_usage: AtomicBool,
}

impl Console {
    /// Creates an output; `json` reserves standard output for one object.
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            bars: MultiProgress::new(),
            pipe_closed: AtomicBool::new(false),
            bos: Mutex::default(),
            placing: Mutex::default(),
            said: Mutex::default(),
            answered: AtomicBool::new(false),
            wrong_usage: AtomicBool::new(false),
        }
    }

    /// Passes a result on; its error is wrong usage, which ends the command with exit code 2, and not a failure.
    pub(super) fn usage<T>(&self, result: Result<T>) -> Result<T> {
        self.wrong_usage
            .fetch_or(result.is_err(), Ordering::Relaxed);
        result
    }

    /// Whether an error was wrong usage.
    pub(super) fn was_wrong_usage(&self) -> bool {
        self.wrong_usage.load(Ordering::Relaxed)
    }

    /// Records whether BOS precedes texts, and why; the answer then says so.
    pub fn decided(&self, bos: &Bos) {
        *self.bos.lock().unwrap_or_else(PoisonError::into_inner) = Some(bos.clone());
    }

    /// Records the device that runs the dictionary; the answer then names it, and a note before it tells if the device failed meanwhile.
    pub(super) fn computes(&self, placing: Placing) {
        *self.placing.lock().unwrap_or_else(PoisonError::into_inner) = Some(placing);
    }

    /// Prints a note if a person's text already begins with BOS.
    pub fn begun(&self, codec: &TextCodec, text: &str) -> Result<()> {
        if let Some(note) = codec.bos_note(text)? {
            self.note(&note);
        }
        Ok(())
    }

    /// Whether `--json` was given.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether Ctrl-C was pressed or the reader of standard output closed it.
    pub fn stopped(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed) || self.pipe_closed()
    }

    /// Returns an observer's answer: stop after Ctrl-C, else continue.
    pub fn flow(&self) -> Flow {
        if self.stopped() {
            Flow::Break(())
        } else {
            Flow::Continue(())
        }
    }

    /// Prints a note on standard error, above any progress bar.
    pub fn note(&self, sentence: &str) {
        self.say("note", &words::said(sentence));
    }

    /// Prints a note unless it was printed by this function before; returns whether it was printed now.
    pub(super) fn note_once(&self, sentence: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.iter().any(|before| before == sentence) {
            return false;
        }
        said.push(sentence.to_owned());
        self.note(sentence);
        true
    }

    /// Prints all notes.
    pub fn notes(&self, notes: &Notes) {
        for sentence in notes.iter() {
            self.note(sentence);
        }
    }

    /// Prints the answer of a command that wrote the file `out`: on standard error if `out` is standard output, which then holds only the file.
    pub fn answer_beside(
        &self,
        out: &Path,
        value: &Value,
        text: impl FnOnce() -> String,
    ) -> Result<()> {
        if !whole_file::is_standard_output(out) {
            return self.answer(value, text);
        }
        self.answered.store(true, Ordering::Relaxed);
        if let Some(fault) = self.device_fault() {
            self.note(&fault);
        }
        self.note(&text());
        Ok(())
    }

    /// Prints the answer and a line feed: `value` under `--json`, with `bos` and `bos_why` where a model was opened and `device` and `device_why` where one was
    /// chosen, else the result of `text`.
    pub fn answer(&self, value: &Value, text: impl FnOnce() -> String) -> Result<()> {
        let fault = self.device_fault();
        if let Some(fault) = &fault {
            self.note(fault);
        }
        let mut answer = if self.json {
            let mut value = self.with_bos(value);
            self.add_device(&mut value, fault);
            value.to_string()
        } else {
            text()
        };
        answer.push('\n');
        self.answered.store(true, Ordering::Relaxed);
        self.put(&answer)
    }

    fn with_bos(&self, value: &Value) -> Value {
        let mut value = value.clone();
        let bos = self.bos.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(bos), Value::Object(keys)) = (&*bos, &mut value) {
            keys.entry("bos")
                .or_insert_with(|| bos.id.map(|id| id.0).into());
            keys.entry("bos_why")
                .or_insert_with(|| words::said(&bos.why).into());
        }
        value
    }

    /// Returns a sentence where the device failed and the CPU computed the rest.
    fn device_fault(&self) -> Option<String> {
        let placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        placing.as_ref().and_then(Placing::fault)
    }

    fn add_device(&self, value: &mut Value, fault: Option<String>) {
        let placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(placing), Value::Object(keys)) = (&*placing, value) else {
            return;
        };
        let why = words::said(&placing.choice.why).into_owned();
        keys.insert("device".to_owned(), placing.choice.compute.id().into());
        keys.insert("device_why".to_owned(), why.into());
        if let Some(fault) = fault {
            keys.insert("device_fault".to_owned(), in_one_line(&fault).into());
        }
    }

    /// Prints a piece of streamed text on standard output; nothing under `--json`.
    pub fn stream(&self, piece: &str) -> Result<()> {
        if self.json { Ok(()) } else { self.put(piece) }
    }

    /// Creates a progress display: a bar with speed and remaining time on a terminal, a line now and then elsewhere. Nothing is shown before [`Bar::at`].
    pub fn bar(&self, what: &str) -> Bar<'_> {
        Bar {
            console: self,
            display: None,
            what: what.to_owned(),
            pace: Pace::default(),
            said: Instant::now(),
        }
    }

    /// Prints an error: a sentence on standard error and, under `--json`, an object.
    pub(super) fn error(&self, error: &Error) {
        let sentence = words::error(error);
        self.say("error", &sentence);
        let kind = if self.stopped() {
            "stopped"
        } else {
            error.kind()
        };
        self.object_of(kind, &sentence, error.path());
    }

    /// Prints a bug in Umbra, like an error.
    pub(super) fn bug(&self, sentence: &str) {
        self.say("error", sentence);
        self.object_of("bug", sentence, None);
    }

    /// Prints `{"error": {"kind", "message", "path"?}}` under `--json`, unless an answer was printed.
    pub(super) fn object_of(&self, kind: &str, message: &str, path: Option<&Path>) {
        if !self.json || self.answered.load(Ordering::Relaxed) {
            return;
        }
        let mut error = json!({ "kind": kind, "message": in_one_line(message) });
        if let Some(path) = path {
            error["path"] = path.to_string_lossy().into();
        }
        // If standard output cannot be written, the sentence on standard error must do.
        drop(self.put(&format!("{}\n", json!({ "error": error }))));
    }

    pub(super) fn pipe_closed(&self) -> bool {
        self.pipe_closed.load(Ordering::Relaxed)
    }

    /// Makes Ctrl-C set a flag; pressed a second time it ends the program at once.
    pub(super) fn watch_interrupt(&self) {
        static ONCE: Once = Once::new();
        let handler = || {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                std::process::exit(i32::from(super::STOPPED));
            }
        };
        ONCE.call_once(|| {
            if let Err(refused) = ctrlc::set_handler(handler) {
                self.note(&format!(
                    "Ctrl-C will end this command without saving: {refused}"
                ));
            }
        });
    }

    fn say(&self, kind: &str, sentence: &str) {
        let line = in_one_line(sentence);
        self.bars.suspend(|| {
            // Standard error is closed: the line is lost.
            drop(writeln!(std::io::stderr(), "{kind}: {line}"));
        });
    }

    fn put(&self, text: &str) -> Result<()> {
        if self.pipe_closed() {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(closed) if closed.kind() == std::io::ErrorKind::BrokenPipe => {
                self.pipe_closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(source) => Err(Error::io(
                "cannot write the answer",
                "standard output",
                source,
            )),
        }
    }
}

/// Progress display of one long step; disappears when dropped.
#[derive(Debug)]
pub struct Bar<'a> {
    console: &'a Console,
    /// Drawn on a terminal.
    display: Option<ProgressBar>,
    what: String,
    pace: Pace,
    said: Instant,
}

impl Bar<'_> {
    /// Shows how far the work is and answers for an observer.
    pub fn at(&mut self, progress: Progress) -> Flow {
        self.at_with(progress, "")
    }

    /// Shows how far the work is, with `message` (figures of the moment), and answers for an observer.
    pub fn at_with(&mut self, progress: Progress, message: &str) -> Flow {
        let Progress { done, total, unit } = progress;
        self.pace.mark(Instant::now(), done);
        let words = format!("{} {message}", speed(progress, self.pace.per_second()));
        if self.display.is_none() && std::io::stderr().is_terminal() {
            self.display = Some(self.drawn(total, unit));
        }
        if let Some(bar) = &self.display {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(words);
        } else if self.said.elapsed() >= LINE_EVERY {
            self.said = Instant::now();
            let line = format!("{} {done}/{total} {unit} · {words}", self.what);
            self.console.say("progress", &line);
        }
        self.console.flow()
    }

    fn drawn(&self, total: u64, unit: &str) -> ProgressBar {
        let bar = self.console.bars.add(ProgressBar::new(total));
        let template =
            format!("{{prefix}} {{bar:30}} {{human_pos}}/{{human_len}} {unit} · {{msg}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar.set_prefix(self.what.clone());
        bar
    }
}

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

fn in_one_line(sentence: &str) -> String {
    sentence.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Formats speed and remaining time: `340.0 rows/s · 55 s left`.
fn speed(progress: Progress, per_second: Option<f64>) -> String {
    match per_second {
        None => "unknown time left".to_owned(),
        Some(speed) => {
            let left = progress.total.saturating_sub(progress.done) as f64 / speed;
            format!("{speed:.1} {}/s · {left:.0} s left", progress.unit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_that_is_said_once_is_not_repeated() {
        let console = Console::new(false);
        let said = ["on the CPU", "on the CPU", "on a GPU", "on the CPU"];
        let printed = said.map(|note| console.note_once(note));
        assert_eq!(printed, [true, false, true, false]);
    }

    #[test]
    fn a_line_of_progress_tells_speed_and_remaining_time() {
        assert_eq!(
            speed(Progress::rows(10, 40), Some(2.0)),
            "2.0 rows/s · 15 s left"
        );
        assert_eq!(speed(Progress::rows(0, 40), None), "unknown time left");
    }
}
