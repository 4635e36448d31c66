//! `umbra index export`: writes an index as files for other viewers.

use std::path::PathBuf;

use serde_json::json;

use super::super::{Console, Exit, say_fit};
use crate::error::Result;
use crate::features::{self, Index, NeuronpediaSource, Viewer};
use crate::fit::Fit;
use crate::folders;
use crate::progress::Ended;

/// Default number of features per batch.
const BATCH: usize = 128;

/// Flags of `umbra index export`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Index file
    #[arg(value_name = "FILE")]
    index: PathBuf,
    /// Viewer: neuronpedia (batch-N.json as SAEDashboard writes them, skipped_indexes.json) or circuit-tracer (one file per feature)
    #[arg(long, value_enum)]
    to: To,
    /// Folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Overwrite an export, dictionary, run or store in the folder; without this flag such a folder is an error. Other files stay
    #[arg(long)]
    overwrite: bool,
    /// Model id on Neuronpedia [default: the model's name]
    #[arg(long, value_name = "ID")]
    model_id: Option<String>,
    /// Set of the dictionary on Neuronpedia [default: the dictionary's name]
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// Layer by which --to circuit-tracer numbers its files [default: that of the hook]. A graph of `umbra heads circuit` looks for 2 × layer where attention is read, and
    /// 2 × layer + 1 elsewhere
    #[arg(long, value_name = "N")]
    viewer_layer: Option<u32>,
    /// Features per batch
    #[arg(long, value_name = "N", default_value_t = BATCH)]
    batch: usize,
}

/// `--to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum To {
    Neuronpedia,
    CircuitTracer,
}

/// Runs `umbra index export`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let index = Index::open(&args.index)?;
    say_fit(&Fit::of_index(index.about(), None, None), false, console)?;
    let source =
        NeuronpediaSource::new(index.about(), args.model_id.as_deref(), args.set.as_deref())?;
    let to = match args.to {
        To::Neuronpedia => Viewer::Neuronpedia,
        To::CircuitTracer => Viewer::CircuitTracer,
    };
    let numbered = args.viewer_layer.filter(|_| to == Viewer::CircuitTracer);
    let source = NeuronpediaSource {
        layer: numbered.unwrap_or(source.layer),
        ..source
    };
    if to == Viewer::Neuronpedia && index.correlations()?.is_none() {
        console.note("the tables of correlated features, correlated and aligned neurons are empty: the index has none, measure them with `umbra index correlate`");
    }
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
