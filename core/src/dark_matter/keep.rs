//! Stores a fitted probe as one safetensors file: `weights [p + 1, d]`, `norm_weights [p + 1]`, figures and provenance as metadata.

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Map, Value};

use crate::corpus::Positions;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::{VERSION, whole_file};

use super::{Facts, Predictor, Probe};

/// Only key of the metadata.
const KEY: &str = "umbra";
/// Value of `format`; other values are rejected.
const FORMAT: &str = "umbra dark-matter probe 3";
/// Previous format, without [`Facts`].
const SECOND: &str = "umbra dark-matter probe 2";
/// First format, without usable fingerprints.
const FIRST: &str = "umbra dark-matter probe 1";

/// Writes the file for [`Probe::save`].
pub(super) fn save(probe: &Probe, path: &Path) -> Result<()> {
    let weights = bytes(probe.weights.values());
    let norm_weights = bytes(&probe.norm_weights);
    let shape = vec![probe.weights.rows(), probe.weights.columns()];
    let view = |shape, data| TensorView::new(Dtype::F32, shape, data);
    let failed =
        |cause: String| Error::io("cannot write the probe", path, std::io::Error::other(cause));
    let refused = |cause: SafeTensorError| failed(cause.to_string());
    let metadata = metadata(probe).map_err(|cause| failed(cause.to_string()))?;
    let tensors = [
        ("weights", view(shape, &weights).map_err(refused)?),
        (
            "norm_weights",
            view(vec![probe.norm_weights.len()], &norm_weights).map_err(refused)?,
        ),
    ];
    let file = safetensors::serialize(tensors, Some(metadata)).map_err(refused)?;
    whole_file::write_bytes(path, &file)
}

/// Reads the file for [`Probe::open`].
pub(super) fn open(path: &Path) -> Result<Probe> {
    let failed = |source| Error::io("cannot read the probe", path, source);
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        let what = "is not a regular file and cannot hold a probe: name another";
        return Err(Error::input(what, path));
    }
    let file = std::fs::read(path).map_err(failed)?;
    let broken = |what: &str| Error::input(format!("{what}: fit the probe again"), path);
    let not_whole =
        |cause: SafeTensorError| broken(&format!("not a whole safetensors file ({cause})"));
    let (_, header) = SafeTensors::read_metadata(&file).map_err(not_whole)?;
    let facts: Value = header
        .metadata()
        .as_ref()
        .and_then(|all| serde_json::from_str(all.get(KEY)?).ok())
        .ok_or_else(|| broken("not a probe"))?;
    let older = facts["format"] == FIRST;
    if facts["format"] != FORMAT && facts["format"] != SECOND && !older {
        return Err(broken("not a probe of this version"));
    }
    let more: Facts = match facts.get(FACTS) {
        None => Facts::default(),
        Some(more) => serde_json::from_value(more.clone())
            .map_err(|cause| broken(&format!("`{FACTS}` cannot be read ({cause})")))?,
    };
    let tensors = SafeTensors::deserialize(&file).map_err(not_whole)?;
    let (weights, norm_weights) = tensors_of(&tensors, &more.predictor, &broken)?;
    let fact = |key: &str| {
        facts[key]
            .as_str()
            .ok_or_else(|| broken(&format!("its metadata lacks `{key}`")))
    };
    let number = |key: &str| -> Result<f64> {
        let text = fact(key)?;
        text.parse()
            .map_err(|cause| broken(&format!("`{key}` is not a number ({cause})")))
    };
    let known = |key: &str| {
        if older {
            Ok(String::new())
        } else {
            fact(key).map(str::to_owned)
        }
    };
    Ok(Probe {
        weights,
        norm_weights,
        r2_mean: number("r2_mean")?,
        r2_weighted: number("r2_weighted")?,
        r2_norm: number("r2_norm")?,
        fvu_total: number("fvu_total")?,
        fvu_nonlinear: number("fvu_nonlinear")?,
        fit_tokens: number("fit_tokens")? as u64,
        held_out_tokens: number("held_out_tokens")? as u64,
        positions: match facts["positions"].as_str() {
            Some(rule) => rule.parse()?,
            None => Positions::unrecorded(),
        },
        separate_documents: facts["separate_documents"].as_str() == Some("true"),
        left_out: number("fit_left_out")
            .ok()
            .zip(number("held_out_left_out").ok())
            .map(|(fit, held_out)| (fit as u64, held_out as u64)),
        ridge: number("ridge")?,
        sae: fact("sae")?.to_owned(),
        sae_fingerprint: known("sae_fingerprint")?,
        model: known("model")?,
        model_fingerprint: known("model_fingerprint")?,
        facts: more,
    })
}

