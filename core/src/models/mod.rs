//! Hooked decoder-only transformers on candle: loading, one forward pass with named hooks, generation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Tensor;

use crate::Flow;
use crate::dims::Matrix;
use crate::error::{Notes, Result};
use crate::ids::{HookPoint, Layer, TokenId};
use crate::text::TextCodec;

/// Which normalisation the model uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// Mean removed, variance normalised, weight and bias.
    LayerNorm,
    /// Root mean square normalised, weight only.
    RmsNorm,
}

/// A model's shape, whatever its family.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Family name as in `model_type`: `gpt2`, `llama`.
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

/// Where a forward pass begins.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// Token ids `[b, t]` (u32).
    Tokens(&'a Tensor),
    /// The residual stream entering `layer`, `[b, t, d]` (for `layer == layers`: what the final norm reads).
    Residual(Layer, &'a Tensor),
}

/// Reads or replaces hook values during a forward pass.
pub trait Hooks {
    /// Whether [`Hooks::visit`] is to be called there. Asked once per hook and pass.
    fn wants(&self, hook: HookPoint) -> bool;

    /// Sees the value (shapes as in [`crate::ids::Site`]); `Some` replaces it. `first_position` is the position of the first token of `value`
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

/// How generation picks tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: f64,
    /// Nucleus, if any.
    pub top_p: Option<f64>,
    /// Most likely tokens considered, if limited.
    pub top_k: Option<usize>,
    /// Seeds the choice.
    pub seed: u64,
    /// Tokens to generate at most (the context's end stops earlier).
    pub tokens: usize,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            top_p: None,
            top_k: Some(40),
            seed: 0,
            tokens: 60,
        }
    }
}

/// A loaded model with its tokenizer. Read-only, so it is shared between threads by `Arc`.
#[derive(Debug)]
pub struct Model {
    _owner: (),
}

impl Model {
    /// Loads a HuggingFace folder or a GGUF file; the notes say what was decided.
    pub fn open(path: &Path) -> Result<(Self, Notes)> {
        unimplemented!("{}", path.display())
    }

    /// The model's shape.
    pub fn config(&self) -> &Config {
        unimplemented!()
    }

    /// Folder or file name, as shown and as written into metadata.
    pub fn name(&self) -> &str {
        unimplemented!()
    }

    /// Where it was loaded from.
    pub fn path(&self) -> &PathBuf {
        unimplemented!()
    }

    /// Hex SHA-256 of the weight files, for run records (computed when first asked for).
    pub fn fingerprint(&self) -> Result<String> {
        unimplemented!()
    }

    /// Its tokenizer.
    pub fn codec(&self) -> &TextCodec {
        unimplemented!()
    }

    /// The same weights with BOS left out everywhere (`--no-bos`).
    #[must_use]
    pub fn without_bos(self) -> Self {
        unimplemented!()
    }

    /// An error naming the hooks there are, if this model lacks `hook`.
    pub fn check_hook(&self, hook: HookPoint) -> Result<()> {
        unimplemented!("{hook}")
    }

    /// Width of one token's activation at `hook`, heads concatenated (`hook_z`: h·e). An error for `hook_pattern` or a layer it lacks.
    pub fn width(&self, hook: HookPoint) -> Result<usize> {
        unimplemented!("{hook}")
    }

    /// One forward pass; logits `[b, t, v]`, or `None` when `hooks.last()` ended it.
    pub fn run(&self, start: Start<'_>, hooks: &mut dyn Hooks) -> Result<Option<Tensor>> {
        unimplemented!("{start:?} {}", hooks.last().is_some())
    }

    /// Logits `[b, t, v]` of token ids `[b, t]`.
    pub fn logits(&self, tokens: &Tensor) -> Result<Tensor> {
        unimplemented!("{tokens}")
    }

    /// Hook values of token ids `[b, t]`; the pass stops after the last one asked for.
    pub fn capture(
        &self,
        tokens: &Tensor,
        hooks: &[HookPoint],
    ) -> Result<BTreeMap<HookPoint, Tensor>> {
        unimplemented!("{tokens} {hooks:?}")
    }

    /// `prompt` (BOS included by the caller) continued token by token with a key/value cache; `hooks` see prompt and new positions.
    /// `observe` gets each new token at once. Returns the new tokens.
    pub fn generate(
        &self,
        prompt: &[TokenId],
        sampling: &Sampling,
        hooks: &mut dyn Hooks,
        observe: &mut dyn FnMut(TokenId) -> Flow,
    ) -> Result<Vec<TokenId>> {
        unimplemented!(
            "{prompt:?} {sampling:?} {} {:?}",
            hooks.last().is_some(),
            observe(TokenId(0))
        )
    }

    /// Output projection of attention in `layer`, `[h·e, d]`: `attn_out = z_cat · W_O + b_O`.
    pub fn w_o(&self, layer: Layer) -> Result<Matrix> {
        unimplemented!("{layer}")
    }

    /// Direct effect of residual directions `[n, d]` on the logits, `[n, v]`: (γ ∘ centre(direction)) · W_U, without the run-time 1/σ and
    /// without centring where the norm is RMSNorm.
    pub fn logit_effect(&self, directions: &Matrix) -> Result<Matrix> {
        unimplemented!("{directions:?}")
    }
}

/// `[b, t]` u32 tensor of rows of equal length.
pub fn token_tensor(rows: &[&[TokenId]]) -> Result<Tensor> {
    unimplemented!("{rows:?}")
}
