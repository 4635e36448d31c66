//! Hooked decoder-only transformers on candle: loading, one forward pass with named hooks, generation.

mod blocks;
mod branches;
mod circuits;
mod decoder;
mod effects;
mod endings;
mod ends;
mod facts;
mod families;
mod fingerprint;
mod footprint;
mod generate;
mod gguf;
mod gradient;
mod hook_fn;
mod load;
mod opening;
mod path;
mod processing;
mod quantity;
mod resume;
mod rope;
mod settings;
#[cfg(test)]
mod torch_tests;
pub mod verify;
mod weights;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};

use self::blocks::Documents;
pub use self::branches::{Branches, Trunk};
pub use self::circuits::HeadReads;
use self::decoder::{Decoder, Logits};
pub use self::effects::Unembed;
pub use self::ends::Ends;
pub use self::footprint::{Footprint, Form};
pub(crate) use self::generate::{Branch, Paused};
pub use self::generate::{Finish, Generator};
pub(crate) use self::gradient::next_token_loss;
pub use self::gradient::{Gradients, Scalar};
pub use self::hook_fn::HookFn;
pub(crate) use self::load::is_in;
pub use self::load::{read_metadata, read_tensors};
pub use self::opening::{BosWish, Opening};
pub use self::path::{AttentionPath, FixedNorm, LogitPath};
pub use self::processing::{Processing, STEPS, Step};
pub use self::quantity::Quantity;
pub(crate) use self::resume::Resume;
pub use self::resume::{CleanRun, Place};
use crate::error::{Error, Notes, Result};
use crate::ids::{HookPoint, Layer, Site, TokenId};
use crate::progress::{Ended, Flow};
use crate::text::TextCodec;

/// Remedy where a model's file lacks a tensor or a key.
const LACKED: &str = "the file is incomplete or of another model, download or convert it again";

/// Normalisation that a model uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// Mean removed, variance normalised, weight and bias.
    LayerNorm,
    /// Root mean square normalised, weight only.
    RmsNorm,
}

/// Shape of a model of any family.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Family name as in `model_type`: `gpt2`, `llama` and so on.
    pub family: &'static str,
    /// Blocks, `l`.
    pub layers: usize,
    /// Residual width, `d`.
    pub d_model: usize,
    /// Query heads, `h`.
    pub heads: usize,
    /// Key/value heads.
    pub kv_heads: usize,
    /// Head width, `e`.
    pub d_head: usize,
    /// MLP width, `m`.
    pub d_mlp: usize,
    /// Vocabulary, `v`.
    pub vocab: usize,
    /// Longest sequence.
    pub context: usize,
    /// Normalisation.
    pub norm: NormKind,
    /// Its epsilon.
    pub norm_eps: f64,
    /// Number of parameters.
    pub parameters: usize,
}

/// Start of a forward pass.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// Token ids `[b, t]` (u32).
    Tokens(&'a Tensor),
    /// The residual stream entering `layer`, `[b, t, d]` (for `layer == layers`: what the final norm reads), with the token ids `[b, t]` that it is of:
    /// only a model that keeps documents apart needs them.
    Residual(Layer, &'a Tensor, Option<&'a Tensor>),
}

/// Reads or replaces hook values during a forward pass.
pub trait Hooks {
    /// Whether to call [`Hooks::visit`] at this hook. Asked before the value is computed, perhaps more than once.
    fn wants(&self, hook: HookPoint) -> bool;

    /// Receives the value (shapes as in [`crate::ids::Site`]); `Some` replaces it. `first_position` is the position of the first token of `value`
    /// (0 but in cached generation).
    fn visit(
        &mut self,
        hook: HookPoint,
        first_position: usize,
        value: &Tensor,
    ) -> Result<Option<Tensor>>;

    /// The pass ends right after this hook, without logits.
    fn last(&self) -> Option<HookPoint> {
        None
    }
}

/// Settings by which generation picks tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Temperature; 0 is greedy.
    pub temperature: f64,
    /// Probability mass of nucleus sampling, if limited.
    pub top_p: Option<f64>,
    /// Number of likeliest tokens considered, if limited.
    pub top_k: Option<usize>,
    /// Logits of tokens the text already holds are divided by this where positive and multiplied where not (Keskar et al. 2019); 1 leaves them.
    pub repetition_penalty: f32,
    /// Seed of the choice.
    pub seed: u64,
    /// Most tokens to generate (the end of the context may stop earlier).
    pub tokens: usize,
    /// Stop strings: generation ends with the token that completes one.
    pub stop: Vec<String>,
    /// Whether generation continues past a token that ends a text ([`Model::ends`]).
    pub ignore_eos: bool,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            top_p: None,
            top_k: Some(40),
            repetition_penalty: 1.0,
            seed: 0,
            tokens: 60,
            stop: Vec::new(),
            ignore_eos: false,
        }
    }
}

