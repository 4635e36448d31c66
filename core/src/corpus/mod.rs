//! Text in: files of text, JSON and Parquet become documents, documents become fixed-length token rows that remember their document. No model, no tensors.

mod files;
mod json;
mod kind;
mod parquet;
#[cfg(test)]
mod parquet_tests;
mod positions;
mod read;
#[cfg(test)]
mod read_tests;
mod rows;
mod split;
mod unpack;
mod unwrap;

use std::borrow::Cow;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::error::{Key, Notes, Result};
use crate::ids::TokenId;
use crate::text::TextCodec;

pub use self::kind::{ENDINGS, is_text};
pub use self::positions::{Mask, Positions};

/// Tokens of a row unless another length is asked for or the model's context is shorter.
const ROW: usize = 256;

/// What a document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text, unwrapped if asked.
    Text(String),
    /// Token ids that some tokenizer made of it before, BOS included: one row.
    Tokens(Vec<TokenId>),
}

impl Content {
    /// The bytes that checksums and the split go by.
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

/// One text: a `.txt` file, or a record of a JSON or Parquet file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// File name, with `:line` for JSON lines and `:record` for other records.
    pub name: String,
    /// What it says.
    pub content: Content,
}

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CorpusSpec {
    /// Files, or folders whose files of text are meant (sorted by name).
    pub paths: Vec<PathBuf>,
    /// Whether folders in folders are looked into.
    pub recursive: bool,
    /// Make the white space inside a paragraph one space and join paragraphs by one newline.
    pub unwrap: bool,
    /// Column of Parquet files and field of JSON records to read: text, or lists of token ids; none: `text`, else `input_ids`, else `tokens`.
    pub column: Option<String>,
}

/// Which part of a training corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// Everything.
    #[default]
    All,
    /// What training sees.
    Train,
    /// The 5 % of documents held out by seeded hash.
    HeldOut,
}

/// Documents in a fixed order.
#[derive(Debug, Clone, Default)]
pub struct Corpus {
    /// The documents, all texts or all token ids.
    pub documents: Vec<Document>,
    /// The tokenizer that made the token ids, where a file names it.
    pub tokenizer: Option<String>,
}

impl Corpus {
    /// Reads everything `spec` names. An empty corpus, a missing path and text that is not UTF-8 are errors, and so is a Parquet file without the column asked
    /// for. JSON records that are broken or lack it are left out, said in the notes, unless they are all of a file, or more than 1 % of a file of 100
    /// records or more, or of 1,000 records or more in all.
    pub fn open(spec: &CorpusSpec) -> Result<(Self, Notes)> {
        read::read(spec)
    }

    /// One text as a corpus.
    pub fn from_text(name: &str, text: &str) -> Self {
        Self {
            documents: vec![Document {
                name: name.to_owned(),
                content: Content::Text(text.to_owned()),
            }],
            tokenizer: None,
        }
    }

    /// The documents of one part; see [`Part`]. A single document gives its last 5 % as held out, said in the notes.
    pub fn part(&self, part: Part, seed: u64) -> (Self, Notes) {
        split::part(self, part, seed)
    }

    /// Hex SHA-256 over names and texts, for run records.
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

    /// Tokens of a row unless another length is asked for: that of the longest row of token ids, 256 for text, `longest` (the model's context) at most.
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

    /// Packs the documents into rows of `context` tokens, whose positions count by [`Positions::Text`] unless [`Rows::by`] says otherwise: each row begun by BOS, BOS between documents. A short last row is dropped, said in the notes;
    /// an error if not one row fills. Documents of token ids are rows as they are: those that are shorter are left out and longer ones are cut, said in the
    /// notes; ids beyond the vocabulary are an error, and so are rows without the BOS that the model puts first.
    pub fn rows(&self, codec: &TextCodec, context: usize) -> Result<(Rows, Notes)> {
        rows::rows(self, codec, context)
    }
}

/// Token rows of one length, `[b, t]`, that remember their documents and know which of their positions count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    context: usize,
    tokens: Vec<TokenId>,
    /// Document index of every token.
    documents: Vec<u32>,
    names: Vec<String>,
    mask: Mask,
    /// Whether each token counts.
    counts: Vec<bool>,
    /// How many do.
    counted: usize,
    /// See [`Rows::separates_documents`].
    apart: bool,
}

impl Rows {
    /// From parts; `tokens` and `documents` hold `b * context` entries. No token is special, and positions count by [`Positions::Text`].
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

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Tokens of row `i`.
    pub fn row(&self, i: usize) -> &[TokenId] {
        &self.tokens[i * self.context..(i + 1) * self.context]
    }

    /// All tokens, row after row.
    pub fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// Name of the document that position `t` of row `i` comes from.
    pub fn document(&self, i: usize, t: usize) -> &str {
        &self.names[self.documents[i * self.context + t] as usize]
    }

    /// With documents packed in one row kept apart, or not.
    #[must_use]
    pub fn with_separate_documents(mut self, apart: bool) -> Self {
        self.apart = apart;
        self
    }

    /// Whether a model is to read each document of a row as if it stood alone. Otherwise attention runs across them, as in SAELens.
    pub fn separates_documents(&self) -> bool {
        self.apart
    }

    /// A sentence on what attention sees of other documents; none where each row is of one.
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

    /// The first rows, at most `rows`.
    #[must_use]
    pub fn take(mut self, rows: usize) -> Self {
        self.tokens.truncate(rows * self.context);
        self.documents.truncate(rows * self.context);
        self.counts.truncate(rows * self.context);
        self.recounted()
    }
}
