//! Reads text: files of text, JSON and Parquet become documents, and documents become token rows of one length that remember their document. Uses no model and
//! no tensors.

mod blocks;
mod files;
mod json;
mod kind;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(test)]
#[cfg(feature = "parquet")]
mod parquet_tests;
mod positions;
mod read;
#[cfg(test)]
mod read_tests;
mod rows;
mod split;
mod title;
mod unpack;
mod unwrap;

use std::borrow::Cow;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::error::{Key, Notes, Result};
use crate::ids::TokenId;
use crate::text::TextCodec;

pub use self::blocks::{BLOCKS, Blocks, Resampled, interval};
pub use self::kind::{ENDINGS, is_text};
pub use self::positions::{Mask, Positions};
pub use self::title::title;

/// Tokens of a row, unless another length is asked for or the model's context is shorter.
const ROW: usize = 256;

/// Content of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text, unwrapped if asked for.
    Text(String),
    /// Token ids from some tokenizer, BOS included: one row.
    Tokens(Vec<TokenId>),
}

impl Content {
    /// Returns the bytes that checksums and the split are computed from.
    fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Text(text) => Cow::Borrowed(text.as_bytes()),
            Self::Tokens(tokens) => {
                let bytes = tokens.iter().flat_map(|token| token.0.to_le_bytes());
                Cow::Owned(bytes.collect())
            }
        }
    }
}

/// A text: a `.txt` file, or a record of a JSON or Parquet file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// File name, with `:line` for JSON lines and `:record` for other records.
    pub name: String,
    /// Text or token ids.
    pub content: Content,
}

/// Files to read, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CorpusSpec {
    /// Files, or folders whose text files are read in the order of their names.
    pub paths: Vec<PathBuf>,
    /// Whether nested folders are read.
    pub recursive: bool,
    /// Whether white space inside a paragraph becomes one space and paragraphs are joined by one newline.
    pub unwrap: bool,
    /// Column of Parquet files and field of JSON records, holding text or lists of token ids; none: `text`, else `input_ids`, else `tokens`.
    pub column: Option<String>,
}

/// A part of a training corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// All documents.
    #[default]
    All,
    /// Documents that training reads.
    Train,
    /// The 5 % of documents held out by a seeded hash.
    HeldOut,
}

/// Documents in a fixed order.
#[derive(Debug, Clone, Default)]
pub struct Corpus {
    /// Documents, either all texts or all token ids.
    pub documents: Vec<Document>,
    /// Tokenizer that made the token ids, if a file names it.
    pub tokenizer: Option<String>,
}

impl Corpus {
    /// Reads all files of `spec`. An empty corpus, a missing path, text that is not UTF-8 and a Parquet file without the column are errors. JSON records that
    /// are broken or lack the field are skipped with a note; it is an error if they are all of a file, more than 1 % of a file of 100 records or more, or more
    /// than 1 % of 1,000 records or more in all.
    pub fn open(spec: &CorpusSpec) -> Result<(Self, Notes)> {
        read::read(spec)
    }

    /// Returns a corpus of one text.
    pub fn from_text(name: &str, text: &str) -> Self {
        Self {
            documents: vec![Document {
                name: name.to_owned(),
                content: Content::Text(text.to_owned()),
            }],
            tokenizer: None,
        }
    }

    /// Returns the documents of one part. A single document gives its last 5 % as held out, with a note.
    pub fn part(&self, part: Part, seed: u64) -> (Self, Notes) {
        split::part(self, part, seed)
    }

