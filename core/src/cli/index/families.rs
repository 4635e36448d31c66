//! `umbra index families`: measures which family each feature belongs to, and stores it in the index.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::super::device::speeds;
use super::super::{Console, DeviceArg, Exit, MismatchArgs, ModelArgs, SaeArgs, open_by_token};
use crate::error::Result;
use crate::features::families::{
    self, Amount, Asked, DEFINITIONS, EXAMPLES, Families, Family, LAST, Measured,
};
use crate::features::{self, Index};
use crate::fit::Fit;
use crate::progress::Ended;
use crate::whole_file;
use crate::workbench::passes::Pass;

/// Most features of a family that are listed for people.
const LISTED: usize = 10;

/// Flags of `umbra index families`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    /// Feature index of the dictionary: its rows of tokens and its strongest examples are measured
    #[arg(long, value_name = "FILE")]
    index: PathBuf,
    /// Index file to write, with the families [default: the index itself]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Strongest examples of each feature in which context is replaced, 1 to 20
    #[arg(long, value_name = "N", default_value_t = EXAMPLES)]
    examples: usize,
    /// Seed that chooses the tokens put in place of the context
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    mismatch: MismatchArgs,
    #[command(flatten)]
    device: DeviceArg,
}

/// Runs `umbra index families`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let out = args.out.as_ref().unwrap_or(&args.index);
    whole_file::check_regular(out)?;
    let pair = open_by_token(&args.model, &args.sae, console)?;
    let index = Index::open(&args.index)?;
    let fit = Fit::of_index(index.about(), Some(&pair.model), Some(&pair.sae));
    args.mismatch.check(&fit, console)?;
    let at_once = features::ROWS_AT_ONCE * index.about().context;
    args.device.place(&*pair.sae, (at_once, false), console)?;
    let asked = Asked {
        examples: args.examples,
        seed: args.seed,
        allow_mismatch: args.mismatch.is_allowed(),
    };
    let amount = Amount::new(&index, asked.examples)?;
    let ran = speeds().expected(Pass::Index, &pair, args.device.device);
    let time = ran.map_or_else(
        || "how long that takes shows in the progress".to_owned(),
        |ran| ran.said(amount.tokens()),
    );
    console.note(&format!("{}: {time}", amount.said()));
    let mut bar = console.bar("Measuring families");
    let subject = (&*pair.model, pair.sae.by_token()?);
    let measured = families::measure(subject, &index, asked, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(found) = measured else {
        return Ok(Exit::Stopped);
    };
    families::write(&index, &found, out)?;
    let out = out.display().to_string();
    console.answer(&object(&found, &out), || text(&found, &out))?;
    Ok(Exit::Done)
}

fn object(found: &Families, out: &str) -> Value {
    let counts = found.counts().into_iter();
    let counts: Map<String, Value> = counts
        .map(|(family, count)| (family.name().to_owned(), json!(count)))
        .collect();
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    json!({
        "out": out,
        "rows": found.rows,
        "tokens": found.tokens,
        "examples": found.examples,
        "seed": found.seed,
        "counts": counts,
        "features": found.features.iter().map(Measured::json).collect::<Value>(),
        "definitions": definitions,
    })
}

fn text(found: &Families, out: &str) -> String {
    let mut lines = Vec::new();
    for (family, count) in found.counts() {
        lines.push(format!("{:<11} {count}", family.name()));
        if family == Family::Induction {
            lines.extend(induction(found));
        }
    }
    let silent = found
        .features
        .iter()
        .filter(|m| m.family().is_none())
        .count();
    lines.push(format!("never active {silent}"));
    lines.push(format!(
        "measured on {} tokens in {} rows of the index, {} examples of each feature: {out}",
        found.tokens, found.rows, found.examples
    ));
    lines.join("\n")
}

/// Writes the most specific induction features, one a line.
fn induction(found: &Families) -> Vec<String> {
    let mut features: Vec<_> = found
        .features
        .iter()
        .filter(|measured| measured.family() == Some(Family::Induction))
        .filter_map(|measured| Some((measured.feature, measured.induction.as_ref()?)))
        .collect();
    features.sort_by(|a, b| b.1.specificity().total_cmp(&a.1.specificity()));
    let line = |(feature, induction): &(_, &families::Induction)| {
        format!(
            "  feature {feature}: {:?} is next by induction at {:.1} % of {} tokens in its top half (by chance {:.1} %)",
            induction.text,
            100.0 * induction.specificity(),
            induction.top,
            100.0 * induction.by_chance
        )
    };
    features.iter().take(LISTED).map(line).collect()
}

/// Writes the family of one feature on one line, for `umbra index show`.
pub(super) fn line(measured: &Measured) -> String {
    let family = measured.family().map_or("never active", Family::name);
    let mut parts = vec![family.to_owned()];
    if let Some(reach) = measured.reach {
        parts.push(match reach.reach() {
            Some(1) => "reach 1 token".to_owned(),
            Some(tokens) => format!("reach {tokens} tokens"),
            None => format!("reach above {} tokens", LAST[LAST.len() - 1]),
        });
    }
    if let Some(induction) = &measured.induction {
        parts.push(format!(
            "{:?} next by induction {:.1} % (by chance {:.1} %)",
            induction.text,
            100.0 * induction.specificity(),
            100.0 * induction.by_chance
        ));
    }
    parts.join("  ")
}
