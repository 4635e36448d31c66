//! One undo stack for all screens: labels, edits, filters, sentences, tiles. Each change describes itself.
//! `commands/history.rs` undoes and redoes the changes.

use std::time::{Duration, Instant};

use super::project::LabelChange;
use super::prompt::Written;
use super::steering::Draft;
use crate::state::layout::Saved;

/// Changes of one field within this time are one change.
const TOGETHER: Duration = Duration::from_millis(1_500);

/// Changes kept.
const KEPT: usize = 200;

/// A value before and after a change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pair<T> {
    /// Before.
    pub(crate) before: T,
    /// After.
    pub(crate) after: T,
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// A label was set or removed.
    Label(Box<LabelChange>),
    /// Several features were labelled at once.
    Labels(Vec<LabelChange>),
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
            Self::Labels(changes) => changes.iter().all(|change| change.before == change.after),
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
pub(crate) struct Entry {
    /// The change as a phrase: `label of feature 12`.
    pub(crate) what: String,
    /// The change.
    pub(crate) change: Change,
    /// Time of its last extension; none once something else happened.
    open: Option<Instant>,
}

/// The stack.
#[derive(Debug, Default)]
pub(crate) struct HistoryState {
    /// Changes that can be undone, oldest first.
    pub(crate) done: Vec<Entry>,
    /// Changes that can be redone, the next one last.
    pub(crate) undone: Vec<Entry>,
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// A change. Typing and dragging a slider extend the previous change of the same name.
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

impl HistoryState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        let history = self;
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
        let mut state = HistoryState::default();
        state.apply(sentence("", "a"));
        state.apply(sentence("a", "ab"));
        state.apply(filter("", "k"));
        state.apply(sentence("ab", "abc"));
        let done = &state.done;
        let whats: Vec<_> = done.iter().map(|entry| entry.what.as_str()).collect();
        assert_eq!(whats, ["sentence", "filter", "sentence"]);
        let whole = Pair {
            before: "".into(),
            after: "ab".into(),
        };
        assert_eq!(done[0].change, Change::Sentence(Box::new(whole)));
        state.apply(sentence("abc", "ab"));
        assert_eq!(state.done.len(), 2, "taken back by hand");
    }

    #[test]
    fn a_new_change_forgets_what_was_undone() {
        let mut state = HistoryState::default();
        state.apply(sentence("", "a"));
        state.apply(filter("", "k"));
        state.apply(Event::Undone);
        state.apply(Event::Undone);
        assert_eq!((state.done.len(), state.undone.len()), (0, 2));
        state.apply(Event::Redone);
        assert_eq!(state.done[0].what, "sentence");
        // What was redone is a change of its own: the next letter is another.
        state.apply(sentence("a", "ab"));
        assert_eq!((state.done.len(), state.undone.len()), (2, 0));
    }
}
