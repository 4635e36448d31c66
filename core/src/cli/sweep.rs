//! `umbra sweep`: dose and response of features over strength, and the largest strength before the text breaks.

use std::path::PathBuf;

use serde_json::Value;

use super::chat::AsUserArgs;
use super::report::SectionArg;
use super::{Console, Exit, ModelArgs, SaeArgs, open_by_token};
use crate::error::Result;
use crate::ids::FeatureId;
use crate::models::Model;
use crate::progress::Ended;
use crate::steer::limit::{self, Limit, Rule};
use crate::steer::sweep::{self, CONTINUATION, Curve, STRENGTHS, Settings, Spread, Sweep, Target};
use crate::workbench::pair::Pair;
use crate::workbench::sweep::{Prompts, Study, read};

/// Flags of `umbra sweep`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help())]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    /// Feature whose decoder row is added, counted from 0; several, separated by commas, give one curve each
    #[arg(
        long,
        value_name = "I[,J…]",
        value_delimiter = ',',
        required = true,
        num_args = 1
    )]
    feature: Vec<u32>,
    /// Factors of the decoder row as stored, separated by commas; a negative one steers away from the feature [default: -16,-8,-4,-2,0,2,4,8,16]
    #[arg(
        long,
        value_name = "C,D…",
        value_delimiter = ',',
        allow_hyphen_values = true,
        conflicts_with = "limit"
    )]
    strengths: Vec<f64>,
    /// File of prompts, one a line; empty lines are skipped. BOS is put before each if the model's or dictionary's rule says so and the line does not begin with it
    #[arg(long, value_name = "FILE")]
    prompts: PathBuf,
    #[command(flatten)]
    user: AsUserArgs,
    #[command(flatten)]
    section: SectionArg,
    /// Token whose probability is followed, with the space before it where the text has one; it must be one token
    #[arg(long, value_name = "A", allow_hyphen_values = true, conflicts_with_all = ["promoted", "limit"])]
    token: Option<String>,
    /// Follow the total probability of each feature's ten promoted tokens: those with the largest direct effects on the logits
    #[arg(long, conflicts_with = "limit")]
    promoted: bool,
    /// Tokens of the greedy continuation whose repetition and perplexity are measured; EOS or the model's context may end it earlier; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = CONTINUATION)]
    continuation: usize,
    /// Search for the largest strength before the text breaks instead, upwards or downwards from 0; the rule is printed with the result
    #[arg(long, value_name = "up|down", num_args = 0..=1, require_equals = true, default_missing_value = "up")]
    limit: Option<Direction>,
    /// Largest factor between the median perplexity of steered and untouched continuations that --limit allows
    #[arg(long, value_name = "R", default_value_t = Rule::default().perplexity, requires = "limit")]
    perplexity_factor: f64,
    /// Largest excess of the mean share of repeated 3-grams over that of untouched continuations that --limit allows
    #[arg(long, value_name = "S", default_value_t = Rule::default().repetition, requires = "limit")]
    repetition_excess: f64,
}

/// Direction of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Direction {
    /// Towards the feature
    Up,
    /// Away from it
    Down,
}

fn help() -> String {
    let figures = sweep::DEFINITIONS.iter();
    let figures: Vec<String> = figures
        .map(|(name, definition)| format!("  {name}: {definition}"))
        .collect();
    format!(
        "Figures:\n{}\n\
         With --json, one feature gives {{points: [{{strength, kl, probability}}], spread: […], …}}: `points` has means over prompts (probability is null without a target) and \
         `spread` the 10 % quantile, median, 90 % quantile and mean of every figure. Several features give {{features: [{{feature, points, spread, …}}], …}}. With --limit, one \
         feature gives {{limit, breaks, steps, rule, …}} and several {{features: […]}}.\n\
         `umbra index score` measures the effect of every feature of a dictionary.",
        figures.join("\n")
    )
}

/// Runs `umbra sweep`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let pair = open_by_token(&args.model, &args.sae, console)?;
    let target = target(args, &pair.model, console)?;
    let lines = read(&args.prompts)?;
    let prompts = Prompts::from_inputs(&pair.model, &lines, |line| args.user.input(line))?;
    console.notes(&prompts.notes);
    let features: Vec<FeatureId> = args.feature.iter().copied().map(FeatureId).collect();
    let known = |feature: &&FeatureId| feature.index() < pair.sae.features();
    for feature in features.iter().filter(known) {
        let factor = pair.sae.stored_factor(*feature)?;
        if factor != 1.0 {
            console.note(&format!(
                "Reading the dictionary rescaled its rows: 1 here is the row of feature {feature} as stored, {factor:.4} of the rows that `umbra steer` adds"
            ));
        }
    }
    if let Some(direction) = args.limit {
        return limits(args, (&pair, &prompts), (&features, direction), console);
    }
    let settings = Settings {
        strengths: if args.strengths.is_empty() {
            STRENGTHS.to_vec()
        } else {
            args.strengths.clone()
        },
        target,
        continuation: args.continuation,
    };
    let subject = (&*pair.model, pair.sae.by_token()?);
    let mut bar = console.bar("Sweeping");
    let ended = sweep::sweep(subject, &features, &prompts.tokens, &settings, &mut |at| {
        bar.at(at)
    })?;
    drop(bar);
    if ended.value().prompts == 0 {
        return Ok(Exit::Stopped);
    }
    args.section
        .write(&pair.model, || ended.value().section())?;
    console.answer(&ended.value().json(), || table(ended.value()))?;
    Ok(Exit::from(&ended))
}

