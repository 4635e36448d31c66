//! Finds the files that a path stands for: the file itself, or the text files of a folder, sorted by name. Notes name what was skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::kind;
use crate::error::{Error, Key, Notes, Result};

/// Limit on the depth of nested folders.
const DEPTH: usize = 64;
/// Limit on the endings of skipped files that a note lists.
const LISTED: usize = 6;

/// A file to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Name of the file, with the folders below the one that was named.
    pub(super) name: String,
    /// Whether a person named the file itself.
    pub(super) is_named: bool,
}

/// Returns `path` itself, or the text files of that folder sorted by name; `recursive` includes the folders in it.
pub(super) fn find(path: &Path, recursive: bool, notes: &mut Notes) -> Result<Vec<Found>> {
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

/// Returns a note such as `3 files of other kinds are passed over (2 .csv, 1 .md): folder`.
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
    /// Number of files that hold no text, by ending.
    passed_over: BTreeMap<String, usize>,
    /// Folders that were skipped.
    folders: usize,
    /// Folders that were searched, by their real paths.
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
        if kind::detect(&path).0.is_some() {
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
