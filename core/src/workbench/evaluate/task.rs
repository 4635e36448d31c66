//! Dictionaries tested on a task whose answer is known: prompts from templates or a file, places found or given, the result as JSON and as a section, kept with a project.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::labelled::{self, From};
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::project::{MadeWith, Project};
use crate::sae::Sae;
use crate::section::{Bars, Cell, Section, Table};
use crate::tasks::Task;
use crate::tasks::activations::Activations;
use crate::tasks::heads::{self, Effect};
use crate::tasks::ioi::{self, Templates};
use crate::tasks::site::{Site, places};
use crate::tasks::supervised::{Fit, Parametrisation, Supervised};
use crate::tasks::test::{self, DEFINITIONS, Evaluation, FEW, Spec};
use crate::workbench::answer_key;

/// Kind of the study, kept under the name of the task.
pub const STUDY: &str = "known-answer";

/// Position at which heads are searched.
const END: &str = "end";

/// Task, places and dictionaries' settings as a person asks for them.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// File of prompts; none for templates with two names.
    pub file: Option<PathBuf>,
    /// Templates of prompts with two names.
    pub templates: Templates,
    /// Number of prompts from templates; the first half builds, the second half tests.
    pub count: usize,
    /// Seed of the prompts from templates.
    pub seed: u64,
    /// Places; heads are searched where none is given.
    pub sites: Vec<Site>,
    /// Numbers of exchanges.
    pub exchanges: Vec<usize>,
    /// Supervised dictionaries besides the mean.
    pub supervised: Vec<(Fit, Parametrisation)>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            file: None,
            templates: Templates::default(),
            count: ioi::PROMPTS,
            seed: 0,
            sites: Vec::new(),
            exchanges: test::EXCHANGES.to_vec(),
            supervised: Vec::new(),
        }
    }
}

impl Request {
    /// Reads or makes the prompts.
    pub fn task(&self, model: &Model) -> Result<Task> {
        if self.file.is_none() {
            return ioi::from_templates(model, &self.templates, (self.count, self.seed));
        }
        let from = From {
            file: self.file.as_deref(),
            count: self.count,
            seed: self.seed,
        };
        labelled::task(model, &from)
    }

