//! `umbra baseline fit`: a classical decomposition of a hook's activations, saved as a dictionary.

use std::path::PathBuf;

use super::TwoTexts;
use crate::baselines::{DEFINITIONS, Fitted, HeldOut, Kind, Spec, held_out};
use crate::cli::{Console, Exit, ModelArgs};
use crate::error::Result;
use crate::folders;
use crate::progress::Ended;
use crate::workbench::baselines::{fit, json, notes};

/// Flags of `umbra baseline fit`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help())]
pub(super) struct Args {
    /// Decomposition
    #[arg(long, value_name = "pca|ica|nmf|k-means|sparse-coding|random")]
    kind: Kind,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    texts: TwoTexts,
    /// Hook to decompose, such as blocks.2.hook_resid_post or blocks.0.attn.hook_z
    #[arg(long, value_name = "NAME")]
    hook: String,
    /// Number of features; PCA and ICA have at most the width of the hook
    #[arg(long, value_name = "N")]
    features: usize,
    /// Active features per token, or rounds of matching pursuit for nmf and sparse-coding [default: 32, or all features if there are fewer; 1 for k-means]
    #[arg(long, value_name = "K")]
    k: Option<usize>,
    /// Largest number of rounds of the fit [default: 200 for ica and nmf, 100 for k-means, 60 for sparse-coding]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Largest number of activations that ica, nmf, k-means and sparse-coding hold in memory, evenly spaced in the text [default: 16384]
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Seed of what is drawn
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Overwrite a dictionary, run, export or store in the folder of --out; without this flag such a folder is an error. Other files stay
    #[arg(long)]
    overwrite: bool,
    /// Folder to write: cfg.json and sae_weights.safetensors in SAELens's format
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn help() -> String {
    let kinds: Vec<String> = Kind::ALL
        .iter()
        .map(|kind| format!("  {kind}: {}", kind.definition()))
        .collect();
    format!(
        "Kinds:\n{}\n{}",
        kinds.join("\n"),
        super::defined(DEFINITIONS)
    )
}

/// Runs `umbra baseline fit`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let claim = folders::claim(&args.out, args.overwrite)?;
    // Parsed here rather than by clap: an unknown hook is a failure (exit code 1), not wrong usage (2).
    let hook = args.hook.parse()?;
    let model = args.model.open(console)?;
    let usual = Spec::new(args.kind, args.features);
    let spec = Spec {
        k: args.k,
        rounds: args.rounds,
        sample: args.sample.unwrap_or(usual.sample),
        seed: args.seed,
        ..usual
    };
    let [text, measured] = args
        .texts
        .read((&model, None), args.model.offline, console)?;
    let mut bar = console.bar("Fitting");
    let fitted = fit(&model, &text, (&spec, hook), &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(fitted) = fitted else {
        return Ok(Exit::Stopped);
    };
    console.notes(&notes(&spec, &fitted));
    let mut bar = console.bar("Measuring");
    let rows = &measured.rows;
    let measured = held_out(&fitted.sae, &model, rows, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(measured) = measured else {
        return Ok(Exit::Stopped);
    };
    fitted.sae.save(&args.out)?;
    claim.release()?;
    let mut object = json(&spec, &fitted, &measured);
    object["out"] = args.out.display().to_string().into();
    console.answer(&object, || table(args, &fitted, &measured))?;
    Ok(Exit::Done)
}

fn table(args: &Args, fitted: &Fitted, measured: &HeldOut) -> String {
    let sae = &fitted.sae;
    let left = match fitted.left {
        Some(left) => {
            format!("\nleft      {left:>10.5}  by the method itself, on the text fitted on")
        }
        None => String::new(),
    };
    format!(
        "{} with {} features ({}), fitted on {} activations\nFVU       {:>10.5}  fraction of variance unexplained, held-out text\nL0        {:>10.2}  active features per token, held-out text{left}\nsaved in {}",
        args.kind,
        sae.features(),
        sae.selection.describe(),
        fitted.tokens,
        measured.fvu,
        measured.l0,
        args.out.display()
    )
}
