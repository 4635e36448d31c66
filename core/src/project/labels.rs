//! Stores labels of features in `labels.sqlite` with who gave them, searchable by word prefixes.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params};

use super::origin::{Detection, Given, Maker, Origin};

use crate::error::{Error, Result};
use crate::ids::FeatureId;

const VERSION: u32 = 2;
/// Version in which all labels are a person's.
const FIRST: u32 = 1;
/// `UmbL`, which marks the database as Umbra's.
const APPLICATION: u32 = 0x556d_624c;

const SCHEMA: &str = "
    CREATE TABLE label (id INTEGER PRIMARY KEY, sae TEXT NOT NULL, feature INTEGER NOT NULL, text TEXT NOT NULL, maker TEXT NOT NULL DEFAULT 'person', made_by TEXT NOT NULL DEFAULT '', detection TEXT, UNIQUE (sae, feature));
    CREATE VIRTUAL TABLE label_word USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2');
";

/// Brings a file of the first version to this one.
const MIGRATION: &str = "
    ALTER TABLE label ADD COLUMN maker TEXT NOT NULL DEFAULT 'person';
    ALTER TABLE label ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
    ALTER TABLE label ADD COLUMN detection TEXT;
";

/// Label of a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Name of the dictionary.
    pub sae: String,
    /// Feature.
    pub feature: FeatureId,
    /// Text.
    pub text: String,
    /// Who gave it.
    pub origin: Origin,
}

impl Label {
    /// Gives a feature a label.
    pub fn new(sae: &str, feature: FeatureId, given: Given) -> Self {
        Self {
            sae: sae.to_owned(),
            feature,
            text: given.text,
            origin: given.origin,
        }
    }

    /// Returns the text with who gave it.
    pub fn given(&self) -> Given {
        Given {
            text: self.text.clone(),
            origin: self.origin.clone(),
        }
    }
}

/// Open `labels.sqlite`. `Send` but not `Sync`: each thread opens its own.
#[derive(Debug)]
pub struct Labels {
    pub(super) database: Connection,
    pub(super) path: PathBuf,
    version: u32,
}

impl Labels {
    /// Opens or creates the file.
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|source| Error::io("cannot create the folder", folder, source))?;
        }
        let failed = |source| Error::database("cannot open the labels", path, source);
        let database = Connection::open(path).map_err(failed)?;
        let change = match version_of(&database, path)? {
            None => Some(format!("{SCHEMA} PRAGMA application_id = {APPLICATION};")),
            Some(FIRST) => Some(MIGRATION.to_owned()),
            Some(_) => None,
        };
        if let Some(change) = change {
            let whole = format!("BEGIN; {change} PRAGMA user_version = {VERSION}; COMMIT;");
            database.execute_batch(&whole).map_err(failed)?;
        }
        Ok(Self {
            database,
            path: path.to_path_buf(),
            version: VERSION,
        })
    }

    /// Opens the file for reading; none if it is missing or empty.
    pub fn there(path: &Path) -> Result<Option<Self>> {
        if !path.is_file() {
            return Ok(None);
        }
        let failed = |source| Error::database("cannot open the labels", path, source);
        let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(path, read_only).map_err(failed)?;
        let version = version_of(&database, path)?;
        Ok(version.map(|version| Self {
            database,
            path: path.to_path_buf(),
            version,
        }))
    }

    /// Sets a person's label and returns the former text; an empty text removes the label.
    pub fn set(&self, sae: &str, feature: FeatureId, text: &str) -> Result<String> {
        let label = Label::new(sae, feature, Given::from(text));
        let former = self.put(&label)?;
        Ok(former.map(|former| former.text).unwrap_or_default())
    }

    /// Sets a label and returns the former one; an empty text removes it.
    pub fn put(&self, label: &Label) -> Result<Option<Given>> {
        let mut former = self.put_all(std::slice::from_ref(label))?;
        Ok(former.pop().flatten())
    }

    /// Sets all of `labels` or none, and returns the former ones in their order; an empty text removes a label.
    pub fn put_all(&self, labels: &[Label]) -> Result<Vec<Option<Given>>> {
        let change = || -> rusqlite::Result<Vec<Option<Given>>> {
            let transaction = self.database.unchecked_transaction()?;
            let former = labels.iter().map(|label| put(&transaction, label));
            let former = former.collect::<rusqlite::Result<_>>()?;
            transaction.commit()?;
            Ok(former)
        };
        change().map_err(|source| Error::database("cannot save the label", &self.path, source))
    }

    /// Returns the names of the dictionaries with labels, sorted.
    pub fn dictionaries(&self) -> Result<Vec<String>> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self
                .database
                .prepare("SELECT DISTINCT sae FROM label ORDER BY sae")?;
            let names = statement.query_map([], |row| row.get(0))?;
            names.collect()
        };
        read().map_err(|source| Error::database("cannot read the labels", &self.path, source))
    }

    /// Returns all labels of one dictionary, by feature.
    pub fn all(&self, sae: &str) -> Result<Vec<Label>> {
        self.select("FROM label WHERE sae = ?1 ORDER BY feature", sae)
    }

    /// Searches the labels of all dictionaries for words that begin with the words of `query`, best first.
    pub fn search(&self, query: &str) -> Result<Vec<Label>> {
        let query = prefix_query(query);
        if query.is_empty() {
            return Ok(Vec::new());
        }
        self.select(
            "FROM label_word JOIN label ON label.id = label_word.rowid \
             WHERE label_word MATCH ?1 ORDER BY bm25(label_word), label.sae, label.feature",
            &query,
        )
    }

    fn select(&self, from: &str, parameter: &str) -> Result<Vec<Label>> {
        let origin = if self.version == FIRST {
            "'person', '', NULL"
        } else {
            "label.maker, label.made_by, label.detection"
        };
        let statement = format!("SELECT label.sae, label.feature, label.text, {origin} {from}");
        let read = || -> rusqlite::Result<Vec<Label>> {
            let mut statement = self.database.prepare_cached(&statement)?;
            let rows = statement.query_map([parameter], |row| {
                Ok(Label {
                    sae: row.get(0)?,
                    feature: FeatureId(row.get(1)?),
                    text: row.get(2)?,
                    origin: origin_of(row, 3)?,
                })
            })?;
            rows.collect()
        };
        read().map_err(|source| Error::database("cannot read the labels", &self.path, source))
    }
}