fn target(args: &Args, model: &Model, console: &Console) -> Result<Target> {
    if args.promoted {
        return Ok(Target::Promoted);
    }
    match &args.token {
        Some(text) => {
            let token = console.usage(model.codec().one_token(text, "--token"))?;
            Ok(Target::Token(token))
        }
        None => Ok(Target::None),
    }
}

fn limits(
    args: &Args,
    (pair, prompts): (&Pair, &Prompts),
    (features, direction): (&[FeatureId], Direction),
    console: &Console,
) -> Result<Exit> {
    let rule = Rule {
        perplexity: args.perplexity_factor,
        repetition: args.repetition_excess,
        continuation: args.continuation,
        downwards: direction == Direction::Down,
        ..Rule::default()
    };
    let subject = (&*pair.model, pair.sae.by_token()?);
    let mut found: Vec<Limit> = Vec::new();
    for feature in features {
        let mut bar = console.bar(&format!("Searching for the limit of feature {feature}"));
        let ended =
            limit::largest_strength(subject, *feature, &prompts.tokens, &rule, &mut |at| {
                bar.at(at)
            })?;
        drop(bar);
        match ended {
            Ended::Done(limit) => found.push(limit),
            Ended::Stopped(()) => return Ok(Exit::Stopped),
        }
    }
    let study = Study {
        limits: found.clone(),
        ..Study::default()
    };
    args.section.write(&pair.model, || study.section())?;
    let object = match found.as_slice() {
        [one] => one.json(),
        several => {
            let all: Vec<Value> = several.iter().map(Limit::json).collect();
            serde_json::json!({ "features": all })
        }
    };
    console.answer(&object, || {
        let mut lines: Vec<String> = found.iter().map(steps).collect();
        lines.push(rule.said());
        lines.extend(found.iter().map(Limit::conclusion));
        lines.join("\n")
    })?;
    Ok(Exit::Done)
}

/// Writes every strength that was tried.
fn steps(limit: &Limit) -> String {
    let mut lines = vec![format!(
        "feature {}\n{:>12} {:>12} {:>12}",
        limit.feature, "strength", "perplexity", "repetition"
    )];
    let mut line = |strength: &str, figures: &limit::Figures, holds: &str| {
        lines.push(format!(
            "{strength:>12} {:>12.3} {:>12.3}  {holds}",
            figures.perplexity, figures.repetition
        ));
    };
    line("untouched", &limit.untouched, "");
    let mut steps: Vec<_> = limit.steps.iter().collect();
    steps.sort_by(|a, b| a.strength.total_cmp(&b.strength));
    for step in steps {
        let holds = if step.holds { "holds" } else { "breaks" };
        line(&format!("{:.4}", step.strength), &step.figures, holds);
    }
    lines.join("\n")
}

fn table(sweep: &Sweep) -> String {
    let mut lines: Vec<String> = sweep.curves.iter().map(curve).collect();
    if sweep.unreached > 0 {
        lines.push(format!(
            "{} of {} prompts have one token, which no edit reaches",
            sweep.unreached, sweep.prompts
        ));
    }
    lines.push(sweep.conclusion());
    lines.join("\n")
}

/// Writes a figure with digits that tell it from 0.
fn short(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 {
        format!("{value:.1e}")
    } else {
        format!("{value:.4}")
    }
}

/// Writes one feature's figures: medians with their bands.
fn curve(curve: &Curve) -> String {
    let mut lines = vec![match &curve.target {
        Some(target) => format!("feature {}, target “{target}”", curve.feature),
        None => format!("feature {}", curve.feature),
    }];
    lines.push(format!(
        "{:>10} {:>30} {:>30} {:>30} {:>30}",
        "strength", "KL", "probability", "repetition", "perplexity"
    ));
    let figure = |spread: Option<Spread>| match spread {
        Some(Spread {
            low, median, high, ..
        }) => {
            let [low, median, high] = [low, median, high].map(short);
            format!("{median} ({low}–{high})")
        }
        None => "–".to_owned(),
    };
    for point in &curve.points {
        lines.push(format!(
            "{:>10} {:>30} {:>30} {:>30} {:>30}",
            point.strength,
            figure(Some(point.kl)),
            figure(point.probability),
            figure(point.repetition),
            figure(point.perplexity),
        ));
    }
    lines.push("median (10 % to 90 %) over prompts".to_owned());
    lines.join("\n")
}