    /// Returns a hex SHA-256 over names and texts, for run records.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for document in &self.documents {
            for part in [document.name.as_bytes(), &document.content.bytes()] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        format!("{:x}", hash.finalize())
    }

    /// Returns the default row length: the longest row of token ids, or 256 for text, but at most `longest` (the model's context).
    pub fn usual_context(&self, longest: usize) -> usize {
        let lengths = self
            .documents
            .iter()
            .map(|document| match &document.content {
                Content::Tokens(tokens) => tokens.len(),
                Content::Text(_) => 0,
            });
        match lengths.max() {
            None | Some(0) => ROW.min(longest),
            Some(length) => length.min(longest),
        }
    }

    /// Packs the documents into rows of `context` tokens, each starting with BOS, with BOS between documents. A short last row is dropped with a note; no full
    /// row is an error. Documents of token ids become rows as they are: shorter ones are skipped and longer ones cut, with a note; ids beyond the vocabulary
    /// are an error, and so are rows without the model's BOS. Positions count by [`Positions::Text`]; [`Rows::by`] changes the rule.
    pub fn rows(&self, codec: &TextCodec, context: usize) -> Result<(Rows, Notes)> {
        rows::rows(self, codec, context)
    }
}

/// Token rows of one length, `[b, t]`, that know their documents and which of their positions count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    context: usize,
    tokens: Vec<TokenId>,
    /// Index of the document of each token.
    documents: Vec<u32>,
    names: Vec<String>,
    mask: Mask,
    /// Whether each token counts.
    counts: Vec<bool>,
    /// Number of tokens that count.
    counted: usize,
    /// Whether documents are kept apart, see [`Rows::separates_documents`].
    apart: bool,
    /// Number of first positions that do not count, see [`Rows::skipping`].
    skip: usize,
}

impl Rows {
    /// Makes rows of parts; `tokens` and `documents` hold `b * context` entries. No token is special, and positions count by [`Positions::Text`].
    pub fn new(
        context: usize,
        tokens: Vec<TokenId>,
        documents: Vec<u32>,
        names: Vec<String>,
    ) -> Self {
        Self {
            context,
            tokens,
            documents,
            names,
            ..Self::default()
        }
        .masked(Mask::default())
    }

    /// Tokens per row, `t`.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Number of rows, `b`.
    pub fn len(&self) -> usize {
        self.tokens.len() / self.context.max(1)
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Tokens of row `i`.
    pub fn row(&self, i: usize) -> &[TokenId] {
        &self.tokens[i * self.context..(i + 1) * self.context]
    }

    /// All tokens, row by row.
    pub fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// Name of the document at position `t` of row `i`.
    pub fn document(&self, i: usize, t: usize) -> &str {
        &self.names[self.documents[i * self.context + t] as usize]
    }

    /// Number of the document of every token, row by row.
    pub fn document_numbers(&self) -> &[u32] {
        &self.documents
    }

    /// Number of the document at position `t` of row `i`, in the order of the text.
    pub fn document_number(&self, i: usize, t: usize) -> u32 {
        self.documents[i * self.context + t]
    }

    /// Returns the rows with packed documents kept apart, or not.
    #[must_use]
    pub fn with_separate_documents(mut self, apart: bool) -> Self {
        self.apart = apart;
        if self.skip > 0 {
            let mask = self.mask.clone();
            return self.masked(mask);
        }
        self
    }

    /// Whether a model reads each document of a row as if it stood alone. Otherwise attention runs across documents, as in SAELens.
    pub fn separates_documents(&self) -> bool {
        self.apart
    }

    /// Returns a note on attention between packed documents; none if each row holds one document.
    pub fn note_on_documents(&self) -> Option<String> {
        let mixed = |row: &[u32]| row.iter().any(|document| *document != row[0]);
        let rows = self.documents.chunks_exact(self.context.max(1));
        rows.into_iter().any(mixed).then_some(if self.apart {
            "Documents packed in one row are kept apart: attention does not look beyond the last BOS, and positions are counted from it".to_owned()
        } else {
            format!(
                "Attention runs across the documents packed in one row, as in SAELens ({} keeps them apart)",
                Key::SeparateDocuments
            )
        })
    }

    /// Returns the first rows, at most `rows`.
    #[must_use]
    pub fn take(mut self, rows: usize) -> Self {
        self.tokens.truncate(rows * self.context);
        self.documents.truncate(rows * self.context);
        self.counts.truncate(rows * self.context);
        self.recounted()
    }
}
