//! Stores labels of features in `labels.sqlite`, searchable by word prefixes.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use crate::error::{Error, Result};
use crate::ids::FeatureId;

const VERSION: u32 = 1;
/// `UmbL`, which marks the database as Umbra's.
const APPLICATION: u32 = 0x556d_624c;

const SCHEMA: &str = "
    CREATE TABLE label (id INTEGER PRIMARY KEY, sae TEXT NOT NULL, feature INTEGER NOT NULL, text TEXT NOT NULL, UNIQUE (sae, feature));
    CREATE VIRTUAL TABLE label_word USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2');
";

/// Label of a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Name of the dictionary.
    pub sae: String,
    /// Feature.
    pub feature: FeatureId,
    /// Text that a person gave it.
    pub text: String,
}

/// Open `labels.sqlite`. `Send` but not `Sync`: each thread opens its own.
#[derive(Debug)]
pub struct Labels {
    pub(super) database: Connection,
    pub(super) path: PathBuf,
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
        if is_new(&database, path)? {
            let create = format!(
                "BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
            );
            database.execute_batch(&create).map_err(failed)?;
        }
        Ok(Self {
            database,
            path: path.to_path_buf(),
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
        if is_new(&database, path)? {
            return Ok(None);
        }
        Ok(Some(Self {
            database,
            path: path.to_path_buf(),
        }))
    }

    /// Sets a label and returns the former text; an empty text removes the label.
    pub fn set(&self, sae: &str, feature: FeatureId, text: &str) -> Result<String> {
        let failed = |source| Error::database("cannot save the label", &self.path, source);
        let text = text.trim();
        let change = || -> rusqlite::Result<String> {
            let transaction = self.database.unchecked_transaction()?;
            let former: Option<(i64, String)> = transaction
                .query_row(
                    "SELECT id, text FROM label WHERE sae = ?1 AND feature = ?2",
                    params![sae, feature.0],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()?;
            if let Some((id, _)) = former {
                transaction.execute("DELETE FROM label WHERE id = ?1", [id])?;
                transaction.execute("DELETE FROM label_word WHERE rowid = ?1", [id])?;
            }
            if !text.is_empty() {
                transaction.execute(
                    "INSERT INTO label (sae, feature, text) VALUES (?1, ?2, ?3)",
                    params![sae, feature.0, text],
                )?;
                let id = transaction.last_insert_rowid();
                transaction.execute(
                    "INSERT INTO label_word (rowid, text) VALUES (?1, ?2)",
                    params![id, text],
                )?;
            }
            transaction.commit()?;
            Ok(former.map(|(_, text)| text).unwrap_or_default())
        };
        change().map_err(failed)
    }

    /// Returns all labels of one dictionary, by feature.
    pub fn all(&self, sae: &str) -> Result<Vec<Label>> {
        self.select(
            "SELECT sae, feature, text FROM label WHERE sae = ?1 ORDER BY feature",
            sae,
        )
    }

    /// Searches the labels of all dictionaries for words that begin with the words of `query`, best first.
    pub fn search(&self, query: &str) -> Result<Vec<Label>> {
        let query = prefix_query(query);
        if query.is_empty() {
            return Ok(Vec::new());
        }
        self.select(
            "SELECT label.sae, label.feature, label.text FROM label_word JOIN label ON label.id = label_word.rowid \
             WHERE label_word MATCH ?1 ORDER BY bm25(label_word), label.sae, label.feature",
            &query,
        )
    }

    fn select(&self, statement: &str, parameter: &str) -> Result<Vec<Label>> {
        let read = || -> rusqlite::Result<Vec<Label>> {
            let mut statement = self.database.prepare_cached(statement)?;
            let rows = statement.query_map([parameter], |row| {
                Ok(Label {
                    sae: row.get(0)?,
                    feature: FeatureId(row.get(1)?),
                    text: row.get(2)?,
                })
            })?;
            rows.collect()
        };
        read().map_err(|source| Error::database("cannot read the labels", &self.path, source))
    }
}

/// Whether the database is empty; an error if it holds something other than labels of a known version.
fn is_new(database: &Connection, path: &Path) -> Result<bool> {
    let failed = |source| Error::database("cannot open the labels", path, source);
    let pragma = |name| database.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let (application, version) = (
        pragma("application_id").map_err(failed)?,
        pragma("user_version").map_err(failed)?,
    );
    match (application, version) {
        (APPLICATION, VERSION) => Ok(false),
        (0, 0) if is_empty(database).map_err(failed)? => Ok(true),
        (APPLICATION, other) => {
            let what = format!(
                "the labels are of version {other} and this program reads {VERSION}: use a newer Umbra"
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
