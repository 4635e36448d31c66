//! Writes a report as one JSON object: facts, definitions, and features as in `umbra index show --json`, with labels.

use serde_json::{Map, Value, json};

use super::{DEFINITIONS, Report, Reported};
use crate::features::{self, About};

pub(super) fn object(report: &Report) -> Value {
    let about = &report.about;
    let definitions = DEFINITIONS
        .iter()
        .map(|(name, meaning)| ((*name).to_owned(), json!(meaning)));
    let facts = about.facts.iter().cloned();
    json!({
        "model": about.model,
        "dictionary": about.sae,
        "dictionary_fingerprint": about.sae_fingerprint,
        "model_fingerprint": about.model_fingerprint,
        "dictionary_facts": facts.collect::<Value>(),
        "dictionary_features": about.features,
        "hook": about.hook,
        "corpus": about.corpus,
        "corpus_fingerprint": about.corpus_fingerprint,
        "tokens": about.tokens,
        "positions": about.positions,
        "left_out": about.left_out,
        "context": about.context,
        "index_seed": about.seed,
        "index_version": about.version,
        "report_version": report.version,
        "definitions": definitions.collect::<Map<_, _>>(),
        "index_form": about.form,
        "unembed": about.unembed.to_string(),
        "features": report.features.iter().map(|reported| feature(about, reported)).collect::<Value>(),
    })
}

fn feature(about: &About, reported: &Reported) -> Value {
    let mut object = features::json(about, &reported.detail);
    object["label"] = json!(reported.label);
    object["name"] = json!(reported.name());
    object
}
