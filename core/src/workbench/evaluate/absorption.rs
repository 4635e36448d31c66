//! Absorption of first letters, or of labels that a person gives, in dictionaries: words, probes at every place that a dictionary reads, and the answer as JSON.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::benchmarks::absorption::{
    Absorption, Class, F1_JUMP, LEAST_CLASSES, LEAST_F1, MOST_MAIN, Probes, Quality, Read, Spec,
    Words, absorption, probes, read,
};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{Head, HookPoint};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;
use crate::workbench::sweep;

/// Request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// File of labelled words; none for the model's vocabulary by first letter.
    pub words: Option<PathBuf>,
    /// Settings.
    pub spec: Spec,
}

/// Place that dictionaries read, with the probes there.
#[derive(Debug, Clone)]
pub struct Place {
    /// Hook.
    pub hook: HookPoint,
    /// Head, where dictionaries read a single one.
    pub head: Option<Head>,
    /// Words as the model reads them.
    pub read: Read,
    /// Probes.
    pub probes: Probes,
    /// Activations that the dictionaries read of the words, `[n, d]`.
    x: Matrix,
}

impl Place {
    /// Returns its name.
    pub fn name(&self) -> String {
        match self.head {
            Some(head) => format!("head {head} of {}", self.hook),
            None => self.hook.to_string(),
        }
    }

    fn known(&self) -> impl Iterator<Item = &Quality> {
        self.probes
            .qualities
            .iter()
            .filter(|quality| quality.is_known())
    }
}

/// Result.
#[derive(Debug, Clone)]
pub struct Found {
    /// Words.
    pub words: Words,
    /// Places.
    pub places: Vec<Place>,
    /// Dictionaries, each with the index of its place.
    pub dictionaries: Vec<(usize, Absorption)>,
    /// Sentences on what was left out.
    pub notes: Vec<String>,
}

