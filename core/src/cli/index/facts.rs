//! `umbra index facts`: measures facts about every feature and stores them in the index, or shows those that it holds.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::super::{
    Console, DeviceArg, Exit, MeasuringArgs, MismatchArgs, ParentArg, SaeArgs, TextArgs,
    open_by_token, say_fit,
};
use crate::error::{Error, Result};
use crate::features::facts::{CLEAR, DEFINITIONS, Fact, Facts, Kind, NAMING};
use crate::features::{self, Index};
use crate::fit::Fit;
use crate::ids::FeatureId;
use crate::progress::Ended;
use crate::whole_file;
use crate::workbench::facts;

/// Features that are listed for people.
const LISTED: usize = 20;

/// Flags of `umbra index facts`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help(), mut_arg("corpus", |arg| arg.required(false).requires("model")), mut_arg("model", |arg| arg.requires("sae")))]
pub(super) struct Args {
    /// Index file of the dictionary. Without --model, the facts that it holds are shown
    #[arg(value_name = "FILE")]
    index: PathBuf,
    #[command(flatten)]
    measuring: MeasuringArgs,
    /// Dictionary of the index
    #[arg(long, value_name = "PATH|NAME", requires = "model")]
    sae: Option<PathBuf>,
    /// Hook of the dictionary [default: the hook that its file names]
    #[arg(long, value_name = "NAME", requires = "sae")]
    hook: Option<String>,
    #[command(flatten)]
    parent: ParentArg,
    #[command(flatten)]
    text: TextArgs,
    /// Index file to write, with the facts [default: the index itself]
    #[arg(long, value_name = "FILE", requires = "model")]
    out: Option<PathBuf>,
    /// Show only this feature, counted from 0
    #[arg(long, value_name = "I")]
    feature: Option<u32>,
    /// Show only features with a clear fact of this kind, such as on, induction or sentence-start
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    #[command(flatten)]
    mismatch: MismatchArgs,
    #[command(flatten)]
    device: DeviceArg,
}

fn help() -> String {
    let kinds = Kind::ALL.map(|kind| format!("  {kind}: {}", kind.definition()));
    let figures: Vec<String> = DEFINITIONS
        .iter()
        .map(|(name, definition)| format!("  {name}: {definition}"))
        .collect();
    format!(
        "Kinds of fact:\n{}\nFigures:\n{}\nA fact is clear from a score of {CLEAR}; the first clear one with a precision of at least {NAMING} names the feature.",
        kinds.join("\n"),
        figures.join("\n")
    )
}

/// Runs `umbra index facts`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let kind = args.kind.as_deref().map(kind_of).transpose()?;
    let index = Index::open(&args.index)?;
    if let Some(feature) = args.feature {
        index.detail(FeatureId(feature))?;
    }
    let (found, out) = if let (Some(model), Some(sae)) = (args.measuring.model(), &args.sae) {
        let out = args.out.as_ref().unwrap_or(&args.index);
        whole_file::check_regular(out)?;
        let named = SaeArgs {
            sae: sae.clone(),
            hook: args.hook.clone(),
            parent: args.parent.clone(),
        };
        let pair = open_by_token(&model, &named, console)?;
        let fit = Fit::of_index(index.about(), Some(&pair.model), Some(&pair.sae));
        args.mismatch.check(&fit, console)?;
        let text = args.text.read(&pair, args.measuring.offline, console)?;
        let at_once = features::tokens_at_once(&pair.sae, &text.rows);
        args.device.place(&*pair.sae, (at_once, false), console)?;
        let mut bar = console.bar("Measuring facts");
        let allowed = args.mismatch.is_allowed();
        let ended = facts::keep((&pair, &text), (&index, out), allowed, &mut |at| bar.at(at))?;
        drop(bar);
        let Ended::Done(found) = ended else {
            return Ok(Exit::Stopped);
        };
        (found, Some(out.display().to_string()))
    } else {
        say_fit(&Fit::of_index(index.about(), None, None), false, console)?;
        let found = index.facts()?.ok_or_else(|| {
            let what = "the index holds no facts: give --model, --sae and --corpus to measure them";
            Error::input(what, &args.index)
        })?;
        (found, None)
    };
    let chosen = chosen(&found, args.feature.map(FeatureId), kind);
    let object = object(&found, &chosen, out.as_deref());
    console.answer(&object, || text(&found, &chosen, out.as_deref()))?;
    Ok(Exit::Done)
}

