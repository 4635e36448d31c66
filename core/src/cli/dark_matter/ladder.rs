//! `umbra dark-matter ladder`: the error of several dictionaries of one hook on the same tokens, and the power law that it follows.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::several::{Several, SeveralArgs};
use crate::cli::{Console, CorpusArgs, DeviceArg, DocumentsArg, Exit, ModelArgs, PositionsArg};
use crate::dark_matter::ladder::{DEFINITIONS, Ladder, Law, Rung, Settings};
use crate::dark_matter::tokens_at_once;
use crate::error::{Error, Notes, Result};
use crate::progress::Ended;
use crate::workbench::ladder::{self, Texts, alike};
use crate::workbench::text::{Text, TextRequest};

/// Flags of `umbra dark-matter ladder`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    several: SeveralArgs,
    /// Text that is measured
    #[command(flatten)]
    corpus: CorpusArgs,
    #[command(flatten)]
    positions: PositionsArg,
    #[command(flatten)]
    documents: DocumentsArg,
    /// Leave out the first N positions of each row, or of each document where documents are kept apart (the paper leaves out 200)
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: usize,
    /// Also split every error into a linear and a nonlinear part, by linear maps fitted on this text, which should share no document with --corpus
    #[arg(long, value_name = "PATH", num_args = 1..)]
    fit: Vec<PathBuf>,
    /// Fit on about this many counted tokens, evenly spaced in the text [default: 200 per dimension]
    #[arg(long, value_name = "N", requires = "fit")]
    fit_tokens: Option<usize>,
    /// Measure about this many counted tokens, evenly spaced in the text [default: all]
    #[arg(long, value_name = "N")]
    tokens: Option<usize>,
    /// Draws of the bootstrap over documents, for intervals of 95 %
    #[arg(long, value_name = "N", default_value_t = Settings::default().draws)]
    draws: usize,
    /// Seed of the draws
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Print under --json the error norms of this many passages of 100 consecutive tokens
    #[arg(long, value_name = "N", default_value_t = 0)]
    passages: usize,
    /// Estimate on about this many tokens, by gradient pursuit, how much of each error the encoder adds
    #[arg(long, value_name = "N", default_value_t = 0)]
    pursued: usize,
    #[command(flatten)]
    device: DeviceArg,
}

/// Runs `umbra dark-matter ladder`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let mut of = args.several.open(&args.model, console)?;
    if of.project.is_some() {
        console.notes(&alike(&mut of.saes));
    }
    let request = args.corpus.request(
        (args.positions, args.documents),
        args.model.offline,
        console,
    )?;
    let measured = text(args, &of, (&request, args.tokens), console)?;
    for other in &of.saes[1..] {
        console.notes(&of.pair.notes_on(other, &measured.rows));
    }
    let fit = fit_text(args, &of, &request, console)?;
    for sae in &of.saes {
        args.device
            .place(&**sae, (tokens_at_once(&measured.rows), true), console)?;
    }
    let settings = Settings {
        draws: args.draws,
        seed: args.seed,
        passages: args.passages.max(Settings::default().passages),
        pursued: args.pursued,
        ..Settings::default()
    };
    let texts = Texts {
        measured: &measured,
        fit: fit.as_ref(),
    };
    let mut bar = console.bar("Measuring");
    let (model, saes) = (&*of.pair.model, of.saes.as_slice());
    let done = ladder::measured(model, saes, texts, &settings, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done((ladder, notes)) = done else {
        return Ok(Exit::Stopped);
    };
    console.notes(&notes);
    if let Some(project) = &of.project {
        ladder::keep(project, (model, saes), (texts, &settings), &ladder)?;
    }
    console.answer(&object(&ladder, &notes, args.passages)?, || table(&ladder))?;
    Ok(Exit::Done)
}

