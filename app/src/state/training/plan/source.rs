//! The source and the initial weights of the form, and their errors.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use umbra_core::corpus::Part;
use umbra_core::formats;
use umbra_core::ids::{HookPoint, Site};
use umbra_core::sae::{ErrorPart, Sae, Variant};
use umbra_core::train::{CHECKPOINT, Spec};
use umbra_core::workbench::text::TextRequest;
use umbra_core::workbench::training::OnError;

use crate::state::AppState;
use crate::state::catalogue::{LoadedSae, name_of};
use crate::state::training::{Parent, Past, Source, TextKey};

/// Errors of the text or the store, by key of the field.
pub(super) fn source_errors(state: &AppState, key: Option<&TextKey>) -> BTreeMap<String, String> {
    let training = &state.training;
    let why = if training.form.store.is_none() {
        let why = training.text.failure();
        why.filter(|_| training.text_of.as_ref() == key)
    } else {
        let why = training.store.failure();
        why.filter(|_| training.store_of == training.form.store)
    };
    let error = why.map(|why| ("text".to_owned(), why.to_owned()));
    error.into_iter().collect()
}

/// Errors of a dictionary's hook, by key of the field.
pub(super) fn hook_errors(state: &AppState, spec: &Spec) -> BTreeMap<String, String> {
    let training = &state.training;
    let mut errors = BTreeMap::new();
    let mut put = |key: &str, error: String| errors.insert(key.to_owned(), error);
    if training.form.store.is_none() {
        if let Some(loaded) = state.model()
            && let Err(error) = loaded.model.check_hook(spec.hook)
        {
            put("hook", error.to_string());
        }
    } else if training.store_of == training.form.store
        && let Some(store) = training.store.ready()
    {
        if let Err(error) = store.width(spec.hook) {
            put("hook", error.to_string());
        }
        if spec.variant == Variant::Gradient && !store.about().gradients {
            let what = "This store holds no gradients, which the variant gradient needs: capture the store again with gradients, or choose another variant";
            put("variant", what.to_owned());
        }
    }
    errors
}

/// The dictionary to go on from, once it is read.
pub(crate) fn start(state: &AppState) -> Option<Arc<Sae>> {
    let from = state.training.form.from.as_ref()?;
    if let Some(open) = state.catalogue.by_folder(from) {
        return Some(Arc::clone(&open.load.ready()?.sae));
    }
    let is_it = state.training.start_of.as_ref() == Some(from);
    state.training.start.ready().filter(|_| is_it).cloned()
}

/// Errors of the dictionary to continue from, by key of the field.
pub(super) fn start_errors(state: &AppState, spec: &Spec) -> BTreeMap<String, String> {
    let training = &state.training;
    let mut errors = BTreeMap::new();
    let Some(from) = &training.form.from else {
        return errors;
    };
    let mut put = |key: &str, error: String| errors.insert(key.to_owned(), error);
    let failure = match state.catalogue.by_folder(from) {
        Some(open) => open.load.failure(),
        None => (training.start.failure()).filter(|_| training.start_of.as_ref() == Some(from)),
    };
    if let Some(why) = failure {
        put("from", why.to_owned());
    } else if !training.form.also.is_empty() {
        let what = "A dictionary that continues from another is trained alone: remove the other dictionaries, or start from random directions";
        put("from", what.to_owned());
    }
    let (Some(sae), Some(width)) = (start(state), width(state, spec)) else {
        return errors;
    };
    if sae.width() != width {
        let what = format!(
            "{} reads activations of width {}, {} has width {width}: choose the hook and the model that it was trained on",
            sae.name,
            sae.width(),
            spec.hook
        );
        put("from", what);
    } else if sae.role.transcodes() != spec.transcodes {
        let what = if sae.role.transcodes() {
            format!(
                "{} is a transcoder: choose the variant transcoder",
                sae.name
            )
        } else {
            format!("{} is not a transcoder: choose another variant", sae.name)
        };
        put("variant", what);
    }
    errors
}

/// The dictionary whose error is trained on, once it is loaded, and the part of the error. The linear map is that of the probe that the project keeps, if it keeps
/// one.
pub(crate) fn parent(state: &AppState) -> Option<OnError> {
    let Parent { part, folder } = state.training.form.parent.as_ref()?;
    on_error(state, *part, folder)
}

fn on_error(state: &AppState, part: ErrorPart, folder: &Path) -> Option<OnError> {
    let dictionary = state.catalogue.by_folder(folder)?;
    let project = state.project.open().filter(|_| part.needs_map());
    Some(OnError {
        part,
        parent: Arc::clone(&dictionary.load.ready()?.sae),
        path: folder.to_path_buf(),
        probe: project.and_then(|project| project.kept_probe(&dictionary.name)),
    })
}

/// The dictionary whose error a past run in `folder` read, if it read one; an error says how to go on.
pub(crate) fn past_parent(state: &AppState, folder: &Path) -> Result<Option<OnError>, String> {
    let named = formats::parent(&folder.join(CHECKPOINT)).map_err(|error| error.to_string())?;
    let Some(named) = named else { return Ok(None) };
    let dictionaries = &state.catalogue.dictionaries;
    let is_it = |loaded: &&LoadedSae| loaded.fingerprint == named.fingerprint;
    let found = dictionaries
        .iter()
        .find(|there| there.load.ready().as_ref().is_some_and(is_it));
    let found = found.and_then(|there| on_error(state, named.part, &there.folder));
    found.map(Some).ok_or_else(|| {
        format!(
            "Add {} to the project first: the run reads its error",
            named.name
        )
    })
}

