//! Notifications (shown until dismissed or, where nothing failed, for some seconds) and the log of everything that happened.

use std::time::{Duration, Instant};

use crate::state::requests::Command;
use crate::words;

/// Kind of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Information.
    Info,
    /// Success.
    Success,
    /// Failure; stays until dismissed.
    Failure,
}

/// A notification.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Notice {
    /// Its kind.
    pub(crate) kind: Kind,
    /// One sentence.
    pub(crate) text: String,
    /// Buttons: words and what they do.
    pub(crate) actions: Vec<(String, Command)>,
}

impl Notice {
    /// Information.
    pub(crate) fn info(text: impl Into<String>) -> Self {
        Self::new(Kind::Info, text)
    }

    /// Success.
    pub(crate) fn success(text: impl Into<String>) -> Self {
        Self::new(Kind::Success, text)
    }

    /// Something failed: one sentence with the remedy.
    pub(crate) fn failure(text: impl Into<String>) -> Self {
        Self::new(Kind::Failure, text)
    }

    fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            actions: vec![],
        }
    }

    /// Adds a button.
    #[must_use]
    pub(crate) fn with(mut self, words: &str, command: impl Into<Command>) -> Self {
        self.actions.push((words.to_owned(), command.into()));
        self
    }
}

/// A notification on screen.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// Counts up; names it for dismissal.
    pub(crate) id: u64,
    /// Time of its appearance.
    pub(crate) since: Instant,
    /// The notification.
    pub(crate) notice: Notice,
}

/// Display time of a notification without failure and without buttons.
const STAYS: Duration = Duration::from_secs(6);

/// Display time of a notification with a button.
const STAYS_TO_ASK: Duration = Duration::from_secs(12);

/// Lines of the log kept.
const LINES: usize = 2_000;

/// One line of the log.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Time.
    pub(crate) at: Instant,
    /// The text.
    pub(crate) text: String,
}

/// Notifications and log.
#[derive(Debug)]
pub(crate) struct LogState {
    /// Notifications on screen, oldest first.
    pub(crate) notices: Vec<Shown>,
    /// Everything, oldest first.
    pub(crate) lines: Vec<Line>,
    /// Start of the program; times of lines count from here.
    pub(crate) began: Instant,
    /// The notification that says what was undone or redone last.
    step: Option<u64>,
    next: u64,
}

impl Default for LogState {
    fn default() -> Self {
        Self {
            notices: vec![],
            lines: vec![],
            began: Instant::now(),
            step: None,
            next: 0,
        }
    }
}

impl LogState {
    /// Adds a line.
    pub(super) fn line(&mut self, text: &str) {
        let at = Instant::now();
        let text = words::said(text).into_owned();
        self.lines.push(Line { at, text });
        if self.lines.len() > LINES {
            self.lines.drain(..LINES / 10);
        }
    }

    /// Shows a notification and keeps it in the log.
    pub(super) fn show(&mut self, mut notice: Notice) {
        notice.text = words::said(&notice.text).into_owned();
        self.line(&notice.text);
        let mut shown = self.notices.iter_mut();
        if let Some(again) = shown.find(|shown| shown.notice == notice) {
            again.since = Instant::now();
            return;
        }
        self.notices.push(Shown {
            id: self.next,
            since: Instant::now(),
            notice,
        });
        self.next += 1;
    }
}

/// Changes of this area.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// A line for the log alone.
    Line(String),
    /// A notification.
    Show(Notice),
    /// A step of undo or redo: shown in place of the step before.
    Step(Notice),
    /// A notification was closed.
    Dismissed(u64),
    /// Time passed: what stayed long enough goes.
    Tick,
}

impl LogState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        let log = self;
        match event {
            Event::Line(text) => log.line(&text),
            Event::Show(notice) => log.show(notice),
            Event::Step(notice) => {
                let former = log.step.take();
                log.notices.retain(|shown| Some(shown.id) != former);
                log.show(notice);
                log.step = log.notices.last().map(|shown| shown.id);
            }
            Event::Dismissed(id) => log.notices.retain(|shown| shown.id != id),
            Event::Tick => log.notices.retain(|shown| {
                let asks = !shown.notice.actions.is_empty();
                let stays = match shown.notice.kind {
                    Kind::Failure => return true,
                    // It can be done otherwise later too.
                    Kind::Info if asks => STAYS_TO_ASK,
                    _ if asks => return true,
                    Kind::Info | Kind::Success => STAYS,
                };
                shown.since.elapsed() < stays
            }),
        }
    }
}
