//! Keeps the results of studies with the project: `kept/NAME.STUDY.json`, one JSON object that says what it was made with. An overlay reads its origin's
//! studies where it has none of its own; it writes only its own. Knows nothing of what a result holds.

use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Project;
use super::kept::file_name;
use crate::error::{Error, Result};
use crate::fit::{Fit, Verdict, short};
use crate::models::Model;
use crate::sae::Sae;
use crate::whole_file;

const VERSION: u32 = 1;

/// Thing that a study was made with: its name (for a text, a phrase) and its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ingredient {
    /// Name, or a phrase.
    pub name: String,
    /// Fingerprint.
    pub fingerprint: String,
}

impl Ingredient {
    /// Joins a name or phrase with a fingerprint.
    pub fn new(name: &str, fingerprint: &str) -> Self {
        Self {
            name: name.to_owned(),
            fingerprint: fingerprint.to_owned(),
        }
    }
}

/// Everything that a study was made with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MadeWith {
    /// The model.
    pub model: Ingredient,
    /// Processing of the model's weights, as [`crate::models::Processing`] prints it.
    pub processing: String,
    /// Dictionaries, in the study's order.
    pub dictionaries: Vec<Ingredient>,
    /// Texts, in the study's order (fitted on, measured on).
    pub texts: Vec<Ingredient>,
    /// Settings, as the study records them.
    pub settings: Value,
}

impl MadeWith {
    /// Records `model`, `saes` and `texts` (phrase and fingerprint) with the study's settings.
    pub fn new(
        model: &Model,
        saes: &[&Sae],
        texts: &[(&str, &str)],
        settings: &impl Serialize,
    ) -> Result<Self> {
        let settings = serde_json::to_value(settings).map_err(|refused| Error::Numeric {
            what: format!("the settings of the study cannot be written as JSON: {refused}"),
        })?;
        Ok(Self {
            model: Ingredient::new(model.name(), model.fingerprint()),
            processing: model.processing().to_string(),
            dictionaries: saes
                .iter()
                .map(|sae| Ingredient::new(&sae.name, &sae.fingerprint()))
                .collect(),
            texts: texts
                .iter()
                .map(|(phrase, print)| Ingredient::new(phrase, print))
                .collect(),
            settings,
        })
    }
}

/// Study that a project keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptStudy<T> {
    version: u32,
    /// Kind of the study (`pursuit`), one word in lower case.
    pub study: String,
    /// Name of what was studied: a dictionary, a hook.
    pub of: String,
    /// Version of the program that made it.
    pub umbra: String,
    /// Everything that it was made with.
    pub made: MadeWith,
    /// The result.
    pub result: T,
}

/// Kept study without its result.
pub type KeptAbout = KeptStudy<IgnoredAny>;

impl<T> KeptStudy<T> {
    /// Returns the study, or an error if it was made with another model or with another dictionary than `saes`.
    pub fn checked(self, model: &Model, saes: &[&Sae]) -> Result<Self> {
        let fit = Fit::of_study(&self, Some(model), saes);
        if fit.is_refused() {
            return Err(Error::Mismatch { what: fit.why });
        }
        Ok(self)
    }
}

impl Fit {
    /// Judges whether a kept study was made with `model` (if given) and with each of `saes`; dictionaries of the study that are not given are not judged.
    pub fn of_study<T>(kept: &KeptStudy<T>, model: Option<&Model>, saes: &[&Sae]) -> Self {
        let what = format!("The kept study “{}” of {}", kept.study, kept.of);
        let made = &kept.made;
        if let Some(model) = model
            && made.model.fingerprint != model.fingerprint()
        {
            return Self::new(
                Verdict::Foreign,
                format!(
                    "{what} was made with the model {} (fingerprint {}), {} has another fingerprint ({}): choose its own model, or run the study again",
                    made.model.name,
                    short(&made.model.fingerprint),
                    model.name(),
                    short(model.fingerprint())
                ),
            );
        }
        if let Some(model) = model
            && made.processing != model.processing().to_string()
        {
            return Self::new(
                Verdict::Foreign,
                format!(
                    "{what} was made with the weights of {} processed otherwise (then {}, now {}): open the model as it was then, or run the study again",
                    model.name(),
                    made.processing,
                    model.processing()
                ),
            );
        }
        for sae in saes {
            let print = sae.fingerprint();
            if made.dictionaries.iter().any(|of| of.fingerprint == print) {
                continue;
            }
            let namesake = made.dictionaries.iter().find(|of| of.name == sae.name);
            let why = match namesake {
                Some(of) => format!(
                    "{what} was made with {} of fingerprint {}, which now has {}: run the study again",
                    sae.name,
                    short(&of.fingerprint),
                    short(&print)
                ),
                None => format!(
                    "{what} was not made with {}: choose its own dictionary, or run the study again",
                    sae.name
                ),
            };
            return Self::new(Verdict::Foreign, why);
        }
        Self::new(
            Verdict::Proven,
            format!("{what} was made with this model and dictionary (same fingerprints)"),
        )
    }
}

