//! Disentangling of attributes: questions from a file or on people, several dictionaries, and the answer as JSON.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::benchmarks::disentangle::{
    Attribute, Disentangling, QUESTIONS, Questions, Scores, Spec, disentangle, from_lines,
    from_people,
};
use crate::error::Result;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;
use crate::workbench::sweep;

/// Request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// File of questions; none for questions on people.
    pub questions: Option<PathBuf>,
    /// Generated questions of each attribute.
    pub count: usize,
    /// Settings.
    pub spec: Spec,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            questions: None,
            count: QUESTIONS,
            spec: Spec::default(),
        }
    }
}

/// Returns the questions of a request.
pub fn questions(model: &Model, request: &Request) -> Result<Questions> {
    match &request.questions {
        Some(path) => from_lines(model, &sweep::read(path)?),
        None => from_people(model, request.count, request.spec.seed),
    }
}

/// Measures every dictionary on the same questions. `observe` gets attributes done, anew for each dictionary.
pub fn run(
    model: &Model,
    saes: &[&Sae],
    request: &Request,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Disentangling>>> {
    let questions = questions(model, request)?;
    let mut found = Vec::with_capacity(saes.len());
    for sae in saes {
        let asked = (&questions, &request.spec);
        match disentangle(model, sae.autoencoder()?, asked, observe)? {
            Ended::Done(one) => found.push(one),
            Ended::Stopped(()) => return Ok(Ended::STOPPED),
        }
    }
    Ok(Ended::Done(found))
}

/// Returns the answer as JSON; each dictionary has the keys of SAEBench's result `ravel`, and intervals beside them.
pub fn json(found: &[Disentangling], request: &Request) -> Value {
    let scores = |scores: &Scores| json!({"cause": scores.cause.json(), "isolation": scores.isolation.json(), "disentanglement": scores.disentanglement.json()});
    let attribute = |one: &Attribute| {
        let tried = one.tried.iter();
        let tried = tried.map(
            |one| json!({"features": one.features, "cause": one.cause, "isolation": one.isolation}),
        );
        json!({
            "attribute": one.name,
            "questions": one.questions[0],
            "known": one.questions[1],
            "features": one.features.iter().map(|feature| feature.0).collect::<Vec<_>>(),
            "tried": tried.collect::<Vec<_>>(),
            "pairs": {"cause": one.pairs[0], "isolation": one.pairs[1]},
            "scores": scores(&one.scores),
            "whole_activation": scores(&one.whole),
        })
    };
    let dictionary = |one: &Disentangling| {
        json!({
            "name": one.dictionary,
            "eval_type_id": "ravel",
            "eval_config": {"random_seed": request.spec.seed, "train_test_split": 1.0 - request.spec.test_share, "num_pairs_per_attribute": request.spec.pairs},
            "eval_result_metrics": {"ravel": {
                "disentanglement_score": one.scores.disentanglement.value,
                "cause_score": one.scores.cause.value,
                "isolation_score": one.scores.isolation.value,
            }},
            "scores": scores(&one.scores),
            "whole_activation": scores(&one.whole),
            "attributes": one.attributes.iter().map(attribute).collect::<Vec<_>>(),
        })
    };
    json!({
        "dictionaries": found.iter().map(dictionary).collect::<Vec<_>>(),
        "seed": request.spec.seed,
        "draws": request.spec.draws,
        "keeps_error": request.spec.keeps_error,
        "definitions": definitions(),
    })
}

/// Definitions of the figures.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "known",
        "questions whose right answer is the model's most likely next token; the others are left out",
    ),
    (
        "cause",
        "share of test pairs of questions for the attribute, with different answers, in which the base gives the source's answer once the attribute's features at the entity's last token have their values from the source",
    ),
    (
        "isolation",
        "share of test pairs of questions for other attributes, with different answers, in which the base keeps its answer after the same exchange",
    ),
    (
        "disentanglement",
        "mean of cause and isolation; of a dictionary the mean over attributes",
    ),
    (
        "features",
        "those with the largest standardised weights of logistic regressions with an L1 penalty of the attribute's values; of 1, 2, 4 and so on the number with the best disentanglement on building questions",
    ),
    (
        "whole activation",
        "the same figures with the source's activation in place of the base's: the most that an edit of this token can cause",
    ),
    ("interval", "95 % interval of a bootstrap over pairs"),
];

fn definitions() -> Value {
    let each = DEFINITIONS.iter();
    each.map(|(name, definition)| ((*name).to_owned(), Value::from(*definition)))
        .collect()
}
