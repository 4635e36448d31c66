//! Makes projects from projects: a writable overlay of a read-only one, that overlay reset, a project without a folder of its own yet, and a project saved
//! in another folder.

use std::path::{Path, PathBuf};

use super::kept::file_name;
use super::{Entry, Labels, Missing, Project, absolute, file};
use crate::error::{Error, Notes, Result};
use crate::models::Opening;
use crate::whole_file;

/// Writable overlay of a read-only project.
#[derive(Debug)]
pub struct Overlaid {
    /// The overlay.
    pub project: Project,
    /// Notes on entries that are missing, were repaired or were set aside.
    pub notes: Notes,
    /// Model that the overlay named instead of the original's, and how it was opened.
    pub displaced: Option<(PathBuf, Opening)>,
}

impl Project {
    /// Opens a read-only project (the bundled demo) so that changes go to `user_folder`. Paths keep pointing at the originals, which may have moved or grown
    /// since the last time. The file in `user_folder` names its origin, so [`Project::open`] finds it again.
    /// The model is always the original's: an overlay that names another one is repaired, and that model is returned.
    pub fn overlay(&self, user_folder: &Path) -> Result<Overlaid> {
        let user_folder = absolute(user_folder)?;
        let (mut over, mut notes) = if Self::is_in(&user_folder) {
            file::read(&user_folder, Some(&self.folder))?.without_missing()
        } else {
            let fresh = Self {
                folder: user_folder,
                prompts: self.prompts.clone(),
                chats: self.chats.clone(),
                filters: self.filters.clone(),
                recursive: self.recursive,
                text_column: self.text_column.clone(),
                ..Self::default()
            };
            (fresh, Notes::default())
        };
        let displaced = over.take_model(self);
        if let Some((model, _)) = &displaced {
            notes.add(format!(
                "The copy named another model, {}; the project's own model is used again",
                model.display()
            ));
        }
        over.origin = Some(self.folder.clone());
        over.name.clone_from(&self.name);
        over.unwrap = self.unwrap;
        merge(&mut over.train_text, &self.train_text);
        merge(&mut over.held_out_text, &self.held_out_text);
        for entry in &self.entries {
            match over.entries.iter_mut().find(|e| e.sae == entry.sae) {
                Some(known) => known.index = known.index.take().or_else(|| entry.index.clone()),
                None => over.entries.push(entry.clone()),
            }
        }
        over.save()?;
        let (from, to) = (self.labels_path(), over.labels_path());
        if from.is_file() && !to.exists() {
            copy_file(&from, &to)?;
        }
        Ok(Overlaid {
            project: over,
            notes,
            displaced,
        })
    }

    /// Takes the model of `origin`. Returns the model named before, if it was another one or opened differently.
    fn take_model(&mut self, origin: &Self) -> Option<(PathBuf, Opening)> {
        let named = self.model.take().or(self.missing.model.take());
        let other = named
            .filter(|named| Some(named) != origin.model.as_ref() || self.opening != origin.opening);
        let displaced = other.map(|model| (model, self.opening));
        self.model.clone_from(&origin.model);
        self.opening = origin.opening;
        displaced
    }

    /// Resets the overlay in `user_folder` to the state that [`Project::overlay`] first creates. Its entries and results are set aside under another name;
    /// its labels stay, unless they cannot be read; dictionaries trained there stay where they are.
    pub fn restore(&self, user_folder: &Path) -> Result<Overlaid> {
        let user_folder = absolute(user_folder)?;
        let mut notes = Notes::default();
        for name in [file::NAME, "kept", super::WINDOW, super::EDITS] {
            if let Some(aside) = set_aside(&user_folder.join(name))? {
                notes.add(format!("The former {name} is kept as {}", aside.display()));
            }
        }
        let labels = user_folder.join(super::LABELS);
        if labels.exists() {
            match Labels::open(&labels) {
                Ok(_) => notes.add("The labels of the copy were kept"),
                Err(why) => {
                    if let Some(aside) = set_aside(&labels)? {
                        notes.add(format!(
                            "The labels of the copy cannot be read ({why}) and are now {}",
                            aside.display()
                        ));
                    }
                }
            }
        }
        let mut overlaid = self.overlay(&user_folder)?;
        notes.extend(std::mem::take(&mut overlaid.notes));
        overlaid.notes = notes;
        Ok(overlaid)
    }

    /// Returns a folder in `root` that does not exist yet, named after `name`.
    pub fn free_folder(root: &Path, name: &str) -> PathBuf {
        let base = file_name(name);
        let numbered = (2..).map(|i| root.join(format!("{base}-{i}")));
        let mut folders = std::iter::once(root.join(&base)).chain(numbered);
        let free = folders.find(|folder| !folder.exists());
        free.expect("numbers do not run out")
    }

