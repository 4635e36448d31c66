//! The three tests of Makelov et al. 2024: does a dictionary *approximate* the activations that the task needs (sufficiency, necessity), does it *control* the answer (edits
//! of one attribute), and can its features be *interpreted* (F1 scores, and what the features above and below a score carry)?

mod plan;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::plan::{Entry, Plan};
use self::tally::Tally;
use super::activations::Activations;
use super::scores::Interpretation;
use super::site::{Place, Site, places};
use super::supervised::{Fit, Parametrisation, Supervised};
use super::{Task, passes};
use crate::error::{Error, Result};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;

/// Numbers of exchanges that are tried, by default.
pub const EXCHANGES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Number of exchanges that a dictionary's edit accuracy is of.
pub const FEW: usize = 2;
/// F1 scores that split features into those that are interpreted and the rest.
pub const THRESHOLDS: [f64; 4] = [0.4, 0.5, 0.6, 0.8];
/// Prompts whose edits are kept step by step.
pub const INSPECTED: usize = 12;
/// Prompts between two calls of the observer.
const WAVE: usize = 8;
/// Share of right answers under which a model is said not to do the task.
pub const ABLE: f64 = 0.7;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "accuracy",
        "share of the prompts that test whose right answer has a larger logit than the wrong one; 0.5 is chance",
    ),
    (
        "logit_difference",
        "LD: mean over the prompts that test of the logit of the right answer less that of the wrong one, at the last position",
    ),
    (
        "sufficiency",
        "mean LD with the activation replaced by its reconstruction at all places together, as a share of the untouched mean LD: 1 is best",
    ),
    (
        "necessity",
        "1 − |LD of mean ablation − LD with mean + (a − â)| / |LD of mean ablation − untouched LD|: 1 where removing the reconstruction does what mean ablation does, 0 where it does nothing",
    ),
    (
        "edit_accuracy",
        "share of the prompts that test whose most likely next token after an edit is that after the ground-truth patch, which puts in the activation of the counterfactual: one exchange of a supervised dictionary, two exchanges of any other at each place",
    ),
    (
        "untouched",
        "the same share without an edit: what doing nothing reaches",
    ),
    (
        "magnitude",
        "share of the reconstruction that the edit removes: the weights (f u)·(â − b) / ‖â − b‖² of the features removed, summed, mean over places and prompts",
    ),
    (
        "agnostic",
        "exchanges chosen greedily to bring the activation closest to the counterfactual's, whatever features stand for",
    ),
    (
        "by interpretation",
        "removes the k active features with the best F1 for the old value and adds the k features of the counterfactual with the best F1 for the new one",
    ),
    (
        "F1",
        "2 · both / (active + holding) over the prompts that build: how well the prompts on which a feature is active are those on which the predicate holds",
    ),
];

/// Settings of the tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Places as they are written; the dictionaries are edited at all that they read together.
    pub sites: Vec<String>,
    /// Numbers of exchanges; [`FEW`] is always among them.
    pub exchanges: Vec<usize>,
    /// Supervised dictionaries besides the mean of the independent parametrisation.
    pub supervised: Vec<(Fit, Parametrisation)>,
}

impl Spec {
    /// Settings for these places, everything else by default.
    pub fn new(sites: &[Site]) -> Self {
        Self {
            sites: sites.iter().map(ToString::to_string).collect(),
            exchanges: EXCHANGES.to_vec(),
            supervised: Vec::new(),
        }
    }

    /// Returns the numbers of exchanges, rising, with [`FEW`] among them.
    fn steps(&self) -> Result<Vec<usize>> {
        let mut steps = self.exchanges.clone();
        steps.push(FEW);
        steps.sort_unstable();
        steps.dedup();
        if steps[0] == 0 || steps.iter().any(|k| *k > 1024) {
            let what = "give numbers of exchanges from 1 to 1024";
            return Err(Error::setting("exchanges", what));
        }
        Ok(steps)
    }
}

/// How an edit chooses its features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Directions of a supervised dictionary.
    Supervised,
    /// Greedily, whatever they stand for.
    Agnostic,
    /// By what they stand for.
    ByInterpretation,
}

/// Edits of one attribute by one dictionary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EditPoint {
    /// Attribute.
    pub attribute: String,
    /// How features were chosen.
    pub how: How,
    /// Number of exchanges at each place.
    pub exchanges: usize,
    /// Share of prompts whose most likely token is that of the ground-truth patch.
    pub accuracy: f64,
    /// Mean share of the reconstruction that was removed.
    pub magnitude: f64,
    /// Number of prompts.
    pub prompts: usize,
}

