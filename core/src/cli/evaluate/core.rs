//! `umbra evaluate core`: loss recovered and KL, reconstruction, shrinkage and sparsity under SAEBench's names.

use std::path::PathBuf;

use super::result_files::{now, write};
use super::rows::KeepArgs;
use crate::cli::{Console, Exit, ModelArgs, SaesArgs, TextArgs};
use crate::error::Result;
use crate::progress::Ended;
use crate::project::MadeWith;
use crate::sae::Sae;
use crate::workbench::evaluate::core::{
    DEFINITIONS, Found, Request, json, results, run as measured, section,
};
use crate::workbench::pair::Pair;
use crate::workbench::results as kept;

/// Width of a column of the table.
const WIDTH: usize = 26;

/// Flags of `umbra evaluate core`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help())]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    saes: SaesArgs,
    #[command(flatten)]
    text: TextArgs,
    /// Seed of the intervals
    #[arg(long, value_name = "N", default_value_t = Request::default().seed)]
    seed: u64,
    /// Draws of the bootstrap behind the intervals
    #[arg(long, value_name = "N", default_value_t = Request::default().draws)]
    draws: usize,
    /// Folder to write one file of each dictionary into, as SAEBench writes and plots them
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    keep: KeepArgs,
}

fn help() -> String {
    let figures: Vec<String> = DEFINITIONS
        .iter()
        .map(|(name, definition)| format!("  {name}: {definition}"))
        .collect();
    format!(
        "Figures:\n{}\nWith --json: {{results: [{{eval_type_id, eval_config, eval_result_metrics, eval_result_details, sae_cfg_dict, intervals, …}}], definitions, …}}, \
         each result in the schema of SAEBench.",
        figures.join("\n")
    )
}

/// Runs `umbra evaluate core`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let project = args.keep.open(console)?;
    let (model, saes) = args.saes.open(&args.model, console)?;
    let pair = Pair::new(&model, &saes[0]);
    let text = args.text.read(&pair, args.model.offline, console)?;
    for other in saes.iter().skip(1) {
        console.notes(&pair.notes_on(other, &text.rows));
    }
    let request = Request {
        draws: args.draws,
        seed: args.seed,
    };
    let saes: Vec<&Sae> = saes.iter().map(|sae| &**sae).collect();
    let mut bar = console.bar("Evaluating");
    let found = measured(&model, &saes, &text, request, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(found) = found else {
        return Ok(Exit::Stopped);
    };
    let results = results(&found, &saes, request, now())?;
    if let Some(folder) = &args.out {
        write(folder, &results, console)?;
    }
    let texts = [(text.phrase.as_str(), text.fingerprint.as_str())];
    let made = || MadeWith::new(&model, &saes, &texts, &());
    if let Some(project) = &project {
        kept::keep(project, &section(&found, request), &made()?)?;
    }
    args.keep.write(&made()?, || section(&found, request))?;
    console.answer(&json(&found, &results, request), || table(&found))?;
    Ok(Exit::Done)
}

fn table(found: &Found) -> String {
    let Some(first) = found.dictionaries.first() else {
        return String::new();
    };
    let names = found.dictionaries.iter();
    let names: Vec<String> = names
        .map(|one| format!("{:<WIDTH$}", one.dictionary))
        .collect();
    let mut lines = vec![
        format!("{} tokens of {}", first.figures.tokens, found.text),
        String::new(),
        format!("{:<32} {}", "", names.join("  ")),
    ];
    for (number, metric) in first.metrics.iter().enumerate() {
        let values = found.dictionaries.iter().map(|one| {
            let value = one.get(metric.name).map(|estimate| estimate.words());
            format!("{:<WIDTH$}", value.unwrap_or_else(|| "–".to_owned()))
        });
        let values: Vec<String> = values.collect();
        let begins = number > 0 && first.metrics[number - 1].category != metric.category;
        lines.extend(begins.then(String::new));
        lines.push(format!("{:<32} {}", metric.name, values.join("  ")));
    }
    lines.push(String::new());
    lines.push(format!(
        "95 % intervals in brackets, of a bootstrap over {}; figures of single features have none",
        first.blocks
    ));
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}
