//! Reads JSON records: one per line, the entries of one array, or one after another. Each record is parsed by itself, so a broken record costs only itself;
//! broken records are counted and listed by number.

use std::path::Path;

use serde_json::{Map, Value};

use super::unpack::Unpacked;
use super::{Content, Document};
use crate::error::{Error, Key, Result};
use crate::ids::TokenId;

/// Keys tried in this order if no field is named; the same as for Parquet.
const USUAL: [&str; 3] = ["text", "input_ids", "tokens"];
/// Longest record in bytes; longer records are broken.
const LONGEST: usize = 256 << 20;
/// Limit on the broken records that a note lists.
const LISTED: usize = 8;
/// Number of records in one file, and in all files, from which more than this share of broken records is an error.
const MANY: [usize; 2] = [100, 1000];
const SHARE: f64 = 0.01;

/// Outcome of reading the records of one file, or of all files.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Number of records, without blank lines.
    pub(super) records: usize,
    /// Number of broken records.
    pub(super) broken: usize,
    /// Number of records whose field is empty.
    pub(super) empty: usize,
    /// Numbers of the first broken records.
    numbers: Vec<usize>,
    /// Keys of the first record that lacks the field.
    keys: Option<Vec<String>>,
    /// Name of one record, and of several.
    nouns: [&'static str; 2],
}

impl Tally {
    /// Adds the counts of `other`.
    pub(super) fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.broken += other.broken;
    }

    /// Returns whether too many records are broken, out of at least `least`.
    fn too_many(&self, least: usize) -> bool {
        self.records >= least && self.broken as f64 > SHARE * self.records as f64
    }

    /// Returns whether no record has the field: the file is not a corpus.
    pub(super) fn is_foreign(&self) -> bool {
        self.records > 0 && self.broken == self.records
    }

    /// Returns a note on the broken records of `path`; an error if they are too many.
    pub(super) fn judge(&self, path: &Path, field: Option<&str>) -> Result<Option<String>> {
        if self.broken == 0 {
            return Ok(None);
        }
        let field = field.unwrap_or("text");
        let mut numbers: Vec<String> = self.numbers.iter().map(usize::to_string).collect();
        if self.broken > numbers.len() {
            numbers.push("…".to_owned());
        }
        let which = format!(
            "{} of {} {} hold no JSON object with a text `{field}` ({} {})",
            self.broken,
            self.records,
            self.nouns[1],
            self.nouns[0],
            numbers.join(", ")
        );
        if !self.is_foreign() && !self.too_many(MANY[0]) {
            return Ok(Some(format!(
                "{which} and are left out: {}",
                path.display()
            )));
        }
        let remedy = match &self.keys {
            Some(keys) if !keys.is_empty() => format!(
                "name another field by {}, there are {}",
                Key::TextColumn,
                keys.join(", ")
            ),
            _ => "mend or remove them".to_owned(),
        };
        Err(Error::input(format!("{which}, {remedy}"), path))
    }

    /// Returns an error if too many of all records are broken.
    pub(super) fn judge_all(&self, path: &Path) -> Result<()> {
        if !self.too_many(MANY[1]) {
            return Ok(());
        }
        let what = format!(
            "{} of {} records in all are broken, more than {} %: mend or remove them",
            self.broken,
            self.records,
            100.0 * SHARE
        );
        Err(Error::input(what, path))
    }
}

/// Reads the records of `file` and appends them to `documents`, named `name:number` from 1.
pub(super) fn read(
    mut file: Unpacked<'_>,
    field: Option<&str>,
    name: &str,
    documents: &mut Vec<Document>,
) -> Result<Tally> {
    let shape = Shape::detect(&mut file)?;
    let mut records = Records::new(shape);
    let mut reader = Reader {
        field: field.map(str::to_owned),
        tokens: None,
        tally: Tally {
            nouns: shape.nouns(),
            ..Tally::default()
        },
    };
    loop {
        let piece = file.fill()?;
        if piece.is_empty() {
            break;
        }
        let taken = piece.len();
        records.feed(piece, &mut |number, record| {
            reader.take(number, record, name, documents);
        });
        file.consume(taken);
    }
    records.end(&mut |number, record| reader.take(number, record, name, documents));
    Ok(reader.tally)
}

