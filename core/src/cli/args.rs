//! Groups of flags that several commands share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;

use super::{Console, hub};
use crate::corpus::{CorpusSpec, Part, Positions};
use crate::error::{Error, Result};
use crate::fit::Fit;
use crate::formats::{Located, Reading};
use crate::ids::HookPoint;
use crate::models::{BosWish, Card, Footprint, Form, Model, Opening, Processing};
use crate::project::Project;
use crate::sae::Sae;
use crate::workbench::pair::{self, Pair};
use crate::workbench::text::{Most, Text, TextRequest};

/// Size of weights in memory, in bytes, from which the size is printed before loading.
const WORTH_SAYING: u64 = 256 << 20;

/// `--model`, `--offline`, `--keep-quantised`, `--process`, `--no-bos`, `--keep-double-bos`.
#[derive(Debug, Clone, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag; flattened arguments would leave an optional ModelArgs always absent"
)]
pub struct ModelArgs {
    /// Model: a HuggingFace folder, a GGUF file, or a name on the hub (openai-community/gpt2, owner/name/file.gguf, either with @revision)
    #[arg(long, value_name = "PATH|NAME")]
    pub model: PathBuf,
    /// Never use the network: a model given by name must be in the hub's cache
    #[arg(long)]
    pub offline: bool,
    /// Keep the matrices of a GGUF file in their stored type: less memory, slower, the same results
    #[arg(long)]
    pub keep_quantised: bool,
    /// Process the weights as TransformerLens does: transformer-lens (its defaults, where the model allows them), none, or a comma-separated list of
    /// fold-ln, center-writing-weights, center-unembed, fold-value-biases, refactor-factored-attn-matrices [default: what a dictionary's file
    /// names, else none]
    #[arg(long, value_name = "STEPS")]
    pub process: Option<Processing>,
    /// Never put BOS before texts, prompts and rows, whatever model and dictionary say
    #[arg(long)]
    no_bos: bool,
    /// Put BOS even before a text that begins with it, as transformers does [default: such a text gets no second BOS]
    #[arg(long)]
    keep_double_bos: bool,
}

/// `--no-bos`, `--keep-double-bos`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct BosArgs {
    /// Never put BOS before texts, prompts and rows, whatever model and dictionary say
    #[arg(long)]
    no_bos: bool,
    /// Put BOS even before a text that begins with it, as transformers does [default: such a text gets no second BOS]
    #[arg(long)]
    keep_double_bos: bool,
}

impl From<BosArgs> for BosWish {
    fn from(asked: BosArgs) -> Self {
        Self {
            left_out: asked.no_bos,
            doubled: asked.keep_double_bos,
        }
    }
}

impl ModelArgs {
    fn bos(&self) -> BosArgs {
        BosArgs {
            no_bos: self.no_bos,
            keep_double_bos: self.keep_double_bos,
        }
    }

    /// Loads the model and prints the loader's notes.
    pub fn open(&self, console: &Console) -> Result<Model> {
        self.open_processed(self.process.unwrap_or_default(), console)
    }

    fn open_processed(&self, processing: Processing, console: &Console) -> Result<Model> {
        let path = hub::path_of(&self.model, self.offline, console)?;
        let opening = self.opening(processing);
        let footprint = Footprint::from_path(&path, opening)?;
        if footprint.form != opening.form {
            console.note("Weights of a folder are held as f32: only GGUF files are kept as stored");
        }
        if footprint.memory_bytes >= WORTH_SAYING {
            console.note(&format!("Reading {}", super::model::takes(&footprint)));
        }
        let (model, notes) = Model::open_as(&path, opening)?;
        console.notes(&notes);
        console.decided(model.codec().bos());
        Ok(model)
    }

    /// Describes the model without loading it.
    pub fn card(&self, console: &Console) -> Result<Card> {
        let path = hub::path_of(&self.model, self.offline, console)?;
        let opening = self.opening(self.process.unwrap_or_default());
        let (card, notes) = Card::from_path(&path, opening)?;
        console.notes(&notes);
        console.decided(card.codec.bos());
        Ok(card)
    }

    pub(super) fn opening(&self, processing: Processing) -> Opening {
        Opening {
            form: if self.keep_quantised {
                Form::Stored
            } else {
                Form::F32
            },
            processing,
            bos: self.bos().into(),
        }
    }
}

