//! Writes the features of a report as CSV: one row a feature, lists as JSON arrays in their cells, an empty cell where a value is unknown.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::form::{Observe, Put};
use super::{Contents, Reported};
use crate::error::{Error, Key};
use crate::features::facts::Fact;
use crate::features::families::{Family, Measured};
use crate::features::{Detail, TokenEffect, TokenUse};

/// Columns, in order.
const COLUMNS: [&str; 27] = [
    "feature",
    "label",
    "name",
    "family",
    "density",
    "mean",
    "min",
    "max",
    "variance",
    "skewness",
    "kurtosis",
    "decoder_norm",
    "encoder_decoder_cosine",
    "first_token",
    "fact",
    "precision",
    "recall",
    "facts",
    "top_tokens",
    "frequent_tokens",
    "preceding_tokens",
    "promoted",
    "suppressed",
    "neighbours",
    "coactive",
    "head_shares",
    "example",
];

/// Writes the table.
pub(super) fn put(contents: &Contents<'_>, out: &mut dyn Write, observe: Observe<'_>) -> Put {
    let Some(report) = &contents.features else {
        let what = "a .csv report lists features; name features of an index, or write the results as .html, .md or .json";
        return Err(Error::setting(Key::Features, what).into());
    };
    let mut table = csv::Writer::from_writer(out);
    table.write_record(COLUMNS).map_err(io::Error::from)?;
    report.put_each(
        &mut |reported| Ok(table.write_record(row(reported)).map_err(io::Error::from)?),
        observe,
    )?;
    table.flush()?;
    Ok(())
}

fn row(reported: &Reported) -> [String; COLUMNS.len()] {
    let detail = &reported.detail;
    let summary = &detail.summary;
    let moments = summary.moments.unwrap_or(crate::features::Moments {
        variance: f64::NAN,
        skewness: f64::NAN,
        kurtosis: f64::NAN,
    });
    let family = reported.family.as_ref().and_then(Measured::family);
    let fact = reported.facts.first();
    let uses = detail.uses.clone().unwrap_or_default();
    let relations = detail.relations.clone().unwrap_or_default();
    let said = reported.facts.iter().map(|fact| json!(fact.said()));
    let neighbours = relations.neighbours.iter();
    let coactive = relations.coactive.iter();
    [
        summary.feature.to_string(),
        reported.label.clone(),
        reported.name(),
        family.map_or("", Family::name).to_owned(),
        summary.density.to_string(),
        summary.mean.to_string(),
        summary.min.to_string(),
        summary.max.to_string(),
        number(Some(moments.variance)),
        number(Some(moments.skewness)),
        number(Some(moments.kurtosis)),
        summary.decoder_norm.to_string(),
        number(summary.encoder_decoder_cosine),
        number(detail.uses.as_ref().map(|uses| uses.first_token)),
        fact.map(Fact::said).unwrap_or_default(),
        number(fact.map(|fact| fact.precision)),
        number(fact.and_then(|fact| fact.recall)),
        list(said),
        tokens(&uses.by_mean),
        tokens(&uses.by_count),
        tokens(&uses.preceding),
        effects(&detail.promoted),
        effects(&detail.suppressed),
        list(neighbours.map(|other| json!(other.feature.0))),
        list(coactive.map(|other| json!(other.feature.0))),
        list(detail.head_shares.iter().map(|share| json!(share))),
        example(detail),
    ]
}

/// Writes a number in full; nothing for one that is unknown or undefined.
fn number(value: Option<f64>) -> String {
    let value = value.filter(|value| value.is_finite());
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Writes a JSON array; nothing where it would be empty.
fn list(values: impl Iterator<Item = Value>) -> String {
    let values: Vec<Value> = values.collect();
    if values.is_empty() {
        return String::new();
    }
    Value::from(values).to_string()
}

fn tokens(uses: &[TokenUse]) -> String {
    list(uses.iter().map(|of| json!(of.text)))
}

fn effects(effects: &[TokenEffect]) -> String {
    list(effects.iter().map(|of| json!(of.text)))
}

/// Writes the strongest example with its token in brackets.
fn example(detail: &Detail) -> String {
    let Some(example) = detail.top.first() else {
        return String::new();
    };
    let tokens = example.tokens.iter().enumerate();
    let tokens = tokens.map(|(at, token)| {
        if at == example.at {
            format!("[{token}]")
        } else {
            token.clone()
        }
    });
    tokens.collect()
}