/// Sets or removes one label; returns the former one.
fn put(database: &Connection, label: &Label) -> rusqlite::Result<Option<Given>> {
    let text = label.text.trim();
    let former: Option<(i64, Given)> = database
        .prepare_cached(
            "SELECT id, text, maker, made_by, detection FROM label WHERE sae = ?1 AND feature = ?2",
        )?
        .query_row(params![label.sae, label.feature.0], |row| {
            let given = Given {
                text: row.get(1)?,
                origin: origin_of(row, 2)?,
            };
            Ok((row.get(0)?, given))
        })
        .optional()?;
    if let Some((id, _)) = &former {
        database
            .prepare_cached("DELETE FROM label WHERE id = ?1")?
            .execute([id])?;
        database
            .prepare_cached("DELETE FROM label_word WHERE rowid = ?1")?
            .execute([id])?;
    }
    if !text.is_empty() {
        let origin = &label.origin;
        database
            .prepare_cached(
                "INSERT INTO label (sae, feature, text, maker, made_by, detection) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                label.sae,
                label.feature.0,
                text,
                origin.maker.key(),
                origin.by,
                origin.detection.map(|detection| detection.to_string()),
            ])?;
        let id = database.last_insert_rowid();
        database
            .prepare_cached("INSERT INTO label_word (rowid, text) VALUES (?1, ?2)")?
            .execute(params![id, text])?;
    }
    Ok(former.map(|(_, given)| given))
}

/// Reads who gave a label from three columns; a maker of a newer program counts as an import.
fn origin_of(row: &Row<'_>, first: usize) -> rusqlite::Result<Origin> {
    let maker: String = row.get(first)?;
    let detection: Option<String> = row.get(first + 2)?;
    Ok(Origin {
        maker: Maker::from_key(&maker).unwrap_or(Maker::Import),
        by: row.get(first + 1)?,
        detection: detection.and_then(|text| Detection::from_text(&text)),
    })
}

/// Returns the version of the file, none for an empty one; an error if it holds something other than labels of a known version.
fn version_of(database: &Connection, path: &Path) -> Result<Option<u32>> {
    let failed = |source| Error::database("cannot open the labels", path, source);
    let pragma = |name| database.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let (application, version) = (
        pragma("application_id").map_err(failed)?,
        pragma("user_version").map_err(failed)?,
    );
    match (application, version) {
        (APPLICATION, FIRST..=VERSION) => Ok(Some(version)),
        (0, 0) if is_empty(database).map_err(failed)? => Ok(None),
        (APPLICATION, other) => {
            let what = format!(
                "the labels are of version {other} and this program reads versions {FIRST} to {VERSION}: use a newer Umbra"
            );
            Err(Error::input(what, path))
        }
        _ => Err(Error::input(
            "the database is not one of labels: move it away, and a new one is made",
            path,
        )),
    }
}

fn is_empty(database: &Connection) -> rusqlite::Result<bool> {
    database.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| {
        row.get(0)
    })
}

/// Builds a full-text query for rows that have, for each word of `text`, a word that begins with it. Operators in `text` are escaped.
fn prefix_query(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let quoted: Vec<_> = words
        .filter(|word| !word.is_empty())
        .map(|word| format!("\"{}\"*", word.replace('"', "\"\"")))
        .collect();
    quoted.join(" ")
}