/// Parts that features with an F1 score below and above a threshold carry.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// F1 score.
    pub threshold: f64,
    /// Mean LD, as a share of the untouched one, with the active features below it subtracted: whether those above are enough.
    pub sufficiency: f64,
    /// Necessity of the features at or above it, from runs with them subtracted.
    pub necessity: f64,
}

/// Feature and what it stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interpreted {
    /// Place.
    pub site: String,
    /// Feature.
    pub feature: u32,
    /// Number of prompts that build on which it is active.
    pub active: usize,
    /// Its best interpretation.
    pub interpretation: Interpretation,
    /// F1 with each predicate that reaches 0.2, the best first, at most 12: family, value, score.
    pub scores: Vec<(String, String, f64)>,
}

/// Step of an edit that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KeptStep {
    /// Feature.
    pub feature: u32,
    /// Activation that was removed.
    pub removed: f32,
    /// Activation that was added.
    pub added: f32,
    /// Distance from the counterfactual's activation behind it.
    pub distance: f64,
}

/// Tokens with the largest logits.
pub type Top = Vec<(String, f32)>;

/// Edit of one prompt, step by step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspected {
    /// Text.
    pub text: String,
    /// Attribute that is edited.
    pub attribute: String,
    /// Its value, and that of the counterfactual.
    pub values: [String; 2],
    /// For each place of the dictionary its name, the distance before the first step, and the steps of the agnostic edit; none for a supervised dictionary.
    pub places: Vec<(String, f64, Vec<KeptStep>)>,
    /// Top tokens untouched.
    pub before: Top,
    /// Top tokens after the edit of which the edit accuracy is.
    pub after: Top,
    /// Top tokens after the ground-truth patch.
    pub truth: Top,
}

/// Results of one dictionary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// Name; several that are edited together are joined by ` + `.
    pub name: String,
    /// Whether it was made from the attributes.
    pub supervised: bool,
    /// Places at which it is edited.
    pub sites: Vec<String>,
    /// See [`DEFINITIONS`].
    pub sufficiency: f64,
    /// See [`DEFINITIONS`].
    pub necessity: f64,
    /// Edit accuracy of each attribute.
    pub edit_accuracy: BTreeMap<String, f64>,
    /// Agreement with the ground-truth patch without any edit, of each attribute.
    pub untouched: BTreeMap<String, f64>,
    /// All edits.
    pub edits: Vec<EditPoint>,
    /// Features that were active, with what they stand for, the best F1 first.
    pub features: Vec<Interpreted>,
    /// Parts that interpreted features carry.
    pub carried: Vec<Carried>,
    /// Edits step by step.
    pub inspected: Vec<Inspected>,
}

impl EditPoint {
    /// Whether the edit accuracy of a dictionary is of this point: one exchange of a supervised dictionary, [`FEW`] agnostic ones of any other.
    pub fn is_few(&self) -> bool {
        match self.how {
            How::Supervised => true,
            How::Agnostic => self.exchanges == FEW,
            How::ByInterpretation => false,
        }
    }
}

impl Tested {
    /// Returns the edits of an attribute of which the edit accuracy is; none where it was not edited.
    pub fn few(&self, attribute: &str) -> Option<&EditPoint> {
        let own = |point: &&EditPoint| point.attribute == attribute && point.is_few();
        self.edits.iter().find(own)
    }
}

/// Results of all dictionaries on one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Name of the model.
    pub model: String,
    /// Name of the task.
    pub task: String,
    /// Numbers of prompts that build and that test.
    pub prompts: [usize; 2],
    /// Places.
    pub sites: Vec<String>,
    /// Edited attributes.
    pub attributes: Vec<String>,
    /// See [`DEFINITIONS`].
    pub accuracy: f64,
    /// See [`DEFINITIONS`].
    pub logit_difference: f64,
    /// Mean LD with every place set to its mean.
    pub mean_ablated: f64,
    /// Values of each attribute in the half that tests which the half that builds lacks.
    pub unseen: BTreeMap<String, usize>,
    /// Dictionaries, supervised ones first.
    pub dictionaries: Vec<Tested>,
}