fn kind_of(name: &str) -> Result<Kind> {
    Kind::from_name(name).ok_or_else(|| {
        let kinds = Kind::ALL.map(Kind::name).join(", ");
        let what = format!("`{name}` is no kind of fact, choose among {kinds}");
        Error::setting("--kind", what)
    })
}

/// Features with facts that were asked for, those with the best naming fact first.
fn chosen(found: &Facts, feature: Option<FeatureId>, kind: Option<Kind>) -> Vec<FeatureId> {
    let all = (0..found.features.len()).map(FeatureId::from);
    let mut chosen: Vec<FeatureId> = all
        .filter(|f| feature.is_none_or(|feature| feature == *f) && !found.of(*f).is_empty())
        .filter(|f| kind.is_none_or(|kind| found.has(*f, kind)))
        .collect();
    let score = |f: &FeatureId| found.name(*f).map_or(-1.0, |fact| fact.score);
    chosen.sort_by(|a, b| score(b).total_cmp(&score(a)));
    chosen
}

/// Counts the clear facts of each kind, one for each feature.
fn counts(found: &Facts) -> BTreeMap<Kind, usize> {
    let all = (0..found.features.len()).map(FeatureId::from);
    let mut counts = BTreeMap::new();
    for feature in all {
        for kind in Kind::ALL {
            if found.has(feature, kind) {
                *counts.entry(kind).or_default() += 1;
            }
        }
    }
    counts
}

fn object(found: &Facts, chosen: &[FeatureId], out: Option<&str>) -> Value {
    let features = chosen.iter().map(|feature| {
        json!({
            "feature": feature.0,
            "name": found.name(*feature).map(Fact::said),
            "facts": found.of(*feature).iter().map(Fact::json).collect::<Value>(),
        })
    });
    let counts = counts(found).into_iter();
    let counts: Map<String, Value> = counts
        .map(|(kind, count)| (kind.name().to_owned(), json!(count)))
        .collect();
    let definitions = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)));
    let kinds = Kind::ALL
        .into_iter()
        .map(|kind| (kind.name().to_owned(), json!(kind.definition())));
    json!({
        "out": out,
        "text": found.text,
        "tokens": found.tokens,
        "named": (0..found.features.len()).filter(|f| found.name(FeatureId::from(*f)).is_some()).count(),
        "counts": counts,
        "features": features.collect::<Value>(),
        "definitions": definitions.collect::<Map<String, Value>>(),
        "kinds": kinds.collect::<Map<String, Value>>(),
    })
}

fn text(found: &Facts, chosen: &[FeatureId], out: Option<&str>) -> String {
    let mut lines = Vec::new();
    if let [feature] = chosen {
        lines.push(format!("feature {feature}"));
        lines.extend(found.of(*feature).iter().map(line));
    } else {
        for feature in chosen.iter().take(LISTED) {
            if let Some(fact) = found.of(*feature).first() {
                lines.push(format!("{:>8}  {}", feature.to_string(), line(fact).trim()));
            }
        }
        if chosen.len() > LISTED {
            lines.push(format!("the first {LISTED} of {} features", chosen.len()));
        }
        let counts = counts(found).into_iter();
        let counts: Vec<String> = counts
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        lines.push(format!("features by clear facts: {}", counts.join(", ")));
    }
    let place = out.map_or_else(String::new, |out| format!(": {out}"));
    lines.push(format!(
        "measured on {} tokens of {}{place}",
        found.tokens, found.text
    ));
    lines.join("\n")
}

/// Writes a fact on one line.
pub(super) fn line(fact: &Fact) -> String {
    let score = if fact.kind.is_context() {
        String::new()
    } else {
        format!("  score {:.3}", fact.score)
    };
    format!("  {}  ({}){score}", fact.said(), fact.figures())
}
