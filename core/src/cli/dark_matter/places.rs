//! `umbra dark-matter where`: where the error of a dictionary is, and what predicts its size.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;

use super::fit::{self, definitions, interval};
use crate::cli::{Console, Exit};
use crate::dark_matter::places::{DEFINITIONS, Example, Places, Share};
use crate::error::{Error, Result};
use crate::progress::Ended;
use crate::project::Project;
use crate::workbench::dark_matter::Sampled;

/// Tokens and contexts at either end that the table shows; `--json` has all.
const SHOWN: usize = 8;

/// Flags of `umbra dark-matter where`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    fit: fit::Args,
    /// Keep the result with this project, where the window shows it
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

/// Runs `umbra dark-matter where`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let project = args.project.as_deref().map(Project::open).transpose()?;
    let opened = match fit::probe(&args.fit, console)? {
        Ended::Done(opened) => opened,
        Ended::Stopped(()) => return Ok(Exit::Stopped),
    };
    let (pair, other) = (&opened.pair, opened.other.as_ref());
    let mut spec = args.fit.spec(other)?;
    if spec.skip == 0 {
        spec.skip = opened.probe.facts.skip;
    }
    let texts = args.fit.common.texts(pair, console)?;
    let sampled = Sampled::new(&spec, texts, pair.sae.width());
    let by = (&opened.probe, &spec);
    let mut bar = console.bar("Locating the error");
    let places = sampled.places(pair, other, by, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(places) = places else {
        return Ok(Exit::Stopped);
    };
    if let Some((project, notes)) = &project {
        console.notes(notes);
        sampled.keep_places(project, pair, by, &places)?;
    }
    console.answer(&object(&places)?, || table(&places))?;
    Ok(Exit::Done)
}

fn object(places: &Places) -> Result<Value> {
    let mut value = serde_json::to_value(places).map_err(|cause| Error::Numeric {
        what: format!("the places of the error cannot be written as JSON: {cause}"),
    })?;
    value["conclusion"] = places.conclusion().into();
    value["definitions"] = definitions(DEFINITIONS).into();
    Ok(value)
}

fn table(places: &Places) -> String {
    let mut lines = vec![format!(
        "{:<26} {:>8} {:>8} {:>10} {:>9} {:>9}  {}",
        "where", "tokens", "FVU", "nonlinear", "norm", "of error", "95 % interval of FVU"
    )];
    let line = |name: &str, share: &Share, ends: Option<[f64; 2]>| {
        format!(
            "{name:<26} {:>8} {:>8.4} {:>10.4} {:>9.3} {:>9.3}  {}",
            share.tokens,
            share.fvu,
            share.fvu_nonlinear,
            share.norm,
            share.of_error,
            interval(ends)
        )
    };
    lines.push(line("all tokens", &places.all, None));
    for class in &places.by_class {
        let name = if class.overlaps {
            format!("({})", class.name)
        } else {
            class.name.clone()
        };
        lines.push(line(&name, &class.share, class.interval));
    }
    lines.push(String::new());
    for range in &places.by_position {
        let name = if range.to == range.from + 1 {
            format!("position {}", range.from)
        } else {
            format!("positions {} to {}", range.from, range.to - 1)
        };
        lines.push(line(&name, &range.share, range.interval));
    }
    let shown = SHOWN.min(places.by_token.len());
    let ends = [
        ("tokens explained least", &places.by_token[..shown]),
        (
            "tokens explained best",
            &places.by_token[places.by_token.len() - shown..],
        ),
    ];
    for (title, tokens) in ends {
        lines.push(format!("\n{title}"));
        lines.extend((tokens.iter()).map(|of| line(&format!("{:?}", of.text), &of.share, None)));
    }
    predictions(places, &mut lines);
    for (title, examples) in [
        ("contexts explained least", &places.worst),
        ("contexts explained best", &places.best),
    ] {
        lines.push(format!("\n{title}"));
        lines.extend(examples.iter().take(SHOWN).map(context));
    }
    lines.push(format!(
        "\nnorms fitted on {} tokens; intervals of 95 % over {}; classes in brackets overlap with others",
        places.fit_tokens, places.drawn
    ));
    lines.push(format!("{}.", places.norms_conclusion()));
    lines.push(places.conclusion());
    lines.join("\n")
}

/// Lines of what predicts norms.
fn predictions(places: &Places, lines: &mut Vec<String>) {
    lines.push(format!(
        "\n{:<34} {:>8}  {}",
        "squared norm predicted from x", "R²", "95 % interval"
    ));
    for of in &places.norms {
        let ends = interval(of.interval);
        lines.push(format!(
            "{:<34} {:>8.4}  {ends}",
            of.component.name(),
            of.r2
        ));
    }
    lines.push(format!(
        "\n{:<34} {:>8}  {}",
        "norm of the error predicted from", "R²", "95 % interval"
    ));
    for of in &places.baselines {
        let ends = interval(of.interval);
        lines.push(format!("{:<34} {:>8.4}  {ends}", of.baseline.name(), of.r2));
    }
}

/// Line of a context, its token in brackets.
fn context(example: &Example) -> String {
    let mut text = String::new();
    for (at, token) in example.texts.iter().enumerate() {
        let token = token.escape_debug();
        let written = if at == example.at() {
            write!(text, "⟦{token}⟧")
        } else {
            write!(text, "{token}")
        };
        written.unwrap_or_default();
    }
    format!(
        "{:>8.4}  {} (row {}, position {})  {text}",
        example.share, example.document, example.row, example.position
    )
}
