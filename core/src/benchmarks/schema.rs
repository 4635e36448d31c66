//! Result files in the schema of SAEBench 0.6.0, which its plotting scripts read: one object for each dictionary and evaluation, in a file named after both.
//!
//! Fields that have no meaning here are null, −1 where SAEBench's type is a number, or say so; `intervals`, `definitions` and `notes` stand beside SAEBench's fields.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::sae::{InputNorm, Sae, Variant};

/// Number in place of one that has no meaning here, as SAEBench writes it: settings of its batches and of its training of probes.
pub const NONE: i32 = -1;

/// Release in the names of files and results.
pub const RELEASE: &str = "umbra";

/// Evaluation of one dictionary.
#[derive(Debug, Clone)]
pub struct Evaluation<'a> {
    /// Kind, such as `core`.
    pub kind: &'a str,
    /// Dictionary.
    pub sae: &'a Sae,
    /// Name of the model.
    pub model: &'a str,
    /// Settings, `eval_config`.
    pub config: Value,
    /// Metrics by category, `eval_result_metrics`.
    pub metrics: Value,
    /// Details, `eval_result_details`.
    pub details: Value,
    /// Further results, `eval_result_unstructured`.
    pub unstructured: Value,
    /// Milliseconds since 1970.
    pub millis: u64,
}

impl Evaluation<'_> {
    /// Returns the result object.
    pub fn json(&self) -> Value {
        json!({
            "eval_type_id": self.kind,
            "eval_config": self.config,
            "eval_id": self.id(),
            "datetime_epoch_millis": self.millis,
            "eval_result_metrics": self.metrics,
            "eval_result_details": self.details,
            "sae_bench_commit_hash": format!("measured by Umbra {}, by the definitions of SAEBench 0.6.0 (8042bb3)", crate::VERSION),
            "sae_lens_id": self.sae.name,
            "sae_lens_release_id": RELEASE,
            "sae_lens_version": null,
            "sae_cfg_dict": self.sae_config(),
            "eval_result_unstructured": self.unstructured,
        })
    }

    /// Name of the file, as SAEBench names it.
    pub fn file(&self) -> String {
        file(&self.sae.name)
    }

    /// UUID in the form of version 8, of the settings, the dictionary's name and the time.
    fn id(&self) -> String {
        let of = format!(
            "{} {} {} {}",
            self.kind, self.sae.name, self.millis, self.config
        );
        let digest = Sha256::digest(of.as_bytes());
        let mut hex: Vec<char> = digest[..16]
            .iter()
            .flat_map(|byte| format!("{byte:02x}").chars().collect::<Vec<_>>())
            .collect();
        hex[12] = '8';
        hex[16] = 'a';
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
        let parts = parts.map(|range| hex[range].iter().collect::<String>());
        parts.join("-")
    }

    /// Settings of the dictionary under the names of SAELens.
    fn sae_config(&self) -> Value {
        let sae = self.sae;
        let from = &sae.provenance;
        let mut config: Map<String, Value> = from.other.clone().into_iter().collect();
        let norm = match sae.input_norm {
            InputNorm::None => "none",
            InputNorm::Layer => "layer_norm",
            InputNorm::Constant => "constant_norm_rescale",
        };
        for (key, value) in [
            ("architecture", json!(architecture(sae))),
            ("d_in", json!(sae.width())),
            ("d_sae", json!(sae.features())),
            ("dtype", json!("float32")),
            ("device", json!("cpu")),
            ("model_name", json!(self.model)),
            ("hook_name", json!(from.hook.map(|hook| hook.to_string()))),
            ("hook_head_index", json!(from.head.map(|head| head.0))),
            ("prepend_bos", json!(from.prepend_bos)),
            ("context_size", json!(from.context)),
            ("apply_b_dec_to_input", json!(sae.apply_b_dec_to_input)),
            ("normalize_activations", json!(norm)),
            ("selection", json!(sae.selection.describe())),
        ] {
            config.insert(key.to_owned(), value);
        }
        Value::Object(config)
    }
}

/// Returns the name of the file of a dictionary, as SAEBench names it.
pub fn file(name: &str) -> String {
    format!("{RELEASE}_{name}_eval_results.json").replace(['/', '\\'], "_")
}

/// Name of the architecture in SAEBench's plots.
fn architecture(sae: &Sae) -> &'static str {
    match sae.selection.trained_as() {
        Variant::Relu => "standard",
        Variant::TopK => "topk",
        Variant::BatchTopK => "batch_topk",
        Variant::JumpRelu => "jumprelu",
        Variant::Gated => "gated",
        Variant::Matryoshka => "matryoshka_batch_topk",
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dims::Matrix;
    use crate::sae::TopK;

    #[test]
    fn a_result_has_every_field_of_saebench_and_those_that_its_plots_read() {
        let sae = Sae::new(
            "a/b",
            (Matrix::zeros(3, 2), vec![0.0; 3]),
            (Matrix::zeros(3, 2), vec![0.0; 2]),
            TopK { k: 1 },
        );
        let evaluation = Evaluation {
            kind: "core",
            sae: &sae,
            model: "tiny",
            config: json!({"seed": 1}),
            metrics: json!({}),
            details: json!([]),
            unstructured: json!({}),
            millis: 1_700_000_000_000,
        };
        let value = evaluation.json();
        for field in [
            "eval_type_id",
            "eval_config",
            "eval_id",
            "datetime_epoch_millis",
            "eval_result_metrics",
            "eval_result_details",
            "eval_result_unstructured",
            "sae_bench_commit_hash",
            "sae_lens_id",
            "sae_lens_release_id",
            "sae_lens_version",
            "sae_cfg_dict",
        ] {
            assert!(value.get(field).is_some(), "{field}");
        }
        assert_eq!(value["sae_cfg_dict"]["architecture"], "topk");
        assert_eq!(value["sae_cfg_dict"]["d_sae"], 3);
        assert_eq!(evaluation.file(), "umbra_a_b_eval_results.json");
        let id = value["eval_id"].as_str().unwrap();
        assert_eq!((id.len(), id.matches('-').count()), (36, 4));
        let later = Evaluation {
            millis: 1_700_000_000_001,
            ..evaluation
        };
        assert_ne!(later.json()["eval_id"], value["eval_id"]);
    }
}
