//! Families inside an index file: the tables `family` (one row per feature that was ever active) and `family_about` (key, value). Indexes without them open as
//! before.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, Row, params};

use super::{Families, Induction, LAST, Measured, Reach};
use crate::error::Result;
use crate::features::Index;
use crate::features::file::write_with;
use crate::ids::{FeatureId, TokenId};

const SCHEMA: &str = "
    DROP TABLE IF EXISTS family;
    DROP TABLE IF EXISTS family_about;
    CREATE TABLE family (feature INTEGER PRIMARY KEY, family TEXT NOT NULL, examples INTEGER NOT NULL, kept_1 REAL NOT NULL, kept_2 REAL NOT NULL, kept_4 REAL NOT NULL, kept_8 REAL NOT NULL, kept_16 REAL NOT NULL, kept_32 REAL NOT NULL, target INTEGER, target_text TEXT, top INTEGER, top_holding INTEGER, by_chance REAL, mass REAL);
    CREATE TABLE family_about (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
";

/// Writes a copy of `index` with `families` to `out` (whole or not at all), which may be the index itself: it replaces families measured before.
pub fn write(index: &Index, families: &Families, out: &Path) -> Result<()> {
    let what = "cannot write families into the index";
    write_with(index.path(), out, what, |database| fill(database, families))
}

fn fill(database: &Connection, families: &Families) -> rusqlite::Result<()> {
    database.execute_batch(SCHEMA)?;
    let about = [
        ("rows", families.rows as u64),
        ("tokens", families.tokens),
        ("examples", families.examples as u64),
        ("seed", families.seed),
    ];
    for (key, value) in about {
        let insert = "INSERT INTO family_about (key, value) VALUES (?1, ?2)";
        database.execute(insert, params![key, value as i64])?;
    }
    for measured in &families.features {
        insert(database, measured)?;
    }
    Ok(())
}

fn insert(database: &Connection, measured: &Measured) -> rusqlite::Result<()> {
    let (Some(reach), Some(family)) = (measured.reach, measured.family()) else {
        return Ok(());
    };
    let induction = measured.induction.as_ref();
    let [one, two, four, eight, sixteen, more] = reach.kept;
    let mut insert = database.prepare_cached(
        "INSERT INTO family VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?;
    insert.execute(params![
        measured.feature.0,
        family.name(),
        reach.examples,
        one,
        two,
        four,
        eight,
        sixteen,
        more,
        induction.map(|induction| induction.target.0),
        induction.map(|induction| induction.text.as_str()),
        induction.map(|induction| induction.top as i64),
        induction.map(|induction| induction.top_holding as i64),
        induction.map(|induction| induction.by_chance),
        induction.map(|induction| induction.mass),
    ])?;
    Ok(())
}

impl Index {
    /// Returns the families of its features; none where they were not measured.
    pub fn families(&self) -> Result<Option<Families>> {
        let tables: Vec<u32> = self.all(
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('family', 'family_about')",
            |row| row.get(0),
        )?;
        if tables != [2] {
            return Ok(None);
        }
        let about = self.all("SELECT key, value FROM family_about", |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        })?;
        let about: BTreeMap<String, i64> = about.into_iter().collect();
        let value = |key: &str| about.get(key).map_or(0, |value| *value as u64);
        let mut features: Vec<Measured> = (0..self.about().features)
            .map(|f| Measured {
                feature: FeatureId::from(f),
                ..Measured::default()
            })
            .collect();
        let rows = self.all(
            "SELECT feature, examples, kept_1, kept_2, kept_4, kept_8, kept_16, kept_32, target, target_text, top, top_holding, by_chance, mass FROM family ORDER BY feature",
            measured,
        )?;
        for measured in rows {
            if let Some(place) = features.get_mut(measured.feature.index()) {
                *place = measured;
            }
        }
        Ok(Some(Families {
            features,
            rows: value("rows") as usize,
            tokens: value("tokens"),
            examples: value("examples") as usize,
            seed: value("seed"),
        }))
    }
}

fn measured(row: &Row<'_>) -> rusqlite::Result<Measured> {
    let mut kept = [0.0; LAST.len()];
    for (n, kept) in kept.iter_mut().enumerate() {
        *kept = row.get(2 + n)?;
    }
    let target: Option<u32> = row.get(8)?;
    let induction = target.map(|target| -> rusqlite::Result<Induction> {
        Ok(Induction {
            target: TokenId(target),
            text: row.get(9)?,
            top: row.get::<_, i64>(10)? as u64,
            top_holding: row.get::<_, i64>(11)? as u64,
            by_chance: row.get(12)?,
            mass: row.get(13)?,
        })
    });
    Ok(Measured {
        feature: FeatureId(row.get(0)?),
        induction: induction.transpose()?,
        reach: Some(Reach {
            kept,
            examples: row.get(1)?,
        }),
    })
}
