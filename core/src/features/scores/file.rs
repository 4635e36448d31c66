//! Steering scores inside an index file: the tables `steering` (one row per scored feature and strength) and `steering_about` (key, value). Indexes without them
//! open as before.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, params};

use super::{Asked, Effect, STRENGTHS, Score, Scores};
use crate::error::Result;
use crate::features::Index;
use crate::features::file::write_with;
use crate::ids::FeatureId;

const SCHEMA: &str = "
    DROP TABLE IF EXISTS steering;
    DROP TABLE IF EXISTS steering_about;
    CREATE TABLE steering (feature INTEGER NOT NULL, strength REAL NOT NULL, contexts INTEGER NOT NULL, effect REAL NOT NULL, kl REAL NOT NULL, selectivity REAL, wins REAL, PRIMARY KEY (feature, strength)) WITHOUT ROWID;
    CREATE TABLE steering_about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
";

/// Writes a copy of `index` with `scores` to `out` (whole or not at all), which may be the index itself: they replace scores measured before.
pub fn write(index: &Index, scores: &Scores, out: &Path) -> Result<()> {
    let what = "cannot write steering scores into the index";
    write_with(index.path(), out, what, |database| fill(database, scores))
}

fn fill(database: &Connection, scores: &Scores) -> rusqlite::Result<()> {
    database.execute_batch(SCHEMA)?;
    let asked = &scores.asked;
    let about = [
        ("contexts", asked.contexts.to_string()),
        ("tokens", asked.tokens.to_string()),
        ("seed", asked.seed.to_string()),
        ("text", asked.text.clone()),
        ("fingerprint", asked.fingerprint.clone()),
        ("norm", scores.norm.to_string()),
        ("live", scores.live.to_string()),
    ];
    for (key, value) in about {
        let insert = "INSERT INTO steering_about (key, value) VALUES (?1, ?2)";
        database.execute(insert, params![key, value])?;
    }
    let insert = "INSERT INTO steering VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut insert = database.prepare(insert)?;
    for score in &scores.scores {
        for (strength, effect) in STRENGTHS.iter().zip(&score.effects) {
            insert.execute(params![
                score.feature.0,
                strength,
                score.contexts,
                effect.effect,
                effect.kl,
                effect.selectivity,
                effect.wins,
            ])?;
        }
    }
    Ok(())
}

impl Index {
    /// Returns the steering scores of its features; none where they were not measured.
    pub fn scores(&self) -> Result<Option<Scores>> {
        let tables: Vec<u32> = self.all(
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('steering', 'steering_about')",
            |row| row.get(0),
        )?;
        if tables != [2] {
            return Ok(None);
        }
        let about = self.all("SELECT key, value FROM steering_about", |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        let about: BTreeMap<String, String> = about.into_iter().collect();
        let text = |key: &str| about.get(key).cloned().unwrap_or_default();
        let number = |key: &str| text(key).parse().unwrap_or(0);
        let rows = self.all(
            "SELECT feature, strength, contexts, effect, kl, selectivity, wins FROM steering ORDER BY feature, strength",
            |row| {
                let effect = Effect {
                    effect: row.get(3)?,
                    kl: row.get(4)?,
                    selectivity: row.get(5)?,
                    wins: row.get(6)?,
                };
                Ok((FeatureId(row.get(0)?), row.get::<_, f64>(1)?, row.get::<_, u32>(2)?, effect))
            },
        )?;
        let mut scores: Vec<Score> = Vec::new();
        for (feature, strength, contexts, effect) in rows {
            let Some(at) = STRENGTHS.iter().position(|known| *known == strength) else {
                continue;
            };
            if scores.last().is_none_or(|last| last.feature != feature) {
                scores.push(Score {
                    feature,
                    contexts,
                    effects: [Effect::default(); STRENGTHS.len()],
                });
            }
            if let Some(last) = scores.last_mut() {
                last.effects[at] = effect;
            }
        }
        Ok(Some(Scores {
            asked: Asked {
                contexts: number("contexts") as usize,
                tokens: number("tokens") as usize,
                seed: number("seed"),
                text: text("text"),
                fingerprint: text("fingerprint"),
            },
            norm: text("norm").parse().unwrap_or(0.0),
            live: number("live") as usize,
            scores,
        }))
    }
}
