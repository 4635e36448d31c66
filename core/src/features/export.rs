//! Exports an index to other viewers: SAEDashboard's batches, which Neuronpedia imports, and the feature files of circuit-tracer's viewer. Layouts follow
//! SAEDashboard 0.8.0 `neuronpedia/neuronpedia_dashboard.py` and circuit-tracer 0.5.0 `frontend/feature_models.py`.

use std::path::Path;

use serde_json::{Value, json};

use super::correlations::{Correlations, OfFeature};
use super::{About, Detail, Example, Histogram, Index, Sources, Summary, TokenEffect};
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Layer};
use crate::progress::{Ended, Flow, Progress};
use crate::whole_file;

/// The viewer that reads the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// SAEDashboard's batches, `batch-N.json`, and `skipped_indexes.json`.
    Neuronpedia,
    /// One file per feature.
    CircuitTracer,
}

/// Summary of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Number of files.
    pub files: usize,
    /// Number of features in them.
    pub features: usize,
    /// Number of features that were never active; no file has them.
    pub never_active: usize,
}

/// Writes the folder `out`, whole or not at all, with `batch` features in each of Neuronpedia's files. `observe` hears the features done.
pub fn export(
    index: &Index,
    (to, batch): (Viewer, usize),
    source: &Source,
    out: &Path,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Exported>> {
    let about = index.about();
    let summaries = index.summaries()?;
    let (living, dead): (Vec<Summary>, Vec<Summary>) =
        summaries.into_iter().partition(|s| s.density > 0.0);
    let mut exported = Exported {
        features: living.len(),
        never_active: dead.len(),
        files: 0,
    };
    let batch = batch.max(1);
    let correlations = match to {
        Viewer::Neuronpedia => index.correlations()?,
        Viewer::CircuitTracer => None,
    };
    let mut stopped = false;
    let written = whole_file::write_folder(out, |folder| {
        let mut write = |name: String, value: &Value| {
            exported.files += 1;
            whole_file::write_bytes(&folder.join(name), value.to_string().as_bytes())
        };
        for (number, some) in living.chunks(batch).enumerate() {
            let details = some.iter().map(|summary| index.detail(summary.feature));
            let details: Vec<Detail> = details.collect::<Result<_>>()?;
            match to {
                Viewer::Neuronpedia => {
                    let value = neuronpedia_batch((about, correlations.as_ref()), source, &details);
                    write(format!("batch-{number}.json"), &value)?;
                }
                Viewer::CircuitTracer => {
                    for detail in &details {
                        let name = cantor(source.layer, detail.summary.feature.0);
                        write(
                            format!("{name}.json"),
                            &circuit_tracer_feature(about, detail),
                        )?;
                    }
                }
            }
            let done = number * batch + some.len();
            if observe(Progress::new(done, living.len(), "features")).is_break() {
                stopped = true;
                return Err(Error::input("was not written whole", out));
            }
        }
        if to == Viewer::Neuronpedia {
            let dead: Vec<u32> = dead.iter().map(|summary| summary.feature.0).collect();
            write(SKIPPED.to_owned(), &skipped(source, &dead))?;
        }
        Ok(())
    });
    match written {
        Err(_) if stopped => Ok(Ended::STOPPED),
        written => written.map(|()| Ended::Done(exported)),
    }
}

/// Promoted and suppressed tokens of SAEDashboard's files.
const TOKENS: usize = 10;
/// File that lists the features in no batch.
const SKIPPED: &str = "skipped_indexes.json";

/// Returns whether a file has a name that an export uses.
pub(crate) fn is_of_export(file: &str) -> bool {
    let stem = file.strip_suffix(".json").unwrap_or_default();
    let number = stem.strip_prefix("batch-").unwrap_or(stem);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    file == SKIPPED || is_number
}

/// Neuronpedia's names for a dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Id of the model (`gpt2-small`).
    pub model: String,
    /// Layer.
    pub layer: u32,
    /// Name of the set (`res-jb`).
    pub set: String,
}