/// Model flags of commands that also work without a model, or measure one on `--corpus`.
#[derive(Debug, Clone, clap::Args)]
pub struct MeasuringArgs {
    /// Measure on this model and --corpus too: a HuggingFace folder, a GGUF file, or a name on the hub
    #[arg(long, value_name = "PATH|NAME", requires = "corpus")]
    model: Option<PathBuf>,
    /// Never use the network: a model or dictionary given by name must be in the hub's cache
    #[arg(long)]
    pub offline: bool,
    /// Process the model's weights as TransformerLens does [default: what the dictionary's file names, else none]
    #[arg(long, value_name = "STEPS")]
    process: Option<Processing>,
    #[command(flatten)]
    bos: BosArgs,
}

impl MeasuringArgs {
    /// Returns the model to measure on, if there is one.
    pub fn model(&self) -> Option<ModelArgs> {
        Some(ModelArgs {
            model: self.model.clone()?,
            offline: self.offline,
            keep_quantised: false,
            process: self.process,
            no_bos: self.bos.no_bos,
            keep_double_bos: self.bos.keep_double_bos,
        })
    }
}

/// `--sae`, and `--hook` for a dictionary that names no hook.
#[derive(Debug, Clone, clap::Args)]
pub struct SaeArgs {
    /// Dictionary: a folder or file of SAELens, sparsify, dictionary_learning, Gemma Scope or another library, or a name on the hub (owner/name:path) or in
    /// SAELens's registry (RELEASE:ID, see `umbra sae registry`)
    #[arg(long, value_name = "PATH|NAME")]
    pub sae: PathBuf,
    /// Hook of the dictionary, such as blocks.2.hook_resid_post [default: the hook that its file names]
    #[arg(long, value_name = "NAME")]
    pub hook: Option<String>,
    /// Parent of a dictionary of an error.
    #[command(flatten)]
    pub parent: ParentArg,
}

/// `--parent`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ParentArg {
    /// Folder of the parent, for a dictionary of an error [default: where the dictionary's file says, else the dictionary of that fingerprint in the project around
    /// it]
    #[arg(long, value_name = "DIR")]
    parent: Option<PathBuf>,
}

impl ParentArg {
    /// Returns the places where the parent of the dictionary at `sae` may lie.
    pub fn places(&self, sae: &Path) -> Vec<PathBuf> {
        let given = self.parent.iter().cloned();
        given.chain(Project::dictionaries_around(sae)).collect()
    }
}

impl SaeArgs {
    /// Reads the dictionary and prints the loader's notes.
    pub(super) fn read(&self, offline: bool, console: &Console) -> Result<Sae> {
        self.read_at(&hub::dictionary_at(&self.sae, offline, console)?, console)
    }

    /// Reads a dictionary that was located.
    pub(super) fn read_at(&self, located: &Located, console: &Console) -> Result<Sae> {
        let (mut sae, notes) = located.open_among(&self.parent.places(&located.path))?;
        console.notes(&notes);
        // Parsed here rather than by clap: an unknown hook is a failure (exit code 1), not wrong usage (2).
        if let Some(hook) = &self.hook {
            rehook(&mut sae, hook.parse()?)?;
        }
        Ok(sae)
    }
}

/// `--sae`, given once for each dictionary.
#[derive(Debug, Clone, clap::Args)]
pub struct SaesArgs {
    /// Dictionary: a folder or file of SAELens, sparsify, dictionary_learning, Gemma Scope or another library, or a name on the hub (owner/name:path) or in
    /// SAELens's registry (RELEASE:ID, see `umbra sae registry`). May be repeated: the model runs once for all of them
    #[arg(long = "sae", value_name = "PATH|NAME", required = true)]
    pub saes: Vec<PathBuf>,
    /// Hook of the dictionary, such as blocks.2.hook_resid_post [default: the hook that its file names, as always with several dictionaries]
    #[arg(long, value_name = "NAME")]
    pub hook: Option<String>,
    /// Parent of a dictionary of an error.
    #[command(flatten)]
    pub parent: ParentArg,
}

