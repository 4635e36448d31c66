//! Dictionaries trained on the error: what is asked for, what waits to begin or to be measured, and the children of a dictionary.

use std::path::PathBuf;

use umbra_core::sae::ErrorPart;

use crate::state::AppState;
use crate::state::catalogue::{Dictionary, DictionaryId};

/// Facts of the panel.
#[derive(Debug)]
pub(crate) struct TrainState {
    /// Part of the error to train on.
    pub(crate) part: ErrorPart,
    /// Number of features; none: as many as the parent has.
    pub(crate) features: Option<usize>,
    /// Dictionary whose child begins once the training text is counted.
    pub(crate) waiting: Option<DictionaryId>,
    /// Folder of the child that is measured with its parent once it is trained.
    pub(crate) to_measure: Option<PathBuf>,
}

impl Default for TrainState {
    fn default() -> Self {
        Self {
            part: ErrorPart::Whole,
            features: None,
            waiting: None,
            to_measure: None,
        }
    }
}

/// Changes of the panel.
#[derive(Debug)]
pub(crate) enum Event {
    /// The part and the number of features were chosen.
    Chosen(ErrorPart, Option<usize>),
    /// A child of this dictionary waits to begin; none: no longer.
    Waiting(Option<DictionaryId>),
    /// The child in this folder is measured once it is trained; none: no longer.
    Measuring(Option<PathBuf>),
}

impl TrainState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Chosen(part, features) => (self.part, self.features) = (part, features),
            Event::Waiting(id) => self.waiting = id,
            Event::Measuring(folder) => self.to_measure = folder,
        }
    }
}

/// Returns the name of a part on screen.
pub(crate) const fn part_label(part: ErrorPart) -> &'static str {
    match part {
        ErrorPart::Whole => "Error",
        ErrorPart::Linear => "Linear error",
        ErrorPart::Nonlinear => "Nonlinear error",
    }
}

/// Returns the dictionaries of the project that read the error of the dictionary `id`, with the part each reads.
pub(crate) fn children(state: &AppState, id: DictionaryId) -> Vec<(ErrorPart, &Dictionary)> {
    let Some(parent) = state.catalogue.get(id).and_then(|there| there.load.ready()) else {
        return Vec::new();
    };
    let all = state.catalogue.dictionaries.iter();
    let of = |dictionary: &'_ Dictionary| {
        let of = dictionary.load.ready()?.sae.error_of.clone()?;
        (of.parent_fingerprint() == parent.fingerprint).then(|| of.part())
    };
    all.filter_map(|dictionary| Some((of(dictionary)?, dictionary)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use umbra_core::dims::Matrix;
    use umbra_core::sae::ErrorOf;

    use super::*;
    use crate::testing;

    #[test]
    fn children_are_found_by_the_fingerprint_of_their_parent() {
        let mut state = testing::typical();
        let mut second = state.catalogue.dictionaries[0].clone();
        second.id = DictionaryId(99);
        state.catalogue.dictionaries.push(second);
        let ids: Vec<DictionaryId> = state.catalogue.dictionaries.iter().map(|d| d.id).collect();
        assert!(children(&state, ids[0]).is_empty());
        let parent = Arc::clone(&state.catalogue.dictionaries[0].load.ready().unwrap().sae);
        let d = parent.width();
        let map = Some(Matrix::zeros(d + 1, d));
        let of = ErrorOf::new(parent, ErrorPart::Linear, map, "parent").unwrap();
        let loaded = state.catalogue.dictionaries[1]
            .load
            .ready()
            .unwrap()
            .clone();
        let mut sae = (*loaded.sae).clone();
        sae.read_error(of);
        let child = crate::state::catalogue::LoadedSae::new(sae, loaded.notes, 0);
        state.catalogue.dictionaries[1].load = crate::state::Load::Ready(child);
        let found: Vec<_> = (children(&state, ids[0]).into_iter())
            .map(|(part, child)| (part, child.id))
            .collect();
        assert_eq!(found, [(ErrorPart::Linear, ids[1])]);
        assert!(children(&state, ids[1]).is_empty());
    }
}
