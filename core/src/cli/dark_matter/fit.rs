//! `umbra dark-matter fit`: how much of a dictionary's error is linear in the activation, or in another predictor.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::Common;
use crate::cli::{Console, Exit, ParentArg, SaeArgs};
use crate::dark_matter::{DEFINITIONS, FitSpec, Predictor, Probe, ROWS_AT_ONCE, Ridge};
use crate::error::{Error, Result};
use crate::fit::Fit;
use crate::progress::Ended;
use crate::sae::Sae;
use crate::workbench::dark_matter::Sampled;
use crate::workbench::pair::Pair;

/// Flags of `umbra dark-matter fit`, and of the commands that take its probe.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    /// Fit on at most about this many counted tokens, evenly spaced in the text; at least 20 per dimension of the predictor are needed [default: 200 per
    /// dimension]
    #[arg(long, value_name = "N")]
    tokens: Option<u64>,
    /// Measure on at most about this many counted tokens of the held-out text, evenly spaced [default: 100 per dimension]
    #[arg(long, value_name = "N")]
    held_out_tokens: Option<u64>,
    /// Predict the error from the activation, the reconstruction, or the activation at another hook such as blocks.1.hook_resid_post [default: activation]
    #[arg(long, value_name = "activation|reconstruction|HOOK")]
    predictor: Option<String>,
    /// Predict the error from the reconstruction of this dictionary of the same model, at its own hook
    #[arg(long, value_name = "PATH|NAME", conflicts_with = "predictor")]
    predictor_sae: Option<PathBuf>,
    /// Ridge of the fit: λ, the penalty on standardised predictors per activation, or cv for the best of 0 and 1e-6 to 10 by cross-validation over five folds of
    /// documents [default: 0]
    #[arg(long, value_name = "LAMBDA|cv")]
    ridge: Option<String>,
    /// Draws of the bootstrap over documents of the held-out text (over runs of rows where it has fewer than 16 documents); 0 leaves the intervals out
    #[arg(long, value_name = "N", default_value_t = FitSpec::default().draws)]
    draws: usize,
    /// Seed of the bootstrap
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Keep the probes in this safetensors file; an existing file of this dictionary and model is reused instead of fitting again
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
}

/// Model, dictionary, the dictionary that predicts, and the probe.
pub(super) struct Opened {
    pub(super) pair: Pair,
    pub(super) other: Option<Sae>,
    pub(super) probe: Probe,
}

/// Runs `umbra dark-matter fit`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let probe = match probe(args, console)? {
        Ended::Done(opened) => opened.probe,
        Ended::Stopped(()) => return Ok(Exit::Stopped),
    };
    console.answer(&object(&probe), || table(&probe))?;
    Ok(Exit::Done)
}

/// Opens model, dictionary and the kept probe, or fits one.
pub(super) fn probe(args: &Args, console: &Console) -> Result<Ended<Opened>> {
    let pair = args.common.open(console)?;
    let at_once = ROWS_AT_ONCE * pair.model.config().context;
    let sae = &*pair.sae;
    args.common.device.place(sae, (at_once, true), console)?;
    let other = args.other(console)?;
    let spec = args.spec(other.as_ref())?;
    let probe = match kept(args, &pair, &spec, console)? {
        Some(probe) => probe,
        None => match fitted(args, (&pair, other.as_ref()), &spec, console)? {
            Ended::Done(probe) => probe,
            Ended::Stopped(()) => return Ok(Ended::STOPPED),
        },
    };
    if let Some(note) = probe.note() {
        console.note(&note);
    }
    Ok(Ended::Done(Opened { pair, other, probe }))
}

impl Args {
    /// Opens the dictionary that predicts, if one is named.
    fn other(&self, console: &Console) -> Result<Option<Sae>> {
        let Some(sae) = self.predictor_sae.clone() else {
            return Ok(None);
        };
        let named = SaeArgs {
            sae,
            hook: None,
            parent: ParentArg::default(),
        };
        named.read(self.common.model.offline, console).map(Some)
    }

