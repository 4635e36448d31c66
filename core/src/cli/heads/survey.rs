//! `umbra heads survey`: measures what every head of a model attends to and writes, over text.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::cli::{Console, Exit, ModelArgs, TextArgs};
use crate::error::{Error, Result};
use crate::heads::survey::{
    self, CAUSAL_ROWS, Causal, DEFINITIONS, FIGURES, Figure, HeadExample, HeadRow, KeptSurvey,
    RULE, Survey, figure_of, role,
};
use crate::models::Model;
use crate::progress::Ended;
use crate::project::Project;
use crate::workbench::text::Most;

/// Figures of the table for people.
const COLUMNS: [&str; 9] = [
    "induction_random",
    "induction_excess",
    "duplicate_excess",
    "previous",
    "first",
    "same",
    "entropy",
    "distance",
    "copying",
];

/// Flags of `umbra heads survey`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    text: TextArgs,
    /// Read the first N rows [default: all]
    #[arg(long, value_name = "N", conflicts_with = "tokens")]
    rows: Option<usize>,
    /// Also replace each head's z by its mean in turn and measure the rise of cross-entropy, with an interval over rows: one pass for each head
    #[arg(long)]
    causal: bool,
    /// Rows of the causal test, at even distances
    #[arg(long, value_name = "N", default_value_t = CAUSAL_ROWS, requires = "causal")]
    causal_rows: usize,
    /// Seed of the resamples behind the intervals
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Add contexts of the text in which each head's behaviour is strongest
    #[arg(long)]
    examples: bool,
    /// Store the survey with this project, where the window shows it
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

/// Runs `umbra heads survey`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    // Opened first, so that a wrong folder fails before the work.
    let project = args.project.as_deref().map(Project::open).transpose()?;
    let project = project.map(|(project, notes)| {
        console.notes(&notes);
        project
    });
    let model = args.model.open(console)?;
    let mut request = args.text.request(args.model.offline, console)?;
    request.most = args.rows.map(Most::Rows).or(request.most);
    let text = request.read(&model, None)?;
    console.notes(&text.said());
    let mut bar = console.bar("Surveying");
    let ended = survey::run(&model, &text.rows, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(mut survey) = ended else {
        return Ok(Exit::Stopped);
    };
    if args.causal {
        let settings = Causal {
            rows: args.causal_rows,
            seed: args.seed,
        };
        let mut bar = console.bar("Ablating heads");
        let ended = survey::ablate(&model, &text.rows, settings, &mut survey, &mut |at| {
            bar.at(at)
        })?;
        drop(bar);
        if ended.is_stopped() {
            return Ok(Exit::Stopped);
        }
    }
    if let Some(project) = project {
        let of = (text.phrase.as_str(), text.fingerprint.as_str());
        KeptSurvey::new(&model, of, survey.clone()).keep(&project)?;
    }
    let mut answer = object(&model, &survey, args.examples)?;
    answer["text"] = json!(text.phrase);
    answer["separate_documents"] = json!(text.rows.separates_documents());
    console.answer(&answer, || table(&model, &survey, args.examples))?;
    Ok(Exit::Done)
}

fn object(model: &Model, survey: &Survey, with_examples: bool) -> Result<Value> {
    let mut heads = Vec::with_capacity(survey.heads.len());
    for (row, examples) in survey.heads.iter().zip(&survey.examples) {
        let mut value = serde_json::to_value(row).map_err(|cause| Error::Numeric {
            what: format!("the survey cannot be written as JSON: {cause}"),
        })?;
        value["role"] = json!(role(row).map(survey::Role::key));
        if with_examples {
            let of = examples.contexts.iter();
            value["examples"] = json!({
                "behaviour": examples.behaviour.map(survey::Role::key),
                "contexts": of.map(|example| context(model, example)).collect::<Vec<_>>(),
            });
        }
        heads.push(value);
    }
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    let mut value = json!({
        "tokens": survey.tokens,
        "rows": survey.rows,
        "context": survey.context,
        "heads": heads,
        "role_rule": RULE,
        "definitions": definitions,
    });
    if let Some(about) = survey.causal {
        value["causal"] = json!(about);
    }
    if let Some(ablation) = &survey.random_ablation {
        let heads = ablation.heads.iter();
        value["random_ablation"] = json!({
            "heads": heads.map(|(layer, head)| json!({"layer": layer, "head": head})).collect::<Vec<_>>(),
            "clean": ablation.losses.clean,
            "ablated": ablation.losses.ablated,
            "definition": "cross-entropy of the first and of the second copy of repeated random tokens, nats per token, unmodified and with z of all these heads replaced by its mean",
        });
    }
    Ok(value)
}