/// Reads a text as the first dictionary does, and takes about so many of its tokens.
fn text(
    args: &Args,
    of: &Several,
    (request, tokens): (&TextRequest, Option<usize>),
    console: &Console,
) -> Result<Text> {
    let text = of.pair.read(request)?.skipping(args.skip);
    console.notes(&text.notes);
    let mut text = text;
    if let Some(tokens) = tokens {
        text.rows = text.rows.sample(tokens);
    }
    Ok(text)
}

/// Reads the text to fit the linear parts on, if there is one.
fn fit_text(
    args: &Args,
    of: &Several,
    measured: &TextRequest,
    console: &Console,
) -> Result<Option<Text>> {
    if args.fit.is_empty() {
        return Ok(None);
    }
    let mut request = measured.clone();
    request.corpus.paths.clone_from(&args.fit);
    request.named.clear();
    let text = text(args, of, (&request, None), console)?;
    Ok(Some(ladder::sampled_to_fit(
        text,
        of.pair.sae.width(),
        args.fit_tokens,
    )))
}

/// Returns the figures under their keys, with definitions and notes.
fn object(ladder: &Ladder, notes: &Notes, passages: usize) -> Result<Value> {
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    let causes = ladder.causes();
    let dictionary = |(at, rung): (usize, &Rung)| {
        let mut one = json!({
            "name": rung.name,
            "features": rung.features,
            "l0": rung.l0,
            "fvu": rung.fvu,
            "norm_mean": rung.norm_mean,
            "fvu_interval": rung.fvu_interval,
        });
        if let Some(linear) = rung.linear {
            one["fvu_nonlinear"] = linear.fvu_nonlinear.into();
            one["r2_weighted"] = linear.r2_weighted.into();
            one["r2_mean"] = linear.r2_mean.into();
            one["r2_norm"] = linear.r2_norm.into();
        }
        if let Some(introduced) = rung.introduced {
            one["introduced"] = introduced.into();
        }
        if let Some(causes) = causes.as_ref().and_then(|causes| causes.get(at)) {
            one["causes"] = json!({
                "unlearnt": causes.unlearnt, "linear": causes.linear, "rest": causes.rest
            });
        }
        one
    };
    let all: Vec<Value> = ladder.rungs.iter().enumerate().map(dictionary).collect();
    let mut value = json!({
        "hook": ladder.hook,
        "dictionaries": all,
        "token_r2": ladder.token_r2,
        "fit": ladder.law.as_ref().map(fit),
        "tokens": ladder.tokens,
        "fit_tokens": ladder.fit_tokens,
        "pursued": ladder.pursued,
        "blocks": ladder.blocks,
        "draws": ladder.draws,
        "conclusion": ladder.conclusion(),
        "notes": notes.iter().collect::<Vec<_>>(),
        "definitions": definitions,
    });
    if !ladder.nonlinear_gain.is_empty() {
        value["nonlinear_gain"] = json!(ladder.nonlinear_gain);
    }
    if passages > 0 {
        let shown = &ladder.passages[..passages.min(ladder.passages.len())];
        value["passages"] = serde_json::to_value(shown).map_err(|refused| Error::Numeric {
            what: format!("the passages cannot be written as JSON: {refused}"),
        })?;
    }
    Ok(value)
}

/// Returns the power law with its intervals.
fn fit(law: &Law) -> Value {
    let mut value = json!({
        "a": law.law.a, "b": law.law.b, "c": law.law.c, "r2": law.law.r2,
        "degrees_of_freedom": law.degrees_of_freedom, "fitted_draws": law.fitted_draws,
    });
    if let Some(intervals) = law.intervals {
        value["intervals"] = json!({ "a": intervals.a, "b": intervals.b, "c": intervals.c });
    }
    value
}