    /// Creates a project in `folder` with only this project's texts and saved prompts.
    pub fn fresh_like(&self, folder: &Path, name: &str) -> Result<Self> {
        let mut project = Self::create(folder, name)?;
        project.train_text.clone_from(&self.train_text);
        project.held_out_text.clone_from(&self.held_out_text);
        project.unwrap = self.unwrap;
        project.recursive = self.recursive;
        project.text_column.clone_from(&self.text_column);
        project.prompts.clone_from(&self.prompts);
        project.chats.clone_from(&self.chats);
        project.filters.clone_from(&self.filters);
        project.save()?;
        Ok(project)
    }

    /// Copies the project to `folder`, which must be new or empty, with its labels, figures, probes, indexes and dictionaries. A copy of an overlay becomes an
    /// independent project.
    pub fn save_as(&self, folder: &Path) -> Result<Self> {
        let folder = absolute(folder)?;
        if folder.starts_with(&self.folder) {
            let what = "a project cannot be saved inside itself, choose another folder";
            return Err(Error::input(what, folder));
        }
        let is_new = !folder.exists();
        if !is_new && !is_empty(&folder)? {
            let what = "there is something in this folder already, choose a new or an empty one";
            return Err(Error::input(what, folder));
        }
        let copied = self.copy_to(&folder);
        if copied.is_err() && is_new {
            drop(std::fs::remove_dir_all(&folder)); // half a copy; the project itself is untouched
        }
        copied
    }

    fn copy_to(&self, folder: &Path) -> Result<Self> {
        if let Some(kept) = self.origin.as_ref().map(|origin| origin.join("kept"))
            && kept.is_dir()
        {
            copy_folder(&kept, &folder.join("kept"))?;
        }
        copy_folder(&self.folder, folder)?;
        let moved = self.moved(folder);
        moved.save()?;
        Ok(moved)
    }

    /// Returns this project with its paths moved to `folder`; paths outside the former folder stay.
    fn moved(&self, folder: &Path) -> Self {
        let place = |path: &PathBuf| match path.strip_prefix(&self.folder) {
            Ok(inside) => folder.join(inside),
            Err(_) => path.clone(),
        };
        let places = |paths: &[PathBuf]| paths.iter().map(place).collect();
        let entries = |entries: &[Entry]| {
            let moved = entries.iter().map(|entry| Entry {
                sae: place(&entry.sae),
                index: entry.index.as_ref().map(place),
            });
            moved.collect()
        };
        Self {
            folder: folder.to_path_buf(),
            origin: None,
            name: folder
                .file_name()
                .map_or_else(|| self.name.clone(), |name| name.to_string_lossy().into()),
            model: self.model.as_ref().map(place),
            opening: self.opening,
            entries: entries(&self.entries),
            train_text: places(&self.train_text),
            held_out_text: places(&self.held_out_text),
            unwrap: self.unwrap,
            recursive: self.recursive,
            text_column: self.text_column.clone(),
            prompts: self.prompts.clone(),
            chats: self.chats.clone(),
            filters: self.filters.clone(),
            missing: Missing {
                model: self.missing.model.as_ref().map(place),
                entries: entries(&self.missing.entries),
                train_text: places(&self.missing.train_text),
                held_out_text: places(&self.missing.held_out_text),
            },
        }
    }
}

fn merge(own: &mut Vec<PathBuf>, others: &[PathBuf]) {
    for other in others {
        if !own.contains(other) {
            own.push(other.clone());
        }
    }
}

/// Renames `path`, if it exists, to a free name beside it.
fn set_aside(path: &Path) -> Result<Option<PathBuf>> {
    if !path.exists() {
        return Ok(None);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut free = (1..).map(|i| path.with_file_name(format!("{name}.before-{i}")));
    let aside = free.find(|aside| !aside.exists());
    let aside = aside.expect("numbers do not run out");
    std::fs::rename(path, &aside)
        .map_err(|source| Error::io("cannot set the file aside", path, source))?;
    Ok(Some(aside))
}

fn is_empty(folder: &Path) -> Result<bool> {
    let mut inside = std::fs::read_dir(folder)
        .map_err(|source| Error::io("cannot read the folder", folder, source))?;
    Ok(inside.next().is_none())
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    let mut open = std::fs::File::open(from)
        .map_err(|source| Error::io("cannot read the file", from, source))?;
    whole_file::write(to, |out| std::io::copy(&mut open, out).map(drop))
}

/// Copies files and folders of `from`, except the project's own file.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)
        .map_err(|source| Error::io("cannot create the folder", to, source))?;
    let failed = |source| Error::io("cannot read the folder", from, source);
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else if entry.file_name() != file::NAME {
            copy_file(&path, &target)?;
        }
    }
    Ok(())
}
