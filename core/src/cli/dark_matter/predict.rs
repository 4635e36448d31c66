//! `umbra dark-matter predict`: how far reconstructions of other dictionaries predict the error.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::TwoTexts;
use super::several::with_definitions;
use crate::cli::{Console, DeviceArg, Exit, ModelArgs, ParentArg, SaeArgs, open_both};
use crate::dark_matter;
use crate::dark_matter::predict::{Accuracy, DEFINITIONS, Predictions, Row};
use crate::error::Result;
use crate::progress::Ended;
use crate::project::Project;
use crate::workbench::error_parts::{self, Study};
use crate::workbench::pair::Pair;

/// Flags of `umbra dark-matter predict`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    /// Dictionary whose reconstruction predicts the error, of any hook of the model; repeat it for several [default: all of --project]
    #[arg(long, value_name = "PATH|NAME", required_unless_present = "project")]
    from: Vec<PathBuf>,
    #[command(flatten)]
    texts: TwoTexts,
    /// Fit on at most about this many counted tokens, evenly spaced in the text [default: all]
    #[arg(long, value_name = "N")]
    tokens: Option<usize>,
    /// Measure on at most about this many counted tokens, evenly spaced in the text [default: all]
    #[arg(long, value_name = "N")]
    measured: Option<usize>,
    /// Seed of the draws for intervals
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Keep the result with this project, where the window shows it
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArg,
}

/// Runs `umbra dark-matter predict`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let project = args.project.as_deref().map(Project::open).transpose()?;
    let project = project.map(|(project, notes)| {
        console.notes(&notes);
        project
    });
    let pair = open_both(&args.model, &args.sae, console)?;
    let mut saes = vec![Arc::clone(&pair.sae)];
    for path in &args.from {
        let named = SaeArgs {
            sae: path.clone(),
            hook: None,
            parent: ParentArg::default(),
        };
        let sae = Arc::new(named.read(args.model.offline, console)?);
        sae.autoencoder()?;
        console.notes(&Pair::new(&pair.model, &sae).check()?);
        saes.push(sae);
    }
    if let (true, Some(project)) = (args.from.is_empty(), &project) {
        let (all, notes) = error_parts::dictionaries(project, &pair);
        console.notes(&notes);
        saes = all;
    }
    let read = (&*pair.model, &*pair.sae);
    let [fit, held_out] = args.texts.read(read, args.model.offline, console)?;
    let texts = [fit.sampled(args.tokens), held_out.sampled(args.measured)];
    let at_once = dark_matter::tokens_at_once(&texts[0].rows);
    for sae in &saes {
        args.device.place(&**sae, (at_once, true), console)?;
    }
    let mut bar = console.bar("Predicting");
    let of = (&*pair.model, saes.as_slice());
    let found = error_parts::predictions(of.0, of.1, &texts, args.seed, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(found) = found else {
        return Ok(Exit::Stopped);
    };
    for note in &found.notes {
        console.note(note);
    }
    if let Some(project) = &project {
        error_parts::keep(project, Study::Predict, of, (&texts, args.seed), &found)?;
    }
    console.answer(&object(&found)?, || table(&found))?;
    Ok(Exit::Done)
}

fn object(found: &Predictions) -> Result<Value> {
    let mut value = with_definitions(found, DEFINITIONS)?;
    value["conclusion"] = found.conclusion().into();
    Ok(value)
}

fn table(found: &Predictions) -> String {
    let mut lines = vec![
        format!(
            "R² of the error of {} ({}) and of its parts",
            found.sae, found.hook
        ),
        format!(
            "{:<26} {:<28} {:<10} {:>8} {:>8} {:>10} {:>18} {:>9} {:>10}",
            "from",
            "hook",
            "place",
            "error",
            "linear",
            "nonlinear",
            "interval",
            "FVU left",
            "reduction"
        ),
    ];
    lines.extend(found.rows.iter().map(line));
    lines.push(format!(
        "FVU {:.4}, with the linear part {:.4}; fitted on {} activations, measured on {} held out; {}; intervals of 95 % over {}",
        found.fvu_total,
        found.fvu_nonlinear,
        found.fit_tokens,
        found.held_out_tokens,
        found.positions.said(None),
        found.blocks
    ));
    lines.push(found.conclusion());
    lines.join("\n")
}

fn line(row: &Row) -> String {
    let r2 = |of: Accuracy| of.r2.map_or("–".to_owned(), |r2| format!("{r2:.3}"));
    let ends = row.nonlinear.interval;
    let ends = ends.map_or("–".to_owned(), |[low, high]| {
        format!("{low:.3} to {high:.3}")
    });
    format!(
        "{:<26} {:<28} {:<10} {:>8} {:>8} {:>10} {:>18} {:>9.4} {:>10.3}",
        row.name(),
        row.hook,
        row.relation.name(),
        r2(row.error),
        r2(row.linear),
        r2(row.nonlinear),
        ends,
        row.fvu_left,
        row.reduction
    )
}
