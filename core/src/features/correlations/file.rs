//! Correlations inside an index file: the tables `correlation` (packed lists of each 1,024 features) and `correlation_about` (key, value). Indexes without them
//! open as before.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, params};

use super::{Aligned, Correlated, Correlations, OfFeature};
use crate::error::Result;
use crate::features::Index;
use crate::features::file::write_with;
use crate::features::index::damaged;

const SCHEMA: &str = "
    DROP TABLE IF EXISTS correlation;
    DROP TABLE IF EXISTS correlation_about;
    CREATE TABLE correlation (first INTEGER PRIMARY KEY, packed BLOB NOT NULL);
    CREATE TABLE correlation_about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
";

/// Features of a packed row.
const AT_ONCE: usize = 1024;

/// Writes a copy of `index` with `found` to `out` (whole or not at all), which may be the index itself: it replaces correlations measured before.
pub fn write(index: &Index, found: &Correlations, out: &Path) -> Result<()> {
    let what = "cannot write correlations into the index";
    write_with(index.path(), out, what, |database| fill(database, found))
}

fn fill(database: &Connection, found: &Correlations) -> rusqlite::Result<()> {
    database.execute_batch(SCHEMA)?;
    let about = [
        ("text", found.text.clone()),
        ("fingerprint", found.fingerprint.clone()),
        ("tokens", found.tokens.to_string()),
    ];
    for (key, value) in about {
        let insert = "INSERT INTO correlation_about (key, value) VALUES (?1, ?2)";
        database.execute(insert, params![key, value])?;
    }
    let mut insert = database.prepare("INSERT INTO correlation VALUES (?1, ?2)")?;
    for (number, features) in found.features.chunks(AT_ONCE).enumerate() {
        insert.execute(params![(number * AT_ONCE) as i64, packed(features)])?;
    }
    Ok(())
}

/// Writes the three lists of features one after another, each behind its length, every entry as number and two figures; all little-endian.
fn packed(features: &[OfFeature]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut list = |entries: &mut dyn ExactSizeIterator<Item = (u32, f64, f64)>| {
        bytes.push(entries.len() as u8);
        for (number, first, second) in entries {
            bytes.extend(number.to_le_bytes());
            bytes.extend(first.to_le_bytes());
            bytes.extend(second.to_le_bytes());
        }
    };
    for of in features {
        for correlated in [&of.features, &of.neurons] {
            list(
                &mut correlated
                    .iter()
                    .map(|of| (of.other, of.pearson, of.cosine)),
            );
        }
        list(&mut of.alignment.iter().map(|of| (of.neuron, of.value, of.l1)));
    }
    bytes
}

/// Bytes that are not read yet.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn list(&mut self) -> Option<Vec<(u32, f64, f64)>> {
        let [many] = self.take()?;
        let entry = |reader: &mut Self| {
            Some((
                u32::from_le_bytes(reader.take()?),
                f64::from_le_bytes(reader.take()?),
                f64::from_le_bytes(reader.take()?),
            ))
        };
        (0..many).map(|_| entry(self)).collect()
    }

    fn feature(&mut self) -> Option<OfFeature> {
        let mut correlated = || -> Option<Vec<Correlated>> {
            let list = self.list()?.into_iter();
            let entry = |(other, pearson, cosine)| Correlated {
                other,
                pearson,
                cosine,
            };
            Some(list.map(entry).collect())
        };
        let (features, neurons) = (correlated()?, correlated()?);
        let alignment = self.list()?.into_iter();
        let alignment = alignment.map(|(neuron, value, l1)| Aligned { neuron, value, l1 });
        Some(OfFeature {
            features,
            neurons,
            alignment: alignment.collect(),
        })
    }
}

impl Index {
    /// Returns the correlations of its features; none where they were not measured.
    pub fn correlations(&self) -> Result<Option<Correlations>> {
        let tables: Vec<u32> = self.all(
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('correlation', 'correlation_about')",
            |row| row.get(0),
        )?;
        if tables != [2] {
            return Ok(None);
        }
        let about = self.all("SELECT key, value FROM correlation_about", |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        let about: BTreeMap<String, String> = about.into_iter().collect();
        let value = |key: &str| about.get(key).cloned().unwrap_or_default();
        let mut features = Vec::with_capacity(self.about().features);
        let blobs = self.all("SELECT packed FROM correlation ORDER BY first", |row| {
            row.get::<_, Vec<u8>>(0)
        })?;
        for blob in &blobs {
            let mut reader = Reader(blob);
            while !reader.0.is_empty() {
                let of = reader.feature();
                features.push(of.ok_or_else(|| damaged(self.path()))?);
            }
        }
        if features.len() != self.about().features {
            return Err(damaged(self.path()));
        }
        Ok(Some(Correlations {
            text: value("text"),
            fingerprint: value("fingerprint"),
            tokens: value("tokens").parse().unwrap_or(0),
            features,
        }))
    }
}