/// Key under which dictionaries, run records and stores hold the [`Model::fingerprint`] of their model.
pub const MODEL_FINGERPRINT: &str = "model_fingerprint";

/// Description of a model without its weights: from its settings, its tokenizer and the headers of its files.
#[derive(Debug, Clone)]
pub struct Card {
    /// Name, as shown and as written into metadata.
    pub name: String,
    /// Its shape.
    pub config: Config,
    /// Its tokenizer.
    pub codec: TextCodec,
    /// Tokens that end a text.
    pub ends: Ends,
    /// Size on disk and, if it were loaded, in memory.
    pub footprint: Footprint,
    /// Particulars, in sentences.
    pub facts: Vec<String>,
    /// Processing that would apply to its weights.
    pub processing: Processing,
    path: PathBuf,
}

impl Card {
    /// Describes the model at `path` as `opening` would load it. Missing and misshapen tensors are errors here too; nothing large is read.
    pub fn from_path(path: &Path, opening: Opening) -> Result<(Self, Notes)> {
        let mut notes = Notes::default();
        let described = load::Source::find(path, opening)?.describe(&mut notes)?;
        let card = Self {
            name: load::name_of(path),
            facts: described.facts(),
            processing: described.processing,
            config: described.config,
            codec: described.codec,
            ends: described.ends,
            footprint: described.footprint,
            path: path.to_path_buf(),
        };
        Ok((card, notes))
    }

    /// Fingerprint of the model, see [`Model::fingerprint`].
    pub fn fingerprint(&self) -> Result<String> {
        load::Source::find(&self.path, Opening::default())?.fingerprint()
    }
}

/// A loaded model with its tokenizer. Read-only, so it is shared between threads by `Arc`; a clone shares the weights.
#[derive(Debug, Clone)]
pub struct Model {
    config: Config,
    decoder: Arc<Decoder>,
    codec: TextCodec,
    ends: Ends,
    separate: Option<TokenId>,
    name: String,
    path: PathBuf,
    footprint: Arc<Footprint>,
    processing: Processing,
    facts: Vec<String>,
    fingerprint: Arc<str>,
}

impl Model {
    /// Loads a HuggingFace folder or a GGUF file; the notes say what was decided.
    pub fn open<P: AsRef<Path> + ?Sized>(path: &P) -> Result<(Self, Notes)> {
        Self::open_as(path.as_ref(), Opening::default())
    }

    /// Loads a model with its weights held and processed as `opening` says; the weights of a folder are always f32.
    pub fn open_as(path: &Path, opening: Opening) -> Result<(Self, Notes)> {
        let mut notes = Notes::default();
        let loaded = load::Source::find(path, opening)?.load(&mut notes)?;
        let name = load::name_of(path);
        let model = Self {
            facts: loaded.facts(),
            processing: loaded.processing,
            config: loaded.config,
            decoder: Arc::new(loaded.decoder),
            codec: loaded.codec,
            ends: loaded.ends,
            separate: None,
            name,
            path: path.to_path_buf(),
            footprint: Arc::new(loaded.footprint),
            fingerprint: loaded.fingerprint.into(),
        };
        Ok((model, notes))
    }

    /// Shape of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Folder or file name, as shown and as written into metadata.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Path it was loaded from.
    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Size on disk and in memory.
    pub fn footprint(&self) -> &Footprint {
        &self.footprint
    }

    /// Hex SHA-256 of settings, tokenizer and tensors (name, type, shape and 64 KiB of each at most). Dictionaries, indexes, probes and stores name their model
    /// by it. Processing on opening does not change it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Its tokenizer.
    pub fn codec(&self) -> &TextCodec {
        &self.codec
    }

    /// Tokens that end generation.
    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Adds a token that ends generation, and why it does; the weights stay.
    #[must_use]
    pub fn with_end(mut self, end: TokenId, why: &str) -> Self {
        let ids = self.ends.ids.iter().copied().chain([end]).collect();
        self.ends = Ends::new(ids, format!("{}, and {why}", self.ends.why));
        self
    }

    /// Replaces the tokenizer's rule, as [`TextCodec::as_trained`] gives it; the weights stay.
    #[must_use]
    pub fn with_codec(mut self, codec: TextCodec) -> Self {
        self.codec = codec;
        self
    }