/// `--sae`, given once for each dictionary, or not at all.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct AnySaesArgs {
    /// Dictionary: a folder or file of any library that Umbra reads, or a name on the hub (owner/name:path) or in SAELens's registry (RELEASE:ID). May be repeated
    #[arg(long = "sae", value_name = "PATH|NAME")]
    pub saes: Vec<PathBuf>,
    /// Parent of a dictionary of an error.
    #[command(flatten)]
    pub parent: ParentArg,
}

impl AnySaesArgs {
    /// Opens a model alone, or with all dictionaries as [`SaesArgs::open`] does.
    pub(super) fn open(
        &self,
        model: &ModelArgs,
        console: &Console,
    ) -> Result<(Arc<Model>, Vec<Arc<Sae>>)> {
        if self.saes.is_empty() {
            return Ok((Arc::new(model.open(console)?), Vec::new()));
        }
        let all = SaesArgs {
            saes: self.saes.clone(),
            hook: None,
            parent: self.parent.clone(),
        };
        all.open(model, console)
    }
}

impl SaesArgs {
    /// Returns the flags of each dictionary.
    pub fn each(&self) -> Vec<SaeArgs> {
        let one = |sae: &PathBuf| SaeArgs {
            sae: sae.clone(),
            hook: self.hook.clone(),
            parent: self.parent.clone(),
        };
        self.saes.iter().map(one).collect()
    }

    /// Opens a model and all dictionaries for it, and says what was decided; an error if one does not fit, or if two want the model processed in different ways.
    pub(super) fn open(
        &self,
        model: &ModelArgs,
        console: &Console,
    ) -> Result<(Arc<Model>, Vec<Arc<Sae>>)> {
        if self.hook.is_some() && self.saes.len() > 1 {
            let what = "names the hook of one dictionary: leave it out, or read one dictionary";
            return Err(Error::setting("--hook", what));
        }
        let read = |args: &SaeArgs| Ok(Arc::new(args.read(model.offline, console)?));
        let saes: Vec<Arc<Sae>> = self.each().iter().map(read).collect::<Result<_>>()?;
        let all: Vec<&Arc<Sae>> = saes.iter().collect();
        let model = open_together(model, &all, console)?;
        Ok((model, saes))
    }
}

/// Has `sae` read another hook than its file names; an error for a dictionary of an error, whose hook is its parent's.
pub fn rehook(sae: &mut Sae, hook: HookPoint) -> Result<()> {
    if let Some(of) = &sae.error_of {
        let what = format!(
            "{} reads {}, and its hook is that of its parent: omit the flag",
            sae.name,
            of.said()
        );
        return Err(Error::setting("--hook", what));
    }
    sae.provenance.hook = Some(hook);
    Ok(())
}

/// Opens a model and a dictionary for it, and says what was decided. The model is processed as the dictionary's file says, unless `--process` says
/// otherwise; an error if they do not fit or if the dictionary is a transcoder.
pub fn open_both(model: &ModelArgs, sae: &SaeArgs, console: &Console) -> Result<Pair> {
    open_pair(model, sae, console, |sae| sae.autoencoder().map(drop))
}

/// Opens a model and a dictionary for it as [`open_both`] does, every dictionary that encodes each token by itself: transcoders and layers of cross-layer ones too.
pub fn open_by_token(model: &ModelArgs, sae: &SaeArgs, console: &Console) -> Result<Pair> {
    open_pair(model, sae, console, |sae| sae.by_token().map(drop))
}

/// Opens a model and a dictionary of any kind for it, as [`open_both`] does.
pub fn open_with_transcoder(model: &ModelArgs, sae: &SaeArgs, console: &Console) -> Result<Pair> {
    open_pair(model, sae, console, |sae| sae.outputs().map(drop))
}

fn open_pair(
    model: &ModelArgs,
    sae: &SaeArgs,
    console: &Console,
    takes: fn(&Sae) -> Result<()>,
) -> Result<Pair> {
    let sae = sae.read(model.offline, console)?;
    takes(&sae)?;
    open_for(model, &Arc::new(sae), console)
}

/// Opens a model for a dictionary that is open, and says what was decided; see [`open_both`].
pub fn open_for(model: &ModelArgs, sae: &Arc<Sae>, console: &Console) -> Result<Pair> {
    let opened = open_as_named(model, pair::processing(model.process, sae), console)?;
    let pair = Pair::new(&opened, sae);
    console.notes(&pair.check()?);
    say_wanted(pair.wanted, console);
    console.decided(pair.model.codec().bos());
    Ok(pair)
}

