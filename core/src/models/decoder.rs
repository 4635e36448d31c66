//! Forward pass that all families share: embedding, blocks, final norm, unembedding, with hooks on the way.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::blocks::{
    Block, Documents, Halt, KeyValueCache, Linear, Norm, NormHooks, Pass, Rotary, Step, Table,
};
use super::{Config, Hooks, Start};
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Layer};

/// Weights of a model, assembled by its family.
#[derive(Debug)]
pub(super) struct Decoder {
    /// Token embedding, `[v, d]`.
    pub(super) embed: Table,
    /// Learned position embedding, `[context, d]`.
    pub(super) positions: Option<Tensor>,
    /// Factor on the token embedding (Gemma).
    pub(super) embed_scale: Option<f64>,
    /// Rotary positions, one table per kind of layer.
    pub(super) rotaries: Vec<Rotary>,
    /// Blocks, in order.
    pub(super) blocks: Vec<Block>,
    /// Norm before the unembedding.
    pub(super) final_norm: Norm,
    /// Unembedding, `[d, v]`.
    pub(super) unembed: Linear,
    /// Soft cap on the logits: cap · tanh(logit / cap).
    pub(super) logit_cap: Option<f64>,
}

/// Positions whose logits a pass computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logits {
    /// All positions: `[b, t, v]`.
    All,
    /// The last position: `[b, 1, v]`.
    Last,
}

/// Keys and values kept between the passes of one generation.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    cache: KeyValueCache,
    positions: usize,
}

impl Memory {
    /// Returns the memory for a pass that begins at `layer` behind the first `positions` positions: layers below keep all of theirs.
    pub(super) fn until(&self, positions: usize, layer: Layer) -> Result<Self> {
        Ok(Self {
            cache: self.cache.until(positions, layer.index())?,
            positions,
        })
    }
}