/// How records are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Lines,
    Array,
    /// Objects over several lines, one after another.
    Objects,
}

impl Shape {
    /// Detects the shape from the first characters: an array begins with `[`; an object over several lines has only white space after its `{`.
    fn detect(file: &mut Unpacked<'_>) -> Result<Self> {
        loop {
            let piece = file.fill()?;
            let blank = piece.iter().take_while(|c| c.is_ascii_whitespace()).count();
            if blank < piece.len() || piece.is_empty() {
                let mut lines = piece[blank..].split(|c| *c == b'\n');
                let (first, has_more) = (lines.next().unwrap_or_default(), lines.next().is_some());
                return Ok(match first.split_first() {
                    Some((b'[', _)) => Self::Array,
                    Some((b'{', rest)) if has_more && rest.trim_ascii().is_empty() => Self::Objects,
                    _ => Self::Lines,
                });
            }
            file.consume(blank);
        }
    }

    fn nouns(self) -> [&'static str; 2] {
        match self {
            Self::Lines => ["line", "lines"],
            Self::Array => ["entry", "entries"],
            Self::Objects => ["object", "objects"],
        }
    }
}

/// Splits a file into records, piece by piece.
struct Records {
    shape: Shape,
    /// Bytes of the current record so far.
    record: Vec<u8>,
    /// Whether the current record is too long and is dropped.
    too_long: bool,
    /// Number of the current record: of its line, or of the record.
    number: usize,
    /// Number of open brackets outside strings, including the array's own.
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Records {
    fn new(shape: Shape) -> Self {
        Self {
            shape,
            record: Vec::new(),
            too_long: false,
            number: 1,
            depth: 0,
            in_text: false,
            escaped: false,
        }
    }

    fn feed(&mut self, piece: &[u8], take: &mut dyn FnMut(usize, Option<&[u8]>)) {
        if self.shape == Shape::Lines {
            for line in piece.split_inclusive(|c| *c == b'\n') {
                self.keep(line.strip_suffix(b"\n").unwrap_or(line));
                if line.ends_with(b"\n") {
                    self.finish(take);
                    self.number += 1;
                }
            }
            return;
        }
        for byte in piece {
            self.feed_byte(*byte, take);
        }
    }

    /// Takes one character of an array or of objects. A string ends at the end of its line at the latest, since JSON strings have no line breaks: a missing
    /// quotation mark costs one record.
    fn feed_byte(&mut self, byte: u8, take: &mut dyn FnMut(usize, Option<&[u8]>)) {
        let outside = usize::from(self.shape == Shape::Array);
        if self.in_text {
            self.keep(&[byte]);
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' | b'\n' => self.in_text = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => {
                self.depth += 1;
                if self.depth <= outside {
                    return;
                }
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth < outside {
                    return self.next(take);
                }
            }
            b',' if self.depth == outside && outside > 0 => return self.next(take),
            _ => {}
        }
        self.keep(&[byte]);
        if self.shape == Shape::Objects && byte == b'}' && self.depth == 0 {
            self.next(take);
        }
    }

