//! Decides whether a writer may put its files into a folder that holds something. Nothing is replaced unless asked for, and then only files whose names show
//! what they belong to; other files stay.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Key, Result};
use crate::runs::{self, Record, Status};
use crate::train::Keeping;
use crate::{features, formats, models, project, store, whole_file};

/// Content of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    /// Name for sentences: `a sparsify dictionary`.
    pub what: String,
    /// Whether it may be replaced; a model, a project and a running run may not.
    pub replaceable: bool,
    /// Files that belong to it.
    files: Vec<PathBuf>,
}

impl Occupant {
    fn new(what: impl Into<String>, files: Vec<PathBuf>) -> Self {
        Self {
            what: what.into(),
            replaceable: true,
            files,
        }
    }

    fn fixed(what: &str) -> Self {
        Self {
            what: what.to_owned(),
            replaceable: false,
            files: Vec::new(),
        }
    }

    /// Returns the error for writing into `folder`.
    pub(crate) fn refusal(&self, folder: &Path) -> Error {
        let remedy = if self.replaceable {
            format!(
                "name another folder, or give {} to replace it",
                Key::Overwrite
            )
        } else {
            "name another folder".to_owned()
        };
        Error::input(format!("holds {}, {remedy}", self.what), folder)
    }
}

/// Returns what `folder` holds: a run, a dictionary of any library, an export, a gallery, an activation store, a model or a project; none if it holds nothing of that
/// kind. The record of a run without dictionary or checkpoint does not count.
pub fn occupant(folder: &Path) -> Result<Option<Occupant>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    let names = names(folder)?;
    let is_here = |name: &str| names.iter().any(|there| there == name);
    if project::Project::is_in(folder) {
        return Ok(Some(Occupant::fixed("a project")));
    }
    if models::is_in(folder) {
        return Ok(Some(Occupant::fixed("a model")));
    }
    let at = |names: Vec<&String>| -> Vec<PathBuf> {
        names.into_iter().map(|name| folder.join(name)).collect()
    };
    let weights = formats::files_in(folder);
    let record = is_here(runs::RECORD).then(|| Record::read(folder));
    let status = record.and_then(Result::ok).map(|record| record.status);
    let kept = Keeping {
        folder: Some(folder.to_path_buf()),
        ..Keeping::default()
    };
    let run = match status {
        Some(Status::Running) => return Ok(Some(Occupant::fixed("a run that is under way"))),
        Some(Status::Finished) => Some("a finished run"),
        _ if kept.has_checkpoint() => Some("the checkpoint of a run"),
        Some(_) if !weights.is_empty() => Some("a run that did not finish"),
        _ => None,
    };
    if let Some(what) = run {
        let records = [runs::RECORD, runs::EVENTS].map(|name| folder.join(name));
        let files = weights.into_iter().chain(records);
        return Ok(Some(Occupant::new(what, files.collect())));
    }
    if store::is_in(folder) {
        let files = names.iter().filter(|name| store::is_of_store(name));
        let what = "an activation store";
        return Ok(Some(Occupant::new(what, at(files.collect()))));
    }
    if let Ok(format) = formats::Format::detect(folder) {
        let what = format!("a {} dictionary", format.name());
        return Ok(Some(Occupant::new(what, weights)));
    }
    if let Some(first) = weights.first() {
        let name = first.file_name().unwrap_or_default().to_string_lossy();
        return Ok(Some(Occupant::new(
            format!("{name} of a dictionary"),
            weights,
        )));
    }
    if let Some(name) = names.iter().find(|name| formats::may_be_weights(name)) {
        let what = format!("the tensors of {name}");
        return Ok(Some(Occupant::new(what, Vec::new())));
    }
    if let Some(name) = names.iter().find(|name| formats::may_be_settings(name)) {
        let what = format!("the settings of a dictionary, {name}");
        return Ok(Some(Occupant::new(what, Vec::new())));
    }
    if is_here(GALLERY) {
        let files = names.iter().filter(|name| is_of_gallery(name));
        let what = "a gallery of features";
        return Ok(Some(Occupant::new(what, at(files.collect()))));
    }
    let exported: Vec<&String> = (names.iter())
        .filter(|name| features::is_of_export(name))
        .collect();
    Ok((!exported.is_empty()).then(|| Occupant::new("an export of features", at(exported))))
}

/// Script of a gallery of features, by which its folder is known.
pub(crate) const GALLERY: &str = "gallery.js";

/// Returns whether a file has a name that a gallery uses.
fn is_of_gallery(file: &str) -> bool {
    let stem = file.strip_suffix(".js").unwrap_or_default();
    let number = ["rows-", "sections-"].map(|kind| stem.strip_prefix(kind));
    let mut number = number.into_iter().flatten();
    let is_data = number.any(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()));
    is_data || [GALLERY, "gallery.css", "index.html"].contains(&file)
}

/// Returns the names in `folder` in order, without hidden ones.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries =
        std::fs::read_dir(folder).map_err(|e| Error::io("cannot list the folder", folder, e))?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    Ok(names)
}

/// Permission to write a folder. [`Claim::release`] removes what is left of its former content once the new files are in place.
#[derive(Debug, Default)]
#[must_use = "what stood in the folder is left beside the new files"]
pub struct Claim {
    /// Files of the former content, with the time of their last change.
    former: Vec<(PathBuf, Option<SystemTime>)>,
}

