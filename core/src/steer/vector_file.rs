//! A stack of additions as one safetensors file: at each hook the sum of its vectors times their strengths, F32 `[d]` under the hook's name. Metadata say for which model it was
//! made, and from what. Edits use it again as `add file=F key=HOOK`; another model is refused.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use super::edit::{Action, Edit};
use super::positions::Positions;
use super::spec::{EditSpec, Vector, What};
use crate::VERSION;
use crate::error::{Error, Result};
use crate::ids::HookPoint;
use crate::models::{Model, read_metadata};
use crate::sae::Sae;

/// Only key of the metadata.
const KEY: &str = "umbra";
/// Value of `format`.
const FORMAT: &str = "umbra steering vectors 1";

/// An edit in its written form, as it is applied, and the dictionary that it adds a row of.
pub type Added<'a> = (&'a EditSpec, &'a Edit, Option<&'a Sae>);

/// Returns the file of `edits`, all of which must add vectors, at the same positions of a hook. An error names the first edit that cannot be part of it.
pub fn vector_file(model: &Model, edits: &[Added<'_>]) -> Result<Vec<u8>> {
    let refused = |i: usize, why: &str| {
        let what = format!("edit {} {why}", i + 1);
        Err(Error::setting("vectors", what))
    };
    if edits.is_empty() {
        return Err(Error::setting("vectors", "there is no edit, add one"));
    }
    let mut sums: BTreeMap<HookPoint, (Vec<f64>, Positions)> = BTreeMap::new();
    for (i, (_, edit, _)) in edits.iter().enumerate() {
        let parts: Vec<(HookPoint, &[f32])> = match &edit.action {
            Action::Add(vector) => vec![(edit.hook, vector.as_slice())],
            Action::AddAcross(parts) => parts
                .iter()
                .map(|(hook, part)| (*hook, &part[..]))
                .collect(),
            _ => {
                return refused(
                    i,
                    "adds no vector, and a file of vectors holds additions alone: switch it off or save the edits instead",
                );
            }
        };
        if edit.rows.is_some() {
            return refused(
                i,
                "is for some rows alone, which a vector cannot say: save the edits instead",
            );
        }
        for (hook, vector) in parts {
            let width = model.width(hook)?;
            let (sum, positions) =
                (sums.entry(hook)).or_insert_with(|| (vec![0.0; width], edit.positions.clone()));
            if *positions != edit.positions {
                let why = format!(
                    "reaches other positions than an edit before it at {hook}, and one vector has one set of positions: save the edits instead"
                );
                return refused(i, &why);
            }
            for (at, x) in placed(edit, vector, (width, model.heads(hook).unwrap_or(1))) {
                sum[at] += f64::from(x);
            }
        }
    }
    let numbers: BTreeMap<String, Vec<u8>> = sums
        .iter()
        .map(|(hook, (sum, _))| {
            let bytes = sum.iter().flat_map(|x| (*x as f32).to_le_bytes());
            (hook.to_string(), bytes.collect())
        })
        .collect();
    let broken = |cause: safetensors::SafeTensorError| {
        Error::setting("vectors", format!("cannot be written ({cause})"))
    };
    let views = numbers.iter().map(|(name, bytes)| {
        let view = TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes);
        Ok((name, view.map_err(broken)?))
    });
    let views: Vec<(&String, TensorView<'_>)> = views.collect::<Result<_>>()?;
    let metadata = HashMap::from([(KEY.to_owned(), about(model, edits, &sums).to_string())]);
    safetensors::serialize(views, Some(metadata)).map_err(broken)
}

/// Returns places in the whole width with the numbers that an addition puts there.
fn placed<'v>(
    edit: &'v Edit,
    vector: &'v [f32],
    (width, heads): (usize, usize),
) -> impl Iterator<Item = (usize, f32)> + 'v {
    let each = width / heads.max(1);
    let chosen: Vec<usize> = match &edit.heads {
        Some(chosen) => chosen.iter().map(|head| head.index()).collect(),
        None => (0..heads).collect(),
    };
    let places: Vec<usize> = (chosen.iter())
        .flat_map(|head| head * each..(head + 1) * each)
        .collect();
    let numbers: Vec<f32> = super::apply::chosen(vector, &chosen, each).collect();
    places.into_iter().zip(numbers)
}

/// Returns the metadata.
fn about(
    model: &Model,
    edits: &[Added<'_>],
    sums: &BTreeMap<HookPoint, (Vec<f64>, Positions)>,
) -> Value {
    let parts = edits.iter().map(|(spec, edit, sae)| {
        let (feature, strength) = match &spec.what {
            What::Add(Vector::Feature(feature), by) => (Some(feature.0), Some(*by)),
            What::Add(_, by) => (None, Some(*by)),
            _ => (None, None),
        };
        json!({
            "edit": spec.to_string(),
            "hook": edit.hook.to_string(),
            "dictionary": sae.filter(|_| feature.is_some()).map(|sae| sae.name.clone()),
            "dictionary_fingerprint": sae.filter(|_| feature.is_some()).map(Sae::fingerprint),
            "feature": feature,
            "strength": strength,
        })
    });
    let positions = sums
        .iter()
        .map(|(hook, (_, positions))| (hook.to_string(), Value::from(positions.to_string())));
    json!({
        "format": FORMAT,
        "umbra_version": VERSION,
        "model": model.name(),
        "model_fingerprint": model.fingerprint(),
        "processing": model.processing().to_string(),
        "positions": positions.collect::<serde_json::Map<_, _>>(),
        "edits": parts.collect::<Vec<_>>(),
    })
}

/// Checks that a file of vectors which says for which model it was made is for this one. Other files say nothing and pass.
pub fn check_model(path: &Path, model: &Model) -> Result<()> {
    let Some(about) = read_metadata(path)?.remove(KEY) else {
        return Ok(());
    };
    let about: Value = serde_json::from_str(&about).unwrap_or_default();
    let own = about["model_fingerprint"].as_str();
    if about["format"] != FORMAT || own == Some(model.fingerprint()) {
        return Ok(());
    }
    let name = about["model"].as_str().unwrap_or("another model");
    let what = format!(
        "holds vectors for the model {name}, whose fingerprint is another than that of {}: open that model, or save the vectors from this one",
        model.name()
    );
    Err(Error::input(what, path))
}