impl Source {
    /// Takes the names that are given and fills in the others from the index; hooks outside blocks get layer 0.
    pub fn new(about: &About, model: Option<&str>, set: Option<&str>) -> Result<Self> {
        let hook: HookPoint = about.hook.parse()?;
        Ok(Self {
            model: model.unwrap_or(&about.model).to_owned(),
            layer: hook.layer().map_or(0, |Layer(layer)| layer),
            set: set.unwrap_or(&about.sae).to_owned(),
        })
    }
}

/// Builds a `batch-N.json`. It leaves neuron alignment, correlated neurons and correlated features empty where they were not measured, and keeps 10 tokens on
/// either side of an example.
fn neuronpedia_batch(
    (about, correlations): (&About, Option<&Correlations>),
    source: &Source,
    details: &[Detail],
) -> Value {
    let feature = |detail: &Detail| {
        let correlated = correlations.and_then(|all| all.of(detail.summary.feature));
        feature(about, detail, correlated)
    };
    json!({
        "model_id": source.model,
        "layer": source.layer,
        "sae_set": source.set,
        "sae_id_suffix": null,
        "features": details.iter().map(feature).collect::<Value>(),
    })
}

/// Builds `skipped_indexes.json`, which lists the features that were never active and are in no batch.
fn skipped(source: &Source, features: &[u32]) -> Value {
    json!({
        "model_id": source.model,
        "layer": source.layer.to_string(),
        "sae_set": source.set,
        "log_sparsity": null,
        "skipped_indexes": features,
    })
}

fn feature(about: &About, detail: &Detail, correlated: Option<&OfFeature>) -> Value {
    let middles = |histogram: &Histogram| -> Value {
        let pairs = histogram.edges.windows(2);
        pairs
            .map(|pair| rounded(f64::midpoint(pair[0], pair[1])))
            .collect()
    };
    let mut activations: Vec<Value> = Vec::new();
    let max = detail.summary.strongest().abs();
    activations.extend(
        detail
            .top
            .iter()
            .map(|example| activation(example, [-1.0, max, -1.0])),
    );

    for interval in &detail.intervals {
        let bin = [interval.from, interval.to, interval.share];
        activations.extend(
            interval
                .examples
                .iter()
                .map(|example| activation(example, bin)),
        );
    }
    if about.attribution {
        // The strongest examples come first; those of the intervals have no sources.
        let known = detail.sources.iter().zip(&detail.top).map(Some);
        let known = known.chain(std::iter::repeat(None));
        for (activation, known) in activations.iter_mut().zip(known) {
            add_dfa(activation, known);
        }
    }
    let texts = |effects: &[TokenEffect]| {
        effects
            .iter()
            .take(TOKENS)
            .map(|effect| effect.text.clone())
            .collect::<Value>()
    };
    let values = |effects: &[TokenEffect]| {
        let values = effects
            .iter()
            .take(TOKENS)
            .map(|effect| rounded(f64::from(effect.effect)));
        values.collect::<Value>()
    };
    let none = OfFeature::default();
    let correlated = correlated.unwrap_or(&none);
    let alignment = &correlated.alignment;
    let numbers = |values: &mut dyn Iterator<Item = f64>| values.map(rounded).collect::<Value>();
    // SAEDashboard writes the cosine under `l1`.
    let [neurons, features] = [&correlated.neurons, &correlated.features].map(|list| {
        [
            list.iter().map(|of| json!(of.other)).collect::<Value>(),
            numbers(&mut list.iter().map(|of| of.cosine)),
            numbers(&mut list.iter().map(|of| of.pearson)),
        ]
    });
    json!({
        "feature_index": detail.summary.feature.0,
        "neuron_alignment_indices": alignment.iter().map(|of| json!(of.neuron)).collect::<Value>(),
        "neuron_alignment_values": numbers(&mut alignment.iter().map(|of| of.value)),
        "neuron_alignment_l1": numbers(&mut alignment.iter().map(|of| of.l1)),
        "correlated_neurons_indices": neurons[0], "correlated_neurons_l1": neurons[1], "correlated_neurons_pearson": neurons[2],
        "correlated_features_indices": features[0], "correlated_features_l1": features[1], "correlated_features_pearson": features[2],
        "neg_str": texts(&detail.suppressed),
        "neg_values": values(&detail.suppressed),
        "pos_str": texts(&detail.promoted),
        "pos_values": values(&detail.promoted),
        "frac_nonzero": detail.summary.density,
        "freq_hist_data_bar_values": middles(&detail.histogram),
        "freq_hist_data_bar_heights": detail.histogram.counts,
        "logits_hist_data_bar_values": middles(&detail.logits),
        "logits_hist_data_bar_heights": detail.logits.counts,
        "n_prompts_total": prompts(about),
        "n_tokens_in_prompt": about.context,
        "dataset": about.corpus,
        "decoder_weights_dist": detail.head_shares,
        "activations": activations,
        "vector": [],
    })
}

