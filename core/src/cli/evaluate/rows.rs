//! Flags of the studies of occlusion and over-splitting: prompts with attributes and places, and the dictionaries that are trained on them.

use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::args::SaesArgs;
use crate::cli::{Console, ModelArgs};
use crate::error::{Error, Result};
use crate::models::Model;
use crate::progress::Ended;
use crate::project::{MadeWith, Project};
use crate::recovery::Labelled;
use crate::recovery::fit::{Fit, Sparsity};
use crate::sae::Sae;
use crate::section::Section;
use crate::tasks::Task;
use crate::tasks::site::Site;
use crate::workbench::evaluate::labelled::{self, From};
use crate::workbench::results;

/// `--model`, `--sae`, `--site`, and the prompts.
#[derive(Debug, Clone, clap::Args)]
#[command(
    mut_arg("model", |arg| arg.required(false).required_unless_present("toy")),
    mut_arg("saes", |arg| arg.required(false).requires("model").conflicts_with("site"))
)]
pub(super) struct RowsArgs {
    #[command(flatten)]
    model: Option<ModelArgs>,
    #[command(flatten)]
    saes: SaesArgs,
    /// Place whose activations dictionaries are trained on: HOOK:HEADS@POSITION, as in blocks.2.attn.hook_z:0,3@end. May be repeated: the places are read side by side
    #[arg(long, value_name = "SITE", requires = "model")]
    site: Vec<String>,
    /// Position of the prompts that a loaded dictionary reads, a name of the task
    #[arg(long, value_name = "NAME", default_value = "end", requires = "saes")]
    position: String,
    /// Prompts with their attributes, one JSON object a line: sentences with two names (`umbra evaluate ioi --write-prompts`) or a task of your own [default:
    /// sentences with two names from templates]
    #[arg(long, value_name = "FILE", requires = "model")]
    prompts: Option<PathBuf>,
    /// Number of prompts from templates; the first half builds, the second half tests
    #[arg(long, value_name = "N", default_value_t = labelled::PROMPTS, conflicts_with = "prompts")]
    prompts_count: usize,
    /// Seed of the prompts from templates
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// `--project` and `--for-report`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct KeepArgs {
    /// Keep the result with this project
    #[arg(long, value_name = "DIR")]
    pub(super) project: Option<PathBuf>,
    /// File to write the result into as a section of a report, for `umbra report --study FILE`
    #[arg(long, value_name = "FILE")]
    for_report: Option<PathBuf>,
}

impl KeepArgs {
    /// Opens the project, if one is given.
    pub(super) fn open(&self, console: &Console) -> Result<Option<Project>> {
        let Some(folder) = &self.project else {
            return Ok(None);
        };
        let (project, notes) = Project::open(folder)?;
        console.notes(&notes);
        Ok(Some(project))
    }

    /// Writes the section, if it is asked for.
    pub(super) fn write(&self, made: &MadeWith, section: impl FnOnce() -> Section) -> Result<()> {
        match &self.for_report {
            Some(path) => results::write(&section(), made, path),
            None => Ok(()),
        }
    }
}

/// Settings of the dictionaries that are trained.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct FitArgs {
    /// Features of a dictionary that is trained; several, separated by commas, for the toy
    #[arg(long, value_name = "F,G…", value_delimiter = ',', default_values_t = [Fit::default().features])]
    features: Vec<usize>,
    /// Factor of the sum of activations in the loss of a ReLU dictionary [default: 0.3; for the toy 0.2, 0.3 and 0.4]
    #[arg(long, value_name = "L,M…", value_delimiter = ',')]
    l1: Vec<f64>,
    /// Active features of a TopK dictionary
    #[arg(long, value_name = "K,L…", value_delimiter = ',')]
    top_k: Vec<usize>,
    /// Peak learning rate; it falls to 0 over the last fifth of the steps
    #[arg(long, value_name = "R,S…", value_delimiter = ',', default_values_t = [Fit::default().learning_rate])]
    learning_rate: Vec<f64>,
    /// Passes over the rows that build
    #[arg(long, value_name = "N", default_value_t = Fit::default().epochs)]
    epochs: usize,
    /// Rows of a step
    #[arg(long, value_name = "N", default_value_t = Fit::default().batch)]
    batch: usize,
}