/// Measures absorption in `saes`, which all read `model`. `observe` gets words read, anew for each place.
pub fn run(
    model: &Model,
    saes: &[&Sae],
    request: &Request,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Found>> {
    let words = match &request.words {
        Some(path) => Words::from_lines(model, &sweep::read(path)?)?,
        None => Words::from_vocabulary(model)?,
    };
    let mut found = Found {
        words,
        places: Vec::new(),
        dictionaries: Vec::new(),
        notes: Vec::new(),
    };
    for sae in saes {
        let sae = sae.autoencoder()?;
        crate::formats::check_hooks(&sae, model)?;
        if sae.error_of.is_some() {
            let what = format!(
                "{} reads the error of another dictionary, in which a probe of the activation has no meaning: give dictionaries of activations",
                sae.name
            );
            return Err(Error::setting("sae", what));
        }
        let (hook, head) = (sae.hook()?, sae.provenance.head);
        let same = |place: &Place| place.hook == hook && place.head == head;
        let at = if let Some(at) = found.places.iter().position(same) {
            at
        } else {
            let reading = (hook, request.spec.examples, request.spec.seed);
            let Ended::Done(read) = read(model, &found.words, reading, observe)? else {
                return Ok(Ended::STOPPED);
            };
            let x = sae.own_part(&read.x)?.into_owned();
            found.places.push(Place {
                hook,
                head,
                probes: probes(&found.words, &x, &request.spec)?,
                read,
                x,
            });
            found.places.len() - 1
        };
        let place = &found.places[at];
        let measured = absorption(sae, (&found.words, &place.x), &place.probes, &request.spec)?;
        found.dictionaries.push((at, measured));
    }
    found.notes = notes(model, &found);
    Ok(Ended::Done(found))
}

/// Says which classes the model does not know, and what else is left out.
fn notes(model: &Model, found: &Found) -> Vec<String> {
    let what = if found.words.are_letters {
        "first letters"
    } else {
        "labels"
    };
    let mut notes = Vec::new();
    if found.words.left_out > 0 {
        notes.push(format!(
            "{} words are not one token of {} and were left out",
            found.words.left_out,
            model.name()
        ));
    }
    for place in &found.places {
        let name = place.name();
        let all = place.probes.qualities.len();
        let known = place.known().count();
        let unknown: Vec<&str> = place
            .probes
            .qualities
            .iter()
            .filter(|quality| !quality.is_known())
            .map(|quality| quality.class.as_str())
            .collect();
        if known == 0 {
            notes.push(format!(
                "This model does not know {what} at {name}: no probe of {all} has F1 above {LEAST_F1} on test words, so absorption has no meaning here"
            ));
        } else if !unknown.is_empty() {
            notes.push(format!(
                "This model does not know {} of {all} {what} at {name} (F1 of the probe at most {LEAST_F1}), they are left out: {}",
                unknown.len(),
                unknown.join(", ")
            ));
        }
        if found.words.are_letters && known > 0 && known < LEAST_CLASSES {
            notes.push(format!(
                "SAEBench evaluates a model only where it knows {LEAST_CLASSES} letters: compare these figures with each other, not with its tables"
            ));
        }
        if !place.probes.too_few.is_empty() {
            notes.push(format!(
                "Too few words for a probe at {name}: {}",
                place.probes.too_few.join(", ")
            ));
        }
    }
    for (_, one) in &found.dictionaries {
        if !one.without_feature.is_empty() {
            notes.push(format!(
                "No feature of {} predicts {}",
                one.dictionary,
                one.without_feature.join(", ")
            ));
        }
    }
    notes
}

/// Returns the answer as JSON; each dictionary has the keys of SAEBench's result `absorption_first_letter`, and intervals beside them.
pub fn json(found: &Found, request: &Request) -> Value {
    let quality = |one: &Quality| {
        json!({
            "class": one.class, "words_train": one.words[0], "words_test": one.words[1], "accuracy": one.accuracy, "precision": one.precision,
            "recall": one.recall, "f1": one.f1, "known": one.is_known(),
        })
    };
    let place = |place: &Place| {
        json!({
            "hook": place.hook.to_string(), "head": place.head.map(|head| head.0), "examples": place.read.examples, "spelled": place.read.spelled,
            "probes": place.probes.qualities.iter().map(quality).collect::<Vec<_>>(), "too_few_words": place.probes.too_few,
        })
    };
    let dictionary = |(at, one): &(usize, Absorption)| {
        let mut value = schema(one, request);
        value["name"] = one.dictionary.as_str().into();
        value["hook"] = found.places[*at].hook.to_string().into();
        value["without_feature"] = json!(one.without_feature);
        value
    };
    json!({
        "words": found.words.words.len(),
        "classes": if found.words.are_letters { "first letters" } else { "labels" },
        "seed": request.spec.seed,
        "test_share": request.spec.test_share,
        "draws": request.spec.draws,
        "places": found.places.iter().map(place).collect::<Vec<_>>(),
        "dictionaries": found.dictionaries.iter().map(dictionary).collect::<Vec<_>>(),
        "notes": found.notes,
        "definitions": definitions(),
    })
}

fn schema(one: &Absorption, request: &Request) -> Value {
    let values = |value: fn(&Class) -> f64| one.classes.iter().map(value).collect::<Vec<f64>>();
    let fractions = values(|class| class.fraction.value);
    let fulls = values(|class| class.full.value);
    let mains = values(|class| class.main.len() as f64);
    let detail = |class: &Class| {
        json!({
            "first_letter": class.name,
            "mean_absorption_fraction": class.fraction.value,
            "full_absorption_rate": class.full.value,
            "num_full_absorption": class.absorbed.len(),
            "num_probe_true_positives": class.true_positives,
            "num_split_features": class.main.len(),
            "intervals": {"mean_absorption_fraction": class.fraction.interval, "full_absorption_rate": class.full.interval},
            "main_features": class.main.iter().map(|feature| feature.0).collect::<Vec<_>>(),
            "main_f1": class.main_f1,
            "absorbed": class.absorbed.iter().map(|(word, feature)| json!({"word": word, "feature": feature.0})).collect::<Vec<_>>(),
        })
    };
    json!({
        "eval_type_id": "absorption_first_letter",
        "eval_config": {"random_seed": request.spec.seed, "f1_jump_threshold": F1_JUMP, "max_k_value": MOST_MAIN, "min_GT_probe_f1": LEAST_F1},
        "eval_result_metrics": {"mean": {
            "mean_absorption_fraction_score": one.fraction.map(|fraction| fraction.value),
            "mean_full_absorption_score": one.full.map(|full| full.value),
            "mean_num_split_features": one.main_features,
            "std_dev_absorption_fraction_score": deviation(&fractions),
            "std_dev_full_absorption_score": deviation(&fulls),
            "std_dev_num_split_features": deviation(&mains),
        }},
        "intervals": {
            "mean_absorption_fraction_score": one.fraction.and_then(|fraction| fraction.interval),
            "mean_full_absorption_score": one.full.and_then(|full| full.interval),
        },
        "eval_result_details": one.classes.iter().map(detail).collect::<Vec<_>>(),
    })
}

/// Standard deviation of a sample; none for fewer than two values.
fn deviation(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt())
}

/// Definitions of the figures.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "probe",
        "logistic regression of a class against the others on the activation at the word's token, fitted on four fifths of the words; classes whose F1 on the other fifth is at most 0.6 are left out",
    ),
    (
        "main features",
        "features with the largest positive weights of a logistic regression with an L1 penalty on the code; as many as raise F1 of a regression on them by more than 0.03 each, 10 at most",
    ),
    (
        "full",
        "share of test words with a positive score of their probe on which the main features are silent and the one feature with the largest projection on the probe, with a cosine of at least 0.025, makes at least 0.4 of the activation's projection; mean over classes",
    ),
    (
        "fraction",
        "part of the projection on the probe that up to three other features, with a cosine of at least 0.1, make in place of the main ones; 0 where they make less than 0.4 of the activation's; mean over words and classes",
    ),
    (
        "interval",
        "95 % interval of a bootstrap over the words of every class, with probes and features as they are",
    ),
];

fn definitions() -> Value {
    let each = DEFINITIONS.iter();
    each.map(|(name, definition)| ((*name).to_owned(), Value::from(*definition)))
        .collect()
}