    /// Returns the settings of the fit.
    pub(super) fn spec(&self, other: Option<&Sae>) -> Result<FitSpec> {
        let count = |tokens: u64| usize::try_from(tokens).unwrap_or(usize::MAX);
        let predictor = match (self.predictor.as_deref(), other) {
            (_, Some(other)) => Predictor::from_sae(other)?,
            (None | Some("activation"), None) => Predictor::Activation,
            (Some("reconstruction"), None) => Predictor::Reconstruction,
            (Some(hook), None) => Predictor::Hook {
                hook: hook.parse()?,
            },
        };
        Ok(FitSpec {
            predictor,
            ridge: self.ridge.as_deref().map_or(Ok(Ridge::None), ridge)?,
            tokens: self.tokens.map(count),
            held_out_tokens: self.held_out_tokens.map(count),
            skip: self.common.texts.skip,
            draws: self.draws,
            seed: self.seed,
        })
    }

    /// Rejects a kept probe that was fitted otherwise than the flags say; flags that are left out do not count.
    fn check_settings(&self, probe: &Probe, spec: &FitSpec, path: &Path) -> Result<()> {
        let facts = &probe.facts;
        let asks = self.predictor.is_some() || self.predictor_sae.is_some();
        let what = if asks && facts.predictor != spec.predictor {
            format!(
                "predicts from {}, not from {}",
                facts.predictor, spec.predictor
            )
        } else if self.ridge.is_some() && facts.ridge != spec.ridge {
            "was fitted with another ridge".to_owned()
        } else if spec.skip != 0 && facts.skip != spec.skip {
            format!(
                "leaves out the first {} positions, not {}",
                facts.skip, spec.skip
            )
        } else {
            return Ok(());
        };
        let what = format!("the kept probe {what}: name another file in --keep");
        Err(Error::input(what, path))
    }
}

/// Reads `--ridge`.
fn ridge(text: &str) -> Result<Ridge> {
    if text == "cv" {
        return Ok(Ridge::CrossValidated);
    }
    match text.parse::<f64>() {
        Ok(0.0) => Ok(Ridge::None),
        Ok(lambda) if lambda.is_finite() && lambda > 0.0 => Ok(Ridge::Fixed(lambda)),
        _ => Err(Error::setting(
            "--ridge",
            format!("`{text}` is neither a number from 0 on nor cv"),
        )),
    }
}

/// Opens the kept probe. A probe of another dictionary, model or fit is an error and is not overwritten.
fn kept(args: &Args, pair: &Pair, spec: &FitSpec, console: &Console) -> Result<Option<Probe>> {
    let Some(path) = args.keep.as_ref().filter(|path| path.exists()) else {
        return Ok(None);
    };
    let probe = Probe::open(path)?;
    let fit = Fit::of_probe(&probe, Some(&pair.model), Some(&pair.sae));
    args.common.mismatch.check(&fit, console)?;
    args.check_settings(&probe, spec, path)?;
    console.note(&format!("Using the probes kept in {}", path.display()));
    Ok(Some(probe))
}

/// Fits on the training text and stores the probe if asked.
fn fitted(
    args: &Args,
    (pair, other): (&Pair, Option<&Sae>),
    spec: &FitSpec,
    console: &Console,
) -> Result<Ended<Probe>> {
    if let Some(path) = &args.keep {
        Probe::check_place(path)?;
    }
    let texts = args.common.texts(pair, console)?;
    let sampled = Sampled::new(spec, texts, pair.sae.width());
    let mut bar = console.bar("Fitting");
    let probe = sampled.fit(pair, other, spec, &mut |at| bar.at(at))?;
    drop(bar);
    if let (Ended::Done(probe), Some(path)) = (&probe, &args.keep) {
        probe.save(path)?;
    }
    Ok(probe)
}

