//! `umbra evaluate ioi` and `umbra evaluate task`: dictionaries tested on a task whose answer is known.

use std::path::PathBuf;
use std::sync::Arc;

use super::rows::KeepArgs;
use crate::cli::args::AnySaesArgs;
use crate::cli::{Console, Exit, ModelArgs};
use crate::error::{Error, Result};
use crate::models::Model;
use crate::progress::Ended;
use crate::sae::Sae;
use crate::tasks::ioi::{self, Templates};
use crate::tasks::supervised::{Fit, Parametrisation};
use crate::tasks::test::{DEFINITIONS, EXCHANGES, Evaluation, FEW};
use crate::tasks::{Task, gpt2_small, lines, site};
use crate::whole_file;
use crate::workbench::evaluate::task::{self, Request};
use crate::workbench::sweep;

/// Flags that both commands have.
#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    saes: AnySaesArgs,
    #[arg(long = "site", value_name = "SITE", help = format!("Place that is edited: {}. May be repeated: all places are edited together [default: the hooks of the dictionaries at the last token; without dictionaries the heads whose mean ablation there matters most]", site::FORMAT))]
    sites: Vec<site::Site>,
    /// Numbers of exchanges that are tried at each place, separated by commas; 2 is always among them
    #[arg(long, value_name = "K,L…", value_delimiter = ',', default_values_t = EXCHANGES)]
    exchanges: Vec<usize>,
    /// Supervised dictionaries besides supervised-mean, separated by commas: FIT or FIT:PARAMETRISATION, with the fits mean and least-squares and the parametrisations independent, coupled and names
    #[arg(long, value_name = "FIT:PARAM,…", value_delimiter = ',')]
    supervised: Vec<String>,
    /// Folder to write the supervised dictionary of each place into, as a dictionary that every command opens
    #[arg(long, value_name = "DIR")]
    save_supervised: Option<PathBuf>,
    #[command(flatten)]
    keep: KeepArgs,
}

/// Flags of `umbra evaluate ioi`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help())]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    #[arg(long, value_name = "FILE", help = format!("Prompts of your own: {} [default: sentences from templates]", ioi::FORMAT))]
    prompts: Option<PathBuf>,
    /// Number of prompts from templates; the first half builds, the second half tests
    #[arg(long, value_name = "N", default_value_t = ioi::PROMPTS, conflicts_with = "prompts")]
    prompts_count: usize,
    /// Seed of the names, places and objects of the templates
    #[arg(
        long,
        value_name = "S",
        default_value_t = 0,
        conflicts_with = "prompts"
    )]
    seed: u64,
    /// Templates: short, paper (those of Makelov et al. 2024), or a file with one a line, in which [A] and [B] are the names, [C] the repeated one, [PLACE] and [OBJECT] words
    #[arg(
        long,
        value_name = "NAME|FILE",
        default_value = "short",
        conflicts_with = "prompts"
    )]
    templates: String,
    #[arg(long, value_name = "NAME", conflicts_with = "sites", help = cross_sections())]
    cross_section: Option<String>,
    /// Write the prompts to this file and stop
    #[arg(long, value_name = "FILE")]
    write_prompts: Option<PathBuf>,
}

/// Flags of `umbra evaluate task`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help())]
pub(super) struct TaskArgs {
    #[command(flatten)]
    common: Common,
    #[arg(long, value_name = "FILE", help = format!("Prompts: {}", lines::FORMAT))]
    prompts: PathBuf,
}

fn cross_sections() -> String {
    let each = gpt2_small::cross_sections().map(|(name, what)| format!("{name} ({what})"));
    let each: Vec<String> = each.collect();
    format!(
        "Heads of GPT-2 small that are edited together, in place of --site: {}",
        each.join(", ")
    )
}

fn help() -> String {
    let figures = DEFINITIONS.iter();
    let figures: Vec<String> = figures
        .map(|(name, definition)| format!("  {name}: {definition}"))
        .collect();
    format!(
        "Figures:\n{}\n\
         With --json: {{accuracy, logit_difference, dictionaries: [{{name, sufficiency, necessity, edit_accuracy, untouched, edits, features, carried, inspected}}], …}}. \
         A dictionary is edited at the places of its hook; dictionaries that read one place each are also edited together.",
        figures.join("\n")
    )
}

/// Runs `umbra evaluate ioi`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let templates = match args.templates.parse() {
        Ok(templates) => templates,
        Err(unknown) => {
            let path = PathBuf::from(&args.templates);
            if !path.is_file() {
                return Err(unknown);
            }
            Templates::from_text(&sweep::read(&path)?)?
        }
    };
    let mut request = Request {
        file: args.prompts.clone(),
        templates,
        count: args.prompts_count,
        seed: args.seed,
        ..args.common.request()?
    };
    let (model, saes) = args.common.open(console)?;
    if let Some(name) = &args.cross_section {
        request.sites = gpt2_small::sites(name)?;
        gpt2_small::check(&model)?;
    }
    let task = request.task(&model)?;
    if task.name != "ioi" {
        let what = "holds a task of your own: give it to `umbra evaluate task`";
        return Err(Error::setting("--prompts", what));
    }
    if let Some(path) = &args.write_prompts {
        whole_file::write_bytes(path, ioi::to_text(&task)?.as_bytes())?;
        let count = task.prompts.len();
        let answer = serde_json::json!({ "prompts": count, "file": path });
        let said = || format!("{count} prompts written to {}", path.display());
        console.answer(&answer, said)?;
        return Ok(Exit::Done);
    }
    args.common.test(&request, (&model, &saes, &task), console)
}

