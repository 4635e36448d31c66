//! Reads an index. It is opened read-only and immutable, so SQLite writes no file beside it.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use rusqlite::{Connection, OpenFlags, Row};

use super::families::HeldText;
use super::file::{APPLICATION, FIRST, VERSION};
use super::named::{Names, Rows};
use super::pack::{Of, PackedDetail, PackedExample, PackedRow};
use super::sources::OfFeature;
use super::{About, Detail, Example, Hit, Passage, Peak, Place, Preview, Summary, Words};
use crate::corpus::Positions;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, TokenId};
use crate::models::Unembed;
use crate::progress::Flow;
use crate::sae::Sae;

/// Token rows held while features are previewed.
const ROWS_HELD: usize = 1024;

/// Selects the scalars; version 1 has no negative activations.
fn scalars(version: u32) -> String {
    let min = if version == FIRST { "0.0" } else { "min" };
    format!("SELECT feature, density, mean, {min}, max, decoder_norm, active FROM feature")
}

/// A feature index, opened read-only. It is `Send` but not `Sync`: each thread opens its own.
#[derive(Debug)]
pub struct Index {
    database: Connection,
    path: PathBuf,
    about: About,
    names: OnceCell<Names>,
    words: OnceCell<Words>,
}

impl Index {
    /// Opens an index of this version or the previous one.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_file() {
            return Err(Error::input(
                "there is no index file here, build one with `umbra index build`",
                path,
            ));
        }
        let refused = |_| Error::input("the file is not an Umbra index, build one", path);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(uri(path)?, flags).map_err(refused)?;
        let pragma = |name| database.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
        let application = pragma("application_id").map_err(refused)?;
        let version = pragma("user_version").map_err(refused)?;
        if application != APPLICATION {
            return Err(refused(rusqlite::Error::InvalidQuery));
        }
        if ![FIRST, VERSION].contains(&version) {
            let what = format!(
                "the index has version {version}, and this program reads versions {FIRST} and {VERSION}: build it again"
            );
            return Err(Error::input(what, path));
        }
        let about = about(&database, version)
            .map_err(failed(path))?
            .ok_or_else(|| damaged(path))?;
        Ok(Self {
            database,
            path: path.to_path_buf(),
            about,
            names: OnceCell::new(),
            words: OnceCell::new(),
        })
    }

    /// Returns what the index says about itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Checks that `sae` has as many features as the index; otherwise the index belongs to another dictionary.
    pub fn check_features(&self, sae: &Sae) -> Result<()> {
        let (here, there) = (self.about.features, sae.features());
        if here == there {
            return Ok(());
        }
        let what = format!(
            "the index has {here} features of {}, and dictionary {} has {there}: choose the dictionary that it was built with",
            self.about.sae, sae.name
        );
        Err(Error::input(what, &self.path))
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the scalars of all features, in order of features.
    pub fn summaries(&self) -> Result<Vec<Summary>> {
        let all = format!("{} ORDER BY feature", scalars(self.about.form));
        self.all(&all, summary)
    }

    /// Returns everything the index knows about one feature.
    pub fn detail(&self, feature: FeatureId) -> Result<Detail> {
        let (summary, active) = self.scalars_of(feature)?;
        let packed = self.packed(feature)?;
        let drawn = packed.intervals.iter().flat_map(|(_, examples)| examples);
        let rows = self.rows_of(packed.top.iter().chain(drawn))?;
        let found = self.sources_of(feature)?;
        self.names()?
            .detail((summary, active), (packed, found), &rows)
            .ok_or_else(|| damaged(&self.path))
    }

    /// Reads the sources of a feature's strongest examples; nothing where the index has none.
    fn sources_of(&self, feature: FeatureId) -> Result<OfFeature> {
        if !self.about.attribution {
            return Ok(OfFeature::default());
        }
        let bytes: Vec<u8> = self
            .database
            .prepare_cached("SELECT packed FROM source WHERE feature = ?1")
            .and_then(|mut select| select.query_row([feature.0], |row| row.get(0)))
            .map_err(failed(&self.path))?;
        OfFeature::from_bytes(&bytes).ok_or_else(|| damaged(&self.path))
    }

    /// Returns what a list shows of each of `features`, in their order.
    pub fn previews(&self, features: &[FeatureId]) -> Result<Vec<Preview>> {
        let mut rows = Rows::new();
        let mut previews = Vec::with_capacity(features.len());
        for feature in features {
            let (summary, _) = self.scalars_of(*feature)?;
            let packed = self.packed(*feature)?;
            let examples = packed.top.len();
            if rows.len() >= ROWS_HELD {
                rows.clear();
            }
            let top = packed.top.into_iter().next();
            if let Some(Of::Row { row, .. }) = top.as_ref().map(|example| &example.of)
                && !rows.contains_key(row)
            {
                rows.insert(*row, self.row(*row)?);
            }
            let names = self.names()?;
            let read = || {
                let top = match top {
                    Some(example) => Some(names.example(example, &rows)?),
                    None => None,
                };
                Some(Preview {
                    summary,
                    peak: top.as_ref().map(Peak::from_example),
                    top,
                    examples,
                    promoted: names.effects(&packed.promoted)?,
                    suppressed: names.effects(&packed.suppressed)?,
                    histogram: packed.bins.histogram(),
                })
            };
            previews.push(read().ok_or_else(|| damaged(&self.path))?);
        }
        Ok(previews)
    }

    /// Returns the whole token row of an example in [`Self::detail`]; an error for an index of version 1, which holds only excerpts.
    pub fn passage(&self, example: &Example) -> Result<Passage> {
        let Some(Place { row, position }) = example.place else {
            let what = "the index is an older version and holds only excerpts of its text: build it again to open an example's row";
            return Err(Error::input(what, &self.path));
        };
        let packed = self.row(row)?;
        let names = self.names()?;
        let named = packed.ranks.iter().map(|rank| names.token(*rank).cloned());
        let named: Option<(Vec<TokenId>, Vec<String>)> = named.collect();
        let (ids, texts) = named
            .filter(|(ids, _)| position < ids.len())
            .ok_or_else(|| damaged(&self.path))?;
        Ok(Passage {
            document: example.document.clone(),
            row,
            ids,
            texts,
            position,
            act: example.act(),
            apart: self.about.separate_documents,
        })
    }

    /// Returns the token row of example `number` of `feature`; [`Detail::examples`] counts from 1.
    pub fn example(&self, feature: FeatureId, number: usize) -> Result<Passage> {
        let detail = self.detail(feature)?;
        let example = number
            .checked_sub(1)
            .and_then(|before| detail.examples().nth(before));
        let Some(example) = example else {
            let what = match detail.examples().count() {
                0 => format!(
                    "feature {feature} is never active on the index's text and has no example"
                ),
                all => {
                    format!("feature {feature} has no example {number}, choose among 1 to {all}")
                }
            };
            return Err(Error::input(what, &self.path));
        };
        self.passage(example)
    }

    /// Finds the features that `query` is about, best first ([`Words::search`]). The first search reads the words of the whole index.
    pub fn search(&self, query: &str) -> Result<Vec<Hit>> {
        if self.words.get().is_none() {
            let read = Words::read(self, &mut |_| Flow::Continue(()))?;
            if let Some(words) = read.done() {
                self.words.get_or_init(|| words);
            }
        }
        let words = self.words.get();
        Ok(words.map_or_else(Vec::new, |words| words.search(query, &[])))
    }

    /// Returns the texts of all tokens by rank.
    pub(super) fn token_texts(&self) -> Result<Vec<Arc<str>>> {
        self.all("SELECT text FROM token ORDER BY rank", |row| {
            row.get::<_, String>(0).map(Arc::from)
        })
    }

    /// Returns the details of a range of features.
    pub(super) fn packed_details(&self, features: Range<usize>) -> Result<Vec<PackedDetail>> {
        let statement = format!(
            "SELECT packed FROM detail WHERE feature >= {} AND feature < {} ORDER BY feature",
            features.start, features.end
        );
        let all = self.all(&statement, |row| row.get::<_, Vec<u8>>(0))?;
        let form = self.about.form;
        let read = |bytes: &Vec<u8>| PackedDetail::from_bytes(bytes, form);
        let read: Option<Vec<_>> = all.par_iter().map(read).collect();
        read.filter(|details| details.len() == features.len())
            .ok_or_else(|| damaged(&self.path))
    }

    /// Calls `visit` with every token row that the index holds: its number and its tokens' ranks; an index of version 1 holds none.
    pub(super) fn each_row(&self, visit: &mut dyn FnMut(u32, &[u32])) -> Result<()> {
        if self.about.form <= FIRST {
            return Ok(());
        }
        let mut whole = true;
        let mut each = || -> rusqlite::Result<()> {
            let mut statement = self.database.prepare("SELECT row, packed FROM row")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                match PackedRow::from_bytes(row.get_ref(1)?.as_blob()?) {
                    Some(packed) => visit(row.get(0)?, &packed.ranks),
                    None => whole = false,
                }
            }
            Ok(())
        };
        each().map_err(failed(&self.path))?;
        whole.then_some(()).ok_or_else(|| damaged(&self.path))
    }

    /// Returns the tokens of all rows that it holds, in the order of the text; none for an index of version 1.
    pub(super) fn rows_held(&self) -> Result<HeldText> {
        let names = self.names()?;
        let context = self.about.context;
        let mut held = HeldText::default();
        let all = self.all("SELECT row, packed FROM row ORDER BY row", |row| {
            Ok((row.get::<_, u32>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        for (number, packed) in all {
            let packed = PackedRow::from_bytes(&packed).ok_or_else(|| damaged(&self.path))?;
            let ids = packed.ranks.iter().map(|rank| Some(names.token(*rank)?.0));
            let ids: Option<Vec<TokenId>> = ids.collect();
            let runs = packed.documents.iter();
            let documents =
                runs.flat_map(|(document, tokens)| std::iter::repeat_n(*document, *tokens));
            let documents: Vec<u32> = documents.take(context + 1).collect();
            let ids = ids.filter(|ids| ids.len() == context && documents.len() == context);
            let known = documents
                .iter()
                .all(|document| (*document as usize) < names.documents.len());
            let ids = ids.filter(|_| known).ok_or_else(|| damaged(&self.path))?;
            held.numbers.push(number);
            held.text.0.extend(ids);
            held.text.1.extend(documents);
        }
        held.text.2.clone_from(&names.documents);
        Ok(held)
    }

    /// Returns the strongest token of each feature's top example, as shown; empty for a feature that was never active.
    pub fn top_tokens(&self) -> Result<Vec<String>> {
        self.all(
            "SELECT coalesce(text, '') FROM feature LEFT JOIN token ON rank = top_rank ORDER BY feature",
            |row| row.get(0),
        )
    }

    /// Returns the distinct tokens at which a feature's top examples peak, strongest first (for the Jaccard index over a head's features).
    pub fn peak_tokens(&self, feature: FeatureId) -> Result<Vec<TokenId>> {
        let packed = self.packed(feature)?;
        let rows = self.rows_of(&packed.top)?;
        let names = self.names()?;
        let mut peaks = Vec::new();
        for example in &packed.top {
            let peak = example.peak_token(&rows).and_then(|rank| names.token(rank));
            let (id, _) = peak.ok_or_else(|| damaged(&self.path))?;
            if !peaks.contains(id) {
                peaks.push(*id);
            }
        }
        Ok(peaks)
    }

    /// Returns the scalars of a feature, and on how many tokens it is active.
    fn scalars_of(&self, feature: FeatureId) -> Result<(Summary, u64)> {
        if feature.index() >= self.about.features {
            let what = format!(
                "feature {feature} does not exist, choose among 0 to {}",
                self.about.features.saturating_sub(1)
            );
            return Err(Error::input(what, &self.path));
        }
        let statement = format!("{} WHERE feature = ?1", scalars(self.about.form));
        self.database
            .prepare_cached(&statement)
            .and_then(|mut select| {
                select.query_row([feature.0], |row| Ok((summary(row)?, row.get(6)?)))
            })
            .map_err(failed(&self.path))
    }

    fn packed(&self, feature: FeatureId) -> Result<PackedDetail> {
        let bytes: Vec<u8> = self
            .database
            .prepare_cached("SELECT packed FROM detail WHERE feature = ?1")
            .and_then(|mut select| select.query_row([feature.0], |row| row.get(0)))
            .map_err(failed(&self.path))?;
        PackedDetail::from_bytes(&bytes, self.about.form).ok_or_else(|| damaged(&self.path))
    }

    fn row(&self, row: u32) -> Result<PackedRow> {
        let bytes: Vec<u8> = self
            .database
            .prepare_cached("SELECT packed FROM row WHERE row = ?1")
            .and_then(|mut select| select.query_row([row], |row| row.get(0)))
            .map_err(failed(&self.path))?;
        PackedRow::from_bytes(&bytes).ok_or_else(|| damaged(&self.path))
    }

    /// Reads the token rows of examples.
    fn rows_of<'a>(&self, examples: impl IntoIterator<Item = &'a PackedExample>) -> Result<Rows> {
        let mut rows = Rows::new();
        for example in examples {
            if let Of::Row { row, .. } = &example.of
                && !rows.contains_key(row)
            {
                rows.insert(*row, self.row(*row)?);
            }
        }
        Ok(rows)
    }

    fn names(&self) -> Result<&Names> {
        if let Some(names) = self.names.get() {
            return Ok(names);
        }
        let names = Names {
            tokens: self.all("SELECT id, text FROM token ORDER BY rank", |row| {
                Ok((TokenId(row.get(0)?), row.get(1)?))
            })?,
            documents: self.all("SELECT name FROM document ORDER BY document", |row| {
                row.get(0)
            })?,
        };
        Ok(self.names.get_or_init(|| names))
    }

    pub(super) fn all<T>(
        &self,
        statement: &str,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let all = || -> rusqlite::Result<Vec<T>> {
            let mut statement = self.database.prepare_cached(statement)?;
            statement.query_map([], |row| read(row))?.collect()
        };
        all().map_err(failed(&self.path))
    }
}

fn summary(row: &Row<'_>) -> rusqlite::Result<Summary> {
    Ok(Summary {
        feature: FeatureId(row.get(0)?),
        density: row.get(1)?,
        mean: row.get(2)?,
        min: row.get(3)?,
        max: row.get(4)?,
        decoder_norm: row.get(5)?,
    })
}

fn about(database: &Connection, version: u32) -> rusqlite::Result<Option<About>> {
    let mut statement = database.prepare("SELECT key, value FROM about")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let values: BTreeMap<String, String> = rows.collect::<rusqlite::Result<_>>()?;
    let parse = || {
        let text = |key: &str| values.get(key).cloned();
        let facts: BTreeMap<String, String> = serde_json::from_str(values.get("facts")?).ok()?;
        Some(About {
            sae: text("sae")?,
            model: text("model")?,
            hook: text("hook")?,
            corpus: text("corpus")?,
            corpus_fingerprint: text("corpus_fingerprint")?,
            tokens: text("tokens")?.parse().ok()?,
            seed: text("seed")?.parse().ok()?,
            version: text("version")?,
            form: version,
            features: text("features")?.parse().ok()?,
            context: text("context")?.parse().ok()?,
            positions: text("positions")
                .map_or(Some(Positions::unrecorded()), |rule| rule.parse().ok())?,
            separate_documents: text("separate_documents").as_deref() == Some("true"),
            attribution: text("attribution").as_deref() == Some("true"),
            left_out: text("left_out").and_then(|count| count.parse().ok()),
            sae_fingerprint: text("sae_fingerprint")?,
            model_fingerprint: text("model_fingerprint").unwrap_or_default(),
            unembed: match version {
                FIRST => Unembed::Raw,
                _ => text("unembed")?.parse().ok()?,
            },
            facts: facts.into_iter().collect(),
        })
    };
    Ok(parse())
}

/// Returns the path as a URI for SQLite, with the characters escaped that have a meaning in URIs.
fn uri(path: &Path) -> Result<String> {
    let path = std::path::absolute(path)
        .map_err(|source| Error::io("cannot find the index", path, source))?;
    let mut uri = "file:".to_owned();
    if cfg!(windows) {
        uri.push('/');
    }
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'\\' if cfg!(windows) => uri.push('/'),
            b'/' | b'.' | b'-' | b'_' | b':' => uri.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => uri.push(byte.into()),
            _ => write!(uri, "%{byte:02X}").expect("a string takes everything"),
        }
    }
    uri.push_str("?immutable=1");
    Ok(uri)
}

fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> Error {
    move |source| Error::database("cannot read the index", path, source)
}

pub(super) fn damaged(path: &Path) -> Error {
    Error::input("the index is damaged, build it again", path)
}