/// Opens a model for one run with all of `saes`, and says what was decided; an error if one does not fit, or if two want the model processed in different ways.
pub(super) fn open_together(
    model: &ModelArgs,
    saes: &[&Arc<Sae>],
    console: &Console,
) -> Result<Arc<Model>> {
    let plain: Vec<&Sae> = saes.iter().map(|sae| &***sae).collect();
    let processing = pair::processing_of_all(model.process, &plain)?;
    let opened = open_as_named(model, processing, console)?;
    let pairs: Vec<Pair> = saes.iter().map(|sae| Pair::new(&opened, sae)).collect();
    let (reader, notes) = pair::together(&pairs)?;
    console.notes(&notes);
    say_wanted(pairs.iter().find_map(|pair| pair.wanted), console);
    console.decided(reader.codec().bos());
    Ok(reader)
}

/// Opens a model with a processing that dictionaries' files may have named, and says so.
fn open_as_named(
    model: &ModelArgs,
    processing: Processing,
    console: &Console,
) -> Result<Arc<Model>> {
    let opened = model.open_processed(processing, console)?;
    if model.process.is_none() && !opened.processing().is_none() {
        console.note(&format!(
            "The model is processed by {}, as the dictionary's file says (--process none leaves it unprocessed)",
            opened.processing()
        ));
    }
    Ok(Arc::new(opened))
}

/// Names the flag that processes the model as in training, where it is processed otherwise.
fn say_wanted(wanted: Option<Processing>, console: &Console) {
    if let Some(wanted) = wanted {
        console.note(&format!(
            "--process {wanted} processes the model as in training"
        ));
    }
}

/// `--allow-mismatch`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct MismatchArgs {
    /// Accept an index or a probe whose fingerprints belong to another dictionary or model
    #[arg(long)]
    allow_mismatch: bool,
}

impl MismatchArgs {
    /// Whether a mismatch is allowed.
    pub fn is_allowed(self) -> bool {
        self.allow_mismatch
    }

    /// Prints a note if the fit is not proven; an error if the two do not belong together.
    pub fn check(self, fit: &Fit, console: &Console) -> Result<()> {
        say_fit(fit, self.allow_mismatch, console)
    }
}

/// Prints a note if `fit` is not proven; an error if the two do not belong together.
pub fn say_fit(fit: &Fit, allow_mismatch: bool, console: &Console) -> Result<()> {
    if let Some(note) = fit.check(allow_mismatch)? {
        console.note(&note);
    }
    Ok(())
}

/// `--corpus`, `--recursive`, `--text-column`, `--unwrap`, `--context`, `--split-seed`.
#[derive(Debug, Clone, clap::Args)]
pub struct CorpusArgs {
    /// Text: .txt, .jsonl, .ndjson, .json (one record per line, or an array; also .gz or .zst) and .parquet files, folders of them, or the .parquet files of a
    /// data set on the hub (hf://datasets/owner/name, hf://datasets/owner/name/folder@revision). Takes several values and may be repeated. Broken records and
    /// records without the field are skipped and named; the command fails if they exceed 1 % of a file of 100 or more records, or of 1,000 records in all
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    pub corpus: Vec<PathBuf>,
    /// Read sub-folders of the folders in --corpus
    #[arg(long)]
    pub recursive: bool,
    /// Column of .parquet files and field of JSON records: text, or lists of token ids, which are used unchanged [default: text, else input_ids, else
    /// tokens]
    #[arg(long, value_name = "NAME")]
    pub text_column: Option<String>,
    /// Replace white space inside a paragraph by single spaces and join paragraphs by one newline (for hard-wrapped books)
    #[arg(long)]
    pub unwrap: bool,
    /// Row length in tokens [default: for token ids that of their rows; for text the dictionary's, else 256; at most the model's context]
    #[arg(long, value_name = "TOKENS")]
    pub context: Option<usize>,
    /// Seed of the split that holds out 5 % of the documents
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub split_seed: u64,
}

