//! Reads files and folders into documents: plain text, JSON records and Parquet, compressed or not.

use std::path::Path;

use super::files::{self, Found};
use super::kind::{self, Holds};
#[cfg(feature = "parquet")]
use super::parquet;
use super::unpack::Unpacked;
use super::{Content, Corpus, CorpusSpec, Document, json, unwrap};
use crate::error::{Error, Notes, Result};

pub(super) fn read(spec: &CorpusSpec) -> Result<(Corpus, Notes)> {
    let mut all = All::default();
    for path in &spec.paths {
        for found in files::find(path, spec.recursive, &mut all.notes)? {
            let before = all.documents.len();
            all.read(&found, spec.column.as_deref())?;
            agree(&all.documents, before, &found.path)?;
        }
    }
    let All {
        mut documents,
        tokenizer,
        empty,
        tally,
        mut notes,
    } = all;
    let path = spec.paths.first().cloned().unwrap_or_default();
    tally.judge_all(&path)?;
    let found = documents.len() + empty;
    documents.retain(|document| match &document.content {
        Content::Text(text) => !text.trim().is_empty(),
        Content::Tokens(tokens) => !tokens.is_empty(),
    });
    if documents.is_empty() {
        let what = format!(
            "the corpus is empty; name files that hold text: {}",
            kind::NAMED
        );
        return Err(Error::input(what, path));
    }
    let blank = found - documents.len();
    if blank > 0 {
        notes.add(format!(
            "{blank} of {found} documents hold no text and are left out"
        ));
    }
    if spec.unwrap {
        for document in &mut documents {
            if let Content::Text(text) = &mut document.content {
                *text = unwrap::unwrap(text);
            }
        }
    }
    let corpus = Corpus {
        documents,
        tokenizer,
    };
    Ok((corpus, notes))
}

/// Everything read so far.
#[derive(Default)]
struct All {
    documents: Vec<Document>,
    tokenizer: Option<String>,
    /// Number of empty records.
    empty: usize,
    /// Outcome of the JSON records.
    tally: json::Tally,
    notes: Notes,
}

impl All {
    fn read(&mut self, found: &Found, column: Option<&str>) -> Result<()> {
        let (path, name) = (&found.path, &found.name);
        let documents = &mut self.documents;
        let (holds, packing) = kind::detect(path);
        match holds {
            Some(Holds::Parquet) => return self.read_parquet(path, column, name),
            Some(Holds::Json) => {
                let file = Unpacked::open(path, packing)?;
                let tally = json::read(file, column, name, documents)?;
                if !found.is_named && tally.is_foreign() && is_settings(name) {
                    let what = "holds no records with text and is left out";
                    self.notes.add(format!("{what}: {}", path.display()));
                    return Ok(());
                }
                if let Some(note) = tally.judge(path, column)? {
                    self.notes.add(note);
                }
                self.empty += tally.empty;
                self.tally.add(&tally);
            }
            Some(Holds::Text) | None => {
                let bytes = Unpacked::open(path, packing)?.rest()?;
                let text = String::from_utf8(bytes).map_err(|refused| {
                    let at = refused.utf8_error().valid_up_to();
                    let what = format!("the text is not UTF-8 at byte {at}; convert the file");
                    Error::input(what, path)
                })?;
                documents.push(Document {
                    name: name.clone(),
                    content: Content::Text(text),
                });
            }
        }
        Ok(())
    }

    #[cfg(feature = "parquet")]
    fn read_parquet(&mut self, path: &Path, column: Option<&str>, name: &str) -> Result<()> {
        let contents = parquet::read(path, column, name, &mut self.documents)?;
        self.empty += contents.empty;
        let named = contents.tokenizer.or_else(|| tokenizer_beside(path));
        self.tokenizer = self.tokenizer.take().or(named);
        Ok(())
    }

    #[cfg(not(feature = "parquet"))]
    fn read_parquet(&mut self, path: &Path, _: Option<&str>, _: &str) -> Result<()> {
        Err(Error::left_out(
            format!("reading the Parquet file {}", path.display()),
            "parquet",
        ))
    }
}

/// Returns whether a file in a folder may be settings instead of text, such as `dataset_info.json` beside a data set.
fn is_settings(name: &str) -> bool {
    name.to_lowercase().ends_with(".json")
}

/// Returns an error if the documents of `file`, from number `before` on, are token ids and the first document is text, or the reverse.
fn agree(documents: &[Document], before: usize, file: &Path) -> Result<()> {
    let is_text = |document: &Document| matches!(document.content, Content::Text(_));
    let (Some(first), Some(added)) = (documents.first(), documents.get(before)) else {
        return Ok(());
    };
    if is_text(first) == is_text(added) {
        return Ok(());
    }
    let kinds = ["text", "token ids"];
    let [here, there] = if is_text(added) {
        kinds
    } else {
        [kinds[1], kinds[0]]
    };
    Err(Error::input(
        format!("holds {here}, the files before it hold {there}: give one kind at a time"),
        file,
    ))
}

/// Returns the tokenizer that SAELens names beside a data set that it tokenized.
#[cfg(feature = "parquet")]
fn tokenizer_beside(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file.with_file_name("sae_lens.json")).ok()?;
    let settings: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(settings["tokenizer_name"].as_str()?.to_owned())
}
