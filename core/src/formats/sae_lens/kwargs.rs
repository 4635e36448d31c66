//! `model_from_pretrained_kwargs`: how the model was opened for training. SAELens passes these to TransformerLens's `from_pretrained_no_processing`, so
//! processing steps that are not named are not applied.

use serde_json::{Map, Value};

use crate::error::Notes;
use crate::models::Processing;
use crate::sae::Provenance;

const KEY: &str = "model_from_pretrained_kwargs";

/// Processing that a file names.
pub(in crate::formats) struct Named {
    /// Processing steps, where the model allows them; TransformerLens skips the others too.
    pub(in crate::formats) processing: Processing,
    /// Other keys, which have no meaning here.
    unread: Vec<String>,
}

/// Reads the keys of a file, if it has them.
pub(in crate::formats) fn processing(provenance: &Provenance) -> Option<Named> {
    let kwargs = provenance.other.get(KEY)?.as_object()?;
    let mut named = Named {
        processing: Processing::default().where_allowed(),
        unread: Vec::new(),
    };
    for (key, value) in kwargs {
        let on = value.as_bool();
        if on.is_none_or(|on| named.processing.set(key, on).is_err()) {
            named.unread.push(format!("`{key}` {value}"));
        }
    }
    Some(named)
}

/// Returns the keys as text.
pub(in crate::formats) fn noted(provenance: &Provenance, notes: &mut Notes) {
    let Some(named) = processing(provenance) else {
        return;
    };
    if !named.processing.is_none() {
        let steps = named.processing.keys().join(", ");
        notes.add(format!("It was trained on a model processed by {steps}"));
    }
    if !named.unread.is_empty() {
        let unread = named.unread.join(", ");
        notes.add(format!(
            "It was trained on a model opened with {unread}, which Umbra ignores"
        ));
    }
}

/// Writes the steps of `processing`.
pub(in crate::formats) fn write(provenance: &mut Provenance, processing: Processing) {
    let steps = processing
        .steps()
        .map(|step| (step.key.to_owned(), Value::Bool(true)));
    let kwargs = Value::Object(steps.collect::<Map<_, _>>());
    provenance.other.insert(KEY.to_owned(), kwargs);
}