/// Errors of the dictionary whose error is trained on, by key of the field.
pub(super) fn parent_errors(state: &AppState, spec: &Spec) -> BTreeMap<String, String> {
    let mut errors = BTreeMap::new();
    let Some(chosen) = &state.training.form.parent else {
        return errors;
    };
    let name = name_of(&chosen.folder);
    let wrong = match state.catalogue.by_folder(&chosen.folder) {
        None => Some(format!(
            "{name} is no longer part of the project: add it, or train on activations"
        )),
        Some(there) => there.load.failure().map(str::to_owned),
    };
    let found = parent(state);
    let wrong = wrong.or_else(|| {
        let parent = &found.as_ref()?.parent;
        if let Err(error) = parent.autoencoder() {
            return Some(error.to_string());
        }
        let hook = parent.provenance.hook?;
        if hook != spec.hook {
            return Some(format!("{name} reads {hook}: choose its hook, or train on activations"));
        }
        if spec.transcodes {
            return Some("A transcoder cannot reconstruct an error: choose another variant".to_owned());
        }
        // A dictionary of one head reads less than the whole hook.
        let width = width_at(state, hook).filter(|_| parent.provenance.head.is_none())?;
        (parent.width() != width).then(|| {
            format!(
                "{name} reads activations of width {}, {hook} has width {width}: choose the model that it was trained on",
                parent.width()
            )
        })
    });
    errors.extend(wrong.map(|wrong| ("on".to_owned(), wrong)));
    errors
}

/// Returns the form's source, once it is ready.
pub(crate) fn source(state: &AppState) -> Option<Source> {
    let training = &state.training;
    if let Some(folder) = &training.form.store {
        let store = training.store.ready()?;
        let is_it = training.store_of.as_ref() == Some(folder);
        return is_it.then(|| Source::Store(Arc::clone(store)));
    }
    let (key, text) = (training.text_of.clone()?, training.text.ready()?);
    (text_key(state).as_ref() == Some(&key)).then(|| Source::Text(key, Arc::clone(text)))
}

/// Returns the source of a past run if the form names it; an error says how to name it.
pub(crate) fn source_of(state: &AppState, past: &Past) -> Result<Source, String> {
    let data = &past.record.data;
    let read = data.get("corpus_sha256");
    let text = data.get("corpus").and_then(|text| text.as_str());
    let text = text.unwrap_or("another text");
    let stored = data.contains_key("store_dtype");
    if !stored && state.model().is_none() {
        return Err(format!(
            "Open {} first: the run reads it",
            past.record.model
        ));
    }
    let found = source(state);
    let fits = match &found {
        Some(Source::Text(_, text)) => {
            !stored && read.and_then(|sha| sha.as_str()) == Some(text.text.fingerprint.as_str())
        }
        Some(Source::Store(store)) => stored && store.about().corpus.get("corpus_sha256") == read,
        None => false,
    };
    match found.filter(|_| fits) {
        Some(source) => Ok(source),
        None if stored => Err(format!(
            "Choose the activation store of {text} as the source first: the run reads it"
        )),
        None => Err(format!(
            "Choose {text} as the source first: the run reads it"
        )),
    }
}

/// Width of the activations that the form reads, once it is known.
pub(super) fn width(state: &AppState, spec: &Spec) -> Option<usize> {
    width_at(state, spec.hook)
}

/// Width of the activations at one hook.
pub(super) fn width_at(state: &AppState, hook: HookPoint) -> Option<usize> {
    if state.training.form.store.is_some() {
        return match source(state)? {
            Source::Store(store) => store.width(hook).ok(),
            Source::Text(..) => None,
        };
    }
    state.model()?.model.width(hook).ok()
}

/// Blocks whose activation at `site` can be read.
pub(crate) fn layers_with(state: &AppState, site: Site) -> Vec<usize> {
    let Some(Source::Store(store)) = source(state) else {
        return (0..layers(state)).collect();
    };
    let hooks = store.about().hooks.iter();
    let blocks = hooks.filter_map(|there| match there.hook {
        HookPoint::Block(layer, place) if place == site => Some(layer.index()),
        _ => None,
    });
    blocks.collect()
}

/// Number of blocks whose hooks can be chosen.
fn layers(state: &AppState) -> usize {
    let model = state.model();
    model.map_or(1, |loaded| loaded.model.config().layers)
}

/// Hooks that can be read: those of the store, or those of the model's blocks that a dictionary can be trained on, in the order of a pass.
pub(crate) fn hooks(state: &AppState) -> Vec<HookPoint> {
    if let Some(Source::Store(store)) = source(state) {
        return store.about().hooks.iter().map(|there| there.hook).collect();
    }
    let Some(loaded) = state.model() else {
        return vec![state.training.form.hook()];
    };
    let unread = [
        Site::Ln1Scale,
        Site::AttnScores,
        Site::Pattern,
        Site::Result,
        Site::Ln2Scale,
    ];
    let is_read = |hook: &HookPoint| hook.site().is_some_and(|site| !unread.contains(&site));
    loaded.model.hooks().filter(is_read).collect()
}

/// The text that the form means: the chosen file, or the project's training text (all of it if the project holds other text out).
pub(crate) fn text_key(state: &AppState) -> Option<TextKey> {
    let project = state.project.open()?;
    if state.training.form.store.is_some() {
        return None;
    }
    let model = state.catalogue.model_path.clone()?;
    let request = match &state.training.form.text {
        Some(path) => TextRequest::from(project.corpus(std::slice::from_ref(path))).of(Part::Train),
        None => TextRequest::training_of(project)?,
    };
    Some(TextKey { request, model })
}
