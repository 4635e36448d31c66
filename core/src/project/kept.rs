//! Keeps results with the project: evaluation figures of dictionaries and the survey of the model's heads as JSON, probe fits as safetensors. An overlay reads its origin's results where it
//! has none of its own; it writes only its own.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Project;
use crate::error::{Error, Result};
use crate::eval::Figures;
use crate::fit::{Fit, Made, Prints};
use crate::models::Model;
use crate::sae::Sae;
use crate::whole_file;

const VERSION: u32 = 1;

/// Evaluation figures with what they were measured on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptFigures {
    version: u32,
    /// Name of the dictionary.
    pub sae: String,
    /// Phrase for the text.
    pub text: String,
    /// Device that ran the dictionary; empty in older figures.
    #[serde(default)]
    pub device: String,
    /// Version of the program that measured.
    pub umbra: String,
    /// Fingerprints of the dictionary and the model.
    #[serde(default)]
    pub fingerprints: Prints,
    /// The figures.
    pub figures: Figures,
}

impl Fit {
    /// Judges whether the figures were measured on `sae` and `model`, as far as they are given.
    pub fn of_figures(kept: &KeptFigures, model: Option<&Model>, sae: Option<&Sae>) -> Self {
        let what = format!("What is kept as figures of {}", kept.sae);
        let known = |print: &'_ str| !print.is_empty();
        let made = Made {
            what: &what,
            remedy: "evaluate it again",
            sae: &kept.sae,
            sae_fingerprint: Some(kept.fingerprints.sae.as_str()).filter(|print| known(print)),
            model: "its model",
            model_fingerprint: Some(kept.fingerprints.model.as_str()).filter(|print| known(print)),
        };
        Self::of_made(made, model, sae)
    }
}

impl Project {
    /// Folder of results that are kept with the project (evaluation figures, probe fits).
    pub fn kept(&self) -> PathBuf {
        self.folder.join("kept")
    }

    /// Stores the figures of dictionary `sae`, measured on `text` (a phrase) by `device`, and overwrites older ones; `of` identifies dictionary and model.
    pub fn keep_figures(
        &self,
        sae: &str,
        (text, device): (&str, &str),
        figures: &Figures,
        of: Prints,
    ) -> Result<()> {
        let path = figures_path(&self.folder, sae);
        let kept = KeptFigures {
            version: VERSION,
            sae: sae.to_owned(),
            text: text.to_owned(),
            device: device.to_owned(),
            umbra: crate::VERSION.to_owned(),
            fingerprints: of,
            figures: figures.clone(),
        };
        let json = serde_json::to_vec_pretty(&kept).map_err(|refused| {
            Error::input(format!("the figures cannot be written ({refused})"), &path)
        })?;
        whole_file::write_bytes(&path, &json)
    }

    /// Returns the stored figures of dictionary `sae`, if any.
    pub fn figures(&self, sae: &str) -> Result<Option<KeptFigures>> {
        let Some(path) = self.found(|folder| figures_path(folder, sae)) else {
            return Ok(None);
        };
        let bytes = std::fs::read(&path)
            .map_err(|source| Error::io("cannot read the kept figures", &path, source))?;
        let broken = |refused: serde_json::Error| {
            let what = format!("the kept figures cannot be read ({refused}), evaluate again");
            Error::input(what, &path)
        };
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(broken)?;
        if value["version"] != VERSION {
            return Err(Error::input(
                "the kept figures are of another version, evaluate again",
                path,
            ));
        }
        serde_json::from_value(value).map(Some).map_err(broken)
    }

    /// Path for the probe of dictionary `sae`.
    pub fn probe_path(&self, sae: &str) -> PathBuf {
        probe_path(&self.folder, sae)
    }

    /// Returns the path of the stored probe of dictionary `sae`, if any.
    pub fn kept_probe(&self, sae: &str) -> Option<PathBuf> {
        self.found(|folder| probe_path(folder, sae))
    }

    /// Stores the map of decoder directions of dictionary `sae`, in JSON, and overwrites an older one.
    pub fn keep_directions(&self, sae: &str, json: &[u8]) -> Result<()> {
        whole_file::write_bytes(&directions_path(&self.folder, sae), json)
    }

    /// Returns the stored map of decoder directions of dictionary `sae` in JSON, if any, with its path.
    pub fn directions(&self, sae: &str) -> Result<Option<(Vec<u8>, PathBuf)>> {
        let Some(path) = self.found(|folder| directions_path(folder, sae)) else {
            return Ok(None);
        };
        let bytes = std::fs::read(&path)
            .map_err(|source| Error::io("cannot read the kept map of directions", &path, source))?;
        Ok(Some((bytes, path)))
    }

    /// Stores the survey of the model's heads, in JSON, and overwrites an older one.
    pub fn keep_survey(&self, json: &[u8]) -> Result<()> {
        whole_file::write_bytes(&survey_path(&self.folder), json)
    }

    /// Returns the path of the stored survey of heads, if any.
    pub fn kept_survey(&self) -> Option<PathBuf> {
        self.found(survey_path)
    }

    /// Returns the stored survey of heads in JSON, if any, with its path.
    pub fn survey(&self) -> Result<Option<(Vec<u8>, PathBuf)>> {
        let Some(path) = self.kept_survey() else {
            return Ok(None);
        };
        let bytes = std::fs::read(&path)
            .map_err(|source| Error::io("cannot read the kept survey", &path, source))?;
        Ok(Some((bytes, path)))
    }

    /// Returns the first existing file among this project's own and its origin's.
    pub(super) fn found(&self, path: impl Fn(&Path) -> PathBuf) -> Option<PathBuf> {
        let folders = [Some(&self.folder), self.origin.as_ref()];
        folders
            .into_iter()
            .flatten()
            .map(|folder| path(folder))
            .find(|path| path.is_file())
    }
}

fn figures_path(folder: &Path, sae: &str) -> PathBuf {
    let name = format!("{}.figures.json", file_name(sae));
    folder.join("kept").join(name)
}

fn directions_path(folder: &Path, sae: &str) -> PathBuf {
    let name = format!("{}.directions.json", file_name(sae));
    folder.join("kept").join(name)
}

fn survey_path(folder: &Path) -> PathBuf {
    folder.join("kept").join("heads.survey.json")
}

fn probe_path(folder: &Path, sae: &str) -> PathBuf {
    let name = format!("{}.probe.safetensors", file_name(sae));
    folder.join("kept").join(name)
}

/// Turns `name` into a file name: characters that a file system could interpret become `%` and hex.
pub(super) fn file_name(name: &str) -> String {
    let mut safe = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            safe.push(byte.into());
        } else {
            write!(safe, "%{byte:02X}").expect("a string takes everything");
        }
    }
    safe
}
