//! A text opened for a model: files become documents, a part of the documents becomes token rows, and the result carries what was decided on the way and what
//! records say about it.
//!
//! BOS is the model's: [`crate::workbench::pair::Pair`] gives the model that reads as a dictionary was trained.

mod reached;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use self::reached::Files;
use crate::corpus::{Corpus, CorpusSpec, Part, Positions, Rows};
use crate::error::{Error, Notes, Result};
use crate::formats::{self, Reading};
use crate::models::{MODEL_FINGERPRINT, Model};
use crate::project::Project;
use crate::sae::Sae;

/// A text to read, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextRequest {
    /// Files and folders, and how they are read.
    pub corpus: CorpusSpec,
    /// Names and paths for the phrase, where the files were fetched and the person gave a data set's name; empty: the paths of `corpus`.
    pub named: Vec<PathBuf>,
    /// Part of the documents.
    pub part: Part,
    /// Seed that decides which documents are held out.
    pub seed: u64,
    /// Row length, positions and separate documents; the dictionary's file or the default decides what is left open.
    pub reading: Reading,
    /// Limit on what is read.
    pub most: Option<Most>,
}

/// A limit on the rows that are read: the first ones stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Most {
    /// Rows.
    Rows(usize),
    /// Tokens that count, in whole rows; one row at least.
    Tokens(u64),
}

impl Most {
    /// Returns the first of `rows`, and adds a note where it leaves out some of several files.
    fn of(self, rows: Rows, notes: &mut Notes) -> Rows {
        let files = Files::new(&rows);
        let kept = match self {
            Self::Rows(most) => rows.take(most),
            Self::Tokens(most) => rows.holding(most),
        };
        if let Some(note) = files.note(&kept) {
            notes.add(note);
        }
        kept
    }
}

impl TextRequest {
    /// Asks for all of the text at `paths`.
    pub fn new<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Self {
        Self::from(CorpusSpec {
            paths: paths.into_iter().map(Into::into).collect(),
            ..CorpusSpec::default()
        })
    }

    /// Asks for the text that dictionaries of `project` train on: all of its training text where it names a held-out text, else the training part; none if it
    /// names no training text.
    pub fn training_of(project: &Project) -> Option<Self> {
        let part = if project.held_out_text.is_empty() {
            Part::Train
        } else {
            Part::All
        };
        let request = Self::from(project.corpus(&project.train_text)).of(part);
        (!project.train_text.is_empty()).then_some(request)
    }

    /// Asks for the text that no dictionary of `project` was trained on: its held-out text, or the held-out part of its training text.
    pub fn held_out_of(project: &Project) -> Result<Self> {
        let (paths, part) = if project.held_out_text.is_empty() {
            (&project.train_text, Part::HeldOut)
        } else {
            (&project.held_out_text, Part::All)
        };
        if paths.is_empty() {
            let what = "the project names no text to measure on, add one in Library";
            return Err(Error::input(what, &project.folder));
        }
        Ok(Self::from(project.corpus(paths)).of(part))
    }

    /// Asks for this part of the text.
    #[must_use]
    pub fn of(mut self, part: Part) -> Self {
        self.part = part;
        self
    }

    /// Asks for rows that are read like this.
    #[must_use]
    pub fn read_as(mut self, reading: Reading) -> Self {
        self.reading = reading;
        self
    }

    /// Asks for so much of the text at most.
    #[must_use]
    pub fn at_most(mut self, most: Most) -> Self {
        self.most = Some(most);
        self
    }

    /// Returns the names of the files: `girls.txt, alice.txt (unwrapped)`.
    pub fn name(&self) -> String {
        let paths = if self.named.is_empty() {
            &self.corpus.paths
        } else {
            &self.named
        };
        let names: Vec<_> = paths
            .iter()
            .map(|path| {
                let is_on_hub = path.starts_with("hf:");
                let name = path.file_name().filter(|_| !is_on_hub);
                name.unwrap_or(path.as_os_str()).to_string_lossy()
            })
            .collect();
        let unwrapped = if self.corpus.unwrap {
            " (unwrapped)"
        } else {
            ""
        };
        format!("{}{unwrapped}", names.join(", "))
    }

    /// Returns the names and the part: `girls.txt (unwrapped), held-out part by seed 0`.
    pub fn phrase(&self) -> String {
        let (name, seed) = (self.name(), self.seed);
        match self.part {
            Part::All => name,
            Part::Train => format!("{name}, training part by seed {seed}"),
            Part::HeldOut => format!("{name}, held-out part by seed {seed}"),
        }
    }

    /// Reads the documents of the part asked for.
    pub fn open(&self) -> Result<(Corpus, Notes)> {
        let (corpus, mut notes) = Corpus::open(&self.corpus)?;
        if self.part == Part::All {
            return Ok((corpus, notes));
        }
        let (corpus, decided) = corpus.part(self.part, self.seed);
        notes.extend(decided);
        Ok((corpus, notes))
    }

