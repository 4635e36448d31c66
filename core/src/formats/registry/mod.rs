//! SAELens's registry of published dictionaries, the file `pretrained_saes.yaml` of its package. `RELEASE:ID` gives the place of a dictionary on the hub and
//! facts that no other file states, such as the factor that some inputs are multiplied by.
//!
//! **Shape** `release: {repo_id, model, config_overrides, saes: [{id, path, l0, variance_explained, neuronpedia, norm_scaling_factor}]}` (6.54.12); `path` is a
//! folder, a file or a number. A release or entry of another shape is skipped and rejected by name; the others are used.

mod known;
mod listing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub use self::known::{Known, Located};
pub use self::listing::Matches;
pub(crate) use self::listing::closest;
use super::{cross_layer, place};
use crate::error::{Error, Result};
use crate::hub::{Name, place_in};
use crate::tensor_file::short;

/// Largest number of names in a sentence.
const FEW: usize = 4;

/// Registry of published dictionaries.
#[derive(Debug)]
pub struct Registry {
    path: PathBuf,
    releases: Vec<Release>,
    /// Reason why a release or an entry was skipped, by name.
    left_out: BTreeMap<String, String>,
    /// Release and entry by repository and path; several releases may have the same dictionary.
    places: BTreeMap<(String, String), Vec<(usize, usize)>>,
}

/// Dictionaries that were published together.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// Name in SAELens.
    pub name: String,
    /// `owner/name` on the hub.
    pub repo: String,
    /// Model that they were trained on.
    pub model: String,
    /// Dictionaries, in the file's order.
    pub entries: Vec<Entry>,
    /// Values that replace keys of a dictionary's own configuration.
    overrides: Map<String, Value>,
}

/// One dictionary of a release.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Id in SAELens.
    pub id: String,
    /// Folder or file in the repository.
    pub path: String,
    /// Mean active features per token.
    pub l0: Option<f64>,
    /// Share of the variance that it explains.
    pub variance_explained: Option<f64>,
    neuronpedia: Option<String>,
    norm_scaling_factor: Option<f64>,
}

/// A dictionary by its name on the hub, with the registry's facts if a name of the registry was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// Name to fetch.
    pub name: Name,
    /// Facts of the registry's entry.
    pub known: Option<Known>,
}

/// Parses `text`, which is no path here, as `RELEASE:ID` of the registry or `owner/name:path` on the hub; none if it resembles neither.
pub fn named(text: &str, registry: Option<&Registry>) -> Result<Option<Named>> {
    if is_registered(text) {
        let registry = registry.ok_or_else(|| {
            let what = format!(
                "`{text}` looks like a name of SAELens's registry, and no registry was found: put pretrained_saes.yaml where `umbra sae registry` says, or give its path in UMBRA_SAE_REGISTRY"
            );
            Error::setting("sae", what)
        })?;
        return registry.find(text).map(Some);
    }
    if let Some(release) = registry.and_then(|registry| registry.release(text)) {
        return Err(release.one_of(text));
    }
    let name = Name::of_dictionary(text);
    // A word, or a path without a colon that is no name, is a path that does not exist.
    let certain = text.starts_with("hf://") || text.contains(':');
    if !certain && name.is_err() {
        return Ok(None);
    }
    Ok(Some(Named {
        name: name?,
        known: None,
    }))
}

/// Returns whether `text` looks like `RELEASE:ID`. Names of releases have no slash, names on the hub do; a single letter is a drive.
pub fn is_registered(text: &str) -> bool {
    text.split_once(':').is_some_and(|(release, id)| {
        release.len() > 1 && !release.contains(['/', '\\']) && !id.starts_with(['/', '\\'])
    })
}

