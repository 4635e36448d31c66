//! `umbra eval`: measures how well a dictionary reconstructs activations, and what that costs the model.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::device::speeds;
use super::{Console, DeviceArg, Exit, ModelArgs, SaeArgs, TextArgs, open_with_transcoder};
use crate::error::{Error, Result};
use crate::eval::{self, DEFINITIONS, Figures};
use crate::fit::Prints;
use crate::progress::Ended;
use crate::project::Project;
use crate::workbench::passes::Pass;

/// Flags of `umbra eval`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    #[command(flatten)]
    text: TextArgs,
    #[command(flatten)]
    device: DeviceArg,
    /// Store the figures with this project, where the window shows them
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

/// Runs `umbra eval`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    // Opened first, so that a wrong folder fails before the work.
    let project =
        args.project
            .as_deref()
            .map(Project::open)
            .transpose()?
            .map(|(project, notes)| {
                console.notes(&notes);
                project
            });
    let pair = open_with_transcoder(&args.model, &args.sae, console)?;
    let text = args.text.read(&pair, args.model.offline, console)?;
    let (model, sae, rows) = (&pair.model, &pair.sae, &text.rows);
    let at_once = eval::tokens_at_once(model, rows);
    let choice = args.device.place(&**sae, (at_once, true), console)?;
    let pass = Pass::Evaluation;
    args.device.expect(pass, (&pair, rows), console);
    let mut bar = console.bar("Evaluating");
    let figures = speeds().timed(pass, (&pair, rows), &choice, || {
        eval::run(model, sae, rows, &mut |at| bar.at(at))
    })?;
    drop(bar);
    let Ended::Done(figures) = figures else {
        return Ok(Exit::Stopped);
    };
    if let Some(project) = project {
        let of = Prints::new(model, sae);
        let device = choice.compute.label();
        project.keep_figures(&sae.name, (&text.phrase, &device), &figures, of)?;
    }
    let mut answer = object(&figures)?;
    answer["separate_documents"] = json!(rows.separates_documents());
    console.answer(&answer, || table(&figures))?;
    Ok(Exit::Done)
}

/// Returns the figures under their keys, and their definitions.
fn object(figures: &Figures) -> Result<Value> {
    let mut value = serde_json::to_value(figures).map_err(|cause| Error::Numeric {
        what: format!("the figures cannot be written as JSON: {cause}"),
    })?;
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    value["definitions"] = Value::Object(definitions);
    Ok(value)
}

fn table(figures: &Figures) -> String {
    let mut lines = vec![
        ("L0", figures.l0, "active features per token"),
        ("FVU", figures.fvu, "fraction of variance unexplained"),
        ("dead", figures.dead_fraction, "never active on this text"),
        ("rare", figures.rare_fraction, "density below 1e-5"),
        ("CE clean", figures.ce_clean, "nats per token"),
        ("CE spliced", figures.ce_sae, "nats per token"),
        ("CE zero-ablated", figures.ce_zero, "nats per token"),
        ("CE mean-ablated", figures.ce_mean, "nats per token"),
        (
            "CE recovered (zero)",
            figures.ce_recovered_zero,
            "(zero − spliced) / (zero − clean)",
        ),
        (
            "CE recovered (mean)",
            figures.ce_recovered_mean,
            "(mean − spliced) / (mean − clean)",
        ),
    ];
    if let Some(near) = figures.nearness {
        lines.extend([
            ("KL clean, spliced", near.kl_sae, "nats per token"),
            ("cosine", near.cosine, "of x and x̂"),
            ("L2 ratio", near.l2_ratio, "|x̂| / |x|"),
            (
                "explained variance",
                near.explained_variance,
                "as sae_lens.evals: 1 − FVU",
            ),
            (
                "    by token",
                near.explained_variance_legacy,
                "as older versions of it",
            ),
        ]);
    }
    if let Some(pair) = figures.pair {
        lines.extend([
            (
                "FVU parent",
                pair.fvu_parent,
                "of the activation, parent alone",
            ),
            (
                "FVU pair",
                pair.fvu_pair,
                "of the activation, parent and child",
            ),
            (
                "CE parent",
                pair.ce_parent,
                "nats per token, parent alone spliced",
            ),
            (
                "CE pair",
                pair.ce_pair,
                "nats per token, parent and child spliced",
            ),
        ]);
    }
    let mut table: Vec<String> = lines
        .into_iter()
        .map(|(name, figure, meaning)| format!("{name:<20} {figure:>10.5}  {meaning}"))
        .collect();
    let tokens = figures.tokens;
    table.push(format!(
        "{:<20} {tokens:>10}  {}",
        "tokens",
        figures.positions.said(figures.left_out)
    ));
    table.extend(figures.pair.map(|pair| pair.conclusion(figures.ce_clean)));
    table.join("\n")
}
