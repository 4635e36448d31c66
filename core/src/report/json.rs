//! Writes a report as one JSON object: facts, definitions, sections of results, and features as in `umbra index show --json`, with labels, one a line.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::form::{Observe, Put};
use super::{Contents, DEFINITIONS, Report, Reported};
use crate::features::correlations::OfFeature;
use crate::features::facts::Fact;
use crate::features::families::Measured;
use crate::features::scores::Score;
use crate::features::{self, About};

/// Writes the object.
pub(super) fn put(contents: &Contents<'_>, out: &mut dyn Write, observe: Observe<'_>) -> Put {
    let mut head = contents
        .features
        .as_ref()
        .map_or_else(|| json!({"report_version": crate::VERSION}), head);
    if !contents.results.is_empty() {
        head["sections"] = json!(contents.results);
    }
    let head = format!("{head:#}");
    let Some(report) = &contents.features else {
        writeln!(out, "{head}")?;
        return Ok(());
    };
    let open = head.strip_suffix("\n}").unwrap_or(&head);
    write!(out, "{open},\n  \"features\": [")?;
    let mut separator = "\n";
    report.put_each(
        &mut |reported| {
            write!(out, "{separator}    {}", feature(&report.about, reported))?;
            separator = ",\n";
            Ok(())
        },
        observe,
    )?;
    writeln!(out, "\n  ]\n}}")?;
    Ok(())
}

fn head(report: &Report<'_>) -> Value {
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
        "writes": about.writes,
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
        "facts_text": report.facts_text,
    })
}

fn feature(about: &About, reported: &Reported) -> Value {
    let mut object = features::json(about, &reported.detail);
    object["label"] = json!(reported.label);
    object["name"] = json!(reported.name());
    object["facts"] = reported.facts.iter().map(Fact::json).collect();
    object["family"] = reported.family.as_ref().map_or(Value::Null, Measured::json);
    let correlated = reported.correlated.as_ref();
    object["correlations"] = correlated.map_or(Value::Null, OfFeature::json);
    object["steering"] = reported.steering.as_ref().map_or(Value::Null, Score::json);
    object
}
