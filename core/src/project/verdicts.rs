//! Keeps a person's verdicts on attention heads, with notes, in `labels.sqlite` beside the labels of features.

use rusqlite::{OptionalExtension as _, params};

use super::Labels;
use crate::error::{Error, Result};
use crate::ids::{Head, Layer};

/// Table of verdicts. A file of labels gets it when a verdict is first kept; programs that do not know it ignore it.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS head_verdict (model TEXT NOT NULL, layer INTEGER NOT NULL, head INTEGER NOT NULL, verdict TEXT NOT NULL, note TEXT NOT NULL,
        PRIMARY KEY (model, layer, head));
";

/// Verdict on how many roles an attention head has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// One role.
    One,
    /// Several roles: polysemantic.
    Several,
    /// Cannot tell.
    Unsure,
}

impl Verdict {
    /// All verdicts.
    pub const ALL: [Self; 3] = [Self::One, Self::Several, Self::Unsure];

    /// Key as written: `one`, `several`, `unsure`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Several => "several",
            Self::Unsure => "unsure",
        }
    }

    /// Verdict in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::One => "one role",
            Self::Several => "several roles",
            Self::Unsure => "cannot tell",
        }
    }

    /// Returns the verdict of a key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.key() == key)
    }
}

/// A person's verdict on a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadVerdict {
    /// Layer.
    pub layer: Layer,
    /// Head.
    pub head: Head,
    /// Verdict; none for a note alone.
    pub verdict: Option<Verdict>,
    /// Note; may be empty.
    pub note: String,
}

impl Labels {
    /// Keeps a verdict on a head of the model with this fingerprint and returns the former one. Without a verdict and a note, nothing is kept of the head.
    pub fn set_verdict(&self, model: &str, set: &HeadVerdict) -> Result<Option<HeadVerdict>> {
        let note = set.note.trim();
        let place = params![model, set.layer.0, set.head.0];
        let change = || -> rusqlite::Result<Option<(String, String)>> {
            self.database.execute_batch(SCHEMA)?;
            let transaction = self.database.unchecked_transaction()?;
            let former = transaction
                .query_row(
                    "SELECT verdict, note FROM head_verdict WHERE model = ?1 AND layer = ?2 AND head = ?3",
                    place,
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()?;
            if set.verdict.is_none() && note.is_empty() {
                transaction.execute(
                    "DELETE FROM head_verdict WHERE model = ?1 AND layer = ?2 AND head = ?3",
                    place,
                )?;
            } else {
                transaction.execute(
                    "INSERT OR REPLACE INTO head_verdict (model, layer, head, verdict, note) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![model, set.layer.0, set.head.0, set.verdict.map_or("", Verdict::key), note],
                )?;
            }
            transaction.commit()?;
            Ok(former)
        };
        let former = change()
            .map_err(|source| Error::database("cannot save the verdict", &self.path, source))?;
        Ok(former.map(|(verdict, note)| HeadVerdict {
            layer: set.layer,
            head: set.head,
            verdict: Verdict::from_key(&verdict),
            note,
        }))
    }

    /// Returns the verdicts on heads of the model with this fingerprint, by layer and head.
    pub fn verdicts(&self, model: &str) -> Result<Vec<HeadVerdict>> {
        let read = || -> rusqlite::Result<Vec<HeadVerdict>> {
            let there: bool = self.database.query_row(
                "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'head_verdict'",
                [],
                |row| row.get(0),
            )?;
            if !there {
                return Ok(Vec::new());
            }
            let mut statement = self.database.prepare_cached(
                "SELECT layer, head, verdict, note FROM head_verdict WHERE model = ?1 ORDER BY layer, head",
            )?;
            let rows = statement.query_map([model], |row| {
                Ok(HeadVerdict {
                    layer: Layer(row.get(0)?),
                    head: Head(row.get(1)?),
                    verdict: Verdict::from_key(&row.get::<_, String>(2)?),
                    note: row.get(3)?,
                })
            })?;
            rows.collect()
        };
        read().map_err(|source| Error::database("cannot read the verdicts", &self.path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::FeatureId;

    fn of(head: u32, verdict: Option<Verdict>, note: &str) -> HeadVerdict {
        HeadVerdict {
            layer: Layer(1),
            head: Head(head),
            verdict,
            note: note.to_owned(),
        }
    }

    #[test]
    fn verdicts_stay_beside_labels_and_apart_by_model() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.sqlite");
        let labels = Labels::open(&path).unwrap();
        labels.set("z", FeatureId(3), "kings").unwrap();
        assert!(labels.verdicts("m").unwrap().is_empty());
        let first = of(4, Some(Verdict::Several), "copies “names”; closes quotes");
        assert_eq!(labels.set_verdict("m", &first).unwrap(), None);
        let second = of(4, Some(Verdict::One), "");
        assert_eq!(labels.set_verdict("m", &second).unwrap(), Some(first));
        let note = of(2, None, "a note alone");
        labels.set_verdict("m", &note).unwrap();
        labels
            .set_verdict("other", &of(4, Some(Verdict::Unsure), ""))
            .unwrap();
        drop(labels);
        let again = Labels::there(&path).unwrap().unwrap();
        assert_eq!(again.verdicts("m").unwrap(), [note.clone(), second.clone()]);
        assert_eq!(again.all("z").unwrap()[0].text, "kings");
        drop(again);
        let again = Labels::open(&path).unwrap();
        again.set_verdict("m", &of(2, None, "  ")).unwrap();
        assert_eq!(again.verdicts("m").unwrap(), [second]);
    }

    #[test]
    fn keys_name_verdicts() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::from_key(verdict.key()), Some(verdict));
        }
        assert_eq!(Verdict::from_key(""), None);
    }
}
