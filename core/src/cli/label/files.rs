//! `umbra label import` and `umbra label export`: labels in files of other programs.

use std::path::PathBuf;

use serde_json::json;

use super::super::{Console, Exit};
use super::{OfArgs, answer};
use crate::error::Result;
use crate::features::{Index, NeuronpediaSource};
use crate::project::NeuronpediaPlace;
use crate::whole_file;
use crate::workbench::labels;

/// Flags of `umbra label import`.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// File: .csv with the columns feature and label (also sae, maker, by, detection); .json or .jsonl with Neuronpedia's explanations; any of them .gz
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    of: OfArgs,
    /// Source to import, of a file with explanations of several, such as 6-res-jb
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Replace labels that features have already [default: they stay]
    #[arg(long)]
    overwrite: bool,
}

/// Flags of `umbra label export`.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// File to write: .csv, or .json or .jsonl with Neuronpedia's explanations
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    of: OfArgs,
    /// Index of the dictionary, whose model and hook name it on Neuronpedia [default: empty names]
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
    /// Model id on Neuronpedia [default: the model of --index]
    #[arg(long, value_name = "ID")]
    model_id: Option<String>,
    /// Set of the dictionary on Neuronpedia [default: its name]
    #[arg(long, value_name = "NAME", requires = "index")]
    set: Option<String>,
}

/// Runs `umbra label import`.
pub(super) fn import(args: &ImportArgs, console: &Console) -> Result<Exit> {
    let (project, dictionary) = args.of.open(console)?;
    let asked = (args.source.as_deref(), args.overwrite);
    let of = (&dictionary, args.file.as_path());
    let changed = labels::import(&project.labels()?, of, asked)?;
    answer(&changed, &dictionary.name, console)
}

/// Runs `umbra label export`.
pub(super) fn export(args: &ExportArgs, console: &Console) -> Result<Exit> {
    whole_file::check_regular(&args.file)?;
    let (project, dictionary) = args.of.open(console)?;
    let place = match &args.index {
        Some(path) => {
            let index = Index::open(path)?;
            let (model, set) = (args.model_id.as_deref(), args.set.as_deref());
            let source = NeuronpediaSource::new(index.about(), model, set)?;
            NeuronpediaPlace {
                source: format!("{}-{}", source.layer, source.set),
                model: source.model,
            }
        }
        None => NeuronpediaPlace {
            model: args.model_id.clone().unwrap_or_default(),
            source: dictionary.name.clone(),
        },
    };
    let of = (dictionary.name.as_str(), args.file.as_path());
    let written = labels::export(project.labels_there()?.as_ref(), of, &place)?;
    let out = args.file.display().to_string();
    let object = json!({"out": out, "labels": written, "sae": dictionary.name});
    console.answer(&object, || {
        format!("{written} labels of {}: {out}", dictionary.name)
    })?;
    Ok(Exit::Done)
}
