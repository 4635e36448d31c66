//! `umbra label`: sets, lists, imports and exports the labels of a project's features, and asks a language model for one.

mod ask;
mod files;
mod list;
mod set;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Console, Exit};
use crate::error::Result;
use crate::project::{Label, Project};
use crate::workbench::labels::{self, Changed, Dictionary};

/// Flags of `umbra label`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Set or remove the label of a feature, or take the clear facts of an index as labels
    Set(set::Args),
    /// List the labels of a project
    List(list::Args),
    /// Import labels from CSV, or explanations from Neuronpedia (JSON or JSON lines, also .gz)
    Import(files::ImportArgs),
    /// Export labels as CSV, or as Neuronpedia's explanations (JSON or JSON lines)
    Export(files::ExportArgs),
    /// Ask a language model behind an OpenAI-compatible endpoint what a feature is about, and measure how well its answer tells where the feature fires. Nothing is
    /// sent anywhere unless you give an endpoint
    Ask(ask::Args),
}

/// Runs `umbra label`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    match &args.verb {
        Verb::Set(args) => set::run(args, console),
        Verb::List(args) => list::run(args, console),
        Verb::Import(args) => files::import(args, console),
        Verb::Export(args) => files::export(args, console),
        Verb::Ask(args) => ask::run(args, console),
    }
}

/// `--project` and `--sae`.
#[derive(Debug, Clone, clap::Args)]
struct OfArgs {
    /// Folder of the project, with its umbra.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// Name or folder of the dictionary [default: the project's only one]
    #[arg(long, value_name = "NAME|DIR")]
    sae: Option<PathBuf>,
}

impl OfArgs {
    /// Opens the project and finds the dictionary.
    fn open(&self, console: &Console) -> Result<(Project, Dictionary)> {
        let project = open(&self.project, console)?;
        let dictionary = labels::dictionary(&project, self.sae.as_deref())?;
        Ok((project, dictionary))
    }
}

fn open(folder: &Path, console: &Console) -> Result<Project> {
    let (project, notes) = Project::open(folder)?;
    console.notes(&notes);
    Ok(project)
}

fn object(label: &Label) -> Value {
    let origin = &label.origin;
    json!({
        "sae": label.sae,
        "feature": label.feature.0,
        "label": label.text,
        "maker": origin.maker.key(),
        "by": origin.by,
        "detection": origin.detection.map(|detection| json!({
            "score": detection.score(),
            "active": detection.active,
            "active_found": detection.active_found,
            "silent": detection.silent,
            "silent_named": detection.silent_named,
        })),
    })
}

fn line(label: &Label) -> String {
    let origin = label.origin.said();
    let beside = if origin.is_empty() {
        String::new()
    } else {
        format!("  ({origin})")
    };
    format!(
        "{}  {:>7}  {}{beside}",
        label.sae,
        label.feature.to_string(),
        label.text.replace('\n', "⏎")
    )
}

/// Says what was set and what was left out.
fn answer(changed: &Changed, dictionary: &str, console: &Console) -> Result<Exit> {
    console.notes(&changed.notes);
    let labels = changed.changes.iter().map(|(former, label)| {
        let mut object = object(label);
        object["former"] = json!(former.as_ref().map(|former| &former.text));
        object
    });
    let object = json!({
        "sae": dictionary,
        "set": changed.changes.len(),
        "left_out": changed.left_out,
        "labels": labels.collect::<Value>(),
    });
    console.answer(&object, || match changed.changes.as_slice() {
        [] => format!("no label of {dictionary} changed"),
        [(_, label)] if label.text.trim().is_empty() => {
            format!("feature {} of {dictionary} has no label now", label.feature)
        }
        [(_, label)] => line(label),
        many => format!("set {} labels of {dictionary}", many.len()),
    })?;
    Ok(Exit::Done)
}