    /// Keeps documents packed in one row apart: attention does not look beyond the last BOS, and positions are counted from it, so
    /// that each document is read as if it stood alone. A model whose texts have no BOS is an error.
    pub fn with_separate_documents(self) -> Result<Self> {
        let bos = self.codec.bos_between_documents()?;
        Ok(self.apart_at(bos))
    }

    fn apart_at(mut self, bos: TokenId) -> Self {
        self.separate = Some(bos);
        self
    }

    /// Whether documents packed in one row are kept apart ([`Model::with_separate_documents`]).
    pub fn separates_documents(&self) -> bool {
        self.separate.is_some()
    }

    /// Particulars, in sentences for its card.
    pub fn facts(&self) -> &[String] {
        &self.facts
    }

    /// Processing of its weights.
    pub fn processing(&self) -> Processing {
        self.processing
    }

    /// Returns the steps of `processing` that this model allows.
    pub fn allowed(&self, processing: Processing) -> Processing {
        let allowed = processing.where_allowed().allowed(
            (&self.config, &self.decoder),
            Form::F32,
            &mut Notes::default(),
        );
        allowed.unwrap_or_default()
    }

    /// Returns its hooks, in the order in which a pass reaches them.
    pub fn hooks(&self) -> impl Iterator<Item = HookPoint> {
        HookPoint::all(self.config.layers).filter(|hook| self.decoder.has(*hook))
    }

    /// Checks that this model has `hook`; the error names the hooks it has.
    pub fn check_hook(&self, hook: HookPoint) -> Result<()> {
        if self.decoder.has(hook) {
            return Ok(());
        }
        let why = match hook.layer() {
            Some(layer) if layer.index() >= self.config.layers => {
                format!("{} has no block {layer}", self.name)
            }
            _ => format!("{} ({}) has no such place", self.name, self.config.family),
        };
        let first = Layer(0);
        let names: Vec<String> = self
            .hooks()
            .filter(|hook| hook.layer().is_none_or(|layer| layer == first))
            .map(|hook| match hook {
                HookPoint::Block(_, site) => site.name().to_owned(),
                outside => outside.to_string(),
            })
            .collect();
        Err(Error::hook(
            hook,
            format!(
                "{why}, its hooks are (blocks.0 to blocks.{} each) {}",
                self.config.layers - 1,
                names.join(", ")
            ),
        ))
    }

    /// Width of one token's activation at `hook`, heads concatenated (`hook_z`: h·e). Tables of positions and missing hooks are errors.
    pub fn width(&self, hook: HookPoint) -> Result<usize> {
        self.check_hook(hook)?;
        let config = &self.config;
        let site = match hook {
            HookPoint::Block(_, site) => site,
            HookPoint::PosEmbed => {
                return Err(Error::hook(
                    hook,
                    "is the same for every text and no activation, choose another hook",
                ));
            }
            HookPoint::FinalScale => return Ok(1),
            HookPoint::Embed | HookPoint::FinalNormalized => return Ok(config.d_model),
        };
        match site {
            Site::AttnScores | Site::Pattern => Err(Error::hook(
                hook,
                "is a table of positions and has no width, choose another hook",
            )),
            Site::Q | Site::RotQ | Site::Z => Ok(config.heads * config.d_head),
            Site::K | Site::V | Site::RotK => Ok(config.kv_heads * config.d_head),
            Site::Result => Ok(config.heads * config.d_model),
            Site::MlpPre | Site::MlpPreLinear | Site::MlpPost => Ok(config.d_mlp),
            Site::Ln1Scale | Site::Ln2Scale => Ok(1),
            _ => Ok(config.d_model),
        }
    }

    /// Number of heads whose values lie side by side at `hook`; none where it has no dimension of heads.
    pub fn heads(&self, hook: HookPoint) -> Option<usize> {
        match hook.site()? {
            Site::Q | Site::RotQ | Site::Z | Site::Result | Site::Pattern | Site::AttnScores => {
                Some(self.config.heads)
            }
            Site::K | Site::V | Site::RotK => Some(self.config.kv_heads),
            _ => None,
        }
    }

