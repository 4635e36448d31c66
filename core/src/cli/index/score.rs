//! `umbra index score`: measures the steering score of every live feature, and stores it in the index.

use std::path::PathBuf;

use super::super::report::SectionArg;
use super::super::{
    Console, DeviceArg, Exit, MismatchArgs, ModelArgs, SaeArgs, TextArgs, open_by_token,
};
use crate::error::Result;
use crate::features::Index;
use crate::features::scores::{DEFINITIONS, Effect, SHOWN, STRENGTHS, Score, Scores};
use crate::fit::Fit;
use crate::steer::score::{CONTEXTS, TOKENS};
use crate::whole_file;
use crate::workbench::score::{self, Settings};

/// Features that are listed for people.
const LISTED: usize = 20;

/// Flags of `umbra index score`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help())]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    #[command(flatten)]
    text: TextArgs,
    /// Feature index of the dictionary: its live features are scored. Those that it holds scores of by the same settings are not measured again, so that a
    /// command that was stopped goes on
    #[arg(long, value_name = "FILE")]
    index: PathBuf,
    /// Index file to write, with the scores [default: the index itself]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Random contexts that are drawn from the text
    #[arg(long, value_name = "N", default_value_t = CONTEXTS)]
    contexts: usize,
    /// Tokens of a context at most
    #[arg(long, value_name = "N", default_value_t = TOKENS)]
    context_tokens: usize,
    /// Seed of the draw
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Order of the list for people, by the figures at strength 1
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    #[command(flatten)]
    section: SectionArg,
    #[command(flatten)]
    mismatch: MismatchArgs,
    #[command(flatten)]
    device: DeviceArg,
}

/// Order of features, largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Sort {
    /// Largest mean change of a logit
    #[default]
    Effect,
    /// KL to the untouched next token
    Kl,
    /// Change of the feature's own tokens less the mean absolute change
    Selectivity,
    /// Share of contexts in which the most promoted token becomes the most likely one
    Wins,
}

fn help() -> String {
    let figures: Vec<String> = DEFINITIONS
        .iter()
        .map(|(name, definition)| format!("  {name}: {definition}"))
        .collect();
    format!(
        "Strengths are {STRENGTHS:?} times the mean length of the residual stream at the dictionary's hook (behind what it writes at attn_out and mlp_out; of the activation itself at \
         other hooks such as attn.hook_z), at positions behind the first of the contexts.\nFigures, for each strength:\n{}",
        figures.join("\n")
    )
}

impl Sort {
    fn figure(self, effect: &Effect) -> Option<f64> {
        match self {
            Self::Effect => Some(effect.effect),
            Self::Kl => Some(effect.kl),
            Self::Selectivity => effect.selectivity,
            Self::Wins => effect.wins,
        }
    }
}

/// Runs `umbra index score`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let out = args.out.as_ref().unwrap_or(&args.index);
    whole_file::check_regular(out)?;
    let pair = open_by_token(&args.model, &args.sae, console)?;
    let index = Index::open(&args.index)?;
    let fit = Fit::of_index(index.about(), Some(&pair.model), Some(&pair.sae));
    args.mismatch.check(&fit, console)?;
    let text = args.text.read(&pair, args.model.offline, console)?;
    args.device
        .place(&*pair.sae, (args.contexts, false), console)?;
    let settings = Settings {
        contexts: args.contexts,
        tokens: args.context_tokens,
        seed: args.seed,
    };
    let mut bar = console.bar("Scoring");
    let ended = score::keep((&pair, &text), (&index, out), settings, &mut |at| {
        bar.at(at)
    })?;
    drop(bar);
    let scores = ended.value();
    if scores.scores.is_empty() {
        return Ok(Exit::Stopped);
    }
    args.section.write(&pair.model, || scores.section())?;
    let mut object = scores.json();
    object["out"] = out.display().to_string().into();
    object["stopped"] = ended.is_stopped().into();
    console.answer(&object, || {
        let said = table(scores, args.sort);
        format!("{said}\n{}\n{}", out.display(), scores.conclusion())
    })?;
    Ok(Exit::from(&ended))
}

/// Writes the first features in this order.
fn table(scores: &Scores, sort: Sort) -> String {
    let figure = |score: &Score| {
        sort.figure(&score.effects[SHOWN])
            .unwrap_or(f64::NEG_INFINITY)
    };
    let mut order: Vec<&Score> = scores.scores.iter().collect();
    order.sort_by(|a, b| {
        figure(b)
            .total_cmp(&figure(a))
            .then(a.feature.cmp(&b.feature))
    });
    let mut lines = vec![format!(
        "{:>8} {:>9} {:>9} {:>9} {:>12} {:>7}",
        "feature", "contexts", "effect", "KL", "selectivity", "wins"
    )];
    lines.extend(order.into_iter().take(LISTED).map(|score| {
        let effect = &score.effects[SHOWN];
        let own =
            |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
        format!(
            "{:>8} {:>9} {:>9.3} {:>9.4} {:>12} {:>7}",
            score.feature,
            score.contexts,
            effect.effect,
            effect.kl,
            own(effect.selectivity),
            own(effect.wins)
        )
    }));
    lines.push(format!(
        "at strength {}: {:.3} (mean residual norm) of {} contexts of {}",
        STRENGTHS[SHOWN], scores.norm, scores.asked.contexts, scores.asked.text
    ));
    lines.join("\n")
}

/// Writes the score of one feature on one line, for `umbra index show`.
pub(super) fn line(score: &Score) -> String {
    let parts: Vec<String> = STRENGTHS
        .iter()
        .zip(&score.effects)
        .map(|(strength, effect)| {
            let own = match (effect.selectivity, effect.wins) {
                (Some(selectivity), Some(wins)) => {
                    format!(
                        ", selectivity {selectivity:+.3}, wins {:.0} %",
                        100.0 * wins
                    )
                }
                _ => String::new(),
            };
            format!(
                "×{strength}: {:.3}, KL {:.4}{own}",
                effect.effect, effect.kl
            )
        })
        .collect();
    parts.join("  ")
}
