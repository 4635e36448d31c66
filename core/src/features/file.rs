//! Writes an index file, version 2. Tables: `about` (key, value), `feature` (scalars), `detail` (packed), `row` (packed: the token rows that contain examples),
//! `source` (packed: attribution of the strongest examples, where `about` has `attribution`; programs that do not know the table pass it over), `document` (names), `token` (id and text by rank of frequency), `word` (full-text search by SQL; `search` reads the examples
//! themselves, whose context it knows too). `index.rs` reads it.
//!
//! Version 1 has no negative activations, raw effects on logits (`about` has no `unembed`) and excerpts in place of `row`.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use rayon::prelude::*;
use rusqlite::{Connection, params};

use super::effects::{Effects, norm};
use super::pack::{Of, PackedDetail, PackedExample, PackedRow};
use super::reservoir::Moment;
use super::sources::OfFeature;
use super::tally::Tally;
use super::{About, CONTEXT};
use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, TokenId};
use crate::models::Model;
use crate::progress::{Ended, Flow};
use crate::sae::Autoencoder;
use crate::whole_file;

pub(super) const VERSION: u32 = 2;
/// Previous version, which can still be read.
pub(super) const FIRST: u32 = 1;
/// `UmbI`, which tells an index from another program's database.
pub(super) const APPLICATION: u32 = 0x556d_6249;