    /// Runs one forward pass; returns logits `[b, t, v]`, or `None` when `hooks.last()` ended it.
    pub fn run(&self, start: Start<'_>, hooks: &mut dyn Hooks) -> Result<Option<Tensor>> {
        let documents = match (self.separate, start) {
            (None, _) => None,
            // Nothing behind the last block reads other positions.
            (_, Start::Residual(layer, _, None)) if layer.index() >= self.config.layers => None,
            (Some(bos), Start::Tokens(tokens) | Start::Residual(_, _, Some(tokens))) => {
                Documents::find(tokens, bos)?
            }
            (Some(_), Start::Residual(_, _, None)) => {
                let what = "a pass from the residual stream needs the token ids of its positions to keep documents apart, give them";
                return Err(Error::setting("tokens", what));
            }
        };
        let start = (start, documents.as_ref());
        self.decoder
            .forward(&self.config, start, Logits::All, hooks, None)
    }

    /// Computes logits `[b, t, v]` of token ids `[b, t]`.
    pub fn logits(&self, tokens: &Tensor) -> Result<Tensor> {
        self.run(Start::Tokens(tokens), &mut NoHooks)?
            .ok_or_else(|| unreachable_end("logits"))
    }

    /// Captures hook values of token ids `[b, t]`; the pass stops after the last hook asked for.
    pub fn capture(
        &self,
        tokens: &Tensor,
        hooks: &[HookPoint],
    ) -> Result<BTreeMap<HookPoint, Tensor>> {
        for hook in hooks {
            self.check_hook(*hook)?;
        }
        let mut capture = Capture {
            last: hooks.iter().max().copied(),
            ..Capture::to_the_end(hooks)
        };
        if !hooks.is_empty() {
            self.run(Start::Tokens(tokens), &mut capture)?;
        }
        Ok(capture.values)
    }

    /// Continues `prompt` (BOS included by the caller) token by token with a key/value cache; `hooks` see prompt and new positions.
    /// `observe` gets each new token at once. Returns the new tokens, those so far if it was stopped.
    pub fn generate(
        &self,
        prompt: &[TokenId],
        sampling: &Sampling,
        hooks: &mut dyn Hooks,
        observe: &mut dyn FnMut(TokenId) -> Flow,
    ) -> Result<Ended<Vec<TokenId>, Vec<TokenId>>> {
        generate::generate(self, prompt, sampling, hooks, observe)
    }

    /// Starts a continuation that advances one token at a time, so that several can take turns.
    pub fn generator(&self, prompt: &[TokenId], sampling: &Sampling) -> Result<Generator<'_>> {
        Generator::new(self, prompt, sampling)
    }
}

/// Hooks that read and replace nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {
    fn wants(&self, _: HookPoint) -> bool {
        false
    }

    fn visit(&mut self, _: HookPoint, _: usize, _: &Tensor) -> Result<Option<Tensor>> {
        Ok(None)
    }
}

/// Hooks that keep the values of some hooks.
#[derive(Debug)]
pub(crate) struct Capture {
    /// Hooks to keep.
    pub(crate) wanted: Vec<HookPoint>,
    /// Hook after which the pass ends.
    pub(crate) last: Option<HookPoint>,
    /// Values reached so far.
    pub(crate) values: BTreeMap<HookPoint, Tensor>,
}

impl Capture {
    /// Captures from a pass that runs to its end.
    pub(crate) fn to_the_end(wanted: impl Into<Vec<HookPoint>>) -> Self {
        Self {
            wanted: wanted.into(),
            last: None,
            values: BTreeMap::new(),
        }
    }
}

impl Hooks for Capture {
    fn wants(&self, hook: HookPoint) -> bool {
        self.wanted.contains(&hook)
    }

    fn visit(&mut self, hook: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        self.values.insert(hook, value.clone());
        Ok(None)
    }

    fn last(&self) -> Option<HookPoint> {
        self.last
    }
}

fn unreachable_end(what: &str) -> Error {
    Error::Numeric {
        what: format!("the forward pass ended before its {what}"),
    }
}

/// Builds the `[b, t]` u32 tensor of rows of equal length.
pub fn token_tensor(rows: &[&[TokenId]]) -> Result<Tensor> {
    let t = rows.first().map_or(0, |row| row.len());
    if t == 0 || rows.iter().any(|row| row.len() != t) {
        return Err(Error::setting(
            "tokens",
            "rows must hold at least one token and all be of one length",
        ));
    }
    let ids: Vec<u32> = rows
        .iter()
        .flat_map(|row| row.iter().map(|t| t.0))
        .collect();
    Ok(Tensor::from_vec(ids, (rows.len(), t), &Device::Cpu)?)
}

#[cfg(test)]
mod generate_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
#[cfg(feature = "hub")]
mod hub_tests;
#[cfg(test)]
mod tests;
