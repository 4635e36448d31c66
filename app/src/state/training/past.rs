//! Runs that ended before, by the records they left: which there are, which are shown, and their curves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use umbra_core::runs::{Record, Status};

use super::Curves;
use crate::state::load::Load;

/// Runs shown at once, as many as there are colours for lines.
const AT_ONCE: usize = 5;

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Past {
    /// Folder of its dictionary.
    pub(crate) folder: PathBuf,
    /// The folder's name.
    pub(crate) name: String,
    /// Its settings and results.
    pub(crate) record: Record,
    /// Whether it left a checkpoint to go on from.
    pub(crate) checkpoint: bool,
}

impl Past {
    /// A setting as it was given; empty where there is none.
    pub(crate) fn setting(&self, key: &str) -> String {
        self.record.setting(key)
    }

    /// Whether it can go on.
    pub(crate) fn can_go_on(&self) -> bool {
        let over = [Status::Finished, Status::Running];
        self.checkpoint && !over.contains(&self.record.status)
    }
}

/// Past runs.
#[derive(Debug, Default)]
pub(crate) struct PastRuns {
    /// The project's folder that they are of.
    pub(crate) of: Option<PathBuf>,
    /// Newest first.
    pub(crate) list: Load<Arc<Vec<Past>>>,
    /// Whether a run has ended since.
    pub(crate) is_stale: bool,
    /// Runs whose curves are shown, in the order of their colours.
    pub(crate) chosen: Vec<PathBuf>,
    /// Their curves.
    pub(crate) curves: BTreeMap<PathBuf, Load<Arc<Curves>>>,
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// The runs of a project are being listed, are or could not be.
    List(PathBuf, Load<Arc<Vec<Past>>>),
    /// Runs to show.
    Chosen(Vec<PathBuf>),
    /// The curves of one are being read, are or could not be.
    Curves(PathBuf, Load<Arc<Curves>>),
}

impl PastRuns {
    /// A run by its folder.
    pub(crate) fn get(&self, folder: &Path) -> Option<&Past> {
        self.list.ready()?.iter().find(|run| run.folder == folder)
    }

    /// Returns the runs shown after a click on `folder`, which adds or removes it; the oldest makes room.
    pub(crate) fn toggled(&self, folder: &Path) -> Vec<PathBuf> {
        let mut chosen = self.chosen.clone();
        match chosen.iter().position(|there| there == folder) {
            Some(at) => drop(chosen.remove(at)),
            None => chosen.push(folder.to_path_buf()),
        }
        let many = chosen.len().saturating_sub(AT_ONCE);
        chosen.split_off(many)
    }

    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::List(of, load) => {
                if load.is_loading() {
                    self.is_stale = false;
                    // Curves of a run that went on are other ones now.
                    self.curves.clear();
                    if self.of.as_ref() != Some(&of) {
                        self.chosen.clear();
                    }
                    self.of = Some(of.clone());
                }
                if self.of.as_ref() == Some(&of) {
                    self.list = load;
                }
            }
            Event::Chosen(chosen) => self.chosen = chosen,
            Event::Curves(folder, load) => {
                self.curves.insert(folder, load);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_shows_and_hides_and_the_oldest_makes_room() {
        let mut past = PastRuns::default();
        let folder = |i: usize| PathBuf::from(format!("saes/{i}"));
        for i in 0..=AT_ONCE {
            past.chosen = past.toggled(&folder(i));
        }
        let last: Vec<PathBuf> = (1..=AT_ONCE).map(folder).collect();
        assert_eq!(past.chosen, last);
        past.chosen = past.toggled(&folder(3));
        assert!(!past.chosen.contains(&folder(3)));
        assert_eq!(past.chosen.len(), AT_ONCE - 1);
    }

    #[test]
    fn another_project_hides_what_was_shown_and_late_lists_are_dropped() {
        let mut past = PastRuns::default();
        past.apply(Event::List("a".into(), Load::Loading));
        past.apply(Event::Chosen(vec!["a/saes/z".into()]));
        past.apply(Event::List("a".into(), Load::Loading));
        assert_eq!(past.chosen.len(), 1);
        past.apply(Event::List("b".into(), Load::Loading));
        past.apply(Event::List("a".into(), Load::Failed(String::new())));
        assert!(past.chosen.is_empty() && past.list.is_loading());
    }
}
