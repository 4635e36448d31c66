//! The table of path patching: senders by receivers.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::Args;
use super::site::{definitions, differences, pair_object, percent};
use crate::causes::Target;
use crate::causes::paths::{self, DEFINITIONS, HeadAt, Mlps, Paths, Receiver, Request};
use crate::cli::{Console, Exit};
use crate::error::Result;
use crate::models::Model;
use crate::progress::Ended;
use crate::workbench::patching::Texts;

/// Paths listed for people.
const LISTED: usize = 15;

/// Flags of path patching.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PathArgs {
    /// Patch paths: the end to which the heads' output is sent, `logits` or the queries, keys or values of a head (L5.H1.q); may be repeated, each end on its own
    #[arg(long, value_name = "END")]
    to: Vec<Receiver>,
    /// Head whose output is sent (L2.H3); may be repeated [default: all heads before the end]
    #[arg(long, value_name = "HEAD", requires = "to")]
    from: Vec<HeadAt>,
    /// MLPs between the head and the end
    #[arg(
        long,
        value_enum,
        value_name = "RULE",
        default_value_t,
        requires = "to"
    )]
    mlps: MlpsArg,
}

/// Treatment of the MLPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum MlpsArg {
    /// Compute anew, so that paths lead through them too (Wang et al. 2022)
    #[default]
    Recomputed,
    /// Keep as in the second text: paths lead through the residual stream alone
    Frozen,
}

impl PathArgs {
    /// Whether paths are asked for.
    pub(super) fn is_asked(&self) -> bool {
        !self.to.is_empty()
    }
}

/// Patches every path asked for.
pub(super) fn run(
    args: &Args,
    (model, texts, target): (&Model, &Texts, Target),
    console: &Console,
) -> Result<Exit> {
    let request = Request {
        clean: &texts.clean,
        corrupt: &texts.corrupt,
        target,
        senders: args.path.from.clone(),
        receivers: args.path.to.clone(),
        mlps: match args.path.mlps {
            MlpsArg::Recomputed => Mlps::Recomputed,
            MlpsArg::Frozen => Mlps::Frozen,
        },
    };
    let mut bar = console.bar("Patching paths");
    let found = paths::run(model, &request, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(found) = found else {
        return Ok(Exit::Stopped);
    };
    args.section.write(model, || found.section())?;
    console.answer(&object(&found), || table(&found))?;
    Ok(Exit::Done)
}

fn object(found: &Paths) -> Value {
    let mut object = pair_object(&found.pair);
    for (key, value) in [
        ("mlps", json!(found.mlps)),
        ("senders", json!(found.senders)),
        ("receivers", json!(found.receivers)),
        ("values", json!(found.values)),
        ("recovered", json!(found.recovered())),
        ("conclusion", json!(found.conclusion())),
        ("definitions", definitions(DEFINITIONS)),
    ] {
        object.insert(key.to_owned(), value);
    }
    Value::Object(object)
}

fn table(found: &Paths) -> String {
    let mut lines = differences(&found.pair);
    lines.push(format!("\nMLPs between are {}.", found.mlps.name()));
    lines.push(format!(
        "{:<24} {:>10} {:>10}",
        "path, largest first", "target", "recovered"
    ));
    for path in found.largest().iter().take(LISTED) {
        let name = format!("{} ▸ {}", path.from, path.to);
        lines.push(format!(
            "{name:<24} {:>10.4} {:>10}",
            path.value,
            percent(path.recovered)
        ));
    }
    lines.push(String::new());
    lines.push(found.conclusion());
    lines.join("\n")
}