impl Decoder {
    /// Runs one forward pass from `start`, with the documents in its rows where they are kept apart; with `memory`, at the positions after those it holds. None
    /// when the hooks ended it early.
    pub(super) fn forward(
        &self,
        config: &Config,
        (start, documents): (Start<'_>, Option<&Documents>),
        logits: Logits,
        hooks: &mut dyn Hooks,
        memory: Option<&mut Memory>,
    ) -> Result<Option<Tensor>> {
        let t = length(config, start)?;
        let mut memory = memory;
        let first_position = memory.as_ref().map_or(0, |m| m.positions);
        check_context(config, first_position + t)?;
        let mut pass = Pass {
            last: hooks.last(),
            hooks,
            first_position,
            rotations: self
                .rotaries
                .iter()
                .map(|rotary| match documents {
                    Some(documents) => rotary.apart(documents),
                    None => rotary.rotation(first_position, t),
                })
                .collect(),
            starts: documents.map(|documents| Arc::clone(&documents.starts)),
            cache: memory.as_deref_mut().map(|m| &mut m.cache),
        };
        let computed = self.steps((start, documents), logits, &mut pass);
        if let Some(memory) = memory {
            memory.positions += t;
        }
        match computed {
            Ok(logits) => Ok(Some(logits)),
            Err(Halt::Done) => Ok(None),
            Err(Halt::Failed(error)) => Err(error),
        }
    }

    fn steps(
        &self,
        (start, documents): (Start<'_>, Option<&Documents>),
        logits: Logits,
        pass: &mut Pass<'_>,
    ) -> Step<Tensor> {
        let (first_layer, mut x) = match start {
            Start::Tokens(tokens) => (0, self.embed(tokens, documents, pass)?),
            Start::Residual(layer, x, _) => (layer.index(), x.clone()),
        };
        for (layer, block) in self.blocks.iter().enumerate().skip(first_layer) {
            x = block.forward(layer, x, pass)?;
        }
        let hooks = NormHooks {
            scale: HookPoint::FinalScale,
            normalized: HookPoint::FinalNormalized,
        };
        let hooked = pass.cares(hooks.scale) || pass.cares(hooks.normalized);
        // Only hooks need the norm of positions whose logits nobody asked for.
        if logits == Logits::Last && !hooked {
            x = last(&x)?;
        }
        let mut read = self.final_norm.hooked(&x, hooks, pass)?;
        if logits == Logits::Last && hooked {
            read = last(&read)?;
        }
        let logits = self.unembed.forward(&read)?; // [b, t, v]
        Ok(match self.logit_cap {
            Some(cap) => ((logits / cap)?.tanh()? * cap)?,
            None => logits,
        })
    }

    fn embed(
        &self,
        tokens: &Tensor,
        documents: Option<&Documents>,
        pass: &mut Pass<'_>,
    ) -> Step<Tensor> {
        let (b, t) = tokens.dims2()?;
        let mut rows = self.embed.rows(&tokens.flatten_all()?)?;
        if let Some(scale) = self.embed_scale {
            rows = (rows * scale)?;
        }
        let x = pass.at(HookPoint::Embed, rows.reshape((b, t, ()))?)?;
        Ok(match &self.positions {
            Some(positions) => {
                let positions = positions.narrow(0, pass.first_position, t)?.unsqueeze(0)?; // [1, t, d]
                let positions = pass.at(HookPoint::PosEmbed, positions)?;
                match documents {
                    Some(documents) => {
                        let at = Tensor::new(documents.positions.as_slice(), x.device())?; // [b·t]
                        let own = positions.squeeze(0)?.index_select(&at, 0)?;
                        (&x + own.reshape(x.dims())?)?
                    }
                    None => x.broadcast_add(&positions)?,
                }
            }
            None => x,
        })
    }

    /// Whether a pass over `positions` rotates queries and keys by other angles than earlier passes did.
    pub(super) fn turns_anew(&self, positions: Range<usize>) -> bool {
        let anew = |rotary: &Rotary| {
            let beyond = rotary.beyond.as_ref().map(|(context, _)| *context);
            beyond.is_some_and(|at| {
                positions.start > 0 && positions.start <= at && at < positions.end
            })
        };
        self.rotaries.iter().any(anew)
    }

    /// Whether a pass reaches `hook`.
    pub(super) fn has(&self, hook: HookPoint) -> bool {
        match hook {
            HookPoint::Embed | HookPoint::FinalScale | HookPoint::FinalNormalized => true,
            HookPoint::PosEmbed => self.positions.is_some(),
            HookPoint::Block(layer, site) => {
                let block = self.blocks.get(layer.index());
                block.is_some_and(|block| block.has(site))
            }
        }
    }
}

/// Returns the last position of `x [b, t, d]`, `[b, 1, d]`.
fn last(x: &Tensor) -> Result<Tensor> {
    Ok(x.narrow(1, x.dim(1)? - 1, 1)?)
}

/// Checks `start` and returns the positions of this pass.
fn length(config: &Config, start: Start<'_>) -> Result<usize> {
    match start {
        Start::Tokens(tokens) => {
            let (_, t) = tokens.dims2()?;
            let ids = tokens.flatten_all()?;
            let largest = if ids.elem_count() == 0 {
                return Err(Error::setting(
                    "tokens",
                    "there are none, give at least one",
                ));
            } else {
                ids.max(0)?.to_dtype(DType::U32)?.to_scalar::<u32>()?
            };
            if largest as usize >= config.vocab {
                return Err(Error::setting(
                    "tokens",
                    format!(
                        "token {largest} is beyond the model's vocabulary of {}",
                        config.vocab
                    ),
                ));
            }
            Ok(t)
        }
        Start::Residual(layer, x, _) => {
            check_start(config, layer)?;
            let (_, t, d) = x.dims3()?;
            if d != config.d_model {
                return Err(Error::Shape {
                    op: "forward pass",
                    what: format!(
                        "the residual stream should be [b, t, {}], got {:?}",
                        config.d_model,
                        x.dims()
                    ),
                });
            }
            Ok(t)
        }
    }
}

fn check_start(config: &Config, layer: Layer) -> Result<()> {
    if layer.index() > config.layers {
        return Err(Error::setting(
            "layer",
            format!(
                "a pass cannot start at block {layer}, the model has {}",
                config.layers
            ),
        ));
    }
    Ok(())
}

fn check_context(config: &Config, positions: usize) -> Result<()> {
    if positions > config.context {
        return Err(Error::setting(
            "context",
            format!(
                "{positions} tokens do not fit, the model reads at most {}: give a shorter text or a smaller context",
                config.context
            ),
        ));
    }
    Ok(())
}