impl Evaluation {
    /// Whether the model does the task well enough for the tests to mean something.
    pub fn is_able(&self) -> bool {
        self.accuracy >= ABLE && self.logit_difference > 0.0
    }
}

/// Dictionaries over the places that they read.
#[derive(Debug)]
struct Reader<'a> {
    name: String,
    /// For each place the dictionary that reads it.
    saes: Vec<Option<&'a Sae>>,
}

/// Groups dictionaries: each over the places of its hook, and, where they read different hooks and together all places, all of them together.
fn readers<'a>(places: &[Place], saes: &'a [&'a Sae]) -> Result<Vec<Reader<'a>>> {
    let mut readers = Vec::with_capacity(saes.len() + 1);
    for sae in saes {
        let hook = sae.hook()?;
        let reads = |place: &Place| (place.site.hook == hook).then_some(*sae);
        let read: Vec<Option<&Sae>> = places.iter().map(reads).collect();
        let Some(place) = read.iter().position(Option::is_some) else {
            let hooks: Vec<String> = places.iter().map(|place| place.site.to_string()).collect();
            let what = format!(
                "{} reads {hook}, and no place has this hook ({}): name a place of it, or another dictionary",
                sae.name,
                hooks.join(", ")
            );
            return Err(Error::setting("site", what));
        };
        super::edits::check(sae, &places[place])?;
        readers.push(Reader {
            name: sae.name.clone(),
            saes: read,
        });
    }
    let hooks: std::collections::BTreeSet<_> = places.iter().map(|place| place.site.hook).collect();
    let one_each = saes.len() == hooks.len() && saes.len() > 1;
    let together: Vec<Option<&Sae>> = (0..places.len())
        .map(|place| readers.iter().find_map(|reader| reader.saes[place]))
        .collect();
    if one_each && together.iter().all(Option::is_some) {
        let names: Vec<&str> = saes.iter().map(|sae| sae.name.as_str()).collect();
        readers.push(Reader {
            name: names.join(" + "),
            saes: together,
        });
    }
    Ok(readers)
}

/// Tests `saes` and supervised dictionaries on `task`, whose first half builds. `observe` hears of prompts and may stop.
pub fn run(
    model: &Model,
    task: &Task,
    (saes, spec): (&[&Sae], &Spec),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Evaluation>> {
    task.check(model)?;
    let steps = spec.steps()?;
    let sites: Vec<Site> = spec
        .sites
        .iter()
        .map(|site| site.parse())
        .collect::<Result<_>>()?;
    let places = places(model, task, &sites)?;
    let readers = readers(&places, saes)?;
    let Ended::Done(activations) = Activations::read(model, task, &places, observe)? else {
        return Ok(Ended::STOPPED);
    };
    let first = (Fit::Mean, Parametrisation::Independent);
    let mut kinds = vec![first];
    kinds.extend(
        spec.supervised
            .iter()
            .copied()
            .filter(|kind| *kind != first),
    );
    kinds.dedup();
    let supervised: Vec<Supervised> = kinds
        .into_iter()
        .map(|kind| Supervised::new(task, &activations, kind))
        .collect::<Result<_>>()?;
    let mut entries: Vec<Entry<'_>> = supervised.iter().map(Entry::from_supervised).collect();
    for reader in &readers {
        entries.push(Entry::from_reader(reader, task, &activations)?);
    }
    let plan = Plan::new(task, &activations, (&entries, &steps));
    let mut tally = Tally::new(&plan);
    let tests: Vec<usize> = (task.building()..task.prompts.len()).collect();
    for wave in tests.chunks(WAVE) {
        let outcomes: Vec<_> = wave
            .par_iter()
            .map(|prompt| {
                let rows = plan.rows(*prompt)?;
                let edits: Vec<_> = rows.iter().map(|row| row.edit.clone()).collect();
                let of = &task.prompts[*prompt];
                let (untouched, outcomes) = passes::run(model, of, &places, &edits)?;
                Ok((rows, untouched, outcomes))
            })
            .collect::<Result<Vec<_>>>()?;
        for (prompt, (rows, untouched, outcomes)) in wave.iter().zip(outcomes) {
            tally.add(model, *prompt, (&rows, &untouched, &outcomes));
        }
        let done = wave.last().map_or(0, |last| last + 1 - task.building());
        if observe(Progress::new(done, tests.len(), "prompts")).is_break() {
            return Ok(Ended::STOPPED);
        }
    }
    Ok(Ended::Done(tally.finish(model)))
}
