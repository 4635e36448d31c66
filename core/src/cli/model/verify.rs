//! `umbra model verify`: prints a table of hooks with the largest difference from reference values, or from relations between the model's own hooks.

use std::path::PathBuf;

use serde_json::json;

use super::super::{Console, Exit};
use crate::error::{Error, Result};
use crate::models::verify::{self, Row, Verification};
use crate::models::{Model, Processing, read_tensors};

/// Flags of `umbra model verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Model: a HuggingFace folder or a GGUF file
    #[arg(value_name = "PATH")]
    model: PathBuf,
    /// Reference values: tokens, and tensors under the names that capture writes [default: reference.safetensors beside the model; without it, relations between
    /// the model's own hooks]
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Process the weights first, as in other commands
    #[arg(long, value_name = "STEPS", default_value_t)]
    process: Processing,
}

/// Runs `umbra model verify`; a disagreement is a failure.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let (model, notes) = Model::open_as(&args.model, args.process.into())?;
    console.notes(&notes);
    let reference = args.against.clone().or_else(|| verify::beside(&args.model));
    let mut observe = |_: &Row| console.flow();
    let ended = match &reference {
        Some(path) => verify::against(&model, &read_tensors(path)?, &mut observe)?,
        None => verify::itself(&model, &mut observe)?,
    };
    let verification = ended.value();
    let source = reference.map_or_else(|| "itself".to_owned(), |path| path.display().to_string());
    let object = json!({
        "model": args.model.display().to_string(), "against": source, "agrees": verification.agrees(),
        "tolerance": verify::TOLERANCE, "rows": verification.rows.iter().map(object).collect::<Vec<_>>(),
    });
    console.answer(&object, || table(verification, model.name(), &source))?;
    if ended.is_stopped() {
        return Ok(Exit::Stopped);
    }
    let wrong = verification.rows.iter().filter(|row| !row.agrees());
    match wrong.clone().next() {
        None if verification.agrees() => Ok(Exit::Done),
        None => Err(Error::setting("--against", "it has nothing to compare")),
        Some(first) => Err(Error::Numeric {
            what: format!(
                "{} of {} tensors differ from {source}, the first is {}",
                wrong.count(),
                verification.rows.len(),
                first.name
            ),
        }),
    }
}

fn object(row: &Row) -> serde_json::Value {
    json!({
        "name": row.name, "against": row.against, "shape": row.shape,
        "difference": row.difference.is_finite().then_some(row.difference), "largest": row.largest,
        "agrees": row.agrees(), "problem": row.problem,
    })
}

fn table(verification: &Verification, name: &str, source: &str) -> String {
    let lines: Vec<[String; 6]> = verification.rows.iter().map(line).collect();
    let head = [
        "tensor",
        "shape",
        "largest entry",
        "largest difference",
        "",
        "against",
    ];
    let widths: Vec<usize> = (0..6)
        .map(|column| {
            let cells = lines.iter().map(|line| line[column].chars().count());
            cells.max().unwrap_or(0).max(head[column].len())
        })
        .collect();
    let joined = |cells: &[String]| {
        let padded = cells.iter().zip(&widths);
        let padded = padded.map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut all = vec![joined(&head.map(str::to_owned))];
    all.extend(lines.iter().map(|line| joined(line)));
    let agreeing = verification.rows.iter().filter(|row| row.agrees()).count();
    let verdict = if verification.agrees() {
        format!(
            "{name} agrees with {source}: {agreeing} tensors within {:.0e}",
            verify::TOLERANCE
        )
    } else {
        let all = verification.rows.len();
        format!("{name} does not agree with {source}: {agreeing} of {all} tensors do")
    };
    let worst = verification.worst().map(|(share, row)| {
        format!(
            "largest difference: {:.1e}, {:.1} % of what is allowed, at {}",
            row.difference,
            100.0 * share,
            row.name
        )
    });
    all.push(String::new());
    all.extend(worst);
    all.push(verdict);
    all.join("\n")
}

fn line(row: &Row) -> [String; 6] {
    let shape: Vec<String> = row.shape.iter().map(usize::to_string).collect();
    let verdict = if row.agrees() { "ok" } else { "DIFFERS" };
    [
        row.name.clone(),
        format!("[{}]", shape.join(", ")),
        format!("{:.4}", row.largest),
        format!("{:.1e}", row.difference),
        verdict.to_owned(),
        row.problem.clone().unwrap_or_else(|| row.against.clone()),
    ]
}
