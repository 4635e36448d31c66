//! Configurations from before version 6: flat, with other names and settings of their own.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::refused;
use crate::error::{Notes, Result};
use crate::tensor_file::short;

/// Splits off the metadata; a flat file from before version 6 gets the names and defaults of version 6.
pub(super) fn modern(
    mut cfg: Map<String, Value>,
    path: &Path,
    notes: &mut Notes,
) -> Result<(Map<String, Value>, Map<String, Value>)> {
    let metadata = match cfg.remove("metadata") {
        Some(Value::Object(metadata)) => metadata,
        _ => Map::new(),
    };
    let version = [
        cfg.get("sae_lens_version"),
        metadata.get("sae_lens_version"),
    ];
    let major = version
        .into_iter()
        .find_map(|version| version?.as_str())
        .and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    if major.is_some_and(|major| major >= 6) {
        return Ok((cfg, metadata));
    }
    notes.add("cfg.json names no SAELens version from 6 on and is read in the older flat form");
    let mut flat = metadata;
    flat.append(&mut cfg);
    for (old, new) in [
        ("hook_point", "hook_name"),
        ("hook_point_head_index", "hook_head_index"),
        ("activation_fn_str", "activation_fn"),
    ] {
        if let Some(value) = flat.remove(old) {
            flat.insert(new.to_owned(), value);
        }
    }
    refuse_old_settings(&flat, path)?;
    if flat.get("activation_fn").and_then(Value::as_str) == Some("topk") {
        flat.insert("architecture".to_owned(), json!("topk"));
        if let Some(k) = flat
            .get("activation_fn_kwargs")
            .and_then(|kwargs| kwargs.get("k"))
            .cloned()
        {
            flat.insert("k".to_owned(), k);
        }
    }
    let normalize = match flat.get("normalize_activations") {
        None | Some(Value::Null | Value::Bool(false)) => json!("none"),
        Some(Value::Bool(true)) => json!("expected_average_only_in"),
        Some(named) => named.clone(),
    };
    flat.insert("normalize_activations".to_owned(), normalize);
    flat.entry("prepend_bos").or_insert(json!(true));
    let metadata = flat.clone();
    Ok((flat, metadata))
}

/// Before version 6 the activation function was a setting beside the architecture. Rejects one that computes otherwise than the architecture says.
fn refuse_old_settings(flat: &Map<String, Value>, path: &Path) -> Result<()> {
    let text = |key: &str| flat.get(key).and_then(Value::as_str);
    let architecture = text("architecture").unwrap_or("standard");
    let function = match flat.get("activation_fn") {
        None | Some(Value::Null) => "relu",
        Some(Value::String(name)) => name,
        Some(other) => {
            let what = format!("`activation_fn_str` {}", short(&other.to_string()));
            return Err(refused(&what, path));
        }
    };
    match function {
        "relu" => {}
        "topk" if ["standard", "topk"].contains(&architecture) => {
            let kwargs = flat.get("activation_fn_kwargs").and_then(Value::as_object);
            let mut kwargs = kwargs.into_iter().flatten();
            if let Some((key, value)) = kwargs.find(|(key, value)| *key != "k" && !value.is_null())
            {
                let value = short(&value.to_string());
                let what = format!("`activation_fn_kwargs` with {} {value}", short(key));
                return Err(refused(&what, path));
            }
        }
        other => {
            let what = format!(
                "`activation_fn_str` {} of the architecture {}",
                short(other),
                short(architecture)
            );
            return Err(refused(&what, path));
        }
    }
    // Forks of that time stored transcoders under the names of autoencoders.
    for key in ["is_transcoder", "is_crosscoder"] {
        if flat.get(key) == Some(&Value::Bool(true)) {
            return Err(refused(&format!("`{key}` true"), path));
        }
    }
    Ok(())
}
