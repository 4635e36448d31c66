//! `umbra dark-matter pursue`: what a better choice of features would win over the encoder.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::cli::{Console, DeviceArg, Exit, ModelArgs, SaeArgs, TextArgs, open_both};
use crate::dark_matter::pursuit::{
    Comparison, DEFINITIONS, FeatureRow, Method, Missed, PER_FEATURE, Settings,
};
use crate::error::Result;
use crate::ids::FeatureId;
use crate::models::Model;
use crate::progress::Ended;
use crate::project::Project;
use crate::workbench::pursuit;
use crate::workbench::text::Text;

/// Features of each list.
const LISTED: usize = 20;
/// Features of each list in the table for people.
const SHOWN: usize = 5;

/// Flags of `umbra dark-matter pursue`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    #[command(flatten)]
    text: TextArgs,
    /// Leave out the first N positions of each row, or of each document where documents are kept apart (the paper leaves out 200)
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: usize,
    /// Rule: the paper's gradient pursuit, or orthogonal matching pursuit with weights that are not negative
    #[arg(long, value_enum, default_value_t)]
    method: MethodArg,
    /// Steps of every token [default: as many as the encoder has active features at that token]
    #[arg(long, value_name = "N")]
    k: Option<usize>,
    /// Choose each token's features only among the N with the encoder's largest pre-activations: faster [default: the whole dictionary]
    #[arg(long, value_name = "N")]
    shortlist: Option<usize>,
    /// Show the tokens at which this feature should have fired: pursuit picks it, the encoder does not
    #[arg(long, value_name = "N")]
    feature: Option<u32>,
    /// Keep the result with this project, where the window shows it
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArg,
}

/// `--method`.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum MethodArg {
    #[default]
    Gradient,
    Orthogonal,
}

impl Args {
    fn settings(&self) -> Settings {
        Settings {
            method: match self.method {
                MethodArg::Gradient => Method::Gradient,
                MethodArg::Orthogonal => Method::Orthogonal,
            },
            k: self.k,
            shortlist: self.shortlist,
        }
    }
}

/// Runs `umbra dark-matter pursue`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    // Opened first, so that a wrong folder fails before the work.
    let project = args.project.as_deref().map(Project::open).transpose()?;
    let project = project.map(|(project, notes)| {
        console.notes(&notes);
        project
    });
    let pair = open_both(&args.model, &args.sae, console)?;
    pair.sae.autoencoder()?;
    let asked = args.text.request(args.model.offline, console)?;
    let text = pair.read(&asked)?.skipping(args.skip);
    console.notes(&text.said());
    let at_once = 8 * pair.model.config().context;
    args.device.place(&*pair.sae, (at_once, true), console)?;
    let focus = args.feature.map(FeatureId);
    let mut bar = console.bar("Pursuing");
    let on = (&pair, &text);
    let ended = pursuit::compare(on, args.settings(), focus, project.as_ref(), &mut |at| {
        bar.at(at)
    })?;
    drop(bar);
    let Ended::Done(comparison) = ended else {
        return Ok(Exit::Stopped);
    };
    if let Some(note) = comparison.note() {
        console.note(&note);
    }
    let model = &*pair.model;
    let object = object((model, &text), &comparison, focus);
    console.answer(&object, || table((model, &text), &comparison, focus))?;
    Ok(Exit::Done)
}

fn object((model, text): (&Model, &Text), of: &Comparison, focus: Option<FeatureId>) -> Value {
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    let listed = |rows: Vec<&FeatureRow>| -> Vec<Value> {
        let rows = rows.into_iter().take(LISTED);
        rows.map(feature).collect()
    };
    let mut value = json!({
        "sae": of.sae,
        "method": of.settings.method,
        "k": of.settings.k,
        "shortlist": of.settings.shortlist,
        "text": text.phrase,
        "tokens": of.tokens,
        "positions": text.rows.mask().rule,
        "separate_documents": text.rows.separates_documents(),
        "l0": of.l0,
        "l0_pursuit": of.l0_pursuit,
        "fvu_encoder": of.fvu_encoder,
        "fvu_pursuit": of.fvu_pursuit,
        "jaccard": of.jaccard,
        "worse": of.worse,
        "clearly_worse": of.clearly_worse,
        "most_missed": listed(of.most_missed()),
        "most_invented": listed(of.most_invented()),
        "note": of.note(),
        "conclusion": of.conclusion(),
        "definitions": definitions,
    });
    if let Some(focus) = focus {
        let row = of.feature(focus).copied().unwrap_or(FeatureRow {
            feature: focus,
            ..FeatureRow::default()
        });
        let mut shown = feature(&row);
        shown["should_have_fired"] = examples(of, focus)
            .iter()
            .map(|missed| token(model, missed))
            .collect();
        value["feature"] = shown;
    }
    value
}

