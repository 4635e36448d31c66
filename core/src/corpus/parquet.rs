//! Reads documents from a Parquet column of text or of token-id lists, one row group at a time. Other columns are never decompressed.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::basic::{Repetition, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use super::{Content, Document};
use crate::error::{Error, Key, Result};
use crate::ids::TokenId;

/// Columns tried in this order if none is named.
const USUAL: [&str; 3] = ["text", "input_ids", "tokens"];
/// Records decoded at a time.
const BATCH: usize = 1024;
/// Metadata keys that may name the tokenizer of the ids.
const TOKENIZER: [&str; 3] = ["tokenizer_name", "tokenizer", "tokenizer_name_or_path"];

/// Content of one file.
pub(super) struct Contents {
    /// Tokenizer that the file's metadata name.
    pub(super) tokenizer: Option<String>,
    /// Number of empty records.
    pub(super) empty: usize,
}

/// Reads the column `named` of `path`, or the first usual one, and appends to `documents`, named `name:record` from 1.
pub(super) fn read(
    path: &Path,
    named: Option<&str>,
    name: &str,
    documents: &mut Vec<Document>,
) -> Result<Contents> {
    // The library panics on some damage: lengths that point outside a page.
    let read = catch_unwind(AssertUnwindSafe(|| unguarded(path, named, name, documents)));
    read.unwrap_or_else(|_panic| {
        let what =
            "is not a complete Parquet file (its pages contradict each other): copy or download it again";
        Err(Error::input(what, path))
    })
}

fn unguarded(
    path: &Path,
    named: Option<&str>,
    name: &str,
    documents: &mut Vec<Document>,
) -> Result<Contents> {
    let file = File::open(path).map_err(|e| Error::io("cannot read the file", path, e))?;
    let file = SerializedFileReader::new(file).map_err(|e| {
        let what = format!(
            "is not a complete Parquet file ({}): copy or download it again",
            first_line(&e)
        );
        Error::input(what, path)
    })?;
    let metadata = file.metadata().file_metadata();
    let schema = metadata.schema_descr();
    let (number, column) = choose(schema, named).map_err(|what| Error::input(what, path))?;
    let mut sink = Sink {
        column: column.path().string(),
        path,
        name,
        record: 0,
        empty: 0,
        documents,
    };
    for group in 0..file.num_row_groups() {
        let reader = file
            .get_row_group(group)
            .and_then(|group| group.get_column_reader(number))
            .map_err(|e| sink.damaged(&e))?;
        match reader {
            ColumnReader::ByteArrayColumnReader(reader) => sink.texts(column, reader)?,
            ColumnReader::Int32ColumnReader(reader) => sink.lists(column, reader, i64::from)?,
            ColumnReader::Int64ColumnReader(reader) => sink.lists(column, reader, |id| id)?,
            _ => return Err(sink.wrong("has another type in a row group than in the schema")),
        }
    }
    let pairs = metadata.key_value_metadata().into_iter().flatten();
    let tokenizer = pairs
        .filter(|pair| TOKENIZER.contains(&pair.key.as_str()))
        .find_map(|pair| pair.value.clone());
    Ok(Contents {
        tokenizer,
        empty: sink.empty,
    })
}

/// Returns the column to read and its number; otherwise a phrase that lists the columns.
fn choose<'a>(
    schema: &'a SchemaDescriptor,
    named: Option<&str>,
) -> Result<(usize, &'a ColumnDescriptor), String> {
    let leaves: Vec<&ColumnDescriptor> = schema.columns().iter().map(AsRef::as_ref).collect();
    let root = |leaf: &ColumnDescriptor| leaf.path().parts().first().cloned().unwrap_or_default();
    let find = |name: &str| leaves.iter().position(|leaf| root(leaf) == name);
    let number = match named {
        Some(name) => find(name),
        None => USUAL.into_iter().find_map(find),
    };
    let Some(number) = number else {
        let mut names: Vec<String> = leaves.iter().map(|leaf| root(leaf)).collect();
        names.dedup();
        names.truncate(40);
        let missing = named.map_or_else(
            || format!("none of {}", USUAL.join(", ")),
            |name| format!("no column `{name}`"),
        );
        return Err(format!(
            "has {missing}, name one by {}: {}",
            Key::TextColumn,
            names.join(", ")
        ));
    };
    let leaf = leaves[number];
    match (leaf.physical_type(), leaf.max_rep_level()) {
        (Type::BYTE_ARRAY, 0) | (Type::INT32 | Type::INT64, 1) => Ok((number, leaf)),
        (kind, depth) => Err(format!(
            "column `{}` is {kind}{}, give one of text, or of lists of int32 or int64 token ids",
            leaf.path().string(),
            if depth > 0 { " in lists" } else { "" }
        )),
    }
}

