//! `umbra index correlate`: measures correlations of features with each other and with neurons, and stores them in the index.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::super::{
    Console, DeviceArg, Exit, MismatchArgs, ModelArgs, SaeArgs, TextArgs, open_both,
};
use crate::error::Result;
use crate::features::correlations::{self, Correlations, DEFINITIONS};
use crate::features::{self, Index};
use crate::fit::Fit;
use crate::progress::Ended;
use crate::whole_file;

/// Flags of `umbra index correlate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Feature index of the dictionary
    #[arg(value_name = "FILE")]
    index: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    #[command(flatten)]
    text: TextArgs,
    /// Index file to write, with the correlations [default: the index itself]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    mismatch: MismatchArgs,
    #[command(flatten)]
    device: DeviceArg,
}

/// Runs `umbra index correlate`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let out = args.out.as_ref().unwrap_or(&args.index);
    whole_file::check_regular(out)?;
    let pair = open_both(&args.model, &args.sae, console)?;
    let index = Index::open(&args.index)?;
    let fit = Fit::of_index(index.about(), Some(&pair.model), Some(&pair.sae));
    args.mismatch.check(&fit, console)?;
    let text = args.text.read(&pair, args.model.offline, console)?;
    let at_once = features::tokens_at_once(&pair.sae, &text.rows);
    args.device.place(&*pair.sae, (at_once, false), console)?;
    let mut bar = console.bar("Measuring correlations");
    let subject = (&*pair.model, pair.sae.by_token()?);
    let read = (&text.rows, text.phrase.as_str(), text.fingerprint.as_str());
    let kept = correlations::keep(subject, read, (&index, out), &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(found) = kept else {
        return Ok(Exit::Stopped);
    };
    let out = out.display().to_string();
    console.answer(&object(&found, &out), || {
        let varying = found.features.iter().filter(|of| !of.features.is_empty());
        format!(
            "correlations of {} features over {} tokens of {}: {out}",
            varying.count(),
            found.tokens,
            found.text
        )
    })?;
    Ok(Exit::Done)
}

fn object(found: &Correlations, out: &str) -> Value {
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    let features = found.features.iter().zip(0..).map(|(of, feature)| {
        let mut object = of.json();
        object["feature"] = json!(feature);
        object
    });
    json!({
        "out": out,
        "corpus": found.text,
        "tokens": found.tokens,
        "features": features.collect::<Value>(),
        "definitions": definitions,
    })
}
