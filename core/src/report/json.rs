//! The report as JSON: what the index says about itself, definitions, then each feature as `umbra index show --json` gives it.

use serde_json::{Map, Value, json};

use super::{DEFINITIONS, Report};
use crate::features;

/// The whole report, indented, with a newline at its end.
pub(super) fn text(report: &Report) -> String {
    let about = &report.about;
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(word, meaning)| ((*word).to_owned(), json!(meaning)))
        .collect();
    let features: Vec<Value> = report
        .features
        .iter()
        .map(|entry| {
            let mut feature = features::json(&entry.detail);
            feature["label"] = json!(entry.label);
            feature
        })
        .collect();
    let object = json!({
        "umbra_report": 1,
        "umbra_version": crate::VERSION,
        "index_version": about.version,
        "model": about.model,
        "sae": about.sae,
        "sae_fingerprint": about.sae_fingerprint,
        "sae_facts": about.facts,
        "hook": about.hook,
        "corpus": about.corpus,
        "corpus_fingerprint": about.corpus_fingerprint,
        "tokens": about.tokens,
        "seed": about.seed,
        "definitions": definitions,
        "features": features,
    });
    format!("{object:#}\n")
}