impl Registry {
    /// Opens the registry at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let mut registry = Self {
            path: path.to_path_buf(),
            releases: Vec::new(),
            left_out: BTreeMap::new(),
            places: BTreeMap::new(),
        };
        for (name, release) in place::yaml(path)? {
            registry.add(name, &release);
        }
        if registry.releases.is_empty() {
            let what = "is not a registry of dictionaries, none of its keys has `repo_id` and `saes`: give SAELens's pretrained_saes.yaml";
            return Err(Error::input(what, path));
        }
        Ok(registry)
    }

    fn add(&mut self, name: String, release: &Value) {
        let text = |key: &str| release.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(repo), Some(Value::Array(saes))) = (text("repo_id"), release.get("saes")) else {
            let why = "it has no `repo_id` or no list of `saes`".to_owned();
            self.left_out.insert(name, why);
            return;
        };
        let mut entries = Vec::with_capacity(saes.len());
        for (i, sae) in saes.iter().enumerate() {
            match Entry::from_json(sae) {
                Ok(entry) => {
                    let place = (repo.clone(), entry.path.clone());
                    let here = (self.releases.len(), entries.len());
                    self.places.entry(place).or_default().push(here);
                    entries.push(entry);
                }
                Err(why) => {
                    let id = sae.get("id").and_then(plain);
                    let id = id.unwrap_or_else(|| format!("entry {i}"));
                    self.left_out.insert(format!("{name}:{id}"), why);
                }
            }
        }
        self.releases.push(Release {
            model: text("model").unwrap_or_default(),
            overrides: match release.get("config_overrides") {
                Some(Value::Object(overrides)) => overrides.clone(),
                _ => Map::new(),
            },
            name,
            repo,
            entries,
        });
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns all releases, in the file's order.
    pub fn releases(&self) -> &[Release] {
        &self.releases
    }

    /// Returns the names that were skipped, and why.
    pub fn left_out(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.left_out.iter();
        all.map(|(name, why)| (name.as_str(), why.as_str()))
    }

    /// Returns the release of this name.
    pub fn release(&self, name: &str) -> Option<&Release> {
        self.releases.iter().find(|release| release.name == name)
    }

    /// Finds the dictionary that `text` names as `RELEASE:ID`.
    fn find(&self, text: &str) -> Result<Named> {
        let wrong = |what: String| {
            let what = format!("{what} (registry {})", self.path.display());
            Error::setting("sae", what)
        };
        let (of, id) = text.split_once(':').unwrap_or((text, ""));
        for name in [of, text] {
            if let Some(why) = self.left_out.get(name) {
                return Err(wrong(format!(
                    "`{name}` cannot be used, {why}: name the dictionary as owner/name:path"
                )));
            }
        }
        let Some(release) = self.release(of) else {
            let names = self.releases.iter().map(|release| release.name.as_str());
            let what = format!(
                "there is no release `{}`, the closest of {} are {}",
                short(of),
                self.releases.len(),
                closest(of, names).join(", ")
            );
            return Err(wrong(what));
        };
        let Some(entry) = release.entries.iter().find(|entry| entry.id == id) else {
            return Err(release.one_of(text));
        };
        let name = Name::of_dictionary_in(&release.repo, &entry.path)?;
        Ok(Named {
            name,
            known: Some(Known::new(release, entry)),
        })
    }

    /// Returns the facts about the dictionary at `path` in the hub's cache, if its repository and place are registered. Where several releases have it, the
    /// first one that states a fact counts: they differ only in L0 and in pages of Neuronpedia.
    pub fn known_at(&self, path: &Path) -> Option<Known> {
        let (repo, inside) = place_in(path)?;
        let folder = inside.rsplit_once('/').map_or("", |(folder, _)| folder);
        // Files that a fetch of a folder takes from below it.
        let above = folder.strip_suffix("/checkpoints").unwrap_or(folder);
        // The registry names a layer of a cross-layer transcoder by its number.
        let layer = cross_layer::circuit_tracer_layer(&inside).map(|layer| layer.to_string());
        let at = [inside.as_str(), folder, above]
            .into_iter()
            .chain(layer.as_deref());
        let mut found = at.filter_map(|at| self.places.get(&(repo.clone(), at.to_owned())));
        let mut known = found.next()?.iter().map(|(release, entry)| {
            let release = &self.releases[*release];
            Known::new(release, &release.entries[*entry])
        });
        let first = known.next()?;
        Some(known.fold(first, Known::or))
    }
}

impl Release {
    /// Returns the error for a `text` that names no dictionary of the release; it lists similar ones.
    fn one_of(&self, text: &str) -> Error {
        let id = text.split_once(':').map_or("", |(_, id)| id);
        let ids = self.entries.iter().map(|entry| entry.id.as_str());
        let some: Vec<String> = closest(id, ids)
            .into_iter()
            .map(|id| format!("{}:{id}", self.name))
            .collect();
        let what = if id.is_empty() {
            format!(
                "{} has {} dictionaries, name one",
                self.name,
                self.entries.len()
            )
        } else {
            format!(
                "{} has {} dictionaries and none called `{}`, name one",
                self.name,
                self.entries.len(),
                short(id)
            )
        };
        Error::setting("sae", format!("{what} as {}", some.join(", ")))
    }
}

impl Entry {
    /// Reads one item of the list `saes`; the error says why it is not usable.
    fn from_json(sae: &Value) -> Result<Self, String> {
        let need = |key: &str| {
            let value = sae.get(key).and_then(plain);
            value.ok_or_else(|| format!("it has no `{key}`"))
        };
        let number = |key: &str| sae.get(key).and_then(Value::as_f64);
        let factor = match sae.get("norm_scaling_factor") {
            None | Some(Value::Null) => None,
            Some(factor) => {
                let factor = factor.as_f64().filter(|f| f.is_finite() && *f > 0.0);
                Some(factor.ok_or("its `norm_scaling_factor` is not a positive number")?)
            }
        };
        Ok(Self {
            id: need("id")?,
            path: need("path")?.trim_matches('/').to_owned(),
            l0: number("l0"),
            variance_explained: number("variance_explained"),
            neuronpedia: sae
                .get("neuronpedia")
                .and_then(Value::as_str)
                .map(str::to_owned),
            norm_scaling_factor: factor,
        })
    }
}

/// Returns a text, or a whole number as text: the layers of a cross-layer transcoder are numbers.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}