fn activation(example: &Example, [least, most, share]: [f64; 3]) -> Value {
    json!({
        "bin_min": least, "bin_max": most, "bin_contains": share,
        "tokens": example.tokens,
        "values": example.acts.iter().map(|act| rounded(f64::from(*act))).collect::<Value>(),
        "qualifying_token_index": example.at,
    })
}

/// Adds direct feature attribution by source token as SAEDashboard's converter writes it: a value for each token of the list, the largest of them, and the token
/// that is explained; where an activation has none, an empty list, 0 and −1.
fn add_dfa(activation: &mut Value, known: Option<(&Sources, &Example)>) {
    let (values, at) = match known {
        Some((sources, example)) => (sources.window.as_slice(), json!(example.at)),
        None => (&[][..], json!(-1)),
    };
    let values: Vec<f64> = values.iter().map(|v| rounded(f64::from(*v))).collect();
    let most = values.iter().copied().reduce(f64::max).unwrap_or(0.0);
    activation["dfa_values"] = json!(values);
    activation["dfa_maxValue"] = json!(most);
    activation["dfa_targetIndex"] = at;
}

/// Rounds to 3 decimals, as SAEDashboard does.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// Builds `features/<scan>/<feature>.json`; the file's name is the number that [`cantor`] gives.
fn circuit_tracer_feature(about: &About, detail: &Detail) -> Value {
    let quantile = |name: String, examples: &[Example]| {
        let examples = examples.iter().map(|example| {
            json!({
                "tokens": example.tokens,
                "tokens_acts_list": example.acts.iter().map(|act| rounded(f64::from(*act))).collect::<Value>(),
                "train_token_ind": example.at,
                "is_repeated_datapoint": false,
            })
        });
        json!({ "quantile_name": name, "examples": examples.collect::<Value>() })
    };
    let mut quantiles = vec![quantile("Top activations".to_owned(), &detail.top)];
    for (i, interval) in detail.intervals.iter().enumerate() {
        quantiles.push(quantile(
            format!("Subsample interval {i}"),
            &interval.examples,
        ));
    }
    let texts = |effects: &[TokenEffect]| {
        effects
            .iter()
            .map(|effect| effect.text.clone())
            .collect::<Value>()
    };
    // Intervals go from the weakest to the strongest.
    let mut ends: Vec<f64> = detail
        .intervals
        .iter()
        .map(|interval| interval.from)
        .collect();
    ends.push(detail.summary.max);
    ends.sort_by(f64::total_cmp);
    let Summary { min, max, .. } = detail.summary;
    json!({
        "transcoder_id": about.sae,
        "index": detail.summary.feature.0,
        "examples_quantiles": quantiles,
        "top_logits": texts(&detail.promoted),
        "bottom_logits": texts(&detail.suppressed),
        "act_min": min,
        "act_max": max,
        "quantile_values": ends.into_iter().map(rounded).collect::<Value>(),
        "histogram": detail.histogram.counts,
        "activation_frequency": detail.summary.density,
    })
}

/// Returns Cantor's number of a pair, by which circuit-tracer numbers the features of all layers.
pub(crate) fn cantor(layer: u32, feature: u32) -> u64 {
    let sum = u64::from(layer) + u64::from(feature);
    sum * (sum + 1) / 2 + u64::from(feature)
}

