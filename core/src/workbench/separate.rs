//! Two sets of texts told apart by the features of a dictionary: sets from files, the passes, and the answer as a program reads it.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::pair::Pair;
use super::sweep;
use crate::error::{Error, Result};
use crate::progress::{Ended, Flow, Progress};
use crate::prompt::Input;
use crate::separate::{Pool, Probe, Separation, Separator, Spec, Weight, pooled, separate};

/// Features in the answer.
pub const LISTED: usize = 50;

/// Two sets of texts, and how they are told apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Texts of both sets.
    pub sets: [Vec<Input>; 2],
    /// How activations on the tokens of a text become one number.
    pub pool: Pool,
    /// Settings of the probes.
    pub spec: Spec,
}

/// Record of a set in a `.jsonl` file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Record {
    Text(String),
    Field {
        #[serde(alias = "prompt")]
        text: String,
    },
}

/// Returns the texts of a file: each line that is not empty; in a `.jsonl` or `.ndjson` file each line's string, or its field `text` or `prompt`.
pub fn texts(path: &Path) -> Result<Vec<String>> {
    let content = sweep::read(path)?;
    let ends = |end: &str| {
        path.extension()
            .is_some_and(|is| is.eq_ignore_ascii_case(end))
    };
    let is_json = ends("jsonl") || ends("ndjson");
    let lines = content.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let text = |(number, line): (usize, &str)| {
        if !is_json {
            return Ok(line.to_owned());
        }
        match serde_json::from_str(line) {
            Ok(Record::Text(text) | Record::Field { text }) => Ok(text),
            Err(_) => {
                let what = format!(
                    "line {} is neither a JSON string nor an object with a field `text` or `prompt`",
                    number + 1
                );
                Err(Error::input(what, path))
            }
        }
    };
    let texts: Vec<String> = lines.map(text).collect::<Result<_>>()?;
    if texts.is_empty() {
        return Err(Error::input("holds no text, give one a line", path));
    }
    Ok(texts)
}

/// Reads both sets and tells them apart. `observe` hears of each text.
pub fn run(
    pair: &Pair,
    request: &Request,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Separation>> {
    let total = (request.sets[0].len() + request.sets[1].len()) as u64;
    let mut rows = Vec::with_capacity(2);
    let mut before = 0;
    for set in &request.sets {
        let mut on = |at: Progress| {
            observe(Progress {
                done: before + at.done,
                total,
                ..at
            })
        };
        let sae = pair.sae.by_token()?;
        let Ended::Done(set_rows) = pooled(&pair.model, sae, set, request.pool, &mut on)? else {
            return Ok(Ended::STOPPED);
        };
        before += set.len() as u64;
        rows.push(set_rows);
    }
    let features = pair.sae.features();
    separate([&rows[0], &rows[1]], features, &request.spec).map(Ended::Done)
}

/// Returns the answer as JSON.
pub fn json(found: &Separation, request: &Request) -> Value {
    let feature = |one: &Separator| {
        json!({
            "feature": one.feature.0,
            "difference": one.difference(),
            "mean_a": one.means[0],
            "mean_b": one.means[1],
            "texts_a": one.active[0],
            "texts_b": one.active[1],
            "correlation": one.correlation,
            "auc": one.auc,
        })
    };
    let weight = |one: &Weight| json!({"feature": one.feature.0, "weight": one.weight, "standardised": one.standardised});
    let probe = |probe: &Probe| {
        json!({
            "features": probe.size,
            "accuracy": probe.accuracy,
            "held_out_accuracy": probe.held_out.accuracy,
            "standard_error": probe.held_out.standard_error,
            "folds": probe.held_out.folds,
            "bias": probe.bias,
            "weights": probe.weights.iter().map(weight).collect::<Vec<_>>(),
        })
    };
    json!({
        "texts_a": found.texts[0],
        "texts_b": found.texts[1],
        "pool": request.pool.name(),
        "baseline": found.baseline(),
        "folds": found.folds,
        "seed": request.spec.seed,
        "penalty": request.spec.penalty,
        "active": found.features.len(),
        "features": found.features.iter().take(LISTED).map(feature).collect::<Vec<_>>(),
        "probes": found.probes.iter().map(probe).collect::<Vec<_>>(),
    })
}

/// Definitions of the figures.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "pooled activation",
        "of a feature on a text, over its tokens that count: the largest in size, the mean, or that of the last token; 0 where it is not active",
    ),
    (
        "difference",
        "mean pooled activation of set A less that of set B",
    ),
    (
        "correlation",
        "correlation of the pooled activation with being in set A, -1 to 1; probes take the features for which it is largest in size on their training texts",
    ),
    (
        "auc",
        "probability that a text of A has the larger pooled activation than one of B, ties by half; 0.5 tells nothing",
    ),
    (
        "held-out accuracy",
        "share of texts assigned to their set by a logistic regression fitted on the other folds, whose features were chosen there too; with its standard error",
    ),
    (
        "baseline",
        "share of the larger set: the accuracy of always answering it",
    ),
];
