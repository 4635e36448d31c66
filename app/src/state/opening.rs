//! Opening a model or a dictionary: its path or hub name, the options for a model's weights, and the facts in the headers before loading.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_core::error::Notes;
use umbra_core::formats::{Look, Registry};
use umbra_core::hub::{Hub, Name};
use umbra_core::models::{Card, Opening};

use super::jobs::JobId;
use super::load::Load;
use super::prompt::PAUSE;

/// The kind of thing to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// A model.
    #[default]
    Model,
    /// A dictionary.
    Dictionary,
}

/// A source to look at, and how to open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// The kind of thing to open.
    pub(crate) kind: Kind,
    /// A path or a name on the hub.
    pub(crate) source: String,
    /// Options for opening it.
    pub(crate) how: Opening,
}

/// Result of looking at a source.
#[derive(Debug, Clone)]
pub(crate) enum Looked {
    /// A model that is here.
    Here(Box<Found>),
    /// A dictionary that is here.
    Dictionary(Box<FoundDictionary>),
    /// A name on the hub that is not in the cache.
    OnHub(Name),
}

/// A model that is here, as its headers describe it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Folder or file.
    pub(crate) path: PathBuf,
    /// Its facts and its memory needs.
    pub(crate) card: Card,
    /// Notes on it.
    pub(crate) notes: Notes,
    /// Bytes of available memory, where the system reports them.
    pub(crate) free: Option<u64>,
}

/// A dictionary that is here, as the headers of its files describe it.
#[derive(Debug, Clone)]
pub(crate) struct FoundDictionary {
    /// Folder or file.
    pub(crate) path: PathBuf,
    /// Its facts, from the headers of its files.
    pub(crate) look: Look,
    /// The Layer to open of a cross-layer transcoder.
    pub(crate) layer: usize,
    /// Bytes of available memory, where the system reports them.
    pub(crate) free: Option<u64>,
}

impl FoundDictionary {
    /// Returns the path to open: for a cross-layer transcoder, the file of the chosen layer.
    pub(crate) fn opens(&self) -> &Path {
        self.look.layers.get(self.layer).unwrap_or(&self.path)
    }

    /// Bytes of what is opened once loaded, where the headers tell.
    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        if self.look.layers.is_empty() {
            self.look.memory_bytes()
        } else {
            Some(self.look.layer_bytes(self.layer))
        }
    }

    /// Whether its weights fit in memory, as far as that is known.
    pub(crate) fn fits(&self) -> bool {
        let needed = self.memory_bytes().unwrap_or(self.look.bytes);
        self.free.is_none_or(|free| needed <= free)
    }
}

impl Found {
    /// Whether its weights fit in memory, as far as that is known.
    pub(crate) fn fits(&self) -> bool {
        let needed = self.card.footprint.memory_bytes;
        self.free.is_none_or(|free| needed <= free)
    }
}

/// Lines of the registry below the field at most.
const LINES: usize = 8;

/// A release or a dictionary of the registry that what is typed matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suggestion {
    /// Text that replaces the typed source.
    pub(crate) source: String,
    /// Number of dictionaries and their model, or the L0.
    pub(crate) about: String,
}

/// The dialog.
#[derive(Debug, Default)]
pub(crate) struct OpeningState {
    /// Whether it is shown.
    pub(crate) shown: bool,
    /// The kind of thing it opens.
    pub(crate) kind: Kind,
    /// A path or a name on the hub.
    pub(crate) source: String,
    /// Time of the last keystroke.
    typed: Option<Instant>,
    /// Options for opening it.
    pub(crate) how: Opening,
    /// The hub, offline if nothing is to be fetched; none until the dialog was shown.
    pub(crate) hub: Option<Hub>,
    /// The source looked at last.
    pub(crate) looked_at: Option<Request>,
    /// Its facts, from the headers of its files.
    pub(crate) looked: Load<Looked>,
    /// The job that fetches.
    pub(crate) fetching: Option<JobId>,
    /// SAELens's registry, if one is available.
    pub(crate) registry: Option<Arc<Registry>>,
    /// Registry entries that match the source, and how many more there are.
    pub(crate) suggestions: (Vec<Suggestion>, usize),
}

