//! Text in: files and JSONL become documents, documents become fixed-length token rows that remember their document. No model, no tensors.

mod read;
mod rows;
mod split;
mod unwrap;

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::error::{Notes, Result};
use crate::ids::TokenId;
use crate::text::TextCodec;

/// One text: a `.txt` file or a line of a `.jsonl` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// File name, with `:line` for JSONL.
    pub name: String,
    /// Its text, unwrapped if asked.
    pub text: String,
}

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CorpusSpec {
    /// Files, or folders whose `.txt` and `.jsonl` files are meant (sorted by name).
    pub paths: Vec<PathBuf>,
    /// Make the white space inside a paragraph one space and join paragraphs by one newline.
    pub unwrap: bool,
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
    /// The documents.
    pub documents: Vec<Document>,
}

impl Corpus {
    /// Reads everything `spec` names. An empty corpus, a missing path, text that is not UTF-8 or a JSONL line without `text` is an error.
    pub fn open(spec: &CorpusSpec) -> Result<(Self, Notes)> {
        read::read(spec)
    }

    /// One text as a corpus.
    pub fn from_text(name: &str, text: &str) -> Self {
        Self {
            documents: vec![Document {
                name: name.to_owned(),
                text: text.to_owned(),
            }],
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
            for part in [&document.name, &document.text] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        format!("{:x}", hash.finalize())
    }

    /// Packs the documents into rows of `context` tokens: each row begun by BOS, BOS between documents. A short last row is dropped, said in the notes;
    /// an error if not one row fills.
    pub fn rows(&self, codec: &TextCodec, context: usize) -> Result<(Rows, Notes)> {
        rows::rows(self, codec, context)
    }
}

/// Token rows of one length, `[b, t]`, that remember their documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    context: usize,
    tokens: Vec<TokenId>,
    /// Document index of every token.
    documents: Vec<u32>,
    names: Vec<String>,
}

impl Rows {
    /// From parts; `tokens` and `documents` hold `b * context` entries.
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
        }
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

    /// The first rows, at most `rows`.
    #[must_use]
    pub fn take(mut self, rows: usize) -> Self {
        self.tokens.truncate(rows * self.context);
        self.documents.truncate(rows * self.context);
        self
    }
}