/// Writes the figures for people.
fn table(ladder: &Ladder) -> String {
    let split = ladder.fit_tokens.is_some();
    let mut head = format!(
        "{:<16} {:>8} {:>7} {:>7} {:>16} {:>9}",
        "dictionary", "features", "L0", "FVU", "95 % interval", "mean ‖e‖"
    );
    if split {
        let more = format!(" {:>9} {:>7} {:>10}", "nonlinear", "R²", "R² of ‖e‖²");
        head.push_str(&more);
    }
    let mut lines = vec![head];
    for rung in &ladder.rungs {
        let interval = rung.fvu_interval.map_or("–".to_owned(), |[low, high]| {
            format!("{low:.4} to {high:.4}")
        });
        let mut line = format!(
            "{:<16} {:>8} {:>7.2} {:>7.4} {:>16} {:>9.4}",
            rung.name, rung.features, rung.l0, rung.fvu, interval, rung.norm_mean
        );
        if let Some(linear) = rung.linear {
            let more = format!(
                " {:>9.4} {:>7.3} {:>10.3}",
                linear.fvu_nonlinear, linear.r2_weighted, linear.r2_norm
            );
            line.push_str(&more);
        }
        lines.push(line);
    }
    let names: Vec<&str> = ladder.rungs.iter().map(|rung| rung.name.as_str()).collect();
    lines.extend(introduced(ladder));
    lines.push(
        "\nR² of the error norm of the dictionary above from that of the one on the left, token by token".to_owned(),
    );
    lines.extend(matrix(&names, &ladder.token_r2));
    if split {
        lines.push(
            "\nshare of the rest that the nonlinear norm of the one on the left explains"
                .to_owned(),
        );
        lines.extend(matrix(&names, &ladder.nonlinear_gain));
    }
    lines.push(String::new());
    lines.push(match &ladder.law {
        Some(law) => law_line(law),
        None => format!("no power law: {}", ladder.why_no_law()),
    });
    let fitted = (ladder.fit_tokens)
        .map(|tokens| format!("; linear parts fitted on {tokens} tokens of another text"))
        .unwrap_or_default();
    lines.push(format!(
        "{} tokens of {}{fitted}; intervals over {}",
        ladder.tokens, ladder.hook, ladder.blocks
    ));
    lines.push(ladder.conclusion());
    lines.join("\n")
}

/// Says how much of each error the encoder adds, where it was estimated.
fn introduced(ladder: &Ladder) -> Option<String> {
    let tokens = ladder.pursued?;
    let all = ladder.rungs.iter().filter_map(|rung| {
        let introduced = rung.introduced?;
        Some(format!("{} {introduced:.4}", rung.name))
    });
    let all: Vec<String> = all.collect();
    Some(format!(
        "\nFVU that the encoder adds to a pursued code of equal L0, on {tokens} tokens: {}",
        all.join(", ")
    ))
}

fn law_line(law: &Law) -> String {
    let fitted = law.law;
    let interval = |of: Option<[f64; 2]>| {
        of.map_or(String::new(), |[low, high]| {
            format!(" ({low:.4} to {high:.4})")
        })
    };
    let of = law.intervals;
    format!(
        "FVU = c + a · features^(−b): a {:.4}{}, b {:.4}{}, c {:.4}{}, R² {:.4} with {} degree{} of freedom",
        fitted.a,
        interval(of.map(|of| of.a)),
        fitted.b,
        interval(of.map(|of| of.b)),
        fitted.c,
        interval(of.map(|of| of.c)),
        fitted.r2,
        law.degrees_of_freedom,
        if law.degrees_of_freedom == 1 { "" } else { "s" }
    )
}

fn matrix(names: &[&str], values: &[Vec<Option<f64>>]) -> Vec<String> {
    let widest = names.iter().map(|name| name.chars().count()).max();
    let wide = widest.unwrap_or_default().max(7);
    let head: Vec<String> = names.iter().map(|name| format!("{name:>wide$}")).collect();
    let mut lines = vec![format!("{:<wide$} {}", "", head.join(" "))];
    for (name, row) in names.iter().zip(values) {
        let cell = |value: &Option<f64>| match value {
            Some(value) => format!("{value:>wide$.4}"),
            None => format!("{:>wide$}", "–"),
        };
        let row: Vec<String> = row.iter().map(cell).collect();
        lines.push(format!("{name:<wide$} {}", row.join(" ")));
    }
    lines
}
