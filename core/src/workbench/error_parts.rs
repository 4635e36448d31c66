//! The parts of the errors of a model's dictionaries: what they cost, how far other dictionaries predict them, whether the split finds planted ones; and how the
//! results are kept with a project.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::pair::Pair;
use super::text::{Text, TextRequest};
use crate::dark_matter::predict::{self, Predictions};
use crate::dark_matter::self_test::{self, SelfTest, Settings};
use crate::dark_matter::splice::{self, Costs};
use crate::error::{Error, Key, Notes, Result};
use crate::formats;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::project::{KeptStudy, MadeWith, Project};
use crate::sae::{Autoencoder, Sae};

/// Studies of this module, as a project keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Study {
    /// [`Costs`].
    Splice,
    /// [`Predictions`].
    Predict,
    /// [`SelfTest`].
    SelfTest,
}

impl Study {
    /// Word in the name of the file.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Splice => "splice",
            Self::Predict => "predict",
            Self::SelfTest => "self-test",
        }
    }

    /// Name of what a study of `saes` is of: the dictionary whose error is studied, or [`ALL`] of several whose costs are compared.
    fn of(self, saes: &[Arc<Sae>]) -> &str {
        match (self, saes) {
            (_, []) | (Self::Splice, [_, _, ..]) => ALL,
            (_, [first, ..]) => &first.name,
        }
    }
}

/// Name under which a study of several dictionaries is kept.
pub const ALL: &str = "all";

/// Activations per dimension that [`texts`] holds to fit on.
const FIT_PER_DIMENSION: usize = 100;

/// Activations per dimension that [`texts`] holds to measure on.
const MEASURED_PER_DIMENSION: usize = 40;

/// Reads the project's texts for the window: 100 activations per dimension of its training text to fit on and 40 of its held-out text to measure on, evenly
/// spaced.
pub fn texts(project: &Project, pair: &Pair) -> Result<[Text; 2]> {
    let request = TextRequest::training_of(project).ok_or_else(|| {
        let what = "the project has no training text to fit on: add one in Library";
        Error::input(what, &project.folder)
    })?;
    let both = request.read_split(&project.held_out_text, &pair.model, Some(&pair.sae))?;
    let width = pair.sae.width();
    let [mut fit, mut held_out] = both;
    fit.rows = fit.rows.sample(FIT_PER_DIMENSION * width);
    held_out.rows = held_out.rows.sample(MEASURED_PER_DIMENSION * width);
    Ok([fit, held_out])
}

/// Opens the dictionaries of `project` beside `first`, which comes first: autoencoders that read the activations of its model. The notes name those left out.
pub fn dictionaries(project: &Project, first: &Pair) -> (Vec<Arc<Sae>>, Notes) {
    let mut all = vec![Arc::clone(&first.sae)];
    let mut notes = Notes::default();
    for entry in &project.entries {
        let opened =
            formats::open_among(&entry.sae, None, &project.dictionaries()).and_then(|(sae, _)| {
                sae.autoencoder()?;
                let pair = Pair::new(&first.model, &Arc::new(sae));
                pair.check()?;
                Ok(pair.sae)
            });
        match opened {
            Ok(sae) if all.iter().any(|other| other.name == sae.name) => {}
            Ok(sae) => all.push(sae),
            Err(why) => notes.add(format!("Left out: {why}")),
        }
    }
    (all, notes)
}

/// Returns each dictionary as an autoencoder; an error for one that is none.
pub fn autoencoders(saes: &[Arc<Sae>]) -> Result<Vec<Autoencoder<'_>>> {
    saes.iter().map(|sae| sae.autoencoder()).collect()
}

/// Measures what the parts of the errors of `saes` cost `model`; the linear parts are fitted on the first text and measured on the second. See
/// [`splice::splice`].
pub fn costs(
    model: &Model,
    saes: &[Arc<Sae>],
    [fit, held_out]: &[Text; 2],
    seed: u64,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Costs>> {
    let saes = autoencoders(saes)?;
    splice::splice(model, &saes, (&fit.rows, &held_out.rows), seed, observe)
}

/// Predicts the error of the first of `saes` from the reconstructions of all. See [`predict::predict`].
pub fn predictions(
    model: &Model,
    saes: &[Arc<Sae>],
    [fit, held_out]: &[Text; 2],
    seed: u64,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Predictions>> {
    let all = autoencoders(saes)?;
    let (target, sources) = all.split_first().ok_or_else(|| {
        Error::setting(
            Key::Sae,
            "there is no dictionary whose error to predict: give one",
        )
    })?;
    let rows = (&fit.rows, &held_out.rows);
    predict::predict(model, *target, sources, rows, seed, observe)
}

/// Tests the split of the dictionary of `pair` on planted errors. See [`self_test::self_test`].
pub fn self_test(
    pair: &Pair,
    [fit, held_out]: &[Text; 2],
    settings: &Settings,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<SelfTest>> {
    let rows = (&fit.rows, &held_out.rows);
    self_test::self_test(
        &pair.model,
        pair.sae.autoencoder()?,
        rows,
        settings,
        observe,
    )
}

/// Keeps the result of a study of `saes` with `project`: under the name of the first dictionary, costs of several under [`ALL`].
pub fn keep(
    project: &Project,
    study: Study,
    (model, saes): (&Model, &[Arc<Sae>]),
    (texts, seed): (&[Text; 2], u64),
    result: &impl Serialize,
) -> Result<()> {
    let all: Vec<&Sae> = saes.iter().map(|sae| &**sae).collect();
    let [fit, held_out] = texts;
    let settings = serde_json::json!({
        "seed": seed,
        "positions": held_out.rows.mask().rule,
        "skip": held_out.rows.skipped(),
        "fit_tokens": fit.rows.counted(),
        "held_out_tokens": held_out.rows.counted(),
    });
    let read = texts
        .each_ref()
        .map(|text| (text.phrase.as_str(), text.fingerprint.as_str()));
    let made = MadeWith::new(model, &all, &read, &settings)?;
    project.keep_study(study.key(), study.of(saes), &made, result)
}

/// Returns the costs kept with `project` that hold those of `sae`: of all dictionaries, else of this one alone; an error if those that are kept were made with
/// another model or dictionary.
pub fn kept_costs(project: &Project, model: &Model, sae: &Sae) -> Result<Option<Costs>> {
    let mut refused: Option<Error> = None;
    for of in [ALL, &sae.name] {
        let Some(kept) = project.kept_study::<Costs>(Study::Splice.key(), of)? else {
            continue;
        };
        match KeptStudy::checked(kept, model, &[sae]) {
            Ok(kept) => return Ok(Some(kept.result)),
            Err(why) => refused = Some(why),
        }
    }
    refused.map_or(Ok(None), Err)
}

/// Returns the result of `study` of the dictionary of `pair` that `project` keeps; an error if it was made with another model or dictionary.
pub fn kept<T: DeserializeOwned>(
    project: &Project,
    study: Study,
    pair: &Pair,
) -> Result<Option<T>> {
    let kept = project.kept_study::<T>(study.key(), &pair.sae.name)?;
    let checked = kept.map(|kept| kept.checked(&pair.model, &[&pair.sae]));
    Ok(checked.transpose()?.map(|kept| kept.result))
}