impl CorpusArgs {
    /// Asks for all of the text; the files of a data set on the hub are fetched first, unless `offline`.
    pub fn request(
        &self,
        (positions, documents): (PositionsArg, DocumentsArg),
        offline: bool,
        console: &Console,
    ) -> Result<TextRequest> {
        let paths = self.corpus.iter();
        let paths: Vec<Vec<PathBuf>> = paths
            .map(|path| hub::corpus_at(path, offline, console))
            .collect::<Result<_>>()?;
        Ok(TextRequest {
            corpus: CorpusSpec {
                paths: paths.concat(),
                recursive: self.recursive,
                unwrap: self.unwrap,
                column: self.text_column.clone(),
            },
            named: self.corpus.clone(),
            seed: self.split_seed,
            reading: Reading {
                context: self.context,
                positions: positions.rule(),
                separate_documents: documents.separate_documents,
            },
            ..TextRequest::default()
        })
    }
}

/// `--positions`: positions of rows that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::Args)]
pub struct PositionsArg {
    /// Positions of rows that count [default: what the dictionary's file says, else text]
    #[arg(long, value_enum, value_name = "RULE")]
    positions: Option<RuleArg>,
}

impl PositionsArg {
    /// Returns the rule asked for, if any.
    pub fn rule(self) -> Option<Positions> {
        self.positions.map(|rule| match rule {
            RuleArg::Text => Positions::Text,
            RuleArg::First => Positions::First,
            RuleArg::SaeLens => Positions::SaeLens,
            RuleArg::All => Positions::All,
        })
    }
}

/// `--separate-documents`: whether documents packed in one row are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::Args)]
pub struct DocumentsArg {
    /// Keep documents packed in one row apart: attention stops at the last BOS, and positions count from it [default: what the dictionary's file says, else
    /// attention runs across documents, as in SAELens]
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub separate_documents: Option<bool>,
}

/// Rule for positions that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RuleArg {
    /// All but row starts and special tokens (BOS, EOS, padding, separator); those keep their own activation and are neither charged nor predicted
    Text,
    /// All but the first position of each row
    First,
    /// As in `sae_lens.evals`: all but special tokens; predictions of these are charged, and zero ablation covers every position
    SaeLens,
    /// All positions
    All,
}

/// `--split`: part of a training corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum SplitArg {
    /// All documents
    #[default]
    All,
    /// The documents that training on this text uses
    Train,
    /// The 5 % of documents that training on this text holds out
    HeldOut,
}

impl From<Part> for SplitArg {
    fn from(part: Part) -> Self {
        match part {
            Part::All => Self::All,
            Part::Train => Self::Train,
            Part::HeldOut => Self::HeldOut,
        }
    }
}

impl From<SplitArg> for Part {
    fn from(split: SplitArg) -> Self {
        match split {
            SplitArg::All => Self::All,
            SplitArg::Train => Self::Train,
            SplitArg::HeldOut => Self::HeldOut,
        }
    }
}

/// [`CorpusArgs`] with `--split`, `--tokens` and `--positions`, for text that is read once.
#[derive(Debug, Clone, clap::Args)]
pub struct TextArgs {
    /// Location of the text.
    #[command(flatten)]
    pub corpus: CorpusArgs,
    /// Part of the text to read
    #[arg(long, value_enum, default_value_t)]
    pub split: SplitArg,
    /// Read at most about this many counted tokens, in whole rows [default: all]
    #[arg(long, value_name = "N")]
    pub tokens: Option<u64>,
    /// Positions that count.
    #[command(flatten)]
    pub positions: PositionsArg,
    /// Whether documents are kept apart.
    #[command(flatten)]
    pub documents: DocumentsArg,
}

impl TextArgs {
    /// Asks for the part of the text and as much of it as the flags say.
    pub fn request(&self, offline: bool, console: &Console) -> Result<TextRequest> {
        let asked = (self.positions, self.documents);
        let request = self.corpus.request(asked, offline, console)?;
        Ok(TextRequest {
            part: self.split.into(),
            most: self.tokens.map(Most::Tokens),
            ..request
        })
    }

    /// Reads the text for a model and its dictionary, and says what was decided.
    pub fn read(&self, pair: &Pair, offline: bool, console: &Console) -> Result<Text> {
        let text = pair.read(&self.request(offline, console)?)?;
        console.notes(&text.said());
        Ok(text)
    }
}
