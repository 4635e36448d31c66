//! Facts inside an index file: the tables `fact` (packed facts of each 1,024 features), `fact_token` (texts of the tokens that they name) and `fact_about` (key,
//! value). Indexes without them open as before. Counts are stored; precision, recall and score follow from them.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rusqlite::{Connection, params};

use super::{Fact, FactToken, Facts, Kind};
use crate::error::Result;
use crate::features::Index;
use crate::features::file::write_with;
use crate::features::index::damaged;
use crate::ids::{FeatureId, TokenId};

const SCHEMA: &str = "
    DROP TABLE IF EXISTS fact;
    DROP TABLE IF EXISTS fact_token;
    DROP TABLE IF EXISTS fact_about;
    CREATE TABLE fact (first INTEGER PRIMARY KEY, packed BLOB NOT NULL);
    CREATE TABLE fact_token (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
    CREATE TABLE fact_about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
";

/// Features of a packed row.
const AT_ONCE: usize = 1024;
/// Most bytes of a packed row, unpacked: 255 facts of 255 tokens for each feature would not fit, and no index has them.
const MOST_BYTES: u64 = 1 << 24;

/// Writes a copy of `index` with `facts` to `out` (whole or not at all), which may be the index itself: it replaces facts measured before.
pub fn write(index: &Index, facts: &Facts, out: &Path) -> Result<()> {
    let what = "cannot write facts into the index";
    write_with(index.path(), out, what, |database| fill(database, facts))
}

fn fill(database: &Connection, facts: &Facts) -> rusqlite::Result<()> {
    database.execute_batch(SCHEMA)?;
    let about = [
        ("text", facts.text.clone()),
        ("fingerprint", facts.fingerprint.clone()),
        ("tokens", facts.tokens.to_string()),
    ];
    for (key, value) in about {
        let insert = "INSERT INTO fact_about (key, value) VALUES (?1, ?2)";
        database.execute(insert, params![key, value])?;
    }
    let named = facts
        .features
        .iter()
        .flatten()
        .flat_map(|fact| &fact.tokens);
    let named: BTreeMap<TokenId, &str> =
        named.map(|token| (token.id, token.text.as_str())).collect();
    let mut insert = database.prepare("INSERT INTO fact_token VALUES (?1, ?2)")?;
    for (id, text) in named {
        insert.execute(params![id.0, text])?;
    }
    let mut insert = database.prepare("INSERT INTO fact VALUES (?1, ?2)")?;
    for (number, features) in facts.features.chunks(AT_ONCE).enumerate() {
        insert.execute(params![(number * AT_ONCE) as i64, packed(features)])?;
    }
    Ok(())
}

/// Writes the facts of features one after another, each list behind its length, and compresses them: kind and number of tokens as a byte each, then ids, reach,
/// and the three counts in groups of 7 bits, then the share as f32.
fn packed(features: &[Vec<Fact>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for facts in features {
        bytes.push(facts.len() as u8);
        for fact in facts {
            bytes.extend([fact.kind as u8, fact.tokens.len() as u8]);
            for token in &fact.tokens {
                put(&mut bytes, u64::from(token.id.0));
            }
            put(&mut bytes, fact.reach as u64);
            for count in [fact.active, fact.holding, fact.both] {
                put(&mut bytes, count);
            }
            bytes.extend((fact.share as f32).to_le_bytes());
        }
    }
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(&bytes)
        .and_then(|()| zlib.finish())
        .expect("a vector takes every byte")
}

/// Appends a number in groups of 7 bits, least first; the top bit says that more follow.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Reads a compressed row; none if it is damaged.
fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut zlib = ZlibDecoder::new(packed).take(MOST_BYTES + 1);
    zlib.read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= MOST_BYTES).then_some(bytes)
}

/// A fact as it is stored.
struct Stored {
    kind: Kind,
    ids: Vec<u32>,
    reach: usize,
    /// Active, holding, both.
    counts: [u64; 3],
    share: f32,
}

impl Stored {
    fn fact(self, all: u64, texts: &BTreeMap<u32, String>) -> Option<Fact> {
        let [active, holding, both] = self.counts;
        if self.kind.is_context() {
            return Some(Fact::of_context(self.kind, self.reach, active, self.share));
        }
        let token = |id: u32| {
            Some(FactToken {
                id: TokenId(id),
                text: texts.get(&id)?.clone(),
            })
        };
        let tokens = self.ids.into_iter().map(token).collect::<Option<_>>()?;
        let counts = [all, active, holding, both];
        Some(Fact::from_counts(self.kind, tokens, counts, self.share))
    }
}

/// Bytes that are not read yet.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn stored(&mut self) -> Option<Stored> {
        let [kind, tokens] = self.take()?;
        let ids = (0..tokens).map(|_| u32::try_from(self.number()?).ok());
        Some(Stored {
            kind: *Kind::ALL.get(usize::from(kind))?,
            ids: ids.collect::<Option<_>>()?,
            reach: self.number()? as usize,
            counts: [self.number()?, self.number()?, self.number()?],
            share: self.take().map(f32::from_le_bytes)?,
        })
    }

    /// Reads the facts of the next feature.
    fn feature(&mut self) -> Option<Vec<Stored>> {
        let [count] = self.take()?;
        (0..count).map(|_| self.stored()).collect()
    }
}

