//! Models, dictionaries and indexes that come and go: what was read with another model or dictionary is dropped.

use std::path::{Path, PathBuf};

use umbra_core::fit::Fit;
use umbra_core::project::Project;

use super::resume;
use crate::state::catalogue::{Catalogue, Dictionary, DictionaryId, Evaluation, Event, name_of};
use crate::state::load::Load;
use crate::state::settings::RecentModel;
use crate::state::{AppState, dark_matter, evaluation, project, settings};

/// Carries out an event.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let catalogue = &mut state.catalogue;
    catalogue.revision += 1;
    match event {
        Event::ModelNamed(path, opening) => {
            catalogue.leave_model();
            catalogue.model_path = Some(path);
            catalogue.model_opening = opening;
            catalogue.model = Load::Absent;
            catalogue.verification = Load::Absent;
            catalogue.judge();
            forget_measured(state);
        }
        Event::Model(path, load) => {
            if catalogue.model_path.as_ref() == Some(&path) {
                catalogue.model = *load;
                catalogue.judge();
                resume::model(state);
                remember(state, path);
            }
        }
        Event::Verification(path, load) => {
            if catalogue.model_path.as_ref() == Some(&path) {
                catalogue.verification = load;
            }
        }
        Event::Added(folder, index) => {
            add(state, folder, index);
        }
        Event::Sae(id, load) => {
            if let Some(dictionary) = catalogue.get_mut(id) {
                dictionary.load = load;
                catalogue.judge();
                resume::dictionary(state, id);
            }
        }
        Event::Index(id, load) => {
            state.features.previews.forget(id);
            if let Some(dictionary) = catalogue.get_mut(id) {
                if let Load::Ready(index) = &load {
                    dictionary.index_path = Some(index.path.clone());
                }
                dictionary.index = load;
                dictionary.index_fit = Load::Absent;
            }
        }
        Event::IndexesFailed(all, why) => {
            for id in all {
                let failed = Event::Index(id, Load::Failed(why.clone()));
                apply(state, failed);
            }
        }
        Event::IndexFit(id, load) => {
            let refused = load.ready().is_some_and(Fit::is_refused);
            // what was asked before the model or the index was another is dropped
            let dictionary = catalogue.get_mut(id);
            if let Some(dictionary) =
                dictionary.filter(|d| load.is_loading() || !d.index_fit.is_absent())
            {
                dictionary.index_fit = load;
            }
            if refused && state.features.table_of == Some(id) {
                state.features.forget();
            }
        }
        Event::Evaluation(id, load) => {
            if let Some(dictionary) = catalogue.get_mut(id) {
                dictionary.evaluation = load;
            }
        }
        Event::EvaluationsFailed(all, why) => catalogue.fail_evaluations(&all, &why),
        Event::GivingBack => catalogue.former.clear(),
        Event::Removed(id) => {
            catalogue.leave(id);
            catalogue.dictionaries.retain(|d| d.id != id);
            state.steering.forget();
            if state.selection.dictionary == Some(id) {
                let first = state.catalogue.dictionaries.first().map(|d| d.id);
                state.selection.choose_dictionary(first);
            }
        }
    }
}

/// Forgets readings and measurements of the model before.
fn forget_measured(state: &mut AppState) {
    state.prompt.forget_reading();
    state.search.forget();
    state.prompt.tokens = None;
    state.heads.forget();
    state.dark_matter = dark_matter::DarkMatterState::default();
    state.evaluation = evaluation::EvaluationState::default();
    state.compare.forget_measured();
    state.steering.forget();
    state.steering.pace = None;
}

/// Another project: everything goes, and what it names is about to be loaded.
pub(super) fn open(
    state: &mut AppState,
    project: &Project,
    evaluations: Vec<(PathBuf, Evaluation)>,
) {
    let former = &mut state.catalogue;
    former.leave_model();
    for id in former.dictionaries.iter().map(|d| d.id).collect::<Vec<_>>() {
        former.leave(id);
    }
    state.catalogue = Catalogue {
        former: std::mem::take(&mut former.former),
        model_path: project.model.clone(),
        model_opening: project.opening,
        next: state.catalogue.next,
        revision: state.catalogue.revision + 1,
        ..Catalogue::default()
    };
    state.selection.clear();
    for entry in &project.entries {
        add(state, entry.sae.clone(), entry.index.clone());
    }
    for (folder, evaluation) in evaluations {
        let mut dictionaries = state.catalogue.dictionaries.iter_mut();
        if let Some(dictionary) = dictionaries.find(|d| d.folder == folder) {
            dictionary.evaluation = Load::Ready(evaluation);
        }
    }
}

/// A model that was loaded is one click away from now on; the demo's is with the demo.
fn remember(state: &mut AppState, path: PathBuf) {
    let catalogue = &state.catalogue;
    if state.project.kind == project::Kind::Demo {
        return;
    }
    if let Load::Ready(loaded) = &catalogue.model {
        let model = RecentModel::new(loaded.model.name(), path, catalogue.model_opening);
        state.settings.apply(settings::Event::ModelOpened(model));
    }
}

/// The project's folder was copied: what lay in it is named where it lies now.
pub(super) fn moved(state: &mut AppState, former: &Path, folder: &Path) {
    let place = |path: &mut PathBuf| {
        if let Ok(inside) = path.strip_prefix(former) {
            *path = folder.join(inside);
        }
    };
    let catalogue = &mut state.catalogue;
    catalogue.revision += 1;
    if let Some(path) = &mut catalogue.model_path {
        place(path);
    }
    for dictionary in &mut catalogue.dictionaries {
        place(&mut dictionary.folder);
        if let Some(path) = &mut dictionary.index_path {
            place(path);
        }
        if let Load::Ready(index) = &mut dictionary.index {
            place(&mut index.path);
        }
    }
}

fn add(state: &mut AppState, folder: PathBuf, index_path: Option<PathBuf>) {
    let catalogue = &mut state.catalogue;
    if catalogue.by_folder(&folder).is_some() {
        return;
    }
    let id = DictionaryId(catalogue.next);
    catalogue.next += 1;
    catalogue.dictionaries.push(Dictionary {
        id,
        name: name_of(&folder),
        folder,
        load: Load::Absent,
        index_path,
        index: Load::Absent,
        evaluation: Load::Absent,
        pair: None,
        index_fit: Load::Absent,
    });
    if state.selection.dictionary.is_none() {
        state.selection.choose_dictionary(Some(id));
    }
}
