//! Model, dictionaries and indexes of the open project, and how loading each of them went.

use std::path::PathBuf;
use std::sync::Arc;

use umbra_core::error::Notes;
use umbra_core::eval::Figures;
use umbra_core::features::About;
use umbra_core::ids::HookPoint;
use umbra_core::models::Model;
use umbra_core::sae::Sae;

use super::{AppState, Load};

/// A dictionary within this run of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DictionaryId(pub u32);

/// A model in memory.
#[derive(Debug, Clone)]
pub struct LoadedModel {
    /// Shared with jobs.
    pub model: Arc<Model>,
    /// What the loader decided.
    pub notes: Notes,
    /// Size of its files.
    pub size_bytes: u64,
}

/// A dictionary in memory.
#[derive(Debug, Clone)]
pub struct LoadedSae {
    /// Shared with jobs.
    pub sae: Arc<Sae>,
    /// What the loader decided.
    pub notes: Notes,
    /// Size of its files.
    pub size_bytes: u64,
}

/// An index that opened. Jobs open the file themselves: an `Index` is not shared between threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedIndex {
    /// The file.
    pub path: PathBuf,
    /// What it says about itself.
    pub about: About,
    /// Size of the file.
    pub size_bytes: u64,
}

/// Figures kept with the project.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The figures.
    pub figures: Figures,
    /// The text they are over, as a phrase.
    pub text: String,
}

/// One dictionary of the project.
#[derive(Debug, Clone)]
pub struct Dictionary {
    /// Its id.
    pub id: DictionaryId,
    /// Its folder's name; the key of labels and kept results.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The weights.
    pub load: Load<LoadedSae>,
    /// Its index.
    pub index: Load<LoadedIndex>,
    /// Its evaluation; loading while one runs.
    pub evaluation: Load<Evaluation>,
}

impl Dictionary {
    /// The hook it reads, once loaded.
    pub fn hook(&self) -> Option<HookPoint> {
        self.load.ready()?.sae.provenance.hook
    }
}

/// Everything the project has loaded.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// Where the model is, once chosen.
    pub model_path: Option<PathBuf>,
    /// The model.
    pub model: Load<LoadedModel>,
    /// Dictionaries in the project's order.
    pub dictionaries: Vec<Dictionary>,
    /// The id that the next dictionary gets.
    next: u32,
}

impl Catalogue {
    /// A dictionary by id.
    pub fn get(&self, id: DictionaryId) -> Option<&Dictionary> {
        self.dictionaries.iter().find(|d| d.id == id)
    }

    /// A dictionary by folder.
    pub fn by_folder(&self, folder: &std::path::Path) -> Option<&Dictionary> {
        self.dictionaries.iter().find(|d| d.folder == folder)
    }

    fn get_mut(&mut self, id: DictionaryId) -> Option<&mut Dictionary> {
        self.dictionaries.iter_mut().find(|d| d.id == id)
    }
}

/// What can change here.
#[derive(Debug)]
pub enum Event {
    /// Everything goes: another project opens.
    Cleared,
    /// A model is being loaded from there.
    ModelAsked(PathBuf),
    /// The model arrived or failed.
    Model(Load<LoadedModel>),
    /// A dictionary was added (its weights are being loaded). Nothing happens if its folder is there already.
    Added(PathBuf),
    /// Weights arrived or failed.
    Sae(DictionaryId, Load<LoadedSae>),
    /// An index arrived, failed, or is being built.
    Index(DictionaryId, Load<LoadedIndex>),
    /// An evaluation arrived, failed, or runs.
    Evaluation(DictionaryId, Load<Evaluation>),
    /// A dictionary was taken off the project.
    Removed(DictionaryId),
}

/// Carries out an event.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let catalogue = &mut state.catalogue;
    match event {
        Event::Cleared => {
            let next = catalogue.next;
            *catalogue = Catalogue {
                next,
                ..Catalogue::default()
            };
            state.selection.clear();
        }
        Event::ModelAsked(path) => {
            catalogue.model_path = Some(path);
            catalogue.model = Load::Loading;
        }
        Event::Model(load) => catalogue.model = load,
        Event::Added(folder) => add(state, folder),
        Event::Sae(id, load) => {
            if let Some(dictionary) = catalogue.get_mut(id) {
                dictionary.load = load;
            }
        }
        Event::Index(id, load) => {
            if let Some(dictionary) = catalogue.get_mut(id) {
                dictionary.index = load;
            }
        }
        Event::Evaluation(id, load) => {
            if let Some(dictionary) = catalogue.get_mut(id) {
                dictionary.evaluation = load;
            }
        }
        Event::Removed(id) => {
            catalogue.dictionaries.retain(|d| d.id != id);
            if state.selection.dictionary == Some(id) {
                let first = state.catalogue.dictionaries.first().map(|d| d.id);
                state.selection.choose_dictionary(first);
            }
        }
    }
}

fn add(state: &mut AppState, folder: PathBuf) {
    let catalogue = &mut state.catalogue;
    if catalogue.by_folder(&folder).is_some() {
        return;
    }
    let id = DictionaryId(catalogue.next);
    catalogue.next += 1;
    let name = folder.file_name().map_or_else(
        || folder.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    catalogue.dictionaries.push(Dictionary {
        id,
        name,
        folder,
        load: Load::Loading,
        index: Load::Absent,
        evaluation: Load::Absent,
    });
    if state.selection.dictionary.is_none() {
        state.selection.choose_dictionary(Some(id));
    }
}
