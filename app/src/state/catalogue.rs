//! Model, dictionaries and indexes of the open project, and how loading each of them went.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use umbra_core::error::Notes;
use umbra_core::eval::Figures;
use umbra_core::features::About;
use umbra_core::fit::Fit;
use umbra_core::ids::HookPoint;
use umbra_core::models::verify::Verification;
use umbra_core::models::{Model, Opening};
use umbra_core::runs::Record;
use umbra_core::sae::Sae;
use umbra_core::workbench::pair::Pair;

use super::load::Load;

/// A dictionary within this run of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DictionaryId(pub u32);

/// A model in memory.
#[derive(Debug, Clone)]
pub(crate) struct LoadedModel {
    /// Shared with jobs.
    pub(crate) model: Arc<Model>,
    /// Notes of the loader.
    pub(crate) notes: Notes,
    /// Size of its files.
    pub(crate) size_bytes: u64,
}

/// A dictionary in memory.
#[derive(Debug, Clone)]
pub(crate) struct LoadedSae {
    /// Shared with jobs.
    pub(crate) sae: Arc<Sae>,
    /// Notes of the loader.
    pub(crate) notes: Notes,
    /// Size of its files.
    pub(crate) size_bytes: u64,
    /// Record of the run that trained it, if that lies beside the weights.
    pub(crate) run: Option<Arc<Record>>,
    /// Fingerprint of its weights, by which links and restored state know it again.
    pub(crate) fingerprint: String,
}

impl LoadedSae {
    /// Takes a dictionary that was read; its fingerprint reads every weight, so this is for jobs.
    pub(crate) fn new(sae: Sae, notes: Notes, size_bytes: u64) -> Self {
        Self {
            fingerprint: sae.fingerprint(),
            sae: Arc::new(sae),
            notes,
            size_bytes,
            run: None,
        }
    }
}

/// An index that opened. Jobs open the file themselves: an `Index` is not shared between threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadedIndex {
    /// The file.
    pub(crate) path: PathBuf,
    /// Facts stored in the index.
    pub(crate) about: About,
    /// Text or amount of text that its facts about features were measured on, where that is not what it was built over.
    pub(crate) facts_elsewhere: Option<String>,
    /// Size of the file.
    pub(crate) size_bytes: u64,
}

/// Figures kept with the project.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Evaluation {
    /// The figures.
    pub(crate) figures: Figures,
    /// The text they are over, as a phrase.
    pub(crate) text: String,
    /// Device that ran the dictionary; empty if that was not recorded.
    pub(crate) device: String,
}

/// One dictionary of the project.
#[derive(Debug, Clone)]
pub(crate) struct Dictionary {
    /// Its id.
    pub(crate) id: DictionaryId,
    /// Its folder's name; the key of labels and kept results.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// The weights; absent: about to be loaded.
    pub(crate) load: Load<LoadedSae>,
    /// Path of its index, if the project names one.
    pub(crate) index_path: Option<PathBuf>,
    /// Its index; absent and named: about to be opened. Loading while one is built.
    pub(crate) index: Load<LoadedIndex>,
    /// Its evaluation; loading while one runs.
    pub(crate) evaluation: Load<Evaluation>,
    /// The dictionary with the open model: whether they belong together, and how the model reads for it; none until both are loaded.
    pub(crate) pair: Option<Pair>,
    /// Whether its index was built with it and the open model; absent: about to be decided.
    pub(crate) index_fit: Load<Fit>,
}

impl Dictionary {
    /// Whether its index is still being opened or judged.
    pub(crate) fn awaits_index(&self) -> bool {
        let decided = self.index_fit.ready().is_some();
        self.index.is_loading() || (self.index.ready().is_some() && !decided)
    }

    /// The hook it reads, once loaded.
    pub(crate) fn hook(&self) -> Option<HookPoint> {
        self.load.ready()?.sae.provenance.hook
    }

    /// The hook where edits of its features act first, once loaded: the one it reads, or for a transcoder the first that it writes.
    pub(crate) fn edited_hook(&self) -> Option<HookPoint> {
        Some(self.load.ready()?.sae.first_output().ok()?.hook)
    }
}