    /// Returns the places: those that are given, otherwise the hooks that the dictionaries read at the last token, otherwise the heads whose mean ablation at the last token
    /// matters most. Heads that were searched come with their effects.
    pub fn sites(
        &self,
        (model, task): (&Model, &Task),
        saes: &[&Sae],
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<(Vec<Site>, Vec<Effect>)>> {
        if !self.sites.is_empty() {
            return Ok(Ended::Done((self.sites.clone(), Vec::new())));
        }
        if !saes.is_empty() {
            let each = saes.iter().map(|sae| Ok(labelled::whole(sae.hook()?, END)));
            let mut sites: Vec<Site> = each.collect::<Result<_>>()?;
            sites.sort();
            sites.dedup();
            return Ok(Ended::Done((sites, Vec::new())));
        }
        let found = heads::effects(model, task, END, observe)?;
        Ok(found.map(|effects| (heads::chosen(&effects, END), effects)))
    }

    /// Tests the dictionaries at `sites`.
    pub fn test(
        &self,
        (model, task): (&Model, &Task),
        (saes, sites): (&[&Sae], &[Site]),
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<Evaluation>> {
        let mut spec = Spec::new(sites);
        spec.exchanges.clone_from(&self.exchanges);
        spec.supervised.clone_from(&self.supervised);
        test::run(model, task, (saes, &spec), observe)
    }

    /// Makes the prompts, finds the places and tests the dictionaries.
    pub fn run(
        &self,
        model: &Model,
        saes: &[&Sae],
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<(Task, Evaluation)>> {
        let task = self.task(model)?;
        let Ended::Done((sites, _)) = self.sites((model, &task), saes, observe)? else {
            return Ok(Ended::STOPPED);
        };
        let found = self.test((model, &task), (saes, &sites), observe)?;
        Ok(found.map(|found| (task, found)))
    }
}

/// Records what an evaluation was made with.
pub fn made(model: &Model, saes: &[&Sae], (task, found): (&Task, &Evaluation)) -> Result<MadeWith> {
    let lines: Vec<&str> = task
        .prompts
        .iter()
        .map(|prompt| prompt.text.as_str())
        .collect();
    let print = Corpus::from_text("prompts", &lines.join("\n")).fingerprint();
    let phrase = format!("{} prompts of {}", task.prompts.len(), task.name);
    let settings = json!({ "sites": found.sites });
    MadeWith::new(model, saes, &[(&phrase, &print)], &settings)
}

/// Keeps an evaluation with a project, under the name of its task.
pub fn keep(project: &Project, made: &MadeWith, found: &Evaluation) -> Result<()> {
    project.keep_study(STUDY, &found.task, made, found)
}

/// Returns the evaluation as JSON, with definitions.
pub fn json(found: &Evaluation) -> Result<Value> {
    let failed = |cause: serde_json::Error| Error::Numeric {
        what: format!("the evaluation cannot be written as JSON: {cause}"),
    };
    let mut value = serde_json::to_value(found).map_err(failed)?;
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    if let Some(object) = value.as_object_mut() {
        object.insert("definitions".to_owned(), Value::Object(definitions));
        object.insert("able".to_owned(), json!(found.is_able()));
    }
    Ok(value)
}

/// Says whether the model does the task.
pub fn ability(found: &Evaluation) -> String {
    let facts = format!(
        "accuracy {} on {} prompts, logit difference {:.2}",
        answer_key::percent(found.accuracy),
        found.prompts[1],
        found.logit_difference
    );
    if found.is_able() {
        format!("{} does the task: {facts}.", found.model)
    } else {
        format!(
            "{} does not do the task ({facts}): what is below says nothing about the dictionaries.",
            found.model
        )
    }
}

/// Says for each attribute which dictionary that was not made from the answers controls it best with few exchanges, and at what cost.
pub fn conclusions(found: &Evaluation) -> Vec<String> {
    let attributes = found.attributes.iter();
    attributes
        .map(|attribute| answer_key::conclusion(found, attribute, &[]))
        .collect()
}

/// Returns the evaluation as a section of a report.
pub fn section(found: &Evaluation) -> Section {
    let title = format!("Dictionaries on the task {}", found.task);
    let mut section = Section::new(title, ability(found))
        .setting("places", found.sites.join(", "))
        .setting(
            "prompts",
            format!("{} build, {} test", found.prompts[0], found.prompts[1]),
        );
    for sentence in conclusions(found) {
        section = section.sentence(sentence);
    }
    let unseen: Vec<String> = found
        .unseen
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(attribute, count)| format!("{count} of `{attribute}`"))
        .collect();
    if !unseen.is_empty() {
        section = section.sentence(format!(
            "Values that no prompt of the first half has get direction 0: {}.",
            unseen.join(", ")
        ));
    }
    let mut columns = vec!["dictionary", "sufficiency", "necessity"];
    let edits: Vec<String> = found
        .attributes
        .iter()
        .flat_map(|name| [format!("edit {name}"), format!("removed {name}")])
        .collect();
    columns.extend(edits.iter().map(String::as_str));
    let mut table = Table::new(
        format!("Tests; edits are one exchange of a supervised dictionary, {FEW} of any other"),
        &columns,
    );
    for tested in &found.dictionaries {
        let mut cells: Vec<Cell> = vec![
            tested.name.as_str().into(),
            tested.sufficiency.into(),
            tested.necessity.into(),
        ];
        for attribute in &found.attributes {
            let point = tested.few(attribute);
            cells.push(point.map(|point| point.accuracy).into());
            cells.push(point.map(|point| point.magnitude).into());
        }
        table = table.row(cells);
    }
    section = section.figure(table);
    for attribute in &found.attributes {
        let bars = found
            .dictionaries
            .iter()
            .filter_map(|tested| Some((tested.name.clone(), tested.few(attribute)?.accuracy)));
        let caption = format!("Edit accuracy of `{attribute}`, share of prompts");
        section = section.figure(Bars::new(caption, bars));
    }
    section.define(DEFINITIONS)
}

/// Returns the supervised dictionary (means, independent) of each place as one that reads activations, with the name of its folder.
pub fn supervised(model: &Model, task: &Task, sites: &[Site]) -> Result<Vec<(Sae, String)>> {
    let places = places(model, task, sites)?;
    let go_on = &mut |_: Progress| Flow::Continue(());
    let Ended::Done(activations) = Activations::read(model, task, &places, go_on)? else {
        return Ok(Vec::new());
    };
    let kind = (Fit::Mean, Parametrisation::Independent);
    let made = Supervised::new(task, &activations, kind)?;
    let each = places.iter().enumerate().map(|(number, place)| {
        let hook = place.site.hook.to_string();
        let position = place.site.to_string();
        let position = position.rsplit('@').next().unwrap_or_default().to_owned();
        let name = format!("{}-{}-{position}", made.name(), hook.replace('.', "-"));
        let mut sae = made.to_sae(number, (model, &activations))?;
        sae.name.clone_from(&name);
        Ok((sae, name))
    });
    each.collect()
}

#[cfg(test)]
mod tests;
