//! `umbra evaluate disentangle`: whether a few features carry one attribute of an entity and no other.

use std::path::PathBuf;

use crate::benchmarks::disentangle::{Disentangling, QUESTIONS, Scores, Spec};
use crate::cli::{Console, Exit, ModelArgs, SaesArgs};
use crate::error::Result;
use crate::progress::Ended;
use crate::sae::Sae;
use crate::workbench::evaluate::disentangle::{DEFINITIONS, Request, json, run as measured};

/// Features shown of an attribute.
const SHOWN: usize = 8;
/// Cause of the whole activation below which features cannot do much.
const REACHES: f64 = 0.5;

/// Flags of `umbra evaluate disentangle`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help())]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    saes: SaesArgs,
    /// Questions, one JSON object {"text", "entity", "attribute", "answer"} a line [default: questions for the name and the gender of people]
    #[arg(long, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// Number of generated questions of each attribute
    #[arg(long, value_name = "N", default_value_t = QUESTIONS, conflicts_with = "questions")]
    questions_count: usize,
    /// Pairs of questions that test cause, and that test isolation, at most, of each attribute
    #[arg(long, value_name = "N", default_value_t = Spec::default().pairs)]
    pairs: usize,
    /// Share of questions that test
    #[arg(long, value_name = "X", default_value_t = Spec::default().test_share)]
    test_share: f64,
    /// Keep the dictionary's error in the edited activation; SAEBench leaves it out
    #[arg(long)]
    keep_error: bool,
    /// Seed of the questions, the split, the pairs and the intervals
    #[arg(long, value_name = "N", default_value_t = Spec::default().seed)]
    seed: u64,
    /// Draws of the bootstrap behind the intervals
    #[arg(long, value_name = "N", default_value_t = Spec::default().draws)]
    draws: usize,
}

fn help() -> String {
    let figures: Vec<String> = DEFINITIONS
        .iter()
        .map(|(name, definition)| format!("  {name}: {definition}"))
        .collect();
    format!(
        "Figures:\n{}\nWith --json: {{dictionaries: [{{name, eval_result_metrics, scores, whole_activation, attributes}}], …}} in the keys of SAEBench.",
        figures.join("\n")
    )
}

/// Runs `umbra evaluate disentangle`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let request = Request {
        questions: args.questions.clone(),
        count: args.questions_count,
        spec: Spec {
            test_share: args.test_share,
            pairs: args.pairs,
            keeps_error: args.keep_error,
            seed: args.seed,
            draws: args.draws,
        },
    };
    let (model, saes) = args.saes.open(&args.model, console)?;
    let saes: Vec<&Sae> = saes.iter().map(|sae| &**sae).collect();
    let mut bar = console.bar("Exchanging features");
    let found = measured(&model, &saes, &request, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(found) = found else {
        return Ok(Exit::Stopped);
    };
    for one in &found {
        for attribute in one
            .attributes
            .iter()
            .filter(|one| one.whole.cause.value < REACHES)
        {
            console.note(&format!(
                "{}: even the whole activation at the entity's token changes {:.0} % of answers for {}: at this hook little of the attribute is still read there, an earlier hook tells more",
                one.dictionary,
                100.0 * attribute.whole.cause.value,
                attribute.name
            ));
        }
    }
    console.answer(&json(&found, &request), || table(&found))?;
    Ok(Exit::Done)
}

fn row(name: &str, scores: &Scores) -> String {
    format!(
        "  {name:<18} {:<22} {:<22} {}",
        scores.cause.words(),
        scores.isolation.words(),
        scores.disentanglement.words()
    )
}

fn table(found: &[Disentangling]) -> String {
    let mut lines = Vec::new();
    for one in found {
        lines.push(one.dictionary.clone());
        lines.push(format!(
            "  {:<18} {:<22} {:<22} {}",
            "", "cause", "isolation", "disentanglement"
        ));
        lines.push(row("all attributes", &one.scores));
        lines.push(row("whole activation", &one.whole));
        for attribute in &one.attributes {
            let [asked, known] = attribute.questions;
            let features = attribute.features.iter().take(SHOWN);
            let features: Vec<String> = features.map(ToString::to_string).collect();
            let more = if attribute.features.len() > SHOWN {
                ", …"
            } else {
                ""
            };
            lines.push(row(&attribute.name, &attribute.scores));
            lines.push(row("  whole activation", &attribute.whole));
            lines.push(format!(
                "    {known} of {asked} questions known, {} and {} test pairs, {} features: {}{more}",
                attribute.pairs[0],
                attribute.pairs[1],
                attribute.features.len(),
                features.join(", ")
            ));
        }
        lines.push(String::new());
    }
    lines.join("\n").trim_end().to_owned()
}