impl FitArgs {
    /// Returns every combination of the settings, with `l1` where no sparsity is given.
    pub(super) fn all(&self, l1: &[f64]) -> Vec<Fit> {
        let given = if self.l1.is_empty() && self.top_k.is_empty() {
            l1
        } else {
            &self.l1
        };
        let weights = given.iter().map(|weight| Sparsity::L1(*weight));
        let sparsities: Vec<Sparsity> = weights
            .chain(self.top_k.iter().map(|k| Sparsity::TopK(*k)))
            .collect();
        let mut all = Vec::new();
        for features in &self.features {
            for sparsity in &sparsities {
                all.extend(self.learning_rate.iter().map(|learning_rate| Fit {
                    features: *features,
                    sparsity: *sparsity,
                    learning_rate: *learning_rate,
                    epochs: self.epochs,
                    batch: self.batch,
                }));
            }
        }
        all
    }

    /// Returns the one setting that activations of a model are studied with.
    pub(super) fn one(&self) -> Result<Fit> {
        let [fit] = self.all(&[0.3])[..] else {
            let what = "give one value of each setting of the dictionaries; several are for --toy";
            return Err(Error::setting("--l1", what));
        };
        Ok(fit)
    }
}

/// Model, dictionaries and task of a study.
pub(super) struct Opened {
    pub(super) model: Arc<Model>,
    pub(super) saes: Vec<Arc<Sae>>,
    pub(super) task: Task,
}

impl RowsArgs {
    /// Opens the model and the dictionaries, if there are some, and reads the prompts.
    pub(super) fn open(&self, console: &Console) -> Result<Opened> {
        let Some(args) = &self.model else {
            return Err(Error::setting(
                "--model",
                "is missing, give a model or --toy",
            ));
        };
        let (model, saes) = if self.saes.saes.is_empty() {
            (Arc::new(args.open(console)?), Vec::new())
        } else {
            self.saes.open(args, console)?
        };
        if saes.is_empty() && self.site.is_empty() {
            let what = "give the place of the activations with --site, or dictionaries with --sae";
            return Err(Error::setting("--site", what));
        }
        let from = From {
            file: self.prompts.as_deref(),
            count: self.prompts_count,
            seed: self.seed,
        };
        let task = labelled::task(&model, &from)?;
        Ok(Opened { model, saes, task })
    }

    /// Returns the places of dictionaries that are trained.
    pub(super) fn sites(&self) -> Result<Vec<Site>> {
        self.site.iter().map(|site| site.parse()).collect()
    }

    /// Returns the place of each loaded dictionary.
    pub(super) fn places(&self, saes: &[Arc<Sae>]) -> Result<Vec<Site>> {
        let each = saes.iter();
        each.map(|sae| Ok(labelled::whole(sae.hook()?, &self.position)))
            .collect()
    }
}

impl Opened {
    /// Reads the rows at `sites`, side by side.
    pub(super) fn read(&self, sites: &[Site], console: &Console) -> Result<Ended<Labelled>> {
        let mut bar = console.bar("Reading the prompts");
        labelled::read(&self.model, &self.task, sites, &mut |at| bar.at(at))
    }

    /// Reads the rows of each loaded dictionary.
    pub(super) fn read_each(
        &self,
        places: &[Site],
        console: &Console,
    ) -> Result<Ended<Vec<Labelled>>> {
        let mut all = Vec::new();
        for place in places {
            match self.read(std::slice::from_ref(place), console)? {
                Ended::Done(rows) => all.push(rows),
                Ended::Stopped(()) => return Ok(Ended::STOPPED),
            }
        }
        Ok(Ended::Done(all))
    }

    /// Records what a study was made with.
    pub(super) fn made(&self) -> Result<MadeWith> {
        let saes: Vec<&Sae> = self.saes.iter().map(|sae| &**sae).collect();
        let prompts = format!("{} prompts of {}", self.task.prompts.len(), self.task.name);
        MadeWith::new(&self.model, &saes, &[(&prompts, "")], &())
    }
}