    fn next(&mut self, take: &mut dyn FnMut(usize, Option<&[u8]>)) {
        if self.finish(take) {
            self.number += 1;
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.record.len() + bytes.len() > LONGEST {
            self.too_long = true;
            self.record.clear();
        }
        if !self.too_long {
            self.record.extend_from_slice(bytes);
        }
    }

    /// Passes the current record on; returns whether there was one.
    fn finish(&mut self, take: &mut dyn FnMut(usize, Option<&[u8]>)) -> bool {
        let blank = self.record.trim_ascii().is_empty();
        let there = self.too_long || !blank;
        if there {
            take(self.number, (!self.too_long).then_some(&self.record));
        }
        self.record.clear();
        self.too_long = false;
        there
    }

    fn end(mut self, take: &mut dyn FnMut(usize, Option<&[u8]>)) {
        self.finish(take);
    }
}

/// Turns records into documents.
struct Reader {
    /// Field to read: the named one, else the first usual one that a record has.
    field: Option<String>,
    /// Whether the field holds token ids; known from the first record that has it.
    tokens: Option<bool>,
    tally: Tally,
}

impl Reader {
    fn take(
        &mut self,
        number: usize,
        record: Option<&[u8]>,
        name: &str,
        documents: &mut Vec<Document>,
    ) {
        self.tally.records += 1;
        let value = record.and_then(parse);
        let field = match &value {
            Some(Value::Object(object)) => self.field_of(object),
            _ => Field::Broken,
        };
        match field {
            Field::Holds(content) => documents.push(Document {
                name: format!("{name}:{number}"),
                content,
            }),
            Field::Null => self.tally.empty += 1,
            Field::Broken => {
                self.tally.broken += 1;
                if self.tally.numbers.len() < LISTED {
                    self.tally.numbers.push(number);
                }
                if let (Some(Value::Object(object)), None) = (value, &self.tally.keys) {
                    let keys = object.keys().take(LISTED);
                    self.tally.keys = Some(keys.cloned().collect());
                }
            }
        }
    }

    /// Returns the content of a record's field.
    fn field_of(&mut self, object: &Map<String, Value>) -> Field {
        if self.field.is_none() {
            let usual = USUAL.into_iter().find(|key| object.contains_key(*key));
            self.field = usual.map(str::to_owned);
        }
        let value = self.field.as_ref().and_then(|field| object.get(field));
        let content = match value {
            Some(Value::Null) => return Field::Null,
            Some(Value::String(text)) => Some(Content::Text(text.clone())),
            Some(Value::Array(ids)) => {
                let id = |id: &Value| id.as_u64().and_then(|id| u32::try_from(id).ok());
                let ids = ids.iter().map(|value| id(value).map(TokenId));
                ids.collect::<Option<_>>().map(Content::Tokens)
            }
            _ => None,
        };
        let Some(content) = content else {
            return Field::Broken;
        };
        let tokens = matches!(content, Content::Tokens(_));
        if *self.tokens.get_or_insert(tokens) == tokens {
            Field::Holds(content)
        } else {
            Field::Broken
        }
    }
}

/// Content of a record's field.
enum Field {
    Holds(Content),
    Null,
    /// Missing, neither text nor token ids, or another kind than in the records before.
    Broken,
}

/// Parses a record. A lone surrogate, which no string can hold, becomes U+FFFD.
fn parse(record: &[u8]) -> Option<Value> {
    let record = record.strip_prefix("\u{feff}".as_bytes()).unwrap_or(record);
    serde_json::from_slice(record).ok().or_else(|| {
        let text = std::str::from_utf8(record).ok()?;
        serde_json::from_str(&without_lone_surrogates(text)?).ok()
    })
}

/// Returns `text` with `\ufffd` for each escape of a surrogate without its other half; none if there is no such escape.
fn without_lone_surrogates(text: &str) -> Option<String> {
    let mut mended = String::with_capacity(text.len());
    let (mut rest, mut found) = (text, false);
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => {
                found = true;
                mended.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            // A character after a backslash is escaped.
            _ => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        mended.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    mended.push_str(rest);
    found.then_some(mended)
}

/// Parses the escape at the start of `text`: `\u` and four digits.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let hexadecimal = digits.bytes().all(|c| c.is_ascii_hexdigit());
    hexadecimal
        .then(|| u16::from_str_radix(digits, 16).ok())
        .flatten()
}
