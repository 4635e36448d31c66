//! Writes an index file, form 3. Tables: `about` (key, value), `scalar` (scalars of all features, a column a row), `detail` (packed), `statistic` (packed: tokens,
//! positions and relations of a feature), `row` (packed: the token rows that contain examples), `source` (packed: attribution of the strongest examples, where
//! `about` has `attribution`), `loss` (f32: effects on the loss at these examples, where `about` has `loss_effects`), `document` (names), `token` (id, text and frequency by rank of frequency), `word` (full-text search by SQL; `search` reads the
//! examples themselves, whose context it knows too), and what merging needs: `tally` (all counts, in parts) and `spare` (rows that may come to contain an example).
//! `index.rs` reads it.
//!
//! The table `feature` holds the scalars once more as rows, for other programs that read the file by SQL.
//!
//! Form 2 has that table in place of `scalar`, and neither `statistic` nor what merging needs. Form 1 has moreover no negative activations, raw effects on
//! logits (`about` has no `unembed`) and excerpts in place of `row`.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::path::Path;

use rayon::prelude::*;
use rusqlite::{Connection, params};

use super::columns::{self, Columns};
use super::effects::Effects;
use super::pack::{Of, PackedDetail, PackedExample, PackedRow};
use super::pack_statistics::PackedStatistics;
use super::reservoir::Moment;
use super::sources::OfFeature;
use super::tallies::{Count, Tallies};
use super::tally::{Level, Tally};
use super::text::Text;
use super::weights::Weights;
use super::{About, CONTEXT, Coactive, LEAST_COUNT, Summary, TOKENS, written};
use crate::error::{Error, Result};
use crate::ids::{FeatureId, TokenId};
use crate::progress::{Ended, Flow};
use crate::whole_file;

pub(super) const VERSION: u32 = 3;
/// Form before, with negative activations and rows of examples; it can still be read.
pub(super) const ROWS: u32 = 2;
/// First form, which can still be read.
pub(super) const FIRST: u32 = 1;
/// `UmbI`, which tells an index from another program's database.
pub(super) const APPLICATION: u32 = 0x556d_6249;