/// Target of records.
struct Sink<'a> {
    column: String,
    path: &'a Path,
    name: &'a str,
    /// Number of records read.
    record: usize,
    empty: usize,
    documents: &'a mut Vec<Document>,
}

impl Sink<'_> {
    fn wrong(&self, what: &str) -> Error {
        Error::input(format!("column `{}` {what}", self.column), self.path)
    }

    fn damaged(&self, cause: &ParquetError) -> Error {
        self.wrong(&format!(
            "cannot be read behind record {} ({}): copy or download the file again",
            self.record,
            first_line(cause)
        ))
    }

    fn take(&mut self, content: Option<Content>) {
        self.record += 1;
        match content {
            Some(content) => self.documents.push(Document {
                name: format!("{}:{}", self.name, self.record),
                content,
            }),
            None => self.empty += 1,
        }
    }

    /// Reads a column of texts; null is an empty record.
    fn texts(
        &mut self,
        column: &ColumnDescriptor,
        mut reader: ColumnReaderImpl<parquet::data_type::ByteArrayType>,
    ) -> Result<()> {
        let there = column.max_def_level();
        let (mut levels, mut values): (Vec<i16>, Vec<ByteArray>) = Default::default();
        loop {
            levels.clear();
            values.clear();
            let (records, _, _) = reader
                .read_records(BATCH, Some(&mut levels), None, &mut values)
                .map_err(|e| self.damaged(&e))?;
            if records == 0 {
                return Ok(());
            }
            let mut values = values.drain(..);
            for record in 0..records {
                let null = there > 0 && levels.get(record).is_none_or(|level| *level < there);
                let value = if null { None } else { values.next() };
                let Some(value) = value else {
                    self.take(None);
                    continue;
                };
                let text = std::str::from_utf8(value.data()).map_err(|e| {
                    self.wrong(&format!(
                        "is not UTF-8 in record {} at byte {}, choose a column of text",
                        self.record + 1,
                        e.valid_up_to()
                    ))
                })?;
                self.take(Some(Content::Text(text.to_owned())));
            }
        }
    }

    /// Reads a column of token-id lists; null and empty lists are empty records.
    fn lists<T: DataType>(
        &mut self,
        column: &ColumnDescriptor,
        mut reader: ColumnReaderImpl<T>,
        widen: impl Fn(T::T) -> i64,
    ) -> Result<()> {
        let there = column.max_def_level();
        let info = column.self_type().get_basic_info();
        let nullable = info.has_repetition() && info.repetition() == Repetition::OPTIONAL;
        let (mut defined, mut repeated): (Vec<i16>, Vec<i16>) = Default::default();
        let mut values: Vec<T::T> = Vec::new();
        loop {
            defined.clear();
            repeated.clear();
            values.clear();
            let (records, _, _) = reader
                .read_records(BATCH, Some(&mut defined), Some(&mut repeated), &mut values)
                .map_err(|e| self.damaged(&e))?;
            if records == 0 {
                return Ok(());
            }
            let mut values = values.drain(..);
            let mut list: Option<Vec<TokenId>> = None;
            for (defined, repeated) in defined.iter().zip(&repeated) {
                if *repeated == 0
                    && let Some(whole) = list.replace(Vec::new())
                {
                    self.take_list(whole);
                }
                let id = match *defined {
                    level if level == there => values.next().map(&widen),
                    level if nullable && level == there - 1 => None,
                    _ => continue,
                };
                let id = id.and_then(|id| u32::try_from(id).ok()).ok_or_else(|| {
                    let shown = id.map_or_else(|| "null".to_owned(), |id| id.to_string());
                    self.wrong(&format!(
                        "holds {shown} in record {}, which is not a token id",
                        self.record + 1
                    ))
                })?;
                list.get_or_insert_default().push(TokenId(id));
            }
            if let Some(last) = list {
                self.take_list(last);
            }
        }
    }

    fn take_list(&mut self, tokens: Vec<TokenId>) {
        let there = !tokens.is_empty();
        self.take(there.then_some(Content::Tokens(tokens)));
    }
}

fn first_line(error: &ParquetError) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(300).collect()
}
