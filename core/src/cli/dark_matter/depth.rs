//! `umbra dark-matter depth`: the error of all dictionaries of a model, in the order of a forward pass.

use serde_json::Value;

use super::TwoTexts;
use super::fit::{definitions, interval};
use super::several::{Several, SeveralArgs};
use crate::cli::{Console, DeviceArg, Exit, ModelArgs};
use crate::dark_matter::depth::{DEFINITIONS, Depth};
use crate::dark_matter::{FitSpec, ROWS_AT_ONCE};
use crate::error::{Error, Result};
use crate::progress::Ended;
use crate::sae::Sae;
use crate::workbench::dark_matter::Sampled;

/// Flags of `umbra dark-matter depth`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    several: SeveralArgs,
    #[command(flatten)]
    texts: TwoTexts,
    /// Fit on at most about this many counted tokens, evenly spaced in the text; at least 20 per dimension are needed [default: 200 per dimension]
    #[arg(long, value_name = "N")]
    tokens: Option<usize>,
    /// Measure on at most about this many counted tokens of the held-out text, evenly spaced [default: 100 per dimension]
    #[arg(long, value_name = "N")]
    held_out_tokens: Option<usize>,
    /// Draws of the bootstrap over documents of the held-out text; 0 leaves the intervals out
    #[arg(long, value_name = "N", default_value_t = FitSpec::default().draws)]
    draws: usize,
    /// Seed of the bootstrap
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    device: DeviceArg,
}

/// Runs `umbra dark-matter depth`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let of = args.several.open(&args.model, console)?;
    let model = &*of.pair.model;
    let saes: Vec<&Sae> = of.saes.iter().map(|sae| &**sae).collect();
    let spec = FitSpec {
        tokens: args.tokens,
        held_out_tokens: args.held_out_tokens,
        skip: args.texts.skip,
        draws: args.draws,
        seed: args.seed,
        ..FitSpec::default()
    };
    let sampled = sampled(args, (&of, &saes), &spec, console)?;
    let at_once = ROWS_AT_ONCE * model.config().context;
    for sae in &saes {
        args.device.place(*sae, (at_once, true), console)?;
    }
    let mut bar = console.bar("Measuring the error along depth");
    let depth = sampled.depth(model, &saes, &spec, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(depth) = depth else {
        return Ok(Exit::Stopped);
    };
    for (sae, why) in &depth.left_out {
        console.note(&format!("{sae} is left out: {why}"));
    }
    if let Some(project) = &of.project {
        sampled.keep_depth(project, (model, &saes), &spec, &depth)?;
    }
    console.answer(&object(&depth)?, || table(&depth))?;
    Ok(Exit::Done)
}

/// Reads both texts as the first dictionary says; the widest decides how much.
fn sampled(
    args: &Args,
    (of, saes): (&Several, &[&Sae]),
    spec: &FitSpec,
    console: &Console,
) -> Result<Sampled> {
    let read = (&*of.pair.model, &*of.pair.sae);
    let texts = args.texts.read(read, args.model.offline, console)?;
    for other in &saes[1..] {
        console.notes(&of.pair.notes_on(other, &texts[1].rows));
    }
    let widest = saes.iter().map(|sae| sae.width()).max().unwrap_or(1);
    Ok(Sampled::new(spec, texts, widest))
}

fn object(depth: &Depth) -> Result<Value> {
    let mut value = serde_json::to_value(depth).map_err(|cause| Error::Numeric {
        what: format!("the error along depth cannot be written as JSON: {cause}"),
    })?;
    value["conclusion"] = depth.conclusion().into();
    value["definitions"] = definitions(DEFINITIONS).into();
    Ok(value)
}

fn table(depth: &Depth) -> String {
    let mut lines = vec![format!(
        "{:<28} {:<20} {:>8} {:>7} {:>8} {:>8} {:>10} {:>8} {:>8}  {}",
        "hook",
        "dictionary",
        "features",
        "L0",
        "FVU",
        "linear",
        "nonlinear",
        "R²",
        "R² norm",
        "95 % interval of FVU"
    )];
    lines.extend(depth.rows.iter().map(|row| {
        format!(
            "{:<28} {:<20} {:>8} {:>7.1} {:>8.4} {:>8.4} {:>10.4} {:>8.4} {:>8.4}  {}",
            row.hook.to_string(),
            row.sae,
            row.features,
            row.l0,
            row.fvu_total,
            row.fvu_linear(),
            row.fvu_nonlinear,
            row.r2_weighted,
            row.r2_norm,
            interval(row.total)
        )
    }));
    lines.push(format!(
        "fitted on {} tokens, measured on {} held out; intervals over {}",
        depth.fit_tokens, depth.held_out_tokens, depth.drawn
    ));
    lines.push(depth.conclusion());
    lines.join("\n")
}