/// Reads the weights of both probes and checks that they belong together.
fn tensors_of(
    tensors: &SafeTensors<'_>,
    predictor: &Predictor,
    broken: &dyn Fn(&str) -> Error,
) -> Result<(Matrix, Vec<f32>)> {
    let tensor = |name: &str| -> Result<(Vec<usize>, Vec<f32>)> {
        let view = tensors
            .tensor(name)
            .ok()
            .filter(|view| view.dtype() == Dtype::F32)
            .ok_or_else(|| broken(&format!("tensor `{name}` is missing or not f32")))?;
        Ok((view.shape().to_vec(), floats(view.data())))
    };
    let (shape, weights) = tensor("weights")?;
    let (_, norm_weights) = tensor("norm_weights")?;
    let [side, width] = shape[..] else {
        return Err(broken("tensor `weights` is not a matrix"));
    };
    // At its own hook, the error is predicted from values of its own width.
    let is_square = predictor.is_at_own_hook();
    if side < 2 || (is_square && side != width + 1) || norm_weights.len() != side {
        return Err(broken(
            "tensors `weights` and `norm_weights` do not belong together",
        ));
    }
    Ok((Matrix::new(side, width, weights)?, norm_weights))
}

/// Key of [`Facts`] among the figures.
const FACTS: &str = "facts";

/// Figures and provenance, under one key because the order of several would differ from file to file. Numbers are strings: `{}` of an f64 prints the shortest
/// string that reads back as the same number.
fn metadata(probe: &Probe) -> serde_json::Result<HashMap<String, String>> {
    let facts = [
        ("format", FORMAT.to_owned()),
        ("umbra_version", VERSION.to_owned()),
        ("sae", probe.sae.clone()),
        ("sae_fingerprint", probe.sae_fingerprint.clone()),
        ("model", probe.model.clone()),
        ("model_fingerprint", probe.model_fingerprint.clone()),
        ("r2_mean", probe.r2_mean.to_string()),
        ("r2_weighted", probe.r2_weighted.to_string()),
        ("r2_norm", probe.r2_norm.to_string()),
        ("fvu_total", probe.fvu_total.to_string()),
        ("fvu_nonlinear", probe.fvu_nonlinear.to_string()),
        ("fit_tokens", probe.fit_tokens.to_string()),
        ("held_out_tokens", probe.held_out_tokens.to_string()),
        ("positions", probe.positions.to_string()),
        ("separate_documents", probe.separate_documents.to_string()),
        ("ridge", probe.ridge.to_string()),
    ];
    let left_out = probe.left_out.map(|(fit, held_out)| {
        [
            ("fit_left_out", fit.to_string()),
            ("held_out_left_out", held_out.to_string()),
        ]
    });
    let mut facts: Map<String, Value> = facts
        .into_iter()
        .chain(left_out.into_iter().flatten())
        .map(|(key, value)| (key.to_owned(), Value::String(value)))
        .collect();
    facts.insert(FACTS.to_owned(), serde_json::to_value(&probe.facts)?);
    let facts = Value::Object(facts).to_string();
    Ok(HashMap::from([(KEY.to_owned(), facts)]))
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
        .collect()
}
