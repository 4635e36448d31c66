//! Names of features, of all dictionaries: the label, or else the token at which a feature is strongest, in a few words of context. What lists show of a
//! feature is read from its index by jobs, for what is drawn, and kept within bounds.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use umbra_core::features::Preview;
use umbra_core::ids::FeatureId;

use super::{Kept, Key};
use crate::state::catalogue::DictionaryId;
use crate::state::load::Load;

/// Previews kept at most, about 2 kB each; the oldest go first.
const PREVIEWS: usize = 4096;

/// Previews read in one job.
pub(crate) const AT_ONCE: usize = 256;

/// Names and previews of features in lists.
#[derive(Debug)]
pub(crate) struct Previews {
    kept: Kept<Arc<Preview>>,
    /// Whether a job reads some now.
    pub(crate) reading: bool,
    /// Features that were drawn without being known; drained after every frame.
    wanted: RefCell<BTreeSet<Key>>,
}

impl Default for Previews {
    fn default() -> Self {
        Self {
            kept: Kept::at_most(PREVIEWS),
            reading: false,
            wanted: RefCell::default(),
        }
    }
}

impl Previews {
    /// The preview, if it is read; otherwise it is read soon.
    pub(crate) fn get(
        &self,
        dictionary: DictionaryId,
        feature: FeatureId,
    ) -> Option<&Arc<Preview>> {
        let key = (dictionary, feature);
        let load = self.kept.get(key);
        if load.is_none() {
            self.wanted.borrow_mut().insert(key);
        }
        load.and_then(Load::ready)
    }

    /// Takes what was drawn without being known: features of one dictionary, at most [`AT_ONCE`].
    pub(crate) fn take_wanted(&self) -> Option<(DictionaryId, Vec<FeatureId>)> {
        let wanted = self.wanted.take();
        let (dictionary, _) = *wanted.first()?;
        let of = wanted.iter().filter(|(of, _)| *of == dictionary);
        Some((
            dictionary,
            of.map(|(_, feature)| *feature).take(AT_ONCE).collect(),
        ))
    }

    /// Keeps what was read; without `found`, the features count as unreadable and are not asked for again.
    pub(super) fn set(
        &mut self,
        dictionary: DictionaryId,
        features: &[FeatureId],
        found: Option<Vec<Preview>>,
    ) {
        self.reading = false;
        let mut found = found.map(Vec::into_iter);
        for feature in features {
            let load = match found.as_mut().and_then(Iterator::next) {
                Some(preview) => Load::Ready(Arc::new(preview)),
                None => Load::Failed(String::new()),
            };
            self.kept.set((dictionary, *feature), load);
        }
    }

    /// Forgets a dictionary's previews: its index is another.
    pub(crate) fn forget(&mut self, dictionary: DictionaryId) {
        self.kept.retain(|(of, _)| *of != dictionary);
    }
}