impl Project {
    /// Stores the result of a study (`study`: one word in lower case; `of`: the name of the dictionary or hook) and overwrites an older one. The file appears
    /// whole or not at all.
    pub fn keep_study(
        &self,
        study: &str,
        of: &str,
        made: &MadeWith,
        result: &impl Serialize,
    ) -> Result<()> {
        write_study(&path(&self.folder, study, of), (study, of), made, result)
    }

    /// Returns the stored study of `of`, if any; [`KeptStudy::checked`] or [`Fit::of_study`] says whether it may be used.
    pub fn kept_study<T: DeserializeOwned>(
        &self,
        study: &str,
        of: &str,
    ) -> Result<Option<KeptStudy<T>>> {
        match self.found(|folder| path(folder, study, of)) {
            Some(path) => read(&path).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the stored study called `name`: the name of its file without `.json`, or what it is of where no other study is of the same. An error lists
    /// those that there are.
    pub fn study_named(&self, name: &str) -> Result<KeptStudy<Value>> {
        let files = self.study_files();
        let stem = |file: &str| file.strip_suffix(".json").map(str::to_owned);
        let all: Vec<String> = files.iter().filter_map(|file| stem(file)).collect();
        let written = file_name(name);
        let of = |stem: &&String| {
            let is_of = stem.rsplit_once('.').is_some_and(|(of, _)| of == written);
            **stem == name || **stem == written || is_of
        };
        let found: Vec<&String> = all.iter().filter(of).collect();
        let [one] = found[..] else {
            let which = if found.is_empty() {
                "no"
            } else {
                "more than one"
            };
            let what = match all.as_slice() {
                [] => "keeps no study: run one first".to_owned(),
                all => format!(
                    "has {which} kept study called {name}: name one of {}",
                    all.join(", ")
                ),
            };
            return Err(Error::input(what, &self.folder));
        };
        let file = format!("{one}.json");
        let found = self.found(|folder| folder.join("kept").join(&file));
        found.map_or_else(
            || Err(Error::input("was removed", self.folder.join(&file))),
            |path| read(&path),
        )
    }

    /// Lists the stored studies by name and kind, each read or with the reason that it cannot be; an overlay's own stand in for its origin's.
    pub fn studies(&self) -> Vec<Result<KeptAbout>> {
        self.study_files()
            .iter()
            .filter_map(|name| self.found(|folder| folder.join("kept").join(name)))
            .map(|path| read(&path))
            .collect()
    }

    /// Names of the files of stored studies, those of an origin included, in order.
    fn study_files(&self) -> Vec<String> {
        let folders = [Some(&self.folder), self.origin.as_ref()];
        let mut names: Vec<String> = folders
            .into_iter()
            .flatten()
            .filter_map(|folder| std::fs::read_dir(folder.join("kept")).ok())
            .flat_map(Iterator::flatten)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_study(name))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Writes the result of a study, `study` of `of` as [`Project::keep_study`] has them, into the file `path`.
pub fn write_study(
    path: &Path,
    (study, of): (&str, &str),
    made: &MadeWith,
    result: &impl Serialize,
) -> Result<()> {
    let kept = KeptStudy {
        version: VERSION,
        study: study.to_owned(),
        of: of.to_owned(),
        umbra: crate::VERSION.to_owned(),
        made: made.clone(),
        result,
    };
    let json = serde_json::to_vec(&kept).map_err(|refused| {
        Error::input(format!("the study cannot be written ({refused})"), path)
    })?;
    whole_file::write_bytes(path, &json)
}

/// Reads the stored study in the file `path`, whatever its kind.
pub fn study_at(path: &Path) -> Result<KeptStudy<Value>> {
    read(path)
}

/// Reads the stored study at `path`.
fn read<T: DeserializeOwned>(path: &Path) -> Result<KeptStudy<T>> {
    let bytes = std::fs::read(path)
        .map_err(|source| Error::io("cannot read the kept study", path, source))?;
    let broken = |refused: serde_json::Error| {
        let what = format!("the kept study cannot be read ({refused}), run the study again");
        Error::input(what, path)
    };
    let kept: KeptStudy<Value> = serde_json::from_slice(&bytes).map_err(broken)?;
    if kept.version != VERSION {
        let what = "the kept study is of another version, run the study again";
        return Err(Error::input(what, path));
    }
    serde_json::from_slice(&bytes).map_err(broken)
}

/// Whether `name` is the file of a study. Figures and the survey of heads are JSON files too, with readers of their own.
fn is_study(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".json") else {
        return false;
    };
    let kind = stem.rsplit_once('.').map(|(_, kind)| kind);
    kind.is_some_and(|kind| !["figures", "survey"].contains(&kind))
}

fn path(folder: &Path, study: &str, of: &str) -> PathBuf {
    let name = format!("{}.{}.json", file_name(of), file_name(study));
    folder.join("kept").join(name)
}