// Large pages: a packed detail has 1 to 3 kB, and small pages would stay half empty.
const SCHEMA: &str = "
    PRAGMA page_size = 32768;
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE feature (feature INTEGER PRIMARY KEY, active INTEGER NOT NULL, density REAL NOT NULL, mean REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL, decoder_norm REAL NOT NULL);
    CREATE TABLE detail (feature INTEGER PRIMARY KEY, packed BLOB NOT NULL);
    CREATE TABLE statistic (feature INTEGER PRIMARY KEY, packed BLOB NOT NULL);
    CREATE TABLE row (row INTEGER PRIMARY KEY, packed BLOB NOT NULL);
    CREATE TABLE spare (row INTEGER PRIMARY KEY, packed BLOB NOT NULL);
    CREATE TABLE tally (part INTEGER PRIMARY KEY, packed BLOB NOT NULL);
    CREATE TABLE document (document INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE token (rank INTEGER PRIMARY KEY, id INTEGER NOT NULL, text TEXT NOT NULL, frequency INTEGER NOT NULL);
    CREATE VIRTUAL TABLE word USING fts5 (peak, promoted, suppressed, content = '', tokenize = \"unicode61 remove_diacritics 2 categories 'L* N* M* P* S* Co'\");
";

const LOSSES: &str = "CREATE TABLE loss (feature INTEGER PRIMARY KEY, packed BLOB NOT NULL);";

const SOURCES: &str = "CREATE TABLE source (feature INTEGER PRIMARY KEY, packed BLOB NOT NULL);";

/// Content of an index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content<'a> {
    pub(super) about: &'a About,
    pub(super) text: &'a Text,
    pub(super) tallies: &'a Tallies,
    /// `[f]`.
    pub(super) effects: &'a [Effects],
    /// `[f]`.
    pub(super) weights: &'a [Weights],
    /// `[f]`; empty where the index has no attribution.
    pub(super) sources: &'a [OfFeature],
    /// `[f]`; empty where the index has no effects on the loss.
    pub(super) losses: &'a [Vec<f32>],
    /// Whether to leave out what merging needs.
    pub(super) without_counts: bool,
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
    if content.about.writes.len() > 1 {
        transaction.execute_batch(written::SCHEMA)?;
        for (feature, effects) in content.effects.iter().enumerate() {
            let feature = FeatureId::from(feature);
            effects.written.write(&transaction, feature)?;
        }
    }
    if content.about.loss_effects {
        transaction.execute_batch(LOSSES)?;
    }
    transaction.execute_batch(columns::SCHEMA)?;
    write_about(&transaction, content)?;
    let drawn = Drawn::new(content.tallies);
    let names = Names::new(content.text);
    write_names(&transaction, &names, content.text)?;
    write_rows(&transaction, &names, (content, &drawn))?;
    let columns = scalars(content, &names);
    columns.write(&transaction)?;
    write_scalars(&transaction, &columns)?;
    if !content.without_counts {
        write_tallies(&transaction, content.tallies)?;
    }
    let coactive = content.tallies.coactive();
    let features: Vec<usize> = (0..content.about.features).collect();
    for chunk in features.chunks(CHUNK) {
        if step().is_break() {
            return Ok(Ended::STOPPED);
        }
        let packed: Vec<Packed> = chunk
            .par_iter()
            .map(|f| {
                let detail = pack(content, &names, (*f, &drawn));
                let statistics = statistics(content, &names, (*f, &coactive[*f]));
                Packed::new(&detail, &statistics)
            })
            .collect::<std::io::Result<_>>()
            .map_err(|refused| rusqlite::Error::ToSqlConversionFailure(Box::new(refused)))?;
        for (f, packed) in chunk.iter().zip(packed) {
            write_feature(&transaction, content, &names, (*f, &packed))?;
        }
    }
    transaction.execute("INSERT INTO word (word) VALUES ('optimize')", [])?;
    transaction.commit()?;
    database.close().map_err(|(_, refused)| refused)?;
    Ok(Ended::Done(()))
}

fn write_about(database: &Connection, content: &Content<'_>) -> rusqlite::Result<()> {
    let about = content.about;
    let mut insert = database.prepare("INSERT INTO about (key, value) VALUES (?1, ?2)")?;
    let facts: serde_json::Value = about.facts.iter().cloned().collect();
    let spans = serde_json::json!(about.spans);
    let lines = [
        ("sae", about.sae.clone()),
        ("model", about.model.clone()),
        ("hook", about.hook.clone()),
        ("writes", about.writes.join(" ")),
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
        ("spans", spans.to_string()),
        ("attribution", about.attribution.to_string()),
        ("loss_effects", about.loss_effects.to_string()),
        ("sae_fingerprint", about.sae_fingerprint.clone()),
        ("model_fingerprint", about.model_fingerprint.clone()),
        ("unembed", about.unembed.to_string()),
        ("counting", content.tallies.counting().to_string()),
        ("part", content.tallies.part().to_string()),
        ("facts", facts.to_string()),
    ];
    for (key, value) in lines {
        insert.execute([key, &value])?;
    }
    Ok(())
}

/// Ranks of tokens.
struct Names<'a> {
    /// Token ids by rank: tokens of the text by falling frequency, then tokens that are only promoted or suppressed.
    ids: Vec<(TokenId, u64)>,
    /// Their texts.
    texts: Vec<&'a str>,
    rank_from_id: HashMap<TokenId, u32>,
}

impl<'a> Names<'a> {
    fn new(text: &'a Text) -> Self {
        let frequency = text.frequency.iter();
        let mut ids: Vec<(TokenId, u64)> = frequency.map(|(id, count)| (*id, *count)).collect();
        ids.sort_by_key(|(id, count)| (std::cmp::Reverse(*count), *id));
        let shown = |id: &TokenId| text.shown.get(id).map_or("", String::as_str);
        Self {
            texts: ids.iter().map(|(id, _)| shown(id)).collect(),
            rank_from_id: (0..).zip(&ids).map(|(rank, (id, _))| (*id, rank)).collect(),
            ids,
        }
    }

    fn rank(&self, id: TokenId) -> u32 {
        self.rank_from_id[&id]
    }

    fn text(&self, rank: u32) -> &str {
        self.texts[rank as usize]
    }
}

/// Examples of each feature: those of the intervals are drawn once.
struct Drawn<'a> {
    /// `[f]`.
    levels: Vec<Vec<Level<'a>>>,
    /// Rows that contain an example.
    rows: BTreeSet<u32>,
}

impl<'a> Drawn<'a> {
    fn new(tallies: &'a Tallies) -> Self {
        let levels: Vec<_> = tallies.features.par_iter().map(Tally::levels).collect();
        let mut rows = BTreeSet::new();
        for (tally, levels) in tallies.features.iter().zip(&levels) {
            let drawn = levels
                .iter()
                .flat_map(|level| level.examples.iter().copied());
            rows.extend(tally.top.iter().chain(drawn).map(|moment| moment.row));
        }
        Self { levels, rows }
    }
}