impl Index {
    fn has_facts(&self) -> Result<bool> {
        let tables: Vec<u32> = self.all(
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('fact', 'fact_token', 'fact_about')",
            |row| row.get(0),
        )?;
        Ok(tables == [3])
    }

    /// Returns the facts about one feature, best first, without reading those of all; none where no facts were measured.
    pub fn facts_of(&self, feature: FeatureId) -> Result<Option<Vec<Fact>>> {
        if !self.has_facts()? {
            return Ok(None);
        }
        let damaged = || damaged(self.path());
        let (block, place) = (feature.index() / AT_ONCE, feature.index() % AT_ONCE);
        let statement = format!("SELECT packed FROM fact WHERE first = {}", block * AT_ONCE);
        let blobs = self.all(&statement, |row| row.get::<_, Vec<u8>>(0))?;
        let bytes = blobs.first().and_then(|blob| unpacked(blob));
        let bytes = bytes.ok_or_else(damaged)?;
        let mut reader = Reader(&bytes);
        for _ in 0..place {
            reader.feature().ok_or_else(damaged)?;
        }
        let stored = reader.feature().ok_or_else(damaged)?;
        let ids = stored.iter().flat_map(|fact| &fact.ids);
        let ids: Vec<String> = ids.map(u32::to_string).collect();
        let texts = self.fact_texts(&format!("WHERE id IN ({})", ids.join(", ")))?;
        let all = self.fact_about()?.2;
        let facts = stored.into_iter().map(|fact| fact.fact(all, &texts));
        facts.collect::<Option<_>>().map(Some).ok_or_else(damaged)
    }

    fn fact_texts(&self, chosen: &str) -> Result<BTreeMap<u32, String>> {
        let statement = format!("SELECT id, text FROM fact_token {chosen}");
        let texts = self.all(&statement, |row| {
            Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?))
        })?;
        Ok(texts.into_iter().collect())
    }

    /// Returns the text that facts were measured on, its fingerprint, and the number of its tokens.
    fn fact_about(&self) -> Result<(String, String, u64)> {
        let about = self.all("SELECT key, value FROM fact_about", |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        let about: BTreeMap<String, String> = about.into_iter().collect();
        let value = |key: &str| about.get(key).cloned().unwrap_or_default();
        let tokens = value("tokens").parse().unwrap_or(0);
        Ok((value("text"), value("fingerprint"), tokens))
    }

    /// Says what facts were measured on, where that is not what the index was built over: another text, or another amount of it; none where it is the same, and
    /// where no facts were measured.
    pub fn facts_elsewhere(&self) -> Result<Option<String>> {
        if !self.has_facts()? {
            return Ok(None);
        }
        let (text, fingerprint, tokens) = self.fact_about()?;
        let about = self.about();
        let spans = about.spans.iter().map(|span| &span.fingerprint);
        let is_own = spans
            .chain([&about.corpus_fingerprint])
            .any(|own| *own == fingerprint);
        Ok(match (is_own, tokens == about.tokens) {
            (true, true) => None,
            (true, false) => Some(format!(
                "measured over {tokens} tokens of the index's text, the index over {}",
                about.tokens
            )),
            (false, _) => Some(format!(
                "measured over another text than the index: {tokens} tokens of {text}"
            )),
        })
    }

    /// Returns the fact that names a feature until a person does; none where none is clear or none was measured.
    pub fn naming_fact(&self, feature: FeatureId) -> Result<Option<Fact>> {
        let facts = self.facts_of(feature)?.unwrap_or_default();
        Ok(facts.into_iter().find(Fact::is_name))
    }

    /// Returns the facts about its features; none where they were not measured.
    pub fn facts(&self) -> Result<Option<Facts>> {
        if !self.has_facts()? {
            return Ok(None);
        }
        let (text, fingerprint, tokens) = self.fact_about()?;
        let texts = self.fact_texts("")?;
        let damaged = || damaged(self.path());
        let mut features = Vec::with_capacity(self.about().features);
        let blobs = self.all("SELECT packed FROM fact ORDER BY first", |row| {
            row.get::<_, Vec<u8>>(0)
        })?;
        for blob in &blobs {
            let bytes = unpacked(blob).ok_or_else(damaged)?;
            let mut reader = Reader(&bytes);
            while !reader.0.is_empty() {
                let stored = reader.feature().ok_or_else(damaged)?;
                let facts = stored.into_iter().map(|fact| fact.fact(tokens, &texts));
                features.push(facts.collect::<Option<_>>().ok_or_else(damaged)?);
            }
        }
        if features.len() != self.about().features {
            return Err(damaged());
        }
        Ok(Some(Facts {
            text,
            fingerprint,
            tokens,
            features,
        }))
    }
}
