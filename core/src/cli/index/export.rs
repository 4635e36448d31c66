//! `umbra index export`: an index as files that other viewers read.

use std::path::PathBuf;

use serde_json::json;

use super::super::{Console, Exit, say_fit};
use crate::error::Result;
use crate::features::{self, Index, NeuronpediaSource, Viewer};
use crate::fit::Fit;
use crate::folders;
use crate::progress::Ended;

/// Features of a batch unless another number is given.
const BATCH: usize = 128;

/// Flags of `umbra index export`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Index file
    #[arg(value_name = "FILE")]
    index: PathBuf,
    /// What reads it: neuronpedia (batch-N.json as SAEDashboard writes them, skipped_indexes.json) or circuit-tracer (one file for each feature)
    #[arg(long, value_enum)]
    to: To,
    /// Folder to write, whole or not at all
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace what the folder holds (an older export, a dictionary, a run, a store); without it such a folder is refused. Files of other names stay
    #[arg(long)]
    overwrite: bool,
    /// Neuronpedia's id of the model [default: the model's name]
    #[arg(long, value_name = "ID")]
    model_id: Option<String>,
    /// Neuronpedia's set of the dictionary [default: the dictionary's name]
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// Features of a batch
    #[arg(long, value_name = "N", default_value_t = BATCH)]
    batch: usize,
}

/// `--to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum To {
    Neuronpedia,
    CircuitTracer,
}

/// Runs it.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let index = Index::open(&args.index)?;
    say_fit(&Fit::of_index(index.about(), None, None), false, console)?;
    let source =
        NeuronpediaSource::new(index.about(), args.model_id.as_deref(), args.set.as_deref())?;
    let to = match args.to {
        To::Neuronpedia => Viewer::Neuronpedia,
        To::CircuitTracer => Viewer::CircuitTracer,
    };
    let claim = folders::claim(&args.out, args.overwrite)?;
    let mut bar = console.bar("Exporting");
    let exported = features::export(&index, (to, args.batch), &source, &args.out, &mut |at| {
        bar.at(at)
    })?;
    drop(bar);
    let Ended::Done(exported) = exported else {
        return Ok(Exit::Stopped);
    };
    claim.release()?;
    let object = json!({
        "out": args.out, "files": exported.files, "features": exported.features,
        "never_active": exported.never_active, "model_id": source.model, "layer": source.layer,
        "set": source.set, "unembed": index.about().unembed.to_string(),
    });
    console.answer(&object, || {
        format!(
            "{} features in {} files, {} were never active, {}: {}",
            exported.features,
            exported.files,
            exported.never_active,
            index.about().logit_effects(),
            args.out.display()
        )
    })?;
    Ok(Exit::Done)
}
