//! `umbra baseline correlate`: canonical correlations of two hooks, models or dictionaries.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::TwoTexts;
use crate::baselines::canonical::{DEFINITIONS, Measured, Reads, Side, means, measure};
use crate::cli::args::open_together;
use crate::cli::{Console, Exit, ModelArgs, ParentArg, SaeArgs};
use crate::error::Result;
use crate::ids::HookPoint;
use crate::models::Model;
use crate::progress::Ended;
use crate::sae::Sae;
use crate::workbench::baselines::correlation_json;

/// Number of correlations printed without `--json`.
const SHOWN: usize = 10;

/// Flags of `umbra baseline correlate`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::defined(DEFINITIONS))]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    texts: TwoTexts,
    /// First values of a token: a hook such as blocks.1.hook_resid_post, or a dictionary, for the activations of all of its features
    #[arg(long, value_name = "HOOK|DIR")]
    a: String,
    /// Second values of a token, like the first
    #[arg(long, value_name = "HOOK|DIR")]
    b: String,
    /// Model of --b, where it is another one; both must have one tokenizer
    #[arg(long, value_name = "PATH|NAME")]
    model_b: Option<PathBuf>,
    /// Ridge on the variance of 1 of every standardised value
    #[arg(long, value_name = "L", default_value_t = 0.0)]
    ridge: f64,
    #[command(flatten)]
    parent: ParentArg,
}

/// Values that a person named.
#[derive(Debug, Clone)]
enum Named {
    Hook(HookPoint),
    Dictionary(Arc<Sae>),
}

impl Named {
    /// Reads `text` as a hook, or else as the dictionary at that place.
    fn new(text: &str, args: &Args, console: &Console) -> Result<Self> {
        let is_hook = !Path::new(text).exists() && text.contains("hook_");
        if is_hook {
            return Ok(Self::Hook(text.parse()?));
        }
        let sae = SaeArgs {
            sae: PathBuf::from(text),
            hook: None,
            parent: args.parent.clone(),
        };
        let sae = sae.read(args.model.offline, console)?;
        Ok(Self::Dictionary(Arc::new(sae)))
    }

    fn sae(&self) -> Option<&Arc<Sae>> {
        match self {
            Self::Hook(_) => None,
            Self::Dictionary(sae) => Some(sae),
        }
    }

    fn side<'a>(&'a self, model: &'a Model) -> Result<Side<'a>> {
        let reads = match self {
            Self::Hook(hook) => {
                model.check_hook(*hook)?;
                Reads::Hook(*hook)
            }
            Self::Dictionary(sae) => Reads::Latents(sae.by_token()?),
        };
        Ok(Side { model, reads })
    }
}

/// Opens the model of some sides, which must fit their dictionaries.
fn open(model: &ModelArgs, sides: &[&Named], console: &Console) -> Result<Arc<Model>> {
    let saes: Vec<&Arc<Sae>> = sides.iter().filter_map(|side| side.sae()).collect();
    if saes.is_empty() {
        return Ok(Arc::new(model.open(console)?));
    }
    open_together(model, &saes, console)
}

/// Runs `umbra baseline correlate`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let [a, b] = [&args.a, &args.b].map(|side| Named::new(side, args, console));
    let (a, b) = (a?, b?);
    let (first, second) = match &args.model_b {
        None => {
            let model = open(&args.model, &[&a, &b], console)?;
            (Arc::clone(&model), model)
        }
        Some(other) => {
            let mut of_b = args.model.clone();
            of_b.model.clone_from(other);
            (
                open(&args.model, &[&a], console)?,
                open(&of_b, &[&b], console)?,
            )
        }
    };
    let sides = [a.side(&first)?, b.side(&second)?];
    let read_as = a.sae().or_else(|| b.sae()).map(|sae| &**sae);
    let [fit, held_out] = args
        .texts
        .read((&first, read_as), args.model.offline, console)?;
    let mut bar = console.bar("Correlating");
    let rows = (&fit.rows, &held_out.rows);
    let measured = measure(sides, rows, args.ridge, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(measured) = measured else {
        return Ok(Exit::Stopped);
    };
    for (side, constant) in [&args.a, &args.b].into_iter().zip(measured.fitted.constant) {
        if constant > 0 {
            console.note(&format!(
                "{constant} values of {side} are constant on this text and left out"
            ));
        }
    }
    let object = correlation_json([&args.a, &args.b], &measured);
    console.answer(&object, || table(args, &measured))?;
    Ok(Exit::Done)
}

fn table(args: &Args, measured: &Measured) -> String {
    let (fitted, held_out) = (&measured.fitted, &measured.held_out);
    let mut lines = vec![
        format!(
            "{} ({} dimensions) and {} ({})",
            args.a, fitted.ranks[0], args.b, fitted.ranks[1]
        ),
        format!("{:>12} {:>9} {:>9}", "pair", "fitted", "held out"),
    ];
    let pairs = fitted.correlations.iter().zip(held_out).enumerate();
    lines.extend(pairs.take(SHOWN).map(|(pair, (fitted, held_out))| {
        format!("{:>12} {fitted:>9.4} {held_out:>9.4}", pair + 1)
    }));
    let ([mean, square], [held_mean, held_square]) = (means(&fitted.correlations), means(held_out));
    lines.push(format!("{:>12} {mean:>9.4} {held_mean:>9.4}", "mean"));
    lines.push(format!(
        "{:>12} {square:>9.4} {held_square:>9.4}",
        "mean square"
    ));
    lines.push(format!(
        "{} pairs, fitted on {} tokens, measured on {} held out",
        held_out.len(),
        fitted.tokens,
        measured.held_out_tokens
    ));
    lines.join("\n")
}