// Large pages: a packed detail has 1 to 3 kB, and small pages would stay half empty.
const SCHEMA: &str = "
    PRAGMA page_size = 32768;
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE feature (feature INTEGER PRIMARY KEY, active INTEGER NOT NULL, density REAL NOT NULL, mean REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL, decoder_norm REAL NOT NULL, top_rank INTEGER);
    CREATE TABLE detail (feature INTEGER PRIMARY KEY, packed BLOB NOT NULL);
    CREATE TABLE row (row INTEGER PRIMARY KEY, packed BLOB NOT NULL);
    CREATE TABLE document (document INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE token (rank INTEGER PRIMARY KEY, id INTEGER NOT NULL, text TEXT NOT NULL);
    CREATE VIRTUAL TABLE word USING fts5 (peak, promoted, suppressed, content = '', tokenize = \"unicode61 remove_diacritics 2 categories 'L* N* M* P* S* Co'\");
";

const SOURCES: &str = "CREATE TABLE source (feature INTEGER PRIMARY KEY, packed BLOB NOT NULL);";

/// Content of an index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content<'a> {
    pub(super) about: &'a About,
    pub(super) model: &'a Model,
    pub(super) sae: Autoencoder<'a>,
    pub(super) rows: &'a Rows,
    /// `[f]`.
    pub(super) tallies: &'a [Tally],
    /// `[f]`.
    pub(super) effects: &'a [Effects],
    /// `[f]`; empty where the index has no attribution.
    pub(super) sources: &'a [OfFeature],
}

/// Features packed at once.
const CHUNK: usize = 512;

/// Writes the file, whole or not at all.
pub(super) fn write(
    out: &Path,
    content: &Content<'_>,
    step: &mut dyn FnMut() -> Flow,
) -> Result<Ended<()>> {
    let whole = whole_file::write_by(out, |temporary| {
        fill(temporary, content, step)
            .map(|ended| !ended.is_stopped())
            .map_err(|refused| Error::database("cannot write the index", out, refused))
    })?;
    Ok(if whole {
        Ended::Done(())
    } else {
        Ended::STOPPED
    })
}

fn fill(
    path: &Path,
    content: &Content<'_>,
    step: &mut dyn FnMut() -> Flow,
) -> rusqlite::Result<Ended<()>> {
    let mut database = Connection::open(path)?;
    database.execute_batch(SCHEMA)?;
    database.pragma_update(None, "application_id", APPLICATION)?;
    database.pragma_update(None, "user_version", VERSION)?;
    let transaction = database.transaction()?;
    if content.about.attribution {
        transaction.execute_batch(SOURCES)?;
    }
    write_about(&transaction, content.about)?;
    let names = Names::new(content);
    write_names(&transaction, &names)?;
    write_rows(&transaction, &names, content.rows)?;
    let features: Vec<usize> = (0..content.about.features).collect();
    for chunk in features.chunks(CHUNK) {
        if step().is_break() {
            return Ok(Ended::STOPPED);
        }
        let packed: Vec<_> = chunk
            .par_iter()
            .map(|f| pack(content, &names, *f))
            .collect();
        for (f, packed) in chunk.iter().zip(packed) {
            write_feature(&transaction, content, &names, (*f, &packed))?;
        }
    }
    transaction.execute("INSERT INTO word (word) VALUES ('optimize')", [])?;
    transaction.commit()?;
    database.close().map_err(|(_, refused)| refused)?;
    Ok(Ended::Done(()))
}

fn write_about(database: &Connection, about: &About) -> rusqlite::Result<()> {
    let mut insert = database.prepare("INSERT INTO about (key, value) VALUES (?1, ?2)")?;
    let facts: serde_json::Value = about.facts.iter().cloned().collect();
    let lines = [
        ("sae", about.sae.clone()),
        ("model", about.model.clone()),
        ("hook", about.hook.clone()),
        ("corpus", about.corpus.clone()),
        ("corpus_fingerprint", about.corpus_fingerprint.clone()),
        ("tokens", about.tokens.to_string()),
        ("seed", about.seed.to_string()),
        ("version", about.version.clone()),
        ("features", about.features.to_string()),
        ("context", about.context.to_string()),
        ("positions", about.positions.to_string()),
        ("separate_documents", about.separate_documents.to_string()),
        (
            "left_out",
            about.left_out.map(|n| n.to_string()).unwrap_or_default(),
        ),
        ("attribution", about.attribution.to_string()),
        ("sae_fingerprint", about.sae_fingerprint.clone()),
        ("model_fingerprint", about.model_fingerprint.clone()),
        ("unembed", about.unembed.to_string()),
        ("facts", facts.to_string()),
    ];
    for (key, value) in lines {
        insert.execute([key, &value])?;
    }
    Ok(())
}

/// Ranks of tokens, numbers of documents, and the rows that are kept.
struct Names {
    /// Token ids by rank: tokens of the text by falling frequency, then tokens that are only promoted or suppressed.
    ids: Vec<TokenId>,
    /// Their texts.
    texts: Vec<String>,
    rank_from_id: HashMap<TokenId, u32>,
    documents: Vec<String>,
    document_from_name: HashMap<String, u32>,
    /// Rows that contain an example.
    rows: BTreeSet<u32>,
}

impl Names {
    fn new(content: &Content<'_>) -> Self {
        let mut uses: HashMap<TokenId, u64> = HashMap::new();
        for id in content.rows.tokens() {
            *uses.entry(*id).or_default() += 1;
        }
        for effects in content.effects {
            for (id, _) in effects.promoted.iter().chain(&effects.suppressed) {
                uses.entry(*id).or_default();
            }
        }
        let mut ranked: Vec<(TokenId, u64)> = uses.into_iter().collect();
        ranked.sort_by_key(|(id, uses)| (std::cmp::Reverse(*uses), *id));
        let ids: Vec<TokenId> = ranked.into_iter().map(|(id, _)| id).collect();
        let kept = content.tallies.iter().flat_map(kept);
        let rows: BTreeSet<u32> = kept.map(|moment| moment.row).collect();
        let mut documents = Vec::new();
        let mut document_from_name = HashMap::new();
        for row in &rows {
            for position in 0..content.rows.context() {
                let name = content.rows.document(*row as usize, position);
                if !document_from_name.contains_key(name) {
                    document_from_name.insert(name.to_owned(), documents.len() as u32);
                    documents.push(name.to_owned());
                }
            }
        }
        Self {
            texts: ids
                .iter()
                .map(|id| content.model.codec().display(*id))
                .collect(),
            rank_from_id: (0..).zip(&ids).map(|(rank, id)| (*id, rank)).collect(),
            ids,
            documents,
            document_from_name,
            rows,
        }
    }

    fn rank(&self, id: TokenId) -> u32 {
        self.rank_from_id[&id]
    }

    fn text(&self, rank: u32) -> &str {
        &self.texts[rank as usize]
    }
}

fn kept(tally: &Tally) -> Vec<&Moment> {
    let drawn = tally.levels().into_iter().flat_map(|level| level.examples);
    tally.top.iter().chain(drawn).collect()
}

fn write_names(database: &Connection, names: &Names) -> rusqlite::Result<()> {
    let mut insert = database.prepare("INSERT INTO token (rank, id, text) VALUES (?1, ?2, ?3)")?;
    for (rank, (id, text)) in names.ids.iter().zip(&names.texts).enumerate() {
        insert.execute(params![rank as i64, id.0, text])?;
    }
    let mut insert = database.prepare("INSERT INTO document (document, name) VALUES (?1, ?2)")?;
    for (number, name) in names.documents.iter().enumerate() {
        insert.execute(params![number as i64, name])?;
    }
    Ok(())
}

fn write_rows(database: &Connection, names: &Names, rows: &Rows) -> rusqlite::Result<()> {
    let mut insert = database.prepare("INSERT INTO row (row, packed) VALUES (?1, ?2)")?;
    for row in &names.rows {
        let ids = rows.row(*row as usize);
        let document = |position| names.document_from_name[rows.document(*row as usize, position)];
        let documents: Vec<u32> = (0..ids.len()).map(document).collect();
        let runs = documents.chunk_by(|a, b| a == b);
        let packed = PackedRow {
            documents: runs.map(|run| (run[0], run.len())).collect(),
            ranks: ids.iter().map(|id| names.rank(*id)).collect(),
        };
        insert.execute(params![row, packed.bytes()])?;
    }
    Ok(())
}

fn pack(content: &Content<'_>, names: &Names, f: usize) -> PackedDetail {
    let (tally, effects) = (&content.tallies[f], &content.effects[f]);
    let example = |moment: &&Moment| example(content.rows, moment);
    let ranked = |effects: &[(TokenId, f32)]| {
        let ranked = effects
            .iter()
            .map(|(id, effect)| (names.rank(*id), *effect));
        ranked.collect::<Vec<_>>()
    };
    let intervals = tally.levels().into_iter();
    PackedDetail {
        bins: tally.bins(),
        intervals: intervals
            .map(|level| (level.count, level.examples.iter().map(example).collect()))
            .collect(),
        top: tally.top.iter().map(|moment| example(&moment)).collect(),
        promoted: ranked(&effects.promoted),
        suppressed: ranked(&effects.suppressed),
        head_shares: effects.head_shares.clone(),
        logits: effects.logits.clone(),
    }
}

fn example(rows: &Rows, moment: &Moment) -> PackedExample {
    let position = moment.position as usize;
    let from = position.saturating_sub(CONTEXT);
    let to = (position + CONTEXT + 1).min(rows.context());
    let at = position - from;
    let mut acts = vec![0.0; to - from];
    acts[at] = moment.act;
    for (offset, act) in &moment.around {
        let place = position as i64 + i64::from(*offset) - from as i64;
        acts[place as usize] = *act;
    }
    let row = moment.row;
    PackedExample {
        of: Of::Row { row, position },
        at,
        acts,
    }
}

fn write_feature(
    database: &Connection,
    content: &Content<'_>,
    names: &Names,
    (f, packed): (usize, &PackedDetail),
) -> rusqlite::Result<()> {
    let tally = &content.tallies[f];
    let decoder_norm = norm(content.sae.w_dec.row(f));
    let summary = tally.summary(FeatureId::from(f), content.about.tokens, decoder_norm);
    let peak = |moment: &Moment| {
        let ids = content.rows.row(moment.row as usize);
        names.rank(ids[moment.position as usize])
    };
    let mut insert = database.prepare_cached(
        "INSERT INTO feature (feature, active, density, mean, max, decoder_norm, top_rank, min) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    insert.execute(params![
        f as i64,
        tally.active() as i64,
        summary.density,
        summary.mean,
        summary.max,
        summary.decoder_norm,
        tally.top.first().map(peak),
        summary.min,
    ])?;
    let bytes = packed
        .bytes()
        .map_err(|refused| rusqlite::Error::ToSqlConversionFailure(Box::new(refused)))?;
    let mut insert =
        database.prepare_cached("INSERT INTO detail (feature, packed) VALUES (?1, ?2)")?;
    insert.execute(params![f as i64, bytes])?;
    if let Some(sources) = content.sources.get(f) {
        let bytes = sources
            .bytes()
            .map_err(|refused| rusqlite::Error::ToSqlConversionFailure(Box::new(refused)))?;
        let mut insert =
            database.prepare_cached("INSERT INTO source (feature, packed) VALUES (?1, ?2)")?;
        insert.execute(params![f as i64, bytes])?;
    }
    let words = |ranks: &mut dyn Iterator<Item = u32>| {
        let words: Vec<_> = ranks.map(|rank| word(names.text(rank))).collect();
        words.join(" ")
    };
    let mut insert = database.prepare_cached(
        "INSERT INTO word (rowid, peak, promoted, suppressed) VALUES (?1, ?2, ?3, ?4)",
    )?;
    insert.execute(params![
        f as i64,
        words(&mut tally.top.iter().map(peak)),
        words(&mut packed.promoted.iter().map(|(rank, _)| *rank)),
        words(&mut packed.suppressed.iter().map(|(rank, _)| *rank)),
    ])?;
    Ok(())
}

/// Returns a token in the form that search finds: without its leading space, a line break as a visible sign.
fn word(text: &str) -> &str {
    match text.trim() {
        "" if text.contains('\n') => "⏎",
        word => word,
    }
}
