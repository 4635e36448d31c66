//! The parts all families are built from, with the hook calls already inside. A family only names its weights and chooses the parts.

mod attention;
mod linear;
mod mlp;
mod norm;
mod rotary;

use candle_core::Tensor;

pub(super) use attention::{Attention, Heads, KeyValueCache};
pub(super) use linear::Linear;
pub(super) use mlp::{Activation, Mlp};
pub(super) use norm::Norm;
pub(super) use rotary::{Rotary, Rotation};

use super::Hooks;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Site};

/// Why a forward pass ended before its end.
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

/// A step of a forward pass: a value, or the pass is over.
pub(super) type Step<T> = Result<T, Halt>;

/// What one forward pass carries from block to block.
pub(super) struct Pass<'a> {
    /// Reads and replaces values.
    pub(super) hooks: &'a mut dyn Hooks,
    /// The pass ends after this hook.
    pub(super) last: Option<HookPoint>,
    /// Position of the first token of this pass (above 0 only with a cache).
    pub(super) first_position: usize,
    /// Sines and cosines for the positions of this pass, where the family rotates.
    pub(super) rotation: Option<Rotation>,
    /// Keys and values of earlier positions, when generating.
    pub(super) cache: Option<&'a mut KeyValueCache>,
}

impl Pass<'_> {
    /// Offers `value` to the hooks; ends the pass if this was the last hook asked for.
    pub(super) fn at(&mut self, hook: HookPoint, value: Tensor) -> Step<Tensor> {
        let value = if self.hooks.wants(hook) {
            self.visit(hook, value.contiguous()?)?
        } else {
            value
        };
        if self.last == Some(hook) {
            return Err(Halt::Done);
        }
        Ok(value)
    }

    fn visit(&mut self, hook: HookPoint, value: Tensor) -> Result<Tensor> {
        let Some(replacement) = self.hooks.visit(hook, self.first_position, &value)? else {
            return Ok(value);
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
        Ok(replacement)
    }
}

/// One transformer block: attention, then MLP, each read through its norm and added to the residual stream.
#[derive(Debug)]
pub(super) struct Block {
    /// Before attention.
    pub(super) norm_attention: Norm,
    /// Moves information between positions.
    pub(super) attention: Attention,
    /// Before the MLP.
    pub(super) norm_mlp: Norm,
    /// Works on each position alone.
    pub(super) mlp: Mlp,
}

impl Block {
    /// `x [b, t, d]` through block `layer`.
    pub(super) fn forward(&self, layer: usize, x: Tensor, pass: &mut Pass<'_>) -> Step<Tensor> {
        let hook = |site| HookPoint::block(layer, site);
        let pre = pass.at(hook(Site::ResidPre), x)?;
        let attn_out = self
            .attention
            .forward(layer, &self.norm_attention.forward(&pre)?, pass)?;
        let attn_out = pass.at(hook(Site::AttnOut), attn_out)?;
        let mid = pass.at(hook(Site::ResidMid), (pre + attn_out)?)?;
        let mlp_out = self.mlp.forward(&self.norm_mlp.forward(&mid)?)?;
        let mlp_out = pass.at(hook(Site::MlpOut), mlp_out)?;
        pass.at(hook(Site::ResidPost), (mid + mlp_out)?)
    }
}
