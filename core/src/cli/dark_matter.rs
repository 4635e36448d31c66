//! `umbra dark-matter`: measures how much of a dictionary's error is linear in the activation, and shows the error of one text token by token.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{
    Console, CorpusArgs, DeviceArg, DocumentsArg, Exit, MismatchArgs, ModelArgs, PositionsArg,
    SaeArgs, open_both,
};
use crate::corpus::Rows;
use crate::dark_matter::{self, DEFINITIONS, ErrorNorms, Probe};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::fit::Fit;
use crate::models::{Model, token_tensor};
use crate::progress::Ended;
use crate::sae::Sae;
use crate::workbench::pair::Pair;

/// Flags of `umbra dark-matter`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    /// Text to fit the probes on; without --held-out, its held-out part is reserved for measuring
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Text to measure on [default: the 5 % of --corpus that training holds out]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    held_out: Vec<PathBuf>,
    /// Fit on at most about this many counted tokens, evenly spaced in the text; at least 20 per dimension are needed. At most 100 tokens per dimension of the
    /// held-out text are measured on [default: 200 per dimension]
    #[arg(long, value_name = "N")]
    tokens: Option<u64>,
    #[command(flatten)]
    positions: PositionsArg,
    #[command(flatten)]
    documents: DocumentsArg,
    /// Show the errors of this text token by token
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Keep the probes in this safetensors file; an existing file of this dictionary and model is reused instead of fitting again
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    mismatch: MismatchArgs,
    #[command(flatten)]
    device: DeviceArg,
}

/// Runs `umbra dark-matter`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let pair = open_both(&args.model, &args.sae, console)?;
    let (model, sae) = (&*pair.model, &*pair.sae);
    let at_once = dark_matter::ROWS_AT_ONCE * model.config().context;
    args.device.place(sae, (at_once, true), console)?;
    let probe = match kept(args, (model, sae), console)? {
        Some(probe) => probe,
        None => match fitted(args, &pair, console)? {
            Ended::Done(probe) => probe,
            Ended::Stopped(()) => return Ok(Exit::Stopped),
        },
    };
    if let Some(note) = probe.note() {
        console.note(&note);
    }
    let tokens = match &args.text {
        Some(text) => {
            console.begun(model.codec(), text)?;
            by_token(model, sae, &probe, text)?
        }
        None => Vec::new(),
    };
    console.answer(
        &object(&probe, args.text.is_some().then_some(&tokens)),
        || table(&probe, &tokens),
    )?;
    Ok(Exit::Done)
}

/// Opens the kept probe. A probe of another dictionary or model is an error and is not overwritten.
fn kept(args: &Args, (model, sae): (&Model, &Sae), console: &Console) -> Result<Option<Probe>> {
    let Some(path) = args.keep.as_ref().filter(|path| path.exists()) else {
        return Ok(None);
    };
    let probe = Probe::open(path)?;
    let fit = Fit::of_probe(&probe, Some(model), Some(sae));
    args.mismatch.check(&fit, console)?;
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
    let asked = (args.positions, args.documents);
    let request = args.corpus.request(asked, args.model.offline, console)?;
    let both = request.read_split(&args.held_out, &pair.model, Some(&pair.sae))?;
    for text in &both {
        console.notes(&text.notes);
    }
    let [fit, held_out] = both.map(|text| text.rows);
    let tokens = (args.tokens).map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX));
    let width = pair.sae.width();
    Ok(dark_matter::sample((&fit, &held_out), width, tokens))
}

/// Token of `--text`.
struct Token {
    id: u32,
    text: String,
    norms: ErrorNorms,
}

fn by_token(model: &Model, sae: &Sae, probe: &Probe, text: &str) -> Result<Vec<Token>> {
    let mut tokens = model.codec().encode_with_bos(text)?;
    if tokens.is_empty() {
        return Err(Error::setting(
            "--text",
            "it has no token, give a longer text",
        ));
    }
    tokens.truncate(model.config().context);
    let hook = sae.hook()?;
    let captured = model.capture(&token_tensor(&[&tokens])?, &[hook])?;
    let whole = Matrix::from_tensor(&captured[&hook], model.width(hook)?)?;
    let x = sae.own_part(&whole)?;
    let split = probe.split(sae.autoencoder()?, &x)?;
    Ok(tokens
        .iter()
        .zip(split.norms)
        .map(|(id, norms)| Token {
            id: id.0,
            text: model.codec().display(*id),
            norms,
        })
        .collect())
}

fn object(probe: &Probe, tokens: Option<&Vec<Token>>) -> Value {
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    let mut value = json!({
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
    });
    if let Some(tokens) = tokens {
        let token = |token: &Token| {
            json!({
                "id": token.id,
                "text": token.text,
                "activation": token.norms.activation,
                "total": token.norms.total,
                "linear": token.norms.linear,
                "nonlinear": token.norms.nonlinear,
            })
        };
        value["tokens"] = tokens.iter().map(token).collect();
    }
    value
}

fn table(probe: &Probe, tokens: &[Token]) -> String {
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
    if !tokens.is_empty() {
        lines.push(format!(
            "\n{:>4} {:<16} {:>10} {:>10} {:>10} {:>10}",
            "at", "token", "activation", "error", "linear", "nonlinear"
        ));
    }
    for (at, token) in tokens.iter().enumerate() {
        let ErrorNorms {
            activation,
            total,
            linear,
            nonlinear,
        } = token.norms;
        let text = format!("{:?}", token.text);
        lines.push(format!(
            "{at:>4} {text:<16} {activation:>10.3} {total:>10.3} {linear:>10.3} {nonlinear:>10.3}"
        ));
    }
    lines.join("\n")
}