fn context(model: &Model, example: &HeadExample) -> Value {
    json!({
        "row": example.row,
        "from": example.from,
        "tokens": words(model, example),
        "query": example.query,
        "attention": example.attention,
        "strength": example.strength,
    })
}

fn words(model: &Model, example: &HeadExample) -> Vec<String> {
    let tokens = example.tokens.iter();
    tokens.map(|token| model.codec().display(*token)).collect()
}

fn table(model: &Model, survey: &Survey, with_examples: bool) -> String {
    let columns: Vec<&Figure> = COLUMNS.into_iter().filter_map(figure_of).collect();
    let causal = survey.causal.is_some();
    let mut title = vec![format!("{:<8} {:<21}", "head", "role")];
    title.extend(
        (columns.iter()).map(|column| format!("{:>width$}", column.key, width = width(column))),
    );
    if causal {
        title.push(format!("{:>26}", "ce_increase"));
    }
    let mut lines = vec![title.join(" ")];
    for row in &survey.heads {
        lines.push(line(row, &columns, causal));
    }
    lines.push(format!(
        "{} tokens in {} rows of {}. {RULE}. --json has all {} figures with their definitions",
        survey.tokens,
        survey.rows,
        survey.context,
        FIGURES.len()
    ));
    if let Some(about) = survey.causal {
        lines.push(format!(
            "ce_increase over {} of {} rows, cross-entropy {:.4} without ablation; in brackets 95 % of resamples of the rows",
            about.rows, about.of_rows, about.ce_clean
        ));
    }
    if let Some(ablation) = &survey.random_ablation {
        let [first, second] = ablation.losses.rise();
        lines.push(format!(
            "Repeated random tokens without the {} induction and previous-token heads: cross-entropy {first:+.3} on the first copy, {second:+.3} on the second",
            ablation.heads.len()
        ));
    }
    if with_examples {
        lines.extend(examples(model, survey));
    }
    lines.join("\n")
}

fn width(column: &Figure) -> usize {
    column.key.len().max(8)
}

fn line(row: &HeadRow, columns: &[&Figure], causal: bool) -> String {
    let named = role(row).map_or("", survey::Role::name);
    let head = format!("L{}H{}", row.layer, row.head);
    let mut cells = vec![format!("{head:<8} {named:<21}")];
    for column in columns {
        let value = (column.get)(row);
        let value = value.map_or_else(|| "–".to_owned(), |value| column.unit.format(value));
        cells.push(format!("{value:>width$}", width = width(column)));
    }
    if causal {
        let rise = match (row.ce_increase, row.ce_increase_low, row.ce_increase_high) {
            (Some(rise), Some(low), Some(high)) => format!("{rise:.4} [{low:.4}, {high:.4}]"),
            (Some(rise), ..) => format!("{rise:.4}"),
            _ => "–".to_owned(),
        };
        cells.push(format!("{rise:>26}"));
    }
    cells.join(" ").trim_end().to_owned()
}

/// Lists the strongest context of each head: the text up to the query, and where the query attends.
fn examples(model: &Model, survey: &Survey) -> Vec<String> {
    let mut lines = Vec::new();
    for (row, examples) in survey.heads.iter().zip(&survey.examples) {
        let Some(example) = examples.contexts.first() else {
            continue;
        };
        let words = words(model, example);
        let query = example.query as usize;
        let strongest = example.attention.iter().enumerate();
        let Some((source, weight)) = strongest.max_by(|(_, a), (_, b)| a.total_cmp(b)) else {
            continue;
        };
        lines.push(format!(
            "L{}H{} {:?} attends to {:?} by {weight:.2}: {:?}",
            row.layer,
            row.head,
            words[query],
            words[source],
            words[..=query].concat()
        ));
    }
    lines
}