/// Runs `umbra evaluate task`.
pub(super) fn run_task(args: &TaskArgs, console: &Console) -> Result<Exit> {
    let request = Request {
        file: Some(args.prompts.clone()),
        ..args.common.request()?
    };
    let (model, saes) = args.common.open(console)?;
    let task = request.task(&model)?;
    args.common.test(&request, (&model, &saes, &task), console)
}

/// Model, dictionaries and task.
type Opened<'a> = (&'a Arc<Model>, &'a [Arc<Sae>], &'a Task);

impl Common {
    fn request(&self) -> Result<Request> {
        let kind = |text: &String| -> Result<(Fit, Parametrisation)> {
            let (fit, parametrisation) = text.split_once(':').unwrap_or((text, "independent"));
            Ok((fit.parse()?, parametrisation.parse()?))
        };
        Ok(Request {
            sites: self.sites.clone(),
            exchanges: self.exchanges.clone(),
            supervised: self.supervised.iter().map(kind).collect::<Result<_>>()?,
            ..Request::default()
        })
    }

    fn open(&self, console: &Console) -> Result<(Arc<Model>, Vec<Arc<Sae>>)> {
        self.saes.open(&self.model, console)
    }

    fn test(&self, request: &Request, opened: Opened<'_>, console: &Console) -> Result<Exit> {
        let (model, saes, task) = opened;
        let saes: Vec<&Sae> = saes.iter().map(|sae| &**sae).collect();
        let project = self.keep.open(console)?;
        let mut bar = console.bar("Searching heads");
        let found = request.sites((model, task), &saes, &mut |at| bar.at(at))?;
        drop(bar);
        let Ended::Done((sites, effects)) = found else {
            return Ok(Exit::Stopped);
        };
        for one in effects.iter().take_while(|one| one.share >= 0.01) {
            console.note(&format!(
                "head {}.{} at the last token: its mean ablation takes {:.2} off the logit difference ({:.0} %)",
                one.layer,
                one.head,
                one.effect,
                100.0 * one.share
            ));
        }
        let mut bar = console.bar("Testing dictionaries");
        let found = request.test((model, task), (&saes, &sites), &mut |at| bar.at(at))?;
        drop(bar);
        let Ended::Done(found) = found else {
            return Ok(Exit::Stopped);
        };
        let made = task::made(model, &saes, (task, &found))?;
        if let Some(project) = &project {
            task::keep(project, &made, &found)?;
        }
        self.keep.write(&made, || task::section(&found))?;
        if let Some(folder) = &self.save_supervised {
            for (sae, name) in task::supervised(model, task, &sites)? {
                let path = folder.join(name);
                sae.save(&path)?;
                console.note(&format!(
                    "supervised dictionary written to {}",
                    path.display()
                ));
            }
        }
        console.answer(&task::json(&found)?, || table(&found))?;
        Ok(Exit::Done)
    }
}

fn table(found: &Evaluation) -> String {
    let mut lines = vec![task::ability(found)];
    lines.push(format!("places: {}", found.sites.join("  ")));
    lines.push(format!(
        "logit difference with every place at its mean: {:.2}",
        found.mean_ablated
    ));
    lines.push(String::new());
    let width = found
        .dictionaries
        .iter()
        .map(|tested| tested.name.chars().count());
    let width = width.max().unwrap_or(0).max(10);
    let attributes = found.attributes.iter();
    let headings: Vec<String> = attributes
        .map(|name| format!("{:>14}", format!("edit {name}")))
        .collect();
    lines.push(format!(
        "{:<width$} {:>11} {:>9}{}",
        "dictionary",
        "sufficiency",
        "necessity",
        headings.concat()
    ));
    for tested in &found.dictionaries {
        let edits: Vec<String> = found
            .attributes
            .iter()
            .map(|name| {
                let accuracy = tested.edit_accuracy.get(name);
                format!(
                    "{:>14}",
                    accuracy.map_or_else(|| "–".to_owned(), |share| format!("{share:.3}"))
                )
            })
            .collect();
        lines.push(format!(
            "{:<width$} {:>11.3} {:>9.3}{}",
            tested.name,
            tested.sufficiency,
            tested.necessity,
            edits.concat()
        ));
    }
    lines.push(format!(
        "edits: one exchange of a supervised dictionary, {FEW} of any other; share of prompts with the answer of the true change"
    ));
    lines.push(String::new());
    lines.extend(task::conclusions(found));
    lines.join("\n")
}