    /// Reads the text for `model` and the dictionary that reads its activations, if there is one.
    pub fn read(&self, model: &Model, sae: Option<&Sae>) -> Result<Text> {
        self.text(self.open()?, model, sae)
    }

    /// Reads this text to fit on and the text at `held_out` to measure on; without `held_out`, reads the training part and the held-out part of this text.
    pub fn read_split(
        &self,
        held_out: &[PathBuf],
        model: &Model,
        sae: Option<&Sae>,
    ) -> Result<[Text; 2]> {
        if !held_out.is_empty() {
            let mut measured = self.clone();
            measured.corpus.paths = held_out.to_vec();
            measured.named.clear();
            let all = [self.clone(), measured].map(|request| request.of(Part::All));
            let [fitted, measured] = &all;
            return Ok([fitted.read(model, sae)?, measured.read(model, sae)?]);
        }
        let (whole, mut notes) = Corpus::open(&self.corpus)?;
        let (training, decided) = whole.part(Part::Train, self.seed);
        notes.extend(decided);
        let training = (training, notes);
        // Both parts say the same about the split.
        let held_out = (whole.part(Part::HeldOut, self.seed).0, Notes::default());
        drop(whole);
        Ok([
            (self.clone().of(Part::Train)).text(training, model, sae)?,
            (self.clone().of(Part::HeldOut)).text(held_out, model, sae)?,
        ])
    }

    /// Packs the documents of the part asked for into rows.
    fn text(
        &self,
        (corpus, mut notes): (Corpus, Notes),
        model: &Model,
        sae: Option<&Sae>,
    ) -> Result<Text> {
        let (rows, packed) = formats::rows(&corpus, model, sae, self.reading)?;
        notes.extend(packed);
        let rows = match self.most {
            Some(most) => most.of(rows, &mut notes),
            None => rows,
        };
        Ok(Text {
            rows,
            phrase: self.phrase(),
            fingerprint: corpus.fingerprint(),
            documents: corpus.documents.len(),
            notes,
            name: self.name(),
            is_unwrapped: self.corpus.unwrap,
            part: self.part,
            seed: self.seed,
        })
    }
}

impl From<CorpusSpec> for TextRequest {
    fn from(corpus: CorpusSpec) -> Self {
        Self {
            corpus,
            ..Self::default()
        }
    }
}

/// A text as a model reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// Token rows.
    pub rows: Rows,
    /// Files and part, for people, figures and indexes.
    pub phrase: String,
    /// Hex SHA-256 of the documents.
    pub fingerprint: String,
    /// Number of documents.
    pub documents: usize,
    /// Decisions and omissions on the way.
    pub notes: Notes,
    name: String,
    is_unwrapped: bool,
    part: Part,
    seed: u64,
}

impl Text {
    /// Counts positions by another rule.
    #[must_use]
    pub fn by(mut self, rule: Positions) -> Self {
        self.rows = self.rows.by(rule);
        self
    }

    /// Takes evenly spaced rows that hold about `most` positions that count; all rows if there is no limit.
    #[must_use]
    pub fn sampled(mut self, most: Option<usize>) -> Self {
        if let Some(most) = most {
            self.rows = self.rows.sample(most);
        }
        self
    }

    /// Leaves out the first positions of each row, or of each document kept apart.
    #[must_use]
    pub fn skipping(mut self, skip: usize) -> Self {
        self.rows = self.rows.skipping(skip);
        self
    }

    /// Returns all sentences for people: what was decided, then which positions count.
    pub fn said(&self) -> Notes {
        let mut notes = self.notes.clone();
        notes.add(self.rows.note());
        notes
    }

    /// Returns what a store's manifest says about the text.
    pub fn facts(&self) -> Map<String, Value> {
        let seed = self.seed;
        let split = match self.part {
            Part::All => Value::from("all of the text"),
            Part::Train => json!({ "part": "train", "seed": seed }),
            Part::HeldOut => json!({ "part": "held-out", "seed": seed }),
        };
        let facts = [
            ("corpus", Value::from(self.name.as_str())),
            ("corpus_sha256", self.fingerprint.as_str().into()),
            ("corpus_documents", self.documents.into()),
            ("corpus_unwrapped", self.is_unwrapped.into()),
            ("split", split),
        ];
        let facts = facts.into_iter();
        facts.map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Returns what a run's record and a dictionary's metadata say about the text and the model that reads it.
    pub fn run_facts(&self, model: &Model) -> BTreeMap<String, Value> {
        let mut facts: BTreeMap<String, Value> = self.facts().into_iter().collect();
        facts.insert(MODEL_FINGERPRINT.to_owned(), model.fingerprint().into());
        facts
    }
}