fn feature(row: &FeatureRow) -> Value {
    let mean = |sum: f64, count: u64| (count > 0).then(|| sum / count as f64);
    json!({
        "feature": row.feature.0,
        "shared": row.shared,
        "missed": row.missed,
        "invented": row.invented,
        "missed_weight": mean(row.missed_weight, row.missed),
        "invented_activation": mean(row.invented_activation, row.invented),
        "shared_activation": mean(row.shared_activation, row.shared),
        "shared_weight": mean(row.shared_weight, row.shared),
    })
}

fn examples(of: &Comparison, feature: FeatureId) -> &[Missed] {
    of.examples_of(feature)
        .map_or(&[], |examples| examples.tokens.as_slice())
}

fn token(model: &Model, missed: &Missed) -> Value {
    let texts: Vec<String> = missed
        .tokens
        .iter()
        .map(|id| model.codec().display(*id))
        .collect();
    json!({
        "row": missed.row,
        "position": missed.position,
        "weight": missed.weight,
        "pre_activation": missed.pre_activation,
        "token": texts.get(missed.at as usize),
        "at": missed.at,
        "context": texts,
    })
}

fn table((model, text): (&Model, &Text), of: &Comparison, focus: Option<FeatureId>) -> String {
    let mut lines = vec![
        format!("{:<11} {:>8} {:>8}", "", "L0", "FVU"),
        format!("{:<11} {:>8.2} {:>8.4}", "encoder", of.l0, of.fvu_encoder),
        format!(
            "{:<11} {:>8.2} {:>8.4}",
            of.settings.method.name(),
            of.l0_pursuit,
            of.fvu_pursuit
        ),
        format!(
            "\nJaccard {:.4}; worse on {:.2} % of tokens, by more than 1 % on {:.2} %",
            of.jaccard,
            100.0 * of.worse,
            100.0 * of.clearly_worse
        ),
        format!(
            "{} tokens of {}; {}",
            of.tokens,
            text.phrase,
            text.rows
                .mask()
                .rule
                .said(Some(text.rows.left_out() as u64))
        ),
    ];
    let lists = [
        ("missed most", "only pursuit has it", of.most_missed(), true),
        (
            "invented most",
            "only the encoder has it",
            of.most_invented(),
            false,
        ),
    ];
    for (name, meaning, rows, missed) in lists {
        lines.push(format!(
            "\n{name:<14} {:>8} {:>8}  {meaning}",
            "tokens", "mean"
        ));
        for row in rows.into_iter().take(SHOWN) {
            let (count, sum) = if missed {
                (row.missed, row.missed_weight)
            } else {
                (row.invented, row.invented_activation)
            };
            let feature = row.feature.to_string();
            lines.push(format!(
                "{feature:<14} {count:>8} {:>8.3}",
                sum / count as f64
            ));
        }
    }
    if let Some(focus) = focus {
        lines.extend(should_have_fired(model, of, focus));
    }
    lines.push(String::new());
    lines.push(of.conclusion());
    lines.join("\n")
}

/// Lines on the tokens at which `feature` should have fired.
fn should_have_fired(model: &Model, of: &Comparison, feature: FeatureId) -> Vec<String> {
    let row = of.feature(feature).copied().unwrap_or_default();
    let mut lines = vec![format!(
        "\nfeature {feature} should have fired on {} tokens and fires on {} (both codes: {}); the strongest {PER_FEATURE} at most:",
        row.missed,
        row.shared + row.invented,
        row.shared
    )];
    for missed in examples(of, feature) {
        let shown = |id: &crate::ids::TokenId| model.codec().display(*id);
        let at = missed.at as usize;
        let before: String = missed.tokens[at.saturating_sub(10)..at]
            .iter()
            .map(shown)
            .collect();
        let after: String = missed.tokens[at + 1..].iter().map(shown).collect();
        let own = missed.tokens.get(at).map(shown).unwrap_or_default();
        let context = format!("{before}«{own}»{after}").replace('\n', "↵");
        lines.push(format!(
            "{:>8.3} (pre-activation {:.3})  {context}",
            missed.weight, missed.pre_activation
        ));
    }
    lines
}