/// Returns the number of rows of the index's text. An index that does not record how many positions it left out left out one per row.
fn prompts(about: &About) -> u64 {
    let context = about.context.max(1) as u64;
    match about.left_out {
        Some(left_out) => (about.tokens + left_out) / context,
        None => about.tokens / (context - 1).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{Histogram, Interval, Place};
    use crate::ids::{FeatureId, TokenId};

    fn detail() -> Detail {
        let example = |act: f32| Example {
            document: "tale".to_owned(),
            place: Some(Place {
                row: 3,
                position: 1,
            }),
            ids: vec![TokenId(1), TokenId(2)],
            tokens: vec!["The".to_owned(), " king".to_owned()],
            acts: vec![0.0, act],
            at: 1,
        };
        Detail {
            summary: Summary {
                feature: FeatureId(7),
                density: 0.25,
                mean: 1.0,
                min: 0.0,
                max: 2.5,
                decoder_norm: 1.0,
                ..Summary::default()
            },
            histogram: Histogram {
                edges: vec![0.0, 1.0, 2.5],
                counts: vec![4, 2],
            },
            top: vec![example(2.5)],
            intervals: vec![Interval {
                from: 1.25,
                to: 2.5,
                share: 0.4,
                examples: vec![example(1.333_3)],
            }],
            promoted: vec![TokenEffect {
                id: TokenId(2),
                text: " king".to_owned(),
                effect: 0.123_456,
            }],
            suppressed: vec![],
            logits: Histogram {
                edges: vec![-1.0, 0.0, 1.0],
                counts: vec![7, 3],
            },
            head_shares: vec![0.75, 0.25],
            ..Detail::default()
        }
    }

    fn about() -> About {
        About {
            sae: "resid-2".to_owned(),
            model: "demo".to_owned(),
            hook: "blocks.2.hook_resid_post".to_owned(),
            corpus: "tales.txt".to_owned(),
            tokens: 630,
            context: 64,
            ..About::default()
        }
    }

    #[test]
    fn a_batch_has_the_keys_of_saedashboard() {
        let source = Source::new(&about(), Some("gpt2-small"), None).unwrap();
        let batch = neuronpedia_batch((&about(), None), &source, &[detail()]);
        assert_eq!(
            (&batch["model_id"], &batch["layer"]),
            (&json!("gpt2-small"), &json!(2))
        );
        assert_eq!(batch["sae_set"], json!("resid-2"));
        let feature = &batch["features"][0];
        assert_eq!(feature.as_object().unwrap().len(), 25);
        assert_eq!(feature["frac_nonzero"], json!(0.25));
        assert_eq!(feature["freq_hist_data_bar_values"], json!([0.5, 1.75]));
        assert_eq!(feature["logits_hist_data_bar_values"], json!([-0.5, 0.5]));
        assert_eq!(feature["logits_hist_data_bar_heights"], json!([7, 3]));
        assert_eq!(feature["pos_values"], json!([0.123]));
        assert_eq!(feature["n_prompts_total"], json!(10));
        let first = &feature["activations"][0];
        assert_eq!(
            (&first["bin_min"], &first["bin_max"]),
            (&json!(-1.0), &json!(2.5))
        );
        let second = &feature["activations"][1];
        assert_eq!(second["bin_contains"], json!(0.4));
        assert_eq!(second["values"], json!([0.0, 1.333]));
        assert_eq!(second["qualifying_token_index"], json!(1));
    }

    /// An activation as `NeuronpediaDashboardActivation::to_dict` of SAEDashboard 0.8.0 writes it for a dictionary with DFA.
    #[test]
    fn attribution_has_the_shape_of_saedashboard() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let file = root.join("tests/golden/dfa/activation.json");
        let want: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let mut about = about();
        let mut detail = detail();
        let plain = feature(&about, &detail, None);
        assert!(plain["activations"][0].get("dfa_values").is_none());
        about.attribution = true;
        detail.sources = vec![Sources {
            window: vec![-0.123_45, 2.000_6],
            before: vec![],
            sum: 1.9,
        }];
        let batch = feature(&about, &detail, None);
        let first = &batch["activations"][0];
        // Whole numbers compare with their fractions as numbers.
        let numbers = |value: &Value| -> Value {
            let pairs = value.as_object().unwrap().iter();
            let pairs = pairs.map(|(key, value)| {
                let number = value.as_f64().map(|number| json!(number));
                (key.clone(), number.unwrap_or_else(|| value.clone()))
            });
            Value::Object(pairs.collect())
        };
        assert_eq!(numbers(first), numbers(&want));
        // An activation without attribution has what SAEDashboard's converter puts in its place.
        let drawn = &batch["activations"][1];
        assert_eq!(drawn["dfa_values"], json!([]));
        assert_eq!(drawn["dfa_maxValue"], json!(0.0));
        assert_eq!(drawn["dfa_targetIndex"], json!(-1));
    }

    #[test]
    fn negative_activations_are_exported_with_their_sign() {
        let mut negative = detail();
        negative.summary.min = -4.0;
        negative.top.insert(
            0,
            Example {
                acts: vec![0.5, -4.0],
                ..negative.top[0].clone()
            },
        );
        let batch = feature(&about(), &negative, None);
        let first = &batch["activations"][0];
        assert_eq!(first["values"], json!([0.5, -4.0]));
        // The list of the strongest is sorted by size.
        assert_eq!(first["bin_max"], json!(4.0));
        let file = circuit_tracer_feature(&about(), &negative);
        assert_eq!(
            (&file["act_min"], &file["act_max"]),
            (&json!(-4.0), &json!(2.5))
        );
        let first = &file["examples_quantiles"][0]["examples"][0];
        assert_eq!(first["tokens_acts_list"], json!([0.5, -4.0]));
    }

    #[test]
    fn measured_correlations_fill_the_tables_of_saedashboard() {
        use crate::features::correlations::{Aligned, Correlated};
        let other = |other, pearson| Correlated {
            other,
            pearson,
            cosine: 0.25,
        };
        let of = OfFeature {
            features: vec![other(9, 0.876_54), other(2, -0.5)],
            neurons: vec![other(4, 0.1)],
            alignment: vec![Aligned {
                neuron: 5,
                value: 0.75,
                l1: 0.125,
            }],
        };
        let filled = feature(&about(), &detail(), Some(&of));
        assert_eq!(filled.as_object().unwrap().len(), 25);
        for (key, want) in [
            ("correlated_features_indices", json!([9, 2])),
            ("correlated_features_pearson", json!([0.877, -0.5])),
            ("correlated_features_l1", json!([0.25, 0.25])),
            ("correlated_neurons_indices", json!([4])),
            ("correlated_neurons_pearson", json!([0.1])),
            ("neuron_alignment_indices", json!([5])),
            ("neuron_alignment_values", json!([0.75])),
            ("neuron_alignment_l1", json!([0.125])),
        ] {
            assert_eq!(filled[key], want, "{key}");
        }
        let empty = feature(&about(), &detail(), None);
        assert_eq!(empty["correlated_features_pearson"], json!([]));
    }

    #[test]
    fn a_feature_file_has_the_keys_of_circuit_tracer() {
        let value = circuit_tracer_feature(&about(), &detail());
        assert_eq!(value.as_object().unwrap().len(), 10);
        assert_eq!(value["quantile_values"], json!([1.25, 2.5]));
        assert_eq!(
            value["examples_quantiles"][1]["examples"][0]["tokens_acts_list"][1],
            json!(1.333)
        );
        // π(1, 3) = 4 · 5 / 2 + 3; no two pairs share a number.
        assert_eq!(cantor(1, 3), 13);
        let all: std::collections::BTreeSet<u64> = (0..30)
            .flat_map(|l| (0..30).map(move |f| cantor(l, f)))
            .collect();
        assert_eq!(all.len(), 900);
    }
}
