//! Runs the task of sentences with two names from a request to the result, and keeps it with a project.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Notes, Result};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::project::{MadeWith, Project};
use crate::sae::Sae;
use crate::tasks::site::Site;
use crate::tasks::test::{self, Evaluation, Spec};
use crate::tasks::{heads, ioi};

/// Kind of the study.
pub const STUDY: &str = "ioi";

/// Position at which heads are searched for where no place is given.
const END: &str = "end";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Number of prompts from templates.
    pub prompts: usize,
    /// Seed of the prompts.
    pub seed: u64,
    /// Places as they are written, separated by spaces; empty for those of the heads with the largest effect on the answer.
    pub places: String,
}

/// Returns the places that the request writes, in order.
fn written(request: &Request) -> Result<Vec<Site>> {
    request.places.split_whitespace().map(str::parse).collect()
}

/// Tests dictionaries on sentences with two names, each at the places of the hook that it reads. Notes name the places that were found and the dictionaries that read
/// no place.
pub fn tested(
    model: &Model,
    saes: &[&Sae],
    request: &Request,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<(Evaluation, Notes)>> {
    let mut notes = Notes::default();
    let mut sites = written(request)?;
    let seeded = (request.prompts, request.seed);
    let task = ioi::from_templates(model, &ioi::Templates::default(), seeded)?;
    if sites.is_empty() {
        let Ended::Done(effects) = heads::effects(model, &task, END, observe)? else {
            return Ok(Ended::STOPPED);
        };
        sites = heads::chosen(&effects, END);
        let named: Vec<String> = sites.iter().map(ToString::to_string).collect();
        notes.add(format!(
            "Places of the heads whose mean ablation changes the answer most: {}",
            named.join(" ")
        ));
    }
    let reads_a_place = |sae: &&&Sae| {
        let hook = sae.hook().ok();
        hook.is_some_and(|hook| sites.iter().any(|site| site.hook == hook))
    };
    let (read, left): (Vec<&Sae>, Vec<&Sae>) = saes.iter().partition(|sae| reads_a_place(sae));
    for sae in left {
        notes.add(format!("Left out: {} reads none of the places", sae.name));
    }
    let spec = Spec::new(&sites);
    let found = test::run(model, &task, (&read, &spec), observe)?;
    Ok(found.map(|found| (found, notes)))
}

/// Keeps the result with the project.
pub fn keep(
    project: &Project,
    (model, saes): (&Model, &[&Sae]),
    request: &Request,
    found: &Evaluation,
) -> Result<()> {
    let tested: Vec<&Sae> = (saes.iter().copied())
        .filter(|sae| found.dictionaries.iter().any(|one| one.name == sae.name))
        .collect();
    let made = MadeWith::new(model, &tested, &[], request)?;
    project.keep_study(STUDY, &found.task, &made, found)
}

/// Returns the kept result, if there is one; an error if it was made with another model, or with other weights of a dictionary of `saes` that was tested.
pub fn kept(project: &Project, model: &Model, saes: &[&Sae]) -> Result<Option<Evaluation>> {
    let Some(kept) = project.kept_study::<Evaluation>(STUDY, STUDY)? else {
        return Ok(None);
    };
    let of: Vec<&Sae> = (saes.iter().copied())
        .filter(|sae| {
            let mut dictionaries = kept.made.dictionaries.iter();
            dictionaries.any(|one| one.name == sae.name)
        })
        .collect();
    let found = kept.checked(model, &of)?.result;
    if found.attributes.is_empty() {
        return Err(Error::input(
            "the kept result has no attributes: run the task again",
            project.kept(),
        ));
    }
    Ok(Some(found))
}