fn write_names(database: &Connection, names: &Names<'_>, text: &Text) -> rusqlite::Result<()> {
    let mut insert = database
        .prepare("INSERT INTO token (rank, id, text, frequency) VALUES (?1, ?2, ?3, ?4)")?;
    for (rank, ((id, frequency), shown)) in names.ids.iter().zip(&names.texts).enumerate() {
        insert.execute(params![rank as i64, id.0, shown, *frequency as i64])?;
    }
    let mut insert = database.prepare("INSERT INTO document (document, name) VALUES (?1, ?2)")?;
    for (number, name) in text.documents.iter().enumerate() {
        insert.execute(params![number as i64, name])?;
    }
    Ok(())
}

fn write_rows(
    database: &Connection,
    names: &Names<'_>,
    (content, drawn): (&Content<'_>, &Drawn<'_>),
) -> rusqlite::Result<()> {
    let mut row = database.prepare("INSERT INTO row (row, packed) VALUES (?1, ?2)")?;
    let mut spare = database.prepare("INSERT INTO spare (row, packed) VALUES (?1, ?2)")?;
    for (number, kept) in &content.text.rows {
        let has_example = drawn.rows.contains(number);
        if content.without_counts && !has_example {
            continue;
        }
        let runs = kept.documents.chunk_by(|a, b| a == b);
        let packed = PackedRow {
            documents: runs.map(|run| (run[0], run.len())).collect(),
            ranks: kept.ids.iter().map(|id| names.rank(*id)).collect(),
        };
        let insert = if has_example { &mut row } else { &mut spare };
        insert.execute(params![number, packed.bytes()])?;
    }
    Ok(())
}

fn write_tallies(database: &Connection, tallies: &Tallies) -> rusqlite::Result<()> {
    let mut insert = database.prepare("INSERT INTO tally (part, packed) VALUES (?1, ?2)")?;
    let mut part = 0_i64;
    for batch in tallies.batches() {
        let batch =
            batch.map_err(|refused| rusqlite::Error::ToSqlConversionFailure(Box::new(refused)))?;
        for packed in batch {
            insert.execute(params![part, packed])?;
            part += 1;
        }
    }
    Ok(())
}

/// Returns the scalars of all features.
fn scalars(content: &Content<'_>, names: &Names<'_>) -> Columns {
    let tokens = content.about.tokens;
    let each = || content.tallies.features.iter().zip(content.weights);
    let summary = |(f, (tally, weights)): (usize, (&Tally, &Weights))| Summary {
        encoder_decoder_cosine: weights.encoder_decoder_cosine,
        ..tally.summary(FeatureId::from(f), tokens, weights.norm)
    };
    let top = |tally: &Tally| Some(peak(content.text, names, tally.top.first()?));
    Columns {
        summaries: each().enumerate().map(summary).collect(),
        active: each().map(|(tally, _)| tally.active()).collect(),
        top: each().map(|(tally, _)| top(tally)).collect(),
        by_part: content.tallies.by_part.to_vec(),
    }
}

/// Writes the scalars once more as rows, for other programs that read the file by SQL.
fn write_scalars(database: &Connection, columns: &Columns) -> rusqlite::Result<()> {
    let mut insert = database.prepare("INSERT INTO feature VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for (summary, active) in columns.summaries.iter().zip(&columns.active) {
        insert.execute(params![
            summary.feature.0,
            *active as i64,
            summary.density,
            summary.mean,
            summary.min,
            summary.max,
            summary.decoder_norm,
        ])?;
    }
    Ok(())
}

/// Returns the rank of the token at an example.
fn peak(text: &Text, names: &Names<'_>, moment: &Moment) -> u32 {
    names.rank(text.rows[&moment.row].ids[moment.position as usize])
}

/// Packed bytes of a feature, and the tokens that it promotes and suppresses.
struct Packed {
    detail: Vec<u8>,
    statistics: Vec<u8>,
    promoted: Vec<u32>,
    suppressed: Vec<u32>,
}

impl Packed {
    fn new(detail: &PackedDetail, statistics: &PackedStatistics) -> std::io::Result<Self> {
        let ranks = |effects: &[(u32, f32)]| effects.iter().map(|(rank, _)| *rank).collect();
        Ok(Self {
            detail: detail.bytes()?,
            statistics: statistics.bytes()?,
            promoted: ranks(&detail.promoted),
            suppressed: ranks(&detail.suppressed),
        })
    }
}

