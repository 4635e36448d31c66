//! `umbra runs`: lists, shows and compares training runs by their records.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::{Console, Exit};
use crate::error::Result;
use crate::runs::{self, Line, Record};

/// Flags of `umbra runs`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List one line per run, oldest first: status, hook, variant, size, figures
    List(Folders),
    /// Show the full record of each run, with definitions of its figures
    Show(Folders),
    /// Compare runs side by side: settings and texts that differ, and all figures
    Compare(Folders),
}

#[derive(Debug, clap::Args)]
struct Folders {
    /// Folders that `umbra train --out` wrote, or folders that contain them
    #[arg(value_name = "DIR", default_value = ".")]
    folders: Vec<PathBuf>,
}

/// Runs `umbra runs`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let (Verb::List(at) | Verb::Show(at) | Verb::Compare(at)) = &args.verb;
    let (found, notes) = runs::find(&at.folders)?;
    console.notes(&notes);
    match &args.verb {
        Verb::List(_) => {
            let all: Vec<Value> = found.iter().map(|(path, run)| brief(path, run)).collect();
            console.answer(&json!({ "runs": all }), || list(&found))?;
        }
        Verb::Show(_) => {
            let whole = |(path, run): &(PathBuf, Record)| json!({ "run": path, "record": run });
            let all: Vec<Value> = found.iter().map(whole).collect();
            let shown = || found.iter().map(show).collect::<Vec<_>>().join("\n\n");
            console.answer(&json!({ "runs": all }), shown)?;
        }
        Verb::Compare(_) => compare(&found, console)?,
    }
    Ok(Exit::Done)
}

fn brief(path: &PathBuf, run: &Record) -> Value {
    json!({
        "run": path, "status": run.status, "begun_unix": run.begun_unix, "seconds": run.seconds, "model": run.model, "hook": run.hook,
        "variant": run.settings.get("variant"), "features": run.settings.get("features"), "k": run.settings.get("k"), "tokens_seen": run.tokens_seen,
        "fvu": run.figure("fvu"), "l0": run.figure("l0"), "dead_fraction": run.figure("dead_fraction"),
    })
}

fn list(found: &[(PathBuf, Record)]) -> String {
    let head = [
        "run",
        "status",
        "begun (UTC)",
        "hook",
        "variant",
        "features",
        "seen",
        "FVU",
        "L0",
        "dead",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (path, run) in found {
        let figure = |name: &str| {
            run.figure(name)
                .map_or_else(String::new, |x| format!("{x:.4}"))
        };
        rows.push(vec![
            path.display().to_string(),
            run.status.to_string(),
            run.begun(),
            run.hook.clone(),
            text(run.settings.get("variant").unwrap_or(&Value::Null)),
            text(run.settings.get("features").unwrap_or(&Value::Null)),
            run.tokens_seen.to_string(),
            figure("fvu"),
            figure("l0"),
            figure("dead_fraction"),
        ]);
    }
    table(&rows)
}

fn show((path, run): &(PathBuf, Record)) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut put = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    put("status", run.status.to_string());
    if let Some(problem) = &run.problem {
        put("problem", problem.clone());
    }
    put("begun (UTC)", run.begun());
    put("took", format!("{:.1} s", run.seconds));
    put("device", run.device.clone());
    put("umbra", run.umbra_version.clone());
    put("model", run.model.clone());
    put("hook", run.hook.clone());
    put("tokens seen", run.tokens_seen.to_string());
    for part in [&run.settings, &run.data] {
        part.iter().for_each(|(key, value)| put(key, text(value)));
    }
    for (name, figure) in &run.figures {
        let definition = figure["definition"].as_str().unwrap_or_default();
        put(name, format!("{}  ({definition})", text(&figure["value"])));
    }
    format!("{}\n{}", path.display(), table(&rows))
}

fn compare(found: &[(PathBuf, Record)], console: &Console) -> Result<()> {
    let both = runs::compare(found);
    let names: Vec<String> = found
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    let object = |lines: &[Line]| -> Value {
        let pairs = lines
            .iter()
            .map(|line| (line.name.clone(), json!(line.values)));
        Value::Object(pairs.collect::<Map<_, _>>())
    };
    let answer = json!({ "runs": names, "differing": object(&both.differing), "figures": object(&both.figures) });
    console.answer(&answer, || {
        let mut rows = vec![[vec![String::new()], names.clone()].concat()];
        for line in both.differing.iter().chain(&both.figures) {
            let values: Vec<String> = line.values.iter().map(text).collect();
            rows.push([vec![line.name.clone()], values].concat());
        }
        table(&rows)
    })
}

/// Formats a value: strings without quotes, nothing for null.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number
            .as_f64()
            .map_or_else(String::new, |x| format!("{x:.5}")),
        other => other.to_string(),
    }
}

/// Formats columns of equal width.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
