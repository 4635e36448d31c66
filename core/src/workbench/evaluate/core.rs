//! Core metrics of dictionaries on one text, under SAEBench's names: the runs, the results as JSON in SAEBench's schema, and a section of a report.

use serde_json::{Map, Value, json};

use crate::benchmarks::core_metrics::{CoreMetrics, Metric, OfFeature, core_metrics};
use crate::benchmarks::estimate::DRAWS;
use crate::benchmarks::schema::{Evaluation, NONE};
use crate::error::{Error, Result};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;
use crate::section::{Section, Table};
use crate::workbench::text::Text;

pub use crate::benchmarks::core_metrics::DEFINITIONS;

/// Metrics of the table for people and of the section.
pub const SHOWN: [(&str, &str); 8] = [
    ("l0", "L0"),
    ("explained_variance", "explained variance"),
    ("ce_loss_score", "loss recovered"),
    ("kl_div_score", "KL score"),
    ("cossim", "cosine"),
    ("l2_ratio", "L2 ratio"),
    ("relative_reconstruction_bias", "bias"),
    ("frac_alive", "alive"),
];

/// Settings of the intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Draws of the bootstrap.
    pub draws: usize,
    /// Its seed.
    pub seed: u64,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            draws: DRAWS,
            seed: 0,
        }
    }
}

/// Result.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Dictionaries, in their order.
    pub dictionaries: Vec<CoreMetrics>,
    /// Text, in a phrase.
    pub text: String,
    /// Length of its rows.
    pub context: usize,
    /// Name of the model.
    pub model: String,
}

