//! `umbra dark-matter fit`: how much of a dictionary's error is linear in the activation.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::Common;
use crate::cli::{Console, Exit};
use crate::corpus::Rows;
use crate::dark_matter::{self, DEFINITIONS, Probe};
use crate::error::Result;
use crate::fit::Fit;
use crate::models::Model;
use crate::progress::Ended;
use crate::sae::Sae;
use crate::workbench::pair::Pair;

/// Flags of `umbra dark-matter fit`, and of the commands that take its probe.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    /// Fit on at most about this many counted tokens, evenly spaced in the text; at least 20 per dimension are needed. At most 100 tokens per dimension of the
    /// held-out text are measured on [default: 200 per dimension]
    #[arg(long, value_name = "N")]
    tokens: Option<u64>,
    /// Keep the probes in this safetensors file; an existing file of this dictionary and model is reused instead of fitting again
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
}

/// Runs `umbra dark-matter fit`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let probe = match probe(args, console)? {
        Ended::Done((_, probe)) => probe,
        Ended::Stopped(()) => return Ok(Exit::Stopped),
    };
    console.answer(&object(&probe), || table(&probe))?;
    Ok(Exit::Done)
}

/// Opens model, dictionary and the kept probe, or fits one.
pub(super) fn probe(args: &Args, console: &Console) -> Result<Ended<(Pair, Probe)>> {
    let pair = args.common.open(console)?;
    let (model, sae) = (&*pair.model, &*pair.sae);
    let at_once = dark_matter::ROWS_AT_ONCE * model.config().context;
    args.common.device.place(sae, (at_once, true), console)?;
    let probe = match kept(args, (model, sae), console)? {
        Some(probe) => probe,
        None => match fitted(args, &pair, console)? {
            Ended::Done(probe) => probe,
            Ended::Stopped(()) => return Ok(Ended::STOPPED),
        },
    };
    if let Some(note) = probe.note() {
        console.note(&note);
    }
    Ok(Ended::Done((pair, probe)))
}

/// Opens the kept probe. A probe of another dictionary or model is an error and is not overwritten.
fn kept(args: &Args, (model, sae): (&Model, &Sae), console: &Console) -> Result<Option<Probe>> {
    let Some(path) = args.keep.as_ref().filter(|path| path.exists()) else {
        return Ok(None);
    };
    let probe = Probe::open(path)?;
    let fit = Fit::of_probe(&probe, Some(model), Some(sae));
    args.common.mismatch.check(&fit, console)?;
    console.note(&format!("Using the probes kept in {}", path.display()));
    Ok(Some(probe))
}

/// Fits on the training text and stores the probe if asked.
fn fitted(args: &Args, pair: &Pair, console: &Console) -> Result<Ended<Probe>> {
    if let Some(path) = &args.keep {
        Probe::check_place(path)?;
    }
    let (model, sae) = (&*pair.model, &*pair.sae);
    let (fit, held_out) = texts(args, pair, console)?;
    let mut bar = console.bar("Fitting");
    let probe = dark_matter::fit(model, sae.autoencoder()?, &fit, &held_out, &mut |at| {
        bar.at(at)
    })?;
    drop(bar);
    if let (Ended::Done(probe), Some(path)) = (&probe, &args.keep) {
        probe.save(path)?;
    }
    Ok(probe)
}

/// Returns rows to fit on and rows to measure on.
fn texts(args: &Args, pair: &Pair, console: &Console) -> Result<(Rows, Rows)> {
    let [fit, held_out] = args.common.texts(pair, console)?.map(|text| text.rows);
    let tokens = (args.tokens).map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX));
    let width = pair.sae.width();
    Ok(dark_matter::sample((&fit, &held_out), width, tokens))
}

/// Returns the figures of `probe` with their definitions.
pub(super) fn object(probe: &Probe) -> Value {
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    json!({
        "sae": probe.sae,
        "r2_mean": probe.r2_mean,
        "r2_weighted": probe.r2_weighted,
        "r2_norm": probe.r2_norm,
        "fvu_total": probe.fvu_total,
        "fvu_nonlinear": probe.fvu_nonlinear,
        "fit_tokens": probe.fit_tokens,
        "held_out_tokens": probe.held_out_tokens,
        "positions": probe.positions, "separate_documents": probe.separate_documents,
        "fit_left_out": probe.left_out.map(|(fit, _)| fit),
        "held_out_left_out": probe.left_out.map(|(_, held_out)| held_out),
        "ridge": probe.ridge,
        "definitions": definitions,
    })
}

/// Writes the figures of `probe` for people.
pub(super) fn table(probe: &Probe) -> String {
    let figures = [
        ("R² of the error", probe.r2_mean, "mean over dimensions"),
        ("R² of the error", probe.r2_weighted, "weighted by variance"),
        ("R² of its norm", probe.r2_norm, "squared norm"),
        ("FVU", probe.fvu_total, "of the reconstruction"),
        (
            "FVU nonlinear",
            probe.fvu_nonlinear,
            "of reconstruction and linear part",
        ),
    ];
    let mut lines: Vec<String> = figures
        .into_iter()
        .map(|(name, figure, meaning)| format!("{name:<16} {figure:>8.4}  {meaning}"))
        .collect();
    lines.push(format!(
        "fitted on {} tokens, measured on {} held out; {}",
        probe.fit_tokens,
        probe.held_out_tokens,
        probe
            .positions
            .said(probe.left_out.map(|(fit, held_out)| fit + held_out))
    ));
    lines.join("\n")
}
