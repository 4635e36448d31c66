//! Facts that only SAELens's registry has about a dictionary, and how they change one that is opened, as in SAELens 6.54.12 (`saes/sae.py`,
//! `from_pretrained_with_cfg_and_sparsity`).

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{Entry, Release};
use crate::error::{Error, Notes, Result};
use crate::formats::{self, Format, sae_lens};
use crate::ids::HookPoint;
use crate::sae::{Provenance, Sae};

/// Overrides of keys in SAELens's configurations that decide how a dictionary computes.
const COMPUTES: [&str; 10] = [
    "architecture",
    "activation_fn",
    "activation_fn_kwargs",
    "apply_b_dec_to_input",
    "d_in",
    "d_sae",
    "k",
    "normalize_activations",
    "rescale_acts_by_decoder_norm",
    "reshape_activations",
];

/// Facts about a dictionary in the registry.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    release: String,
    id: String,
    model: String,
    overrides: Map<String, Value>,
    l0: Option<f64>,
    variance_explained: Option<f64>,
    neuronpedia: Option<String>,
    norm_scaling_factor: Option<f64>,
}

/// Path of a dictionary, and the registry's facts about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    /// Folder or file.
    pub path: PathBuf,
    /// Facts of its entry, if it has one.
    pub known: Option<Known>,
}

impl Located {
    /// Opens it as [`formats::open`] does, and applies the facts.
    pub fn open(&self) -> Result<(Sae, Notes)> {
        self.open_among(&[])
    }

    /// Opens it as [`formats::open_among`] does, with `parents` as further places of its parent.
    pub fn open_among(&self, parents: &[PathBuf]) -> Result<(Sae, Notes)> {
        formats::open_among(&self.path, self.known.as_ref(), parents)
    }
}

impl Known {
    pub(super) fn new(release: &Release, entry: &Entry) -> Self {
        Self {
            release: release.name.clone(),
            id: entry.id.clone(),
            model: release.model.clone(),
            overrides: release.overrides.clone(),
            l0: entry.l0,
            variance_explained: entry.variance_explained,
            neuronpedia: entry.neuronpedia.clone(),
            norm_scaling_factor: entry.norm_scaling_factor,
        }
    }

    /// Fills in missing facts from another entry of the same dictionary.
    pub(super) fn or(mut self, other: Self) -> Self {
        for (key, value) in other.overrides {
            self.overrides.entry(key).or_insert(value);
        }
        Self {
            l0: self.l0.or(other.l0),
            variance_explained: self.variance_explained.or(other.variance_explained),
            neuronpedia: self.neuronpedia.or(other.neuronpedia),
            norm_scaling_factor: self.norm_scaling_factor.or(other.norm_scaling_factor),
            ..self
        }
    }

    /// Returns `RELEASE:ID`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.release, self.id)
    }

    /// Returns the factor for the inputs of a dictionary whose own file does not state it.
    pub(in crate::formats) fn factor(&self) -> Option<f32> {
        self.norm_scaling_factor.map(|factor| factor as f32)
    }

    /// Replaces keys of SAELens's configuration as read: keys that decide how it computes at the top level, others where the file keeps them.
    pub(in crate::formats) fn replace(&self, cfg: &mut Map<String, Value>, notes: &mut Notes) {
        for (key, value) in &self.overrides {
            let top = cfg.contains_key(key) || COMPUTES.contains(&key.as_str());
            let was = match cfg.get_mut("metadata") {
                Some(Value::Object(metadata)) if !top => {
                    metadata.insert(key.clone(), value.clone())
                }
                _ => cfg.insert(key.clone(), value.clone()),
            };
            if was.as_ref() != Some(value) {
                let was = was.map_or_else(String::new, |was| format!(" where its file has {was}"));
                let name = self.name();
                notes.add(format!(
                    "The registry's {name} sets `{key}` to {value}{was}"
                ));
            }
        }
    }

    /// Applies the remaining facts to a dictionary of any format.
    pub(in crate::formats) fn apply(
        &self,
        sae: &mut Sae,
        format: Format,
        notes: &mut Notes,
    ) -> Result<()> {
        let mut others = self.overrides.clone();
        let name = self.name();
        notes.add(format!(
            "The registry lists it as {name}, with facts that its files do not state"
        ));
        self.name_origin(&mut sae.provenance, &mut others, notes);
        if !matches!(format, Format::SaeLens | Format::Temporal) {
            if let Some(key) = others.keys().find(|key| COMPUTES.contains(&key.as_str())) {
                return Err(Error::Unsupported {
                    what: format!(
                        "`{key}`, which the registry's {name} sets for a dictionary of {},",
                        format.name()
                    ),
                    remedy: "the registry only changes configurations of SAELens, open the dictionary by its path".to_owned(),
                });
            }
            for (key, value) in others {
                notes.add(format!("The registry's {name} sets `{key}` to {value}"));
                sae.provenance.other.insert(key, value);
            }
            sae_lens::kwargs::noted(&sae.provenance, notes);
            if let (Some(factor), true) = (self.factor(), format != Format::LlamaScopeR1) {
                notes.add(format!(
                    "The registry's {name} has a `norm_scaling_factor` of {factor}, which is ignored: the dictionary's own files say how inputs are scaled"
                ));
            }
        }
        let other = &mut sae.provenance.other;
        if let Some(page) = &self.neuronpedia {
            other.insert("neuronpedia_id".to_owned(), json!(page));
        }
        let facts = [
            ("release", Some(json!(self.release))),
            ("id", Some(json!(self.id))),
            ("l0", self.l0.map(Value::from)),
            (
                "variance_explained",
                self.variance_explained.map(Value::from),
            ),
        ];
        let facts = facts.into_iter();
        let facts: Map<_, _> = facts
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect();
        other.insert("registry".to_owned(), Value::Object(facts));
        Ok(())
    }

    /// Fills in model and hook where the file names none.
    fn name_origin(
        &self,
        from: &mut Provenance,
        others: &mut Map<String, Value>,
        notes: &mut Notes,
    ) {
        let text = |value: Option<Value>| value?.as_str().map(str::to_owned);
        let model = text(others.shift_remove("model_name")).unwrap_or_else(|| self.model.clone());
        if from.model.is_empty() && !model.is_empty() {
            notes.add(format!("The registry names {model} as its model"));
            from.model = model;
        }
        let hook = text(others.shift_remove("hook_name"));
        let hook = hook.as_deref().unwrap_or(&self.id).parse::<HookPoint>();
        if let (None, Ok(hook)) = (from.hook, hook) {
            notes.add(format!("The registry names {hook} as its hook"));
            from.hook = Some(hook);
        }
    }
}
