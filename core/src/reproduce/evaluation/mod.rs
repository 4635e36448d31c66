//! Supervised dictionaries as a yardstick (Makelov, Lange and Nanda 2024, arXiv 2405.08366): what must hold of the tests anywhere, and what the paper found, measured on
//! sentences with two names.

mod control;
mod exact;
mod labs;

use super::{Event, Figure, Report, Watch};
use crate::error::{Error, Result};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::tasks::Task;
use crate::tasks::activations::Activations;
use crate::tasks::heads;
use crate::tasks::ioi::{Templates, from_templates};
use crate::tasks::site::{Place, Site, places};

/// Sizes of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvaluationOptions {
    /// Sentences with two names; the first half builds, the second half tests.
    pub prompts: usize,
    /// Seed of the sentences.
    pub seed: u64,
    /// Dictionaries of each kind that are trained on the task's activations, with seeds 0 up.
    pub seeds: u64,
    /// Passes over the activations in their training.
    pub epochs: usize,
    /// Seeds of the toys.
    pub toys: u64,
}

impl Default for EvaluationOptions {
    fn default() -> Self {
        Self {
            prompts: 1_200,
            seed: 0,
            seeds: 3,
            epochs: 300,
            toys: 5,
        }
    }
}

impl EvaluationOptions {
    /// Small sizes, to try the command; too little for verdicts.
    pub fn quick() -> Self {
        Self {
            prompts: 80,
            seed: 0,
            seeds: 2,
            epochs: 20,
            toys: 2,
        }
    }
}

/// Model, task and places that the claims are measured on.
struct World<'a> {
    model: &'a Model,
    task: Task,
    sites: Vec<Site>,
    places: Vec<Place>,
    activations: Activations,
    options: EvaluationOptions,
}

/// Measures and judges all claims on `model`.
pub fn evaluation(
    model: &Model,
    options: &EvaluationOptions,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Ended<Report>> {
    let mut report = Report::default();
    let parts = 5 + 2 * options.seeds;
    let mut watch = Watch::new(observe, parts);
    let Some(world) = prepare(model, options, (&mut report, &mut watch))? else {
        return Ok(Ended::STOPPED);
    };
    let parts: [Part; 5] = [
        exact::constants,
        exact::identities,
        control::claims,
        labs::occlusion,
        labs::splitting,
    ];
    for part in parts {
        part(&world, &mut report, &mut watch)?;
        if watch.stopped {
            return Ok(Ended::STOPPED);
        }
        watch.next();
    }
    Ok(Ended::Done(report))
}

/// One part of the list: measures, and adds its claims.
type Part = fn(&World<'_>, &mut Report, &mut Watch<'_>) -> Result<()>;

/// Makes the sentences, finds the heads that write to the last token, and takes the whole hooks of their layers. None if it was stopped.
fn prepare<'a>(
    model: &'a Model,
    options: &EvaluationOptions,
    (report, watch): (&mut Report, &mut Watch<'_>),
) -> Result<Option<World<'a>>> {
    if options.seeds == 0 || options.toys == 0 {
        let what = "there is nothing to train for none, give 1 or more";
        return Err(Error::setting("seeds", what));
    }
    let templates = Templates::default();
    let task = from_templates(model, &templates, (options.prompts, options.seed))?;
    let said = |at: Progress| format!("finding heads: prompt {} of {}", at.done, at.total);
    let found = heads::effects(model, &task, "end", &mut |at| watch.at(said(at)))?;
    let Ended::Done(effects) = found else {
        return Ok(None);
    };
    let mut sites = heads::chosen(&effects, "end");
    for site in &mut sites {
        site.heads = None;
    }
    let places = places(model, &task, &sites)?;
    let said = |at: Progress| format!("reading: prompt {} of {}", at.done, at.total);
    let read = Activations::read(model, &task, &places, &mut |at| watch.at(said(at)))?;
    let Ended::Done(activations) = read else {
        return Ok(None);
    };
    report.set("model", model.name());
    report.set(
        "prompts",
        format!(
            "{} sentences with two names from templates (seed {}): the first half builds, the second half tests",
            task.prompts.len(),
            options.seed
        ),
    );
    let strongest: Vec<String> = effects
        .iter()
        .take(6)
        .map(|one| format!("{}.{} {:.0} %", one.layer, one.head, 100.0 * one.share))
        .collect();
    report.set(
        "heads",
        format!(
            "share of the logit difference that mean ablation at the last token takes: {}",
            strongest.join(", ")
        ),
    );
    let names: Vec<String> = sites.iter().map(ToString::to_string).collect();
    report.set(
        "places",
        format!("{}, edited together", names.join(" and ")),
    );
    Ok(Some(World {
        model,
        task,
        sites,
        places,
        activations,
        options: *options,
    }))
}
