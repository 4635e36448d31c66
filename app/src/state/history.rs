//! What can be undone and redone, on one stack for all screens: labels, edits, filters, sentences, tiles. Each change says what it is.
//! Carrying a change back or forward is `commands/history.rs`'s.

use std::time::{Duration, Instant};

use super::AppState;
use super::project::LabelChange;
use super::prompt::Written;
use super::steering::Draft;
use crate::shell::layout::Saved;

/// Changes of one field within this time are one change.
const TOGETHER: Duration = Duration::from_millis(1_500);

/// Changes kept.
const KEPT: usize = 200;

/// Something before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair<T> {
    /// Before.
    pub before: T,
    /// After.
    pub after: T,
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A label was set or removed.
    Label(LabelChange),
    /// Another sentence in Prompt.
    Sentence(Box<Pair<Written>>),
    /// Another filter of the table in Features.
    Filter(Pair<String>),
    /// Other edits, or another text or settings, in Steering.
    Edits(Box<Pair<Draft>>),
    /// Tiles were added, closed, moved or resized.
    Tiles(Box<Pair<Saved>>),
}

impl Change {
    /// Whether it changes nothing.
    fn is_nothing(&self) -> bool {
        match self {
            Self::Label(change) => change.before == change.after,
            Self::Sentence(pair) => pair.before == pair.after,
            Self::Filter(pair) => pair.before == pair.after,
            Self::Edits(pair) => pair.before == pair.after,
            Self::Tiles(pair) => pair.before == pair.after,
        }
    }

    /// Takes what `later` leads to, if both change the same.
    fn extend(&mut self, later: &Self) -> bool {
        match (self, later) {
            (Self::Sentence(own), Self::Sentence(later)) => own.after.clone_from(&later.after),
            (Self::Filter(own), Self::Filter(later)) => own.after.clone_from(&later.after),
            (Self::Edits(own), Self::Edits(later)) => own.after.clone_from(&later.after),
            (Self::Tiles(own), Self::Tiles(later)) => own.after.clone_from(&later.after),
            _ => return false,
        }
        true
    }
}

/// A change on the stack.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What changed, as a phrase: `label of feature 12`.
    pub what: String,
    /// The change.
    pub change: Change,
    /// When it was last extended; none once something else happened.
    open: Option<Instant>,
}

/// The stack.
#[derive(Debug, Default)]
pub struct HistoryState {
    /// What can be undone, oldest first.
    pub done: Vec<Entry>,
    /// What can be redone, the next one last.
    pub undone: Vec<Entry>,
}

/// What can change here.
#[derive(Debug)]
pub enum Event {
    /// Something was changed. Letter by letter and while a slider is dragged it extends the change before, if that has the same name.
    Did {
        /// What, as a phrase.
        what: String,
        /// The change.
        change: Change,
        /// Whether it may be one with the change before.
        continues: bool,
    },
    /// The last change was undone.
    Undone,
    /// The change undone last was redone.
    Redone,
}

/// Carries out an event.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let history = &mut state.history;
    match event {
        Event::Did {
            what,
            change,
            continues,
        } => did(history, what, change, continues),
        Event::Undone => {
            let entry = history.done.pop();
            history.undone.extend(entry.map(closed));
        }
        Event::Redone => {
            let entry = history.undone.pop();
            history.done.extend(entry.map(closed));
        }
    }
}

fn closed(entry: Entry) -> Entry {
    Entry {
        open: None,
        ..entry
    }
}

fn did(history: &mut HistoryState, what: String, change: Change, continues: bool) {
    if change.is_nothing() {
        return;
    }
    history.undone.clear();
    let now = Instant::now();
    if let Some(last) = history.done.last_mut()
        && continues
        && last.what == what
        && last
            .open
            .is_some_and(|at| now.duration_since(at) < TOGETHER)
        && last.change.extend(&change)
    {
        last.open = Some(now);
        if last.change.is_nothing() {
            history.done.pop();
        }
        return;
    }
    history.done.push(Entry {
        what,
        change,
        open: continues.then_some(now),
    });
    if history.done.len() > KEPT {
        history.done.remove(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(before: &str, after: &str) -> Event {
        let pair = Pair {
            before: before.into(),
            after: after.into(),
        };
        Event::Did {
            what: "sentence".to_owned(),
            change: Change::Sentence(Box::new(pair)),
            continues: true,
        }
    }

    fn filter(before: &str, after: &str) -> Event {
        let pair = Pair {
            before: before.to_owned(),
            after: after.to_owned(),
        };
        Event::Did {
            what: "filter".to_owned(),
            change: Change::Filter(pair),
            continues: true,
        }
    }

    #[test]
    fn letters_of_one_field_are_one_change_and_another_field_begins_another() {
        let mut state = AppState::default();
        apply(&mut state, sentence("", "a"));
        apply(&mut state, sentence("a", "ab"));
        apply(&mut state, filter("", "k"));
        apply(&mut state, sentence("ab", "abc"));
        let done = &state.history.done;
        let whats: Vec<_> = done.iter().map(|entry| entry.what.as_str()).collect();
        assert_eq!(whats, ["sentence", "filter", "sentence"]);
        let whole = Pair {
            before: "".into(),
            after: "ab".into(),
        };
        assert_eq!(done[0].change, Change::Sentence(Box::new(whole)));
        apply(&mut state, sentence("abc", "ab"));
        assert_eq!(state.history.done.len(), 2, "taken back by hand");
    }

    #[test]
    fn a_new_change_forgets_what_was_undone() {
        let mut state = AppState::default();
        apply(&mut state, sentence("", "a"));
        apply(&mut state, filter("", "k"));
        apply(&mut state, Event::Undone);
        apply(&mut state, Event::Undone);
        assert_eq!(
            (state.history.done.len(), state.history.undone.len()),
            (0, 2)
        );
        apply(&mut state, Event::Redone);
        assert_eq!(state.history.done[0].what, "sentence");
        // What was redone is a change of its own: the next letter is another.
        apply(&mut state, sentence("a", "ab"));
        assert_eq!(
            (state.history.done.len(), state.history.undone.len()),
            (2, 0)
        );
    }
}
