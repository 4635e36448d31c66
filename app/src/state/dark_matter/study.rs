//! One result of the lab: the kept one, and how computing a new one stands.
//!
//! `commands/dark_matter/study.rs` looks for the kept result and computes a new one; `views/dark_matter/panel.rs` offers the computation and shows how far it is.

use std::sync::Arc;

use crate::state::catalogue::DictionaryId;
use crate::state::load::Load;

/// A result of type `T` for `K`: a dictionary unless a panel says otherwise.
#[derive(Debug)]
pub(crate) struct Study<T, K = DictionaryId> {
    /// The subject whose result was looked for last.
    pub(crate) of: Option<K>,
    /// The result; absent: none is kept; failed: the kept one is refused.
    pub(crate) found: Load<Arc<T>>,
    /// The computation: running, or why it failed. The former result stays meanwhile.
    pub(crate) making: Load<()>,
    /// Whether the last computation was stopped.
    pub(crate) is_stopped: bool,
}

impl<T, K> Default for Study<T, K> {
    fn default() -> Self {
        Self {
            of: None,
            found: Load::Absent,
            making: Load::Absent,
            is_stopped: false,
        }
    }
}

/// A change of a study.
#[derive(Debug)]
pub(crate) enum Change<T, K = DictionaryId> {
    /// The kept result is being read (loading), was, is refused, or there is none.
    Kept(K, Load<Arc<T>>),
    /// A computation began.
    Began(K),
    /// A computation ended with this result, or was stopped (none).
    Ended(K, Option<Arc<T>>),
    /// A computation failed.
    Failed(K, String),
}

impl<T, K: PartialEq> Study<T, K> {
    /// The result, if it is there for `of`.
    pub(crate) fn result(&self, of: &K) -> Option<&Arc<T>> {
        self.found.ready().filter(|_| self.of.as_ref() == Some(of))
    }

    /// Carries out a change. What arrives late for something else is dropped.
    pub(crate) fn apply(&mut self, change: Change<T, K>) {
        match change {
            Change::Kept(of, load) => {
                if load.is_loading() && self.of.as_ref() != Some(&of) {
                    *self = Self {
                        of: Some(of),
                        found: load,
                        ..Self::default()
                    };
                } else if self.of.as_ref() == Some(&of) && !self.making.is_loading() {
                    self.found = load;
                }
            }
            Change::Began(of) => {
                if self.of.as_ref() != Some(&of) {
                    self.found = Load::Absent;
                    self.of = Some(of);
                }
                self.making = Load::Loading;
                self.is_stopped = false;
            }
            Change::Ended(of, result) => {
                if self.of.as_ref() == Some(&of) {
                    self.making = Load::Absent;
                    self.is_stopped = result.is_none();
                    if let Some(result) = result {
                        self.found = Load::Ready(result);
                    }
                }
            }
            Change::Failed(of, why) => {
                if self.of.as_ref() == Some(&of) {
                    self.making = Load::Failed(why);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: DictionaryId = DictionaryId(1);
    const TWO: DictionaryId = DictionaryId(2);

    #[test]
    fn a_result_of_another_dictionary_is_dropped_when_it_arrives() {
        let mut study = Study::<u8>::default();
        study.apply(Change::Kept(ONE, Load::Loading));
        study.apply(Change::Kept(TWO, Load::Loading));
        study.apply(Change::Kept(ONE, Load::Ready(Arc::new(1))));
        assert!(study.found.is_loading());
        study.apply(Change::Kept(TWO, Load::Ready(Arc::new(2))));
        assert_eq!(study.result(&TWO).map(|two| **two), Some(2));
        assert!(study.result(&ONE).is_none());
        study.apply(Change::Ended(ONE, Some(Arc::new(1))));
        study.apply(Change::Failed(ONE, "late".to_owned()));
        assert_eq!(study.result(&TWO).map(|two| **two), Some(2));
        assert!(study.making.is_absent());
    }

    #[test]
    fn the_former_result_stays_while_a_new_one_is_computed_and_where_that_is_stopped() {
        let mut study = Study::<u8>::default();
        study.apply(Change::Kept(ONE, Load::Loading));
        study.apply(Change::Kept(ONE, Load::Ready(Arc::new(1))));
        study.apply(Change::Began(ONE));
        assert_eq!(study.result(&ONE).map(|one| **one), Some(1));
        assert!(study.making.is_loading());
        study.apply(Change::Ended(ONE, None));
        assert!(study.is_stopped && study.making.is_absent());
        assert_eq!(study.result(&ONE).map(|one| **one), Some(1));
        study.apply(Change::Began(ONE));
        assert!(!study.is_stopped);
        study.apply(Change::Ended(ONE, Some(Arc::new(3))));
        assert_eq!(study.result(&ONE).map(|one| **one), Some(3));
    }
}
