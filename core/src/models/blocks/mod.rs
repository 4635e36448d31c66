//! Parts from which all families are built, with the hook calls inside. A family only names its weights and chooses the parts.

mod attention;
mod documents;
mod linear;
mod mlp;
mod norm;
mod rotary;
mod table;

use candle_core::Tensor;

pub(super) use attention::{Attention, Heads, KeyValueCache};
pub(super) use documents::Documents;
pub(super) use linear::Linear;
pub(super) use mlp::{Activation, Mlp};
pub(super) use norm::{Norm, NormHooks};
pub(super) use rotary::{Rotary, Rotation};
pub(super) use table::Table;

use super::Hooks;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Site};
use crate::kernels::add::Add;
use crate::kernels::attention::Starts;

/// Reason why a forward pass ended early.
pub(super) enum Halt {
    /// The last hook asked for was passed.
    Done,
    /// Something failed.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Result of a step of a forward pass: a value, or the end of the pass.
pub(super) type Step<T> = Result<T, Halt>;

/// State that one forward pass carries from block to block.
pub(super) struct Pass<'a> {
    /// Hooks that read and replace values.
    pub(super) hooks: &'a mut dyn Hooks,
    /// Hook after which the pass ends.
    pub(super) last: Option<HookPoint>,
    /// Position of the first token of this pass (above 0 only with a cache).
    pub(super) first_position: usize,
    /// Sines and cosines for the positions of this pass, one table per kind of layer, where the family rotates.
    pub(super) rotations: Vec<Rotation>,
    /// Start of each query's document, where documents packed in a row are kept apart.
    pub(super) starts: Starts,
    /// Keys and values of earlier positions, when generating.
    pub(super) cache: Option<&'a mut KeyValueCache>,
}

impl Pass<'_> {
    /// Whether `hook` is wanted, or ends the pass; otherwise values that only it needs are not computed.
    pub(super) fn cares(&self, hook: HookPoint) -> bool {
        self.last == Some(hook) || self.hooks.wants(hook)
    }

    /// Offers `value` to the hooks; ends the pass if this was the last hook asked for.
    pub(super) fn at(&mut self, hook: HookPoint, value: Tensor) -> Step<Tensor> {
        if !self.cares(hook) {
            return Ok(value);
        }
        let value = value.contiguous()?;
        Ok(self.offer(hook, &value)?.unwrap_or(value))
    }

    /// Offers a value that the pass itself does not need; returns the replacement, if any.
    pub(super) fn offer(&mut self, hook: HookPoint, value: &Tensor) -> Step<Option<Tensor>> {
        let replacement = if self.hooks.wants(hook) {
            self.visit(hook, &value.contiguous()?)?
        } else {
            None
        };
        if self.last == Some(hook) {
            return Err(Halt::Done);
        }
        Ok(replacement)
    }

    fn visit(&mut self, hook: HookPoint, value: &Tensor) -> Result<Option<Tensor>> {
        let Some(replacement) = self.hooks.visit(hook, self.first_position, value)? else {
            return Ok(None);
        };
        if replacement.dims() != value.dims() {
            return Err(Error::hook(
                hook,
                format!(
                    "a replacement has shape {:?}, the value has {:?}",
                    replacement.dims(),
                    value.dims()
                ),
            ));
        }
        Ok(Some(replacement))
    }
}

/// Whether the MLP reads what attention has added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Attention, then the MLP.
    Serial,
    /// Both read the stream that enters the block.
    Parallel,
}

/// One transformer block: attention and MLP, each read through its norm and added to the residual stream.
#[derive(Debug)]
pub(super) struct Block {
    /// Norm before attention.
    pub(super) norm_attention: Norm,
    /// Attention.
    pub(super) attention: Attention,
    /// Norm behind attention (Gemma).
    pub(super) post_attention: Option<Norm>,
    /// Norm before the MLP.
    pub(super) norm_mlp: Norm,
    /// MLP.
    pub(super) mlp: Mlp,
    /// Norm behind the MLP (Gemma).
    pub(super) post_mlp: Option<Norm>,
    /// Order of attention and MLP.
    pub(super) order: Order,
}

impl Block {
    /// Whether a pass reaches `site`.
    pub(super) fn has(&self, site: Site) -> bool {
        match site {
            Site::RotQ | Site::RotK => self.attention.rotary.is_some(),
            Site::ResidMid => self.order == Order::Serial,
            Site::MlpPreLinear => self.mlp.gate.is_some(),
            _ => true,
        }
    }

    /// Runs `x [b, t, d]` through block `layer`.
    pub(super) fn forward(&self, layer: usize, x: Tensor, pass: &mut Pass<'_>) -> Step<Tensor> {
        let hook = |site| HookPoint::block(layer, site);
        let norm_hooks = |scale, normalized| NormHooks {
            scale: hook(scale),
            normalized: hook(normalized),
        };
        let pre = pass.at(hook(Site::ResidPre), x)?;
        let hooks = norm_hooks(Site::Ln1Scale, Site::Ln1Normalized);
        let read = self.norm_attention.hooked(&pre, hooks, pass)?;
        let attn_out = self.attention.forward(layer, &read, pass)?;
        let attn_out = pass.at(
            hook(Site::AttnOut),
            behind(self.post_attention.as_ref(), attn_out)?,
        )?;
        let (source, mid) = match self.order {
            Order::Parallel => (pre.clone(), plus(&pre, &attn_out)?),
            Order::Serial => {
                let mid = pass.at(hook(Site::ResidMid), plus(&pre, &attn_out)?)?;
                (mid.clone(), mid)
            }
        };
        let hooks = norm_hooks(Site::Ln2Scale, Site::Ln2Normalized);
        let read = self.norm_mlp.hooked(&source, hooks, pass)?;
        let mlp_out = self.mlp.forward(layer, &read, pass)?;
        let mlp_out = pass.at(hook(Site::MlpOut), behind(self.post_mlp.as_ref(), mlp_out)?)?;
        pass.at(hook(Site::ResidPost), plus(&mid, &mlp_out)?)
    }
}

/// Adds what is written to the residual stream, `[b, t, d]`.
fn plus(stream: &Tensor, written: &Tensor) -> Result<Tensor> {
    let written = written.contiguous()?;
    Ok(stream.contiguous()?.apply_op2(&written, Add)?)
}

fn behind(norm: Option<&Norm>, x: Tensor) -> Result<Tensor> {
    match norm {
        Some(norm) => norm.forward(&x),
        None => Ok(x),
    }
}
