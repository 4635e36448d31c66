//! Model, dictionaries and indexes of the open project, and how loading each of them went.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use umbra_core::error::Notes;
use umbra_core::eval::Figures;
use umbra_core::features::About;
use umbra_core::fit::Fit;
use umbra_core::ids::HookPoint;
use umbra_core::models::verify::Verification;
use umbra_core::models::{Model, Opening};
use umbra_core::project::Project;
use umbra_core::sae::Sae;
use umbra_core::workbench::pair::Pair;

use super::settings::RecentModel;
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
    /// The weights; absent: about to be loaded.
    pub load: Load<LoadedSae>,
    /// Where its index is, if the project names one.
    pub index_path: Option<PathBuf>,
    /// Its index; absent and named: about to be opened. Loading while one is built.
    pub index: Load<LoadedIndex>,
    /// Its evaluation; loading while one runs.
    pub evaluation: Load<Evaluation>,
    /// It and the open model: whether they belong together, and how the model reads for it; none until both are loaded.
    pub pair: Option<Pair>,
    /// Whether its index was built with it and the open model; absent: about to be decided.
    pub index_fit: Load<Fit>,
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
    /// How it is opened.
    pub model_opening: Opening,
    /// The model.
    pub model: Load<LoadedModel>,
    /// How the model compared with reference values or with itself; loading while it runs.
    pub verification: Load<Arc<Verification>>,
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
    pub fn by_folder(&self, folder: &Path) -> Option<&Dictionary> {
        self.dictionaries.iter().find(|d| d.folder == folder)
    }

    /// Decides which dictionaries belong to the model; what was decided of indexes is decided anew.
    fn judge(&mut self) {
        let model = self.model.ready();
        for dictionary in &mut self.dictionaries {
            let loaded = dictionary.load.ready();
            let both = model.zip(loaded);
            dictionary.pair = both.map(|(model, loaded)| Pair::new(&model.model, &loaded.sae));
            dictionary.index_fit = Load::Absent;
        }
    }

    fn get_mut(&mut self, id: DictionaryId) -> Option<&mut Dictionary> {
        self.dictionaries.iter_mut().find(|d| d.id == id)
    }
}

/// A folder's or file's name, the key of labels and kept results.
pub fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// `path` from the root, so that a command line that names it may be run anywhere.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// What can change here.
#[derive(Debug)]
pub enum Event {
    /// A model was named; it is about to be loaded, opened like this.
    ModelNamed(PathBuf, Opening),
    /// The model of that path is being loaded, arrived or failed.
    Model(PathBuf, Box<Load<LoadedModel>>),
    /// The model of that path is being verified, was, or could not be.
    Verification(PathBuf, Load<Arc<Verification>>),
    /// A dictionary was named, with its index if it has one; both are about to be loaded. Nothing happens if its folder is there already.
    Added(PathBuf, Option<PathBuf>),
    /// Weights are being loaded, arrived or failed.
    Sae(DictionaryId, Load<LoadedSae>),
    /// An index is being opened or built, arrived or failed.
    Index(DictionaryId, Load<LoadedIndex>),
    /// Whether an index belongs to its dictionary and the model is being decided, or was.
    IndexFit(DictionaryId, Load<Fit>),
    /// An evaluation arrived, failed, or runs.
    Evaluation(DictionaryId, Load<Evaluation>),
    /// A dictionary was taken off the project.
    Removed(DictionaryId),
}

/// Carries out an event.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let catalogue = &mut state.catalogue;
    match event {
        Event::ModelNamed(path, opening) => {
            catalogue.model_path = Some(path);
            catalogue.model_opening = opening;
            catalogue.model = Load::Absent;
            catalogue.verification = Load::Absent;
            catalogue.judge();
            // what was read and measured is another model's
            state.prompt.forget_reading();
            state.prompt.tokens = None;
            state.heads = super::heads::HeadsState::default();
            state.dark_matter = super::dark_matter::DarkMatterState::default();
            state.compare.forget_measured();
            state.steering.stock = Arc::default();
        }
        Event::Model(path, load) => {
            if catalogue.model_path.as_ref() == Some(&path) {
                catalogue.model = *load;
                catalogue.judge();
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
            }
        }
        Event::Index(id, load) => {
            if let Some(dictionary) = catalogue.get_mut(id) {
                if let Load::Ready(index) = &load {
                    dictionary.index_path = Some(index.path.clone());
                }
                dictionary.index = load;
                dictionary.index_fit = Load::Absent;
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
        Event::Removed(id) => {
            catalogue.dictionaries.retain(|d| d.id != id);
            state.steering.stock = Arc::default();
            if state.selection.dictionary == Some(id) {
                let first = state.catalogue.dictionaries.first().map(|d| d.id);
                state.selection.choose_dictionary(first);
            }
        }
    }
}

/// Another project: everything goes, and what it names is about to be loaded.
pub(super) fn open(
    state: &mut AppState,
    project: &Project,
    evaluations: Vec<(PathBuf, Evaluation)>,
) {
    state.catalogue = Catalogue {
        model_path: project.model.clone(),
        model_opening: project.opening,
        next: state.catalogue.next,
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
    if state.project.kind == super::project::Kind::Demo {
        return;
    }
    if let Load::Ready(loaded) = &catalogue.model {
        let model = RecentModel::new(loaded.model.name(), path, catalogue.model_opening);
        super::settings::apply(state, super::settings::Event::ModelOpened(model));
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
