//! Reads an index. It is opened read-only and immutable, so SQLite writes no file beside it.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use rusqlite::{Connection, OpenFlags, Row};

use super::columns::Columns;
use super::families::HeldText;
use super::file::{APPLICATION, FIRST, ROWS, VERSION};
use super::named::{Counted, Names, Rows, neighbours};
use super::pack::{Of, PackedDetail, PackedExample, PackedRow};
use super::pack_statistics::PackedStatistics;
use super::sources::OfFeature;
use super::text::TextRow;
use super::written::Parts;
use super::{
    About, Counting, Detail, Example, Hit, Neighbour, Passage, Peak, Place, Preview, Summary,
    Words, Written,
};
use crate::corpus::Positions;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint, TokenId};
use crate::models::Unembed;
use crate::progress::Flow;
use crate::sae::Sae;

/// Token rows held while features are previewed.
const ROWS_HELD: usize = 1024;

/// A feature index, opened read-only. It is `Send` but not `Sync`: each thread opens its own.
#[derive(Debug)]
pub struct Index {
    database: Connection,
    path: PathBuf,
    about: About,
    counting: Counting,
    part: usize,
    columns: OnceCell<Columns>,
    names: OnceCell<Names>,
    words: OnceCell<Words>,
}

impl Index {
    /// Opens an index of this form or an older one, without what that one lacks.
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
        if !(FIRST..=VERSION).contains(&version) {
            let what = format!(
                "the index has version {version}, and this program reads versions {FIRST} to {VERSION}: build it again"
            );
            return Err(Error::input(what, path));
        }
        let (about, (counting, part)) = about(&database, version)
            .map_err(failed(path))?
            .ok_or_else(|| damaged(path))?;
        Ok(Self {
            database,
            path: path.to_path_buf(),
            about,
            counting,
            part,
            columns: OnceCell::new(),
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
        Ok(self.columns()?.summaries.clone())
    }

    /// Reads the scalars once.
    pub(super) fn columns(&self) -> Result<&Columns> {
        if let Some(columns) = self.columns.get() {
            return Ok(columns);
        }
        let size = (self.about.form, self.about.features);
        let columns = Columns::read(&self.database, size)
            .map_err(failed(&self.path))?
            .ok_or_else(|| damaged(&self.path))?;
        Ok(self.columns.get_or_init(|| columns))
    }

    /// Returns everything the index knows about one feature.
    pub fn detail(&self, feature: FeatureId) -> Result<Detail> {
        let (summary, active) = self.scalars_of(feature)?;
        let packed = self.packed(feature)?;
        let drawn = packed.intervals.iter().flat_map(|(_, examples)| examples);
        let rows = self.rows_of(packed.top.iter().chain(drawn))?;
        let found = self.sources_of(feature)?;
        let losses = self.losses_of(feature, packed.top.len())?;
        let names = self.names()?;
        let mut detail = names
            .detail((summary, active), (packed, found), &rows)
            .ok_or_else(|| damaged(&self.path))?;
        detail.loss_effects = losses;
        if let Some(packed) = self.statistics(feature)? {
            let columns = self.columns()?;
            let counted = Counted {
                active: &columns.active,
                by_part: &columns.by_part,
                counting: self.counting,
                positions: (self.part, self.about.context),
            };
            detail.log_histogram = packed.sizes.histogram();
            detail.relations = Some(counted.relations(feature, &packed));
            let uses = counted.uses(feature, packed, names);
            detail.uses = Some(uses.ok_or_else(|| damaged(&self.path))?);
        }
        detail.written = self.written_of(feature)?;
        Ok(detail)
    }

    /// Reads what every feature writes at each hook, in numbers; nothing for a dictionary that writes one.
    pub(super) fn all_written(&self) -> Result<Vec<Parts>> {
        let written = |feature: FeatureId| {
            if self.about.writes.len() < 2 {
                return Ok(Parts::default());
            }
            Parts::stored(&self.database, feature)
                .map_err(failed(&self.path))?
                .ok_or_else(|| damaged(&self.path))
        };
        let features = (0..self.about.features).map(FeatureId::from);
        features.map(written).collect()
    }

    /// Reads what a feature writes at each hook; nothing where its dictionary writes one.
    fn written_of(&self, feature: FeatureId) -> Result<Vec<Written>> {
        let hooks = self.about.writes.iter().map(|hook| hook.parse());
        let hooks = hooks.collect::<Result<Vec<HookPoint>>>()?;
        if hooks.len() < 2 {
            return Ok(Vec::new());
        }
        let tokens = &self.names()?.tokens;
        let text = |id: TokenId| {
            let found = tokens.iter().find(|(own, _)| *own == id);
            found.map(|(_, text)| text.clone())
        };
        Parts::read(&self.database, feature, &hooks, text)
            .map_err(failed(&self.path))?
            .ok_or_else(|| damaged(&self.path))
    }

    /// Returns the nearest features of every feature by decoder direction, nearest first; none in an older index.
    pub fn neighbours(&self) -> Result<Option<Vec<Vec<Neighbour>>>> {
        let all = self.all_statistics()?;
        let near = |packed: PackedStatistics| neighbours(&packed.neighbours);
        Ok(all.map(|all| all.into_iter().map(near).collect()))
    }

    /// Reads tokens, positions and relations of a feature; none in an older index.
    fn statistics(&self, feature: FeatureId) -> Result<Option<PackedStatistics>> {
        if self.about.form <= ROWS {
            return Ok(None);
        }
        let bytes = self.packed_of("statistic", feature)?;
        let packed = PackedStatistics::from_bytes(&bytes);
        packed.map(Some).ok_or_else(|| damaged(&self.path))
    }

    /// Reads tokens, positions and relations of all features; none in an older index.
    pub(super) fn all_statistics(&self) -> Result<Option<Vec<PackedStatistics>>> {
        if self.about.form <= ROWS {
            return Ok(None);
        }
        let all = self.all("SELECT packed FROM statistic ORDER BY feature", |row| {
            row.get::<_, Vec<u8>>(0)
        })?;
        let read = |bytes: &Vec<u8>| PackedStatistics::from_bytes(bytes);
        let read: Option<Vec<_>> = all.par_iter().map(read).collect();
        let whole = read.filter(|read| read.len() == self.about.features);
        whole.map(Some).ok_or_else(|| damaged(&self.path))
    }

    /// Reads the sources of a feature's strongest examples; nothing where the index has none.
    pub(super) fn sources_of(&self, feature: FeatureId) -> Result<OfFeature> {
        if !self.about.attribution {
            return Ok(OfFeature::default());
        }
        let bytes = self.packed_of("source", feature)?;
        OfFeature::from_bytes(&bytes, self.about.form).ok_or_else(|| damaged(&self.path))
    }

    /// Returns what a list shows of each of `features`, in their order.
    pub fn previews(&self, features: &[FeatureId]) -> Result<Vec<Preview>> {
        let mut rows = Rows::new();
        let mut previews = Vec::with_capacity(features.len());
        for feature in features {
            let (summary, _) = self.scalars_of(*feature)?;
            let packed = self.packed(*feature)?;
            let examples = packed.top.len();
            let fact = self.naming_fact(*feature)?.map(|fact| fact.said());
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
                    fact,
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

    /// Names the tokens of a row; none where it is damaged.
    pub(super) fn text_row(&self, names: &Names, packed: &PackedRow) -> Option<TextRow> {
        let ids = packed.ranks.iter().map(|rank| Some(names.token(*rank)?.0));
        let ids: Vec<TokenId> = ids.collect::<Option<_>>()?;
        let runs = packed.documents.iter();
        let documents = runs.flat_map(|(document, tokens)| std::iter::repeat_n(*document, *tokens));
        let documents: Vec<u32> = documents.take(self.about.context + 1).collect();
        let known = documents
            .iter()
            .all(|document| (*document as usize) < names.documents.len());
        let whole = ids.len() == self.about.context && documents.len() == ids.len();
        (known && whole).then_some(TextRow { ids, documents })
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
        let mut held = HeldText::default();
        let all = self.all("SELECT row, packed FROM row ORDER BY row", |row| {
            Ok((row.get::<_, u32>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        for (number, packed) in all {
            let row = PackedRow::from_bytes(&packed).and_then(|row| self.text_row(names, &row));
            let row = row.ok_or_else(|| damaged(&self.path))?;
            held.numbers.push(number);
            held.text.0.extend(row.ids);
            held.text.1.extend(row.documents);
        }
        held.text.2.clone_from(&names.documents);
        Ok(held)
    }

    /// Returns the strongest token of each feature's top example, as shown; empty for a feature that was never active.
    pub fn top_tokens(&self) -> Result<Vec<String>> {
        let (columns, names) = (self.columns()?, self.names()?);
        let text = |rank: &Option<u32>| match rank {
            None => Some(String::new()),
            Some(rank) => names.token(*rank).map(|(_, text)| text.clone()),
        };
        let texts: Option<Vec<String>> = columns.top.iter().map(text).collect();
        texts.ok_or_else(|| damaged(&self.path))
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
        let (columns, f) = (self.columns()?, feature.index());
        Ok((columns.summaries[f], columns.active[f]))
    }

    /// Reads the packed value of a feature from a table.
    pub(super) fn packed_of(&self, table: &'static str, feature: FeatureId) -> Result<Vec<u8>> {
        let select = format!("SELECT packed FROM {table} WHERE feature = ?1");
        self.database
            .prepare_cached(&select)
            .and_then(|mut select| select.query_row([feature.0], |row| row.get(0)))
            .map_err(failed(&self.path))
    }

    fn packed(&self, feature: FeatureId) -> Result<PackedDetail> {
        let bytes = self.packed_of("detail", feature)?;
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

    pub(super) fn names(&self) -> Result<&Names> {
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

/// Reads what an index says about itself, and how pairs were counted, with the length of a part of a row.
fn about(
    database: &Connection,
    version: u32,
) -> rusqlite::Result<Option<(About, (Counting, usize))>> {
    let mut statement = database.prepare("SELECT key, value FROM about")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let values: BTreeMap<String, String> = rows.collect::<rusqlite::Result<_>>()?;
    let parse = || {
        let text = |key: &str| values.get(key).cloned();
        let facts: BTreeMap<String, String> = serde_json::from_str(values.get("facts")?).ok()?;
        let (counting, part): (Counting, usize) = match version {
            VERSION => (text("counting")?.parse().ok()?, text("part")?.parse().ok()?),
            _ => (Counting::Exact, 0),
        };
        let about = About {
            sae: text("sae")?,
            model: text("model")?,
            hook: text("hook")?,
            writes: text("writes")
                .map(|hooks| hooks.split_whitespace().map(str::to_owned).collect())
                .unwrap_or_default(),
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
            loss_effects: text("loss_effects").as_deref() == Some("true"),
            spans: match text("spans") {
                Some(spans) => serde_json::from_str(&spans).ok()?,
                None => Vec::new(),
            },
            left_out: text("left_out").and_then(|count| count.parse().ok()),
            sae_fingerprint: text("sae_fingerprint")?,
            model_fingerprint: text("model_fingerprint").unwrap_or_default(),
            unembed: match version {
                FIRST => Unembed::Raw,
                _ => text("unembed")?.parse().ok()?,
            },
            facts: facts.into_iter().collect(),
        };
        Some((about, (counting, part)))
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