impl OpeningState {
    /// Returns the source to look at now: one is named, it differs from the last one, and typing has paused.
    pub(crate) fn wanted(&self) -> Option<Request> {
        let request = Request {
            kind: self.kind,
            source: self.source.trim().to_owned(),
            how: self.how,
        };
        let wanted = self.shown && !request.source.is_empty() && self.pause_left().is_none();
        (wanted && self.looked_at.as_ref() != Some(&request)).then_some(request)
    }

    fn suggest(&mut self) {
        let dictionary = self.kind == Kind::Dictionary;
        let registry = self.registry.as_ref().filter(|_| dictionary);
        self.suggestions = registry.map_or_else(Default::default, |registry| {
            suggestions(registry, self.source.trim())
        });
    }

    /// Returns the time until the source is looked at, while typing.
    pub(crate) fn pause_left(&self) -> Option<Duration> {
        let left = PAUSE.checked_sub(self.typed?.elapsed())?;
        (!left.is_zero()).then_some(left)
    }
}

/// Returns the registry's matches of `source`; none once it is a dictionary's whole name.
fn suggestions(registry: &Registry, source: &str) -> (Vec<Suggestion>, usize) {
    if source.is_empty() {
        return (Vec::new(), 0);
    }
    let found = registry.matches(source);
    let releases = found.releases.iter().map(|release| Suggestion {
        source: format!("{}:", release.name),
        about: format!("{} of {}", release.entries.len(), release.model),
    });
    let dictionaries = found.dictionaries.iter().map(|(release, entry)| {
        let l0 = entry.l0.map(|l0| format!("L0 {l0:.0}"));
        Suggestion {
            source: format!("{}:{}", release.name, entry.id),
            about: l0.unwrap_or_default(),
        }
    });
    let all = || releases.clone().chain(dictionaries.clone());
    if all().any(|line| line.source == source) {
        return (Vec::new(), 0);
    }
    let more = all().count().saturating_sub(LINES);
    (all().take(LINES).collect(), more)
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// The dialog is shown for a model or a dictionary, with the hub as the environment describes it, or closed.
    Shown(Option<(Kind, Hub)>),
    /// Another source; `typed` if letter by letter.
    Source {
        /// A path or a name on the hub.
        source: String,
        /// Whether somebody types.
        typed: bool,
    },
    /// Options for opening it.
    How(Opening),
    /// Whether nothing is to be fetched.
    Offline(bool),
    /// The source is being looked at, was, or cannot be opened.
    Looked(Request, Load<Looked>),
    /// The layer to open of a cross-layer transcoder.
    Layer(usize),
    /// SAELens's registry was read.
    Registry(Arc<Registry>),
    /// A job fetches.
    Fetching(JobId),
    /// The download ended: complete or stopped (the source is looked at again), or failed with a sentence.
    Fetched(Option<String>),
}

impl OpeningState {
    /// Carries out an event. What arrives late for another source is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        let opening = self;
        match event {
            Event::Shown(shown) => {
                opening.shown = shown.is_some();
                opening.looked_at = None;
                opening.looked = Load::Absent;
                if let Some((kind, hub)) = shown {
                    if kind != opening.kind {
                        opening.source.clear();
                    }
                    (opening.kind, opening.hub) = (kind, Some(hub));
                    opening.suggest();
                }
            }
            Event::Source { source, typed } => {
                opening.typed = typed.then(Instant::now);
                opening.source = source;
                opening.looked_at = None;
                opening.looked = Load::Absent;
                opening.suggest();
            }
            Event::How(how) => opening.how = how,
            Event::Offline(offline) => {
                if let Some(hub) = &mut opening.hub {
                    hub.offline = offline;
                }
            }
            Event::Looked(request, load) => {
                if load.is_loading() {
                    opening.looked_at = Some(request.clone());
                }
                if opening.looked_at.as_ref() == Some(&request) {
                    opening.looked = load;
                }
            }
            Event::Layer(layer) => {
                if let Load::Ready(Looked::Dictionary(found)) = &mut opening.looked {
                    found.layer = layer.min(found.look.layers.len().saturating_sub(1));
                }
            }
            Event::Registry(registry) => {
                opening.registry = Some(registry);
                opening.suggest();
                if opening.looked.failure().is_some() {
                    opening.looked_at = None; // it may be a name of the registry
                }
            }
            Event::Fetching(job) => opening.fetching = Some(job),
            Event::Fetched(failure) => {
                opening.fetching = None;
                match failure {
                    Some(why) => opening.looked = Load::Failed(why),
                    None => opening.looked_at = None,
                }
            }
        }
    }
}
