//! Results of a search for words: one for the table's filter, one for the palette.

use std::sync::Arc;

use umbra_core::features::filter::Answers;

use crate::state::load::Load;

/// Who searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Seeker {
    /// The table's filter.
    Table,
    /// The palette.
    Palette,
}

/// Query that is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// Texts, each a search of its own; none for nothing.
    pub(crate) texts: Vec<String>,
    /// Counts changes of labels, which are searched too.
    pub(crate) labels: u64,
}

/// Result of a search.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Found {
    /// Query that was looked for.
    pub(crate) query: Query,
    /// The features found for each text.
    pub(crate) answers: Load<Arc<Answers>>,
    /// Whether a job searches; a search waits while the words of the index are read.
    pub(super) at_work: bool,
    /// Features found last, shown until others are.
    latest: Option<Arc<Answers>>,
}

impl Found {
    /// The answers for the texts, or those that were found last while a job searches.
    pub(crate) fn latest(&self) -> Option<&Arc<Answers>> {
        self.latest.as_ref()
    }

    /// Another query; what was found last stays.
    pub(super) fn ask(&mut self, query: Query) {
        self.query = query;
        self.answers = Load::Loading;
        self.at_work = false;
    }

    /// Carries in what a job found, or why not; for another query it is dropped.
    pub(super) fn arrived(&mut self, query: &Query, answers: Load<Arc<Answers>>) {
        if self.query != *query {
            return;
        }
        self.latest = answers.ready().cloned();
        self.answers = answers;
        self.at_work = false;
    }

    /// Notes that what it waits for could not be read.
    pub(super) fn failed(&mut self, why: &str) {
        if self.waits() {
            self.latest = None;
            self.answers = Load::Failed(why.to_owned());
        }
    }

    /// Whether a job has to be started.
    pub(crate) fn waits(&self) -> bool {
        self.answers.is_loading() && !self.at_work
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_stays_until_something_else_is() {
        let query = |words: &str| Query {
            texts: vec![words.to_owned()],
            labels: 1,
        };
        let mut found = Found::default();
        found.ask(query("k"));
        assert!(found.waits());
        let hits = Arc::new(Answers::from_hits(vec![("k".to_owned(), Vec::new())]));
        found.arrived(&query("k"), Load::Ready(Arc::clone(&hits)));
        assert!(!found.waits());
        found.ask(query("ki"));
        assert_eq!((found.latest(), found.waits()), (Some(&hits), true));
        found.arrived(&query("k"), Load::Ready(Arc::default()));
        assert_eq!(found.latest(), Some(&hits), "late for another query");
        found.arrived(&query("ki"), Load::Failed("no".to_owned()));
        assert_eq!(found.latest(), None);
        found.failed("too late");
        assert_eq!(found.answers.failure(), Some("no"));
        found.ask(query("kin"));
        found.failed("damaged");
        assert_eq!(found.answers.failure(), Some("damaged"));
    }
}