/// Returns tokens, positions and relations of a feature.
fn statistics(
    content: &Content<'_>,
    names: &Names<'_>,
    (f, coactive): (usize, &[Coactive]),
) -> PackedStatistics {
    let (tally, weights) = (&content.tallies.features[f], &content.weights[f]);
    let lists = content.tallies.lists(f);
    let ranked = |mut counts: Vec<(u32, Count)>| {
        counts.truncate(TOKENS);
        let rank = |(id, count): (u32, Count)| (names.rank(TokenId(id)), count);
        counts.into_iter().map(rank).collect::<Vec<_>>()
    };
    let by_count = |mut counts: Vec<(u32, Count)>| {
        counts.sort_by_key(|(id, count)| (std::cmp::Reverse(count.count), *id));
        ranked(counts)
    };
    let mut by_mean = lists.tokens.clone();
    by_mean.retain(|(_, count)| u64::from(count.count) >= LEAST_COUNT);
    by_mean.sort_by(|(i, a), (j, b)| b.mean().total_cmp(&a.mean()).then(i.cmp(j)));
    let neighbours = weights.neighbours.iter();
    let neurons = weights.neurons.iter();
    PackedStatistics {
        sizes: tally.sizes(),
        by_mean: ranked(by_mean),
        by_count: by_count(lists.tokens),
        before: by_count(lists.before),
        by_part: tally.by_part.to_vec(),
        first: tally.first,
        neighbours: neighbours.map(|n| (n.feature.0, n.cosine)).collect(),
        coactive: coactive.iter().map(|c| (c.feature.0, c.both)).collect(),
        neurons: neurons.map(|n| (n.neuron, n.cosine)).collect(),
    }
}

fn pack(content: &Content<'_>, names: &Names<'_>, (f, drawn): (usize, &Drawn<'_>)) -> PackedDetail {
    let (tally, effects) = (&content.tallies.features[f], &content.effects[f]);
    let example = |moment: &&Moment| example(content.text.context, moment);
    let ranked = |effects: &[(TokenId, f32)]| {
        let ranked = effects
            .iter()
            .map(|(id, effect)| (names.rank(*id), *effect));
        ranked.collect::<Vec<_>>()
    };
    let intervals = drawn.levels[f].iter();
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

fn example(context: usize, moment: &Moment) -> PackedExample {
    let position = moment.position as usize;
    let from = position.saturating_sub(CONTEXT);
    let to = (position + CONTEXT + 1).min(context);
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
    names: &Names<'_>,
    (f, packed): (usize, &Packed),
) -> rusqlite::Result<()> {
    let tally = &content.tallies.features[f];
    let mut insert =
        database.prepare_cached("INSERT INTO detail (feature, packed) VALUES (?1, ?2)")?;
    insert.execute(params![f as i64, packed.detail])?;
    let mut insert =
        database.prepare_cached("INSERT INTO statistic (feature, packed) VALUES (?1, ?2)")?;
    insert.execute(params![f as i64, packed.statistics])?;
    if let Some(sources) = content.sources.get(f) {
        let bytes = sources
            .bytes()
            .map_err(|refused| rusqlite::Error::ToSqlConversionFailure(Box::new(refused)))?;
        let mut insert =
            database.prepare_cached("INSERT INTO source (feature, packed) VALUES (?1, ?2)")?;
        insert.execute(params![f as i64, bytes])?;
    }
    if let Some(effects) = content.losses.get(f) {
        let bytes: Vec<u8> = effects.iter().flat_map(|x| x.to_le_bytes()).collect();
        let mut insert =
            database.prepare_cached("INSERT INTO loss (feature, packed) VALUES (?1, ?2)")?;
        insert.execute(params![f as i64, bytes])?;
    }
    let peak = |moment: &Moment| peak(content.text, names, moment);
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
        words(&mut packed.promoted.iter().copied()),
        words(&mut packed.suppressed.iter().copied()),
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

/// Writes a copy of the index at `from` with tables that `add` fills to `out` (whole or not at all), which may be the index itself. `add` drops what it replaces;
/// `what` is a clause for an error.
pub(super) fn write_with(
    from: &Path,
    out: &Path,
    what: &'static str,
    add: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> Result<()> {
    whole_file::check_regular(out)?;
    whole_file::write_by(out, |temporary| {
        copied(from, temporary)
            .map_err(|source| Error::io("cannot copy the index", from, source))?;
        added(temporary, add).map_err(|refused| Error::database(what, out, refused))?;
        Ok(true)
    })?;
    Ok(())
}

fn added(
    path: &Path,
    add: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut database = Connection::open(path)?;
    database.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    let transaction = database.transaction()?;
    add(&transaction)?;
    transaction.commit()?;
    database.close().map_err(|(_, refused)| refused)
}

/// Copies the bytes alone: the copy stays writable where the index is not.
fn copied(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut to = OpenOptions::new().write(true).truncate(true).open(to)?;
    std::io::copy(&mut File::open(from)?, &mut to)?;
    Ok(())
}