/// Returns the figures of `probe` with their definitions.
pub(super) fn object(probe: &Probe) -> Value {
    let facts = &probe.facts;
    let on_fit = facts.on_fit.as_ref();
    json!({
        "sae": probe.sae,
        "hook": facts.hook,
        "predictor": facts.predictor,
        "r2_mean": probe.r2_mean,
        "r2_weighted": probe.r2_weighted,
        "r2_norm": probe.r2_norm,
        "fvu_total": probe.fvu_total,
        "fvu_nonlinear": probe.fvu_nonlinear,
        "r2_mean_fit": on_fit.map(|on_fit| on_fit.r2_mean),
        "r2_weighted_fit": on_fit.map(|on_fit| on_fit.r2_weighted),
        "r2_norm_fit": on_fit.map(|on_fit| on_fit.r2_norm),
        "intervals": facts.intervals,
        "intervals_over": facts.intervals.map(|_| &facts.drawn),
        "fit_tokens": probe.fit_tokens,
        "held_out_tokens": probe.held_out_tokens,
        "positions": probe.positions, "separate_documents": probe.separate_documents,
        "skip": facts.skip,
        "fit_left_out": probe.left_out.map(|(fit, _)| fit),
        "held_out_left_out": probe.left_out.map(|(_, held_out)| held_out),
        "ridge": probe.ridge,
        "lambda": facts.lambda,
        "curve": facts.curve,
        "fit_text": facts.fit_text,
        "held_out_text": facts.held_out_text,
        "conclusion": probe.conclusion(),
        "definitions": definitions(DEFINITIONS),
    })
}

/// Returns names with their definitions as one object.
pub(super) fn definitions(of: &[(&str, &str)]) -> Map<String, Value> {
    let entries = of.iter();
    entries
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect()
}

/// Writes an interval for people; nothing where there is none.
pub(super) fn interval(ends: Option<[f64; 2]>) -> String {
    ends.map_or_else(String::new, |[low, high]| format!("{low:.4} to {high:.4}"))
}

/// Writes the figures of `probe` for people.
pub(super) fn table(probe: &Probe) -> String {
    let facts = &probe.facts;
    let ends = facts.intervals;
    let figures = [
        (
            "R² of the error",
            probe.r2_mean,
            ends.map(|ends| ends.r2_mean),
            "mean over dimensions",
        ),
        (
            "R² of the error",
            probe.r2_weighted,
            ends.map(|ends| ends.r2_weighted),
            "weighted by variance",
        ),
        (
            "R² of its norm",
            probe.r2_norm,
            ends.map(|ends| ends.r2_norm),
            "squared norm",
        ),
        (
            "FVU",
            probe.fvu_total,
            ends.map(|ends| ends.fvu_total),
            "of the reconstruction",
        ),
        (
            "FVU nonlinear",
            probe.fvu_nonlinear,
            ends.map(|ends| ends.fvu_nonlinear),
            "of reconstruction and linear part",
        ),
    ];
    let mut lines: Vec<String> = figures
        .into_iter()
        .map(|(name, figure, ends, meaning)| {
            format!("{name:<16} {figure:>8.4}  {:<18} {meaning}", interval(ends))
        })
        .collect();
    if let Some(on_fit) = &facts.on_fit {
        lines.push(format!(
            "on the text fitted on: R² {:.4} (mean over dimensions), {:.4} (weighted), {:.4} (norm)",
            on_fit.r2_mean, on_fit.r2_weighted, on_fit.r2_norm
        ));
    }
    let drawn = match ends {
        Some(_) => format!("; 95 % intervals over {}", facts.drawn),
        None => String::new(),
    };
    lines.push(format!(
        "predicted from {}, ridge {}{}; fitted on {} tokens, measured on {} held out; {}{drawn}",
        facts.predictor,
        facts.lambda,
        if facts.curve.is_empty() {
            ""
        } else {
            " by cross-validation"
        },
        probe.fit_tokens,
        probe.held_out_tokens,
        probe
            .positions
            .said(probe.left_out.map(|(fit, held_out)| fit + held_out)),
    ));
    lines.push(probe.conclusion());
    lines.join("\n")
}
