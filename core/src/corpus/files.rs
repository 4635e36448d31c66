//! The files that a path stands for: itself, or those of a folder that hold text, by their names; what is passed over is said.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::kind;
use crate::error::{Error, Key, Notes, Result};

/// Folders within folders at most.
const DEPTH: usize = 64;
/// Endings of files that are passed over, listed in a note at most.
const LISTED: usize = 6;

/// One file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Its name; in a folder below the one that was named, with that folder.
    pub(super) name: String,
    /// Whether a person named the file itself.
    pub(super) is_named: bool,
}

/// `path` itself, or the files of a folder that hold text, sorted by name; those of the folders in it too if `recursive`.
pub(super) fn of(path: &Path, recursive: bool, notes: &mut Notes) -> Result<Vec<Found>> {
    if !path.exists() {
        return Err(Error::input("no such file or folder", path));
    }
    if !path.is_dir() {
        let name = path.file_name().unwrap_or(path.as_os_str());
        return Ok(vec![Found {
            path: path.to_path_buf(),
            name: name.to_string_lossy().into_owned(),
            is_named: true,
        }]);
    }
    let mut search = Search {
        recursive,
        ..Search::default()
    };
    search.folder(path, "", 0)?;
    let Search {
        mut files,
        passed_over,
        folders,
        ..
    } = search;
    if files.is_empty() {
        let what = format!("the folder holds no {} file", kind::NAMED);
        let remedy = if folders > 0 {
            format!("{} reads its sub-folders", Key::Recursive)
        } else {
            "name another".to_owned()
        };
        return Err(Error::input(format!("{what}, {remedy}"), path));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if folders > 0 {
        notes.add(format!(
            "{} of {} not looked into, {} reads {}: {}",
            count(folders, "sub-folder"),
            if folders == 1 { "it is" } else { "them are" },
            Key::Recursive,
            if folders == 1 { "it" } else { "them" },
            path.display()
        ));
    }
    if !passed_over.is_empty() {
        notes.add(said(&passed_over, path));
    }
    Ok(files)
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// `3 files of other kinds are passed over (2 .csv, 1 .md): folder`.
fn said(passed_over: &BTreeMap<String, usize>, path: &Path) -> String {
    let all: usize = passed_over.values().sum();
    let mut kinds: Vec<(&String, &usize)> = passed_over.iter().collect();
    kinds.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let mut listed: Vec<String> = kinds
        .iter()
        .take(LISTED)
        .map(|(ending, n)| format!("{n} {ending}"))
        .collect();
    if kinds.len() > LISTED {
        listed.push("…".to_owned());
    }
    format!(
        "{} of other kinds {} passed over ({}): {}",
        count(all, "file"),
        if all == 1 { "is" } else { "are" },
        listed.join(", "),
        path.display()
    )
}

#[derive(Default)]
struct Search {
    recursive: bool,
    files: Vec<Found>,
    /// How many files of each ending hold no text.
    passed_over: BTreeMap<String, usize>,
    /// Folders that were not looked into.
    folders: usize,
    /// Folders that were, whatever the way to them.
    seen: BTreeSet<PathBuf>,
}

impl Search {
    fn folder(&mut self, folder: &Path, within: &str, depth: usize) -> Result<()> {
        let failed = |source| Error::io("cannot list the folder", folder, source);
        let whole = folder.canonicalize().map_err(failed)?;
        if depth > DEPTH || !self.seen.insert(whole) {
            return Ok(());
        }
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let file_name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if file_name.starts_with('.') {
                    continue;
                }
                if self.recursive {
                    self.folder(&path, &format!("{within}{file_name}/"), depth + 1)?;
                } else {
                    self.folders += 1;
                }
            } else if path.is_file() {
                self.file(path, format!("{within}{file_name}"));
            }
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf, name: String) {
        if kind::of(&path).0.is_some() {
            self.files.push(Found {
                path,
                name,
                is_named: false,
            });
            return;
        }
        let ending = path.extension().map_or_else(
            || "without an ending".to_owned(),
            |ending| format!(".{}", ending.to_string_lossy()),
        );
        *self.passed_over.entry(ending).or_default() += 1;
    }
}
