//! What the parts of the errors of a model's dictionaries cost, and how the results are kept with a project.

use std::sync::Arc;

use serde::Serialize;

use super::pair::Pair;
use super::text::{Text, TextRequest};
use crate::dark_matter::splice::{self, Costs};
use crate::error::{Error, Notes, Result};
use crate::formats;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::project::{KeptStudy, MadeWith, Project};
use crate::sae::{Autoencoder, Sae};

/// Kind of the study of costs.
pub const SPLICE: &str = "splice";

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

/// Keeps the result of a study of `saes` with `project`: under the name of the dictionary, or under [`ALL`] for several.
pub fn keep(
    project: &Project,
    study: &str,
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
    let of = match all.as_slice() {
        [one] => &one.name,
        _ => ALL,
    };
    project.keep_study(study, of, &made, result)
}

/// Returns the costs kept with `project` that hold those of `sae`: of all dictionaries, else of this one alone; an error if those that are kept were made with
/// another model or dictionary.
pub fn kept_costs(project: &Project, model: &Model, sae: &Sae) -> Result<Option<Costs>> {
    let mut refused: Option<Error> = None;
    for of in [ALL, &sae.name] {
        let Some(kept) = project.kept_study::<Costs>(SPLICE, of)? else {
            continue;
        };
        match KeptStudy::checked(kept, model, &[sae]) {
            Ok(kept) => return Ok(Some(kept.result)),
            Err(why) => refused = Some(why),
        }
    }
    refused.map_or(Ok(None), Err)
}