/// Measures every dictionary on `text`. `observe` hears of the rows of all of them.
pub fn run(
    model: &Model,
    saes: &[&Sae],
    text: &Text,
    request: Request,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Found>> {
    let mut dictionaries = Vec::with_capacity(saes.len());
    for (number, sae) in saes.iter().enumerate() {
        let mut on = |at: Progress| {
            observe(Progress {
                done: number as u64 * at.total + at.done,
                total: saes.len() as u64 * at.total,
                ..at
            })
        };
        let bootstrap = (request.draws, request.seed);
        match core_metrics(model, sae, &text.rows, bootstrap, &mut on)? {
            Ended::Done(found) => dictionaries.push(found),
            Ended::Stopped(()) => return Ok(Ended::STOPPED),
        }
    }
    Ok(Ended::Done(Found {
        dictionaries,
        text: text.phrase.clone(),
        context: text.rows.context(),
        model: model.name().to_owned(),
    }))
}

/// Returns the result of each dictionary in SAEBench's schema, with the name of its file.
///
/// # Errors
/// Dictionaries that are not those of the result.
pub fn results(
    found: &Found,
    saes: &[&Sae],
    request: Request,
    millis: u64,
) -> Result<Vec<(String, Value)>> {
    if saes.len() != found.dictionaries.len() {
        let what = format!(
            "{} dictionaries for {} results: give those that were measured",
            saes.len(),
            found.dictionaries.len()
        );
        return Err(Error::setting("sae", what));
    }
    let each = found.dictionaries.iter().zip(saes);
    let result = |(one, sae): (&CoreMetrics, &&Sae)| {
        let evaluation = Evaluation {
            kind: "core",
            sae,
            model: &found.model,
            config: config(found, one, request),
            metrics: metrics(one),
            details: one.features.iter().enumerate().map(feature).collect(),
            unstructured: json!({}),
            millis,
        };
        let mut value = evaluation.json();
        value["intervals"] = intervals(one);
        value["definitions"] = definitions();
        (evaluation.file(), value)
    };
    Ok(each.map(result).collect())
}

fn config(found: &Found, one: &CoreMetrics, request: Request) -> Value {
    json!({
        "model_name": found.model, "llm_dtype": "float32", "batch_size_prompts": NONE, "n_eval_reconstruction_batches": NONE,
        "n_eval_sparsity_variance_batches": NONE, "dataset": found.text, "context_size": found.context, "compute_kl": true, "compute_ce_loss": true,
        "compute_l2_norms": true, "compute_sparsity_metrics": true, "compute_variance_metrics": true, "compute_featurewise_density_statistics": true,
        "compute_featurewise_weight_based_metrics": true, "exclude_special_tokens_from_reconstruction": true, "verbose": false,
        "positions": one.figures.positions, "random_seed": request.seed, "draws": request.draws, "drawn": one.blocks,
    })
}

fn metrics(one: &CoreMetrics) -> Value {
    let mut all = Map::new();
    for Metric {
        category,
        name,
        estimate,
    } in &one.metrics
    {
        all.entry(*category).or_insert_with(|| json!({}))[*name] = json!(estimate.value);
    }
    let misc = all.entry("misc_metrics").or_insert_with(|| json!({}));
    for name in [
        "average_max_encoder_cosine_sim",
        "average_max_decoder_cosine_sim",
    ] {
        if misc.get(name).is_none() {
            misc[name] = Value::Null;
        }
    }
    let tokens = one.figures.tokens;
    all.insert(
        "token_stats".to_owned(),
        json!({"total_tokens_eval_reconstruction": tokens, "total_tokens_eval_sparsity_variance": tokens}),
    );
    Value::Object(all)
}

fn feature((index, one): (usize, &OfFeature)) -> Value {
    json!({
        "index": index,
        "feature_density": one.density,
        "consistent_activation_heuristic": one.tokens_of_active_row.unwrap_or(f64::from(NONE)),
        "encoder_bias": one.encoder_bias,
        "encoder_norm": one.encoder_norm,
        "encoder_decoder_cosine_sim": one.encoder_decoder_cosine,
        "max_decoder_cosine_sim": one.max_decoder_cosine,
        "max_encoder_cosine_sim": one.max_encoder_cosine,
    })
}

fn intervals(one: &CoreMetrics) -> Value {
    let each = one.metrics.iter();
    each.map(|metric| (metric.name.to_owned(), json!(metric.estimate.interval)))
        .collect()
}

fn definitions() -> Value {
    let each = DEFINITIONS.iter();
    each.map(|(name, definition)| ((*name).to_owned(), Value::from(*definition)))
        .collect()
}

/// Returns the answer as JSON: `results` in SAEBench's schema.
pub fn json(found: &Found, results: &[(String, Value)], request: Request) -> Value {
    json!({
        "task": "core",
        "model": found.model,
        "text": found.text,
        "seed": request.seed,
        "draws": request.draws,
        "results": results.iter().map(|(_, result)| result).collect::<Vec<_>>(),
        "definitions": definitions(),
    })
}

/// Returns the result as a section of a report.
pub fn section(found: &Found, request: Request) -> Section {
    let mut columns = vec!["dictionary"];
    columns.extend(SHOWN.iter().map(|(_, shown)| *shown));
    let mut table = Table::new("Core metrics, with 95 % intervals", &columns);
    for one in &found.dictionaries {
        let cells = SHOWN.iter().map(|(name, _)| {
            one.get(name)
                .map_or("–".to_owned(), |estimate| estimate.words())
        });
        let name = std::iter::once(one.dictionary.clone());
        table = table.row(name.chain(cells).map(Into::into));
    }
    Section::new(
        format!("Core metrics of dictionaries of {}", found.model),
        conclusion(found),
    )
    .setting("model", &found.model)
    .setting("text", &found.text)
    .setting("seed", request.seed)
    .setting("draws", request.draws)
    .figure(table)
    .define(DEFINITIONS)
}

/// Says in one sentence which dictionary recovers most of the loss.
fn conclusion(found: &Found) -> String {
    let score = |one: &CoreMetrics| one.get("ce_loss_score").map(|estimate| estimate.value);
    let scored = found.dictionaries.iter();
    let scored = scored.filter_map(|one| Some((score(one)?, one)));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b));
    match best {
        Some((score, one)) if found.dictionaries.len() > 1 => format!(
            "{} recovers most of the loss, {:.1} % of what zeros cost",
            one.dictionary,
            100.0 * score
        ),
        Some((score, one)) => format!(
            "{} recovers {:.1} % of the loss that zeros cost",
            one.dictionary,
            100.0 * score
        ),
        None => "No dictionary was measured".to_owned(),
    }
}