/// A model or a dictionary that is no longer open.
pub(crate) type Former = Weak<dyn Any + Send + Sync>;

/// Everything the project has loaded.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// Path of the model, once chosen.
    pub(crate) model_path: Option<PathBuf>,
    /// Options for opening it.
    pub(crate) model_opening: Opening,
    /// The model.
    pub(crate) model: Load<LoadedModel>,
    /// Result of comparing the model with reference values or with itself; loading while it runs.
    pub(crate) verification: Load<Arc<Verification>>,
    /// Dictionaries in the project's order.
    pub(crate) dictionaries: Vec<Dictionary>,
    /// Number of changes; a key for memos.
    pub(crate) revision: u64,
    /// Models and dictionaries that are no longer open, whose memory is to be given back once nothing uses them.
    pub(crate) former: Vec<Former>,
    /// The id that the next dictionary gets.
    pub(super) next: u32,
}

impl Catalogue {
    /// A dictionary by id.
    pub(crate) fn get(&self, id: DictionaryId) -> Option<&Dictionary> {
        self.dictionaries.iter().find(|d| d.id == id)
    }

    /// A dictionary by folder.
    pub(crate) fn by_folder(&self, folder: &Path) -> Option<&Dictionary> {
        self.dictionaries.iter().find(|d| d.folder == folder)
    }

    /// A dictionary by name.
    pub(crate) fn named(&self, name: &str) -> Option<&Dictionary> {
        self.dictionaries.iter().find(|d| d.name == name)
    }

    /// Remembers the model as no longer open.
    pub(super) fn leave_model(&mut self) {
        if let Load::Ready(loaded) = &self.model {
            let model: Weak<Model> = Arc::downgrade(&loaded.model);
            self.former.push(model);
        }
    }

    /// Remembers a dictionary as no longer open.
    pub(super) fn leave(&mut self, id: DictionaryId) {
        let loaded = self.get(id).and_then(|dictionary| dictionary.load.ready());
        if let Some(loaded) = loaded {
            let sae: Weak<Sae> = Arc::downgrade(&loaded.sae);
            self.former.push(sae);
        }
    }

    /// Decides which dictionaries belong to the model; what was decided of indexes is decided anew.
    pub(super) fn judge(&mut self) {
        let model = self.model.ready();
        for dictionary in &mut self.dictionaries {
            let loaded = dictionary.load.ready();
            let both = model.zip(loaded);
            dictionary.pair = both.map(|(model, loaded)| Pair::new(&model.model, &loaded.sae));
            dictionary.index_fit = Load::Absent;
        }
    }

    /// Says why evaluations that still ran ended.
    pub(super) fn fail_evaluations(&mut self, ids: &[DictionaryId], why: &str) {
        let all = self.dictionaries.iter_mut();
        for one in all.filter(|one| ids.contains(&one.id) && one.evaluation.is_loading()) {
            one.evaluation = Load::Failed(why.to_owned());
        }
    }

    pub(super) fn get_mut(&mut self, id: DictionaryId) -> Option<&mut Dictionary> {
        self.dictionaries.iter_mut().find(|d| d.id == id)
    }
}

/// A folder's or file's name, the key of labels and kept results.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// `path` from the root, so that a command line that names it may be run anywhere.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
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
    /// Indexes that one job was building failed, with the reason.
    IndexesFailed(Vec<DictionaryId>, String),
    /// Whether an index belongs to its dictionary and the model is being decided, or was.
    IndexFit(DictionaryId, Load<Fit>),
    /// An evaluation arrived, failed, or runs.
    Evaluation(DictionaryId, Load<Evaluation>),
    /// A job that evaluated these dictionaries broke off, with the reason; what still ran has failed.
    EvaluationsFailed(Vec<DictionaryId>, String),
    /// A dictionary was taken off the project.
    Removed(DictionaryId),
    /// The memory of what is no longer open is being given back.
    GivingBack,
}