impl Claim {
    /// Removes the files of the former content that were not replaced.
    pub fn release(self) -> Result<()> {
        for (path, changed) in self.former {
            if path.is_file() && modified(&path) == changed {
                std::fs::remove_file(&path)
                    .map_err(|e| Error::io("cannot remove the file that was replaced", &path, e))?;
            }
        }
        Ok(())
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

/// Checks that a writer may put its files into `folder`: that the folder is writable and holds nothing that the files would mix with or replace. `overwrite`
/// allows replacing.
pub fn claim(folder: &Path, overwrite: bool) -> Result<Claim> {
    let mut claim = Claim::default();
    if let Some(there) = occupant(folder)? {
        if !there.replaceable || !overwrite {
            return Err(there.refusal(folder));
        }
        let former = there.files.into_iter();
        claim.former = former.map(|path| (path.clone(), modified(&path))).collect();
    }
    whole_file::check_folder(folder)?;
    Ok(claim)
}

/// Checks that a writer may put its one result at `file`: that a file can be written there, and that there is none, unless `overwrite` allows replacing it.
pub fn claim_file(file: &Path, overwrite: bool) -> Result<()> {
    whole_file::check_regular(file)?;
    if overwrite || !file.exists() {
        return Ok(());
    }
    let what = format!(
        "there is a file already, name another one, or give {} to replace it",
        Key::Overwrite
    );
    Err(Error::input(what, file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{Precision, Target};

    fn repository(path: &str) -> PathBuf {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
    }

    #[track_caller]
    fn refused(folder: &Path, words: &str, replaceable: bool) {
        let there = occupant(folder).unwrap().unwrap();
        assert_eq!(
            (there.what.as_str(), there.replaceable),
            (words, replaceable)
        );
        let said = claim(folder, false).unwrap_err().to_string();
        assert!(
            said.contains(words) && said.contains("another folder"),
            "{said}"
        );
        assert_eq!(said.contains("setting `overwrite`"), replaceable, "{said}");
        assert_eq!(claim(folder, true).is_ok(), replaceable);
    }

    #[test]
    fn what_a_folder_holds_is_said_and_protected() {
        let golden = |name: &str| repository("tests/golden").join(name);
        refused(&golden("sae-lens-topk"), "a SAELens dictionary", true);
        refused(&golden("tiny-gpt2"), "a model", false);
        refused(&repository("assets/demo"), "a project", false);
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(occupant(empty.path()).unwrap(), None);
        assert_eq!(occupant(&empty.path().join("nowhere")).unwrap(), None);
        std::fs::write(empty.path().join("notes.txt"), "mine").unwrap();
        std::fs::write(empty.path().join("run.toml"), "k = 8").unwrap();
        assert_eq!(occupant(empty.path()).unwrap(), None);
        std::fs::write(empty.path().join("batch-0.json"), "{}").unwrap();
        refused(empty.path(), "an export of features", true);
        std::fs::write(empty.path().join("cfg.json"), "{}").unwrap();
        let settings = "the settings of a dictionary, cfg.json";
        refused(empty.path(), settings, true);
        std::fs::write(empty.path().join("mine.pt"), "").unwrap();
        refused(empty.path(), "the tensors of mine.pt", true);
    }

    #[test]
    fn a_file_is_replaced_only_where_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index.sqlite");
        claim_file(&file, false).unwrap();
        assert!(!file.exists());
        std::fs::write(&file, "mine").unwrap();
        let said = claim_file(&file, false).unwrap_err().to_string();
        assert!(
            said.contains("index.sqlite") && said.contains("setting `overwrite`"),
            "{said}"
        );
        claim_file(&file, true).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    }

    #[test]
    fn overwriting_leaves_one_dictionary_and_what_is_not_its_own() {
        let (sae, _) = formats::open(&repository("tests/golden/sae-lens-topk")).unwrap();
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("sae");
        let write = |target: Target, overwrite: bool| -> Result<()> {
            let claim = claim(&out, overwrite)?;
            formats::write(std::slice::from_ref(&sae), &out, target, Precision::F32)?;
            claim.release()
        };
        write(Target::Sparsify, false).unwrap();
        std::fs::write(out.join("notes.txt"), "mine").unwrap();
        let before = std::fs::read(out.join("cfg.json")).unwrap();
        for target in [
            Target::SaeLens,
            Target::Sparsify,
            Target::DictionaryLearning,
        ] {
            let said = write(target, false).unwrap_err().to_string();
            assert!(said.contains("a sparsify dictionary"), "{said}");
        }
        assert_eq!(std::fs::read(out.join("cfg.json")).unwrap(), before);
        std::fs::write(out.join("config.json"), "mine").unwrap();
        write(Target::SaeLens, true).unwrap();
        let left = [
            "cfg.json",
            "config.json",
            "notes.txt",
            "sae_weights.safetensors",
        ];
        assert_eq!(names(&out).unwrap(), left);
        write(Target::DictionaryLearning, true).unwrap();
        assert_eq!(names(&out).unwrap(), ["ae.pt", "config.json", "notes.txt"]);
        let (again, _) = formats::open(&out).unwrap();
        assert!(again.w_dec == sae.w_dec);
    }
}
