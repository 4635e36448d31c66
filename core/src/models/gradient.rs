//! Gradients of a scalar of the logits with respect to hooks, through candle's backward, a few rows at a time so that memory stays bounded.

use std::collections::BTreeMap;
use std::fmt;

use candle_core::{D, DType, Tensor, Var};

use super::{Config, Hooks, Model, Start};
use crate::error::{Error, Result};
use crate::ids::{HookPoint, TokenId};

/// Numbers that one chunk of rows may hold on the way back: 256 million, 1 GiB.
const HELD: usize = 1 << 28;

/// What is differentiated: a sum over rows of something of each row's logits.
#[derive(Clone, Copy)]
pub enum Scalar<'a> {
    /// Σ over positions of −log p(next token), in nats.
    NextTokenLoss,
    /// The logit of `token` at `position` of each row.
    Logit {
        /// Counted from 0.
        position: usize,
        /// Whose logit.
        token: TokenId,
    },
    /// How far `right` is above `wrong` at `position` of each row.
    LogitDifference {
        /// Counted from 0.
        position: usize,
        /// Whose logit counts.
        right: TokenId,
        /// Whose logit is taken off.
        wrong: TokenId,
    },
    /// Any other, of logits `[b, t, v]` and tokens `[b, t]` of some of the rows; must be a sum over rows and made of differentiable operations.
    Of(&'a dyn Fn(&Tensor, &Tensor) -> Result<Tensor>),
}

impl fmt::Debug for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NextTokenLoss => f.write_str("NextTokenLoss"),
            Self::Logit { position, token } => write!(f, "Logit({position}, {token})"),
            Self::LogitDifference {
                position,
                right,
                wrong,
            } => write!(f, "LogitDifference({position}, {right}, {wrong})"),
            Self::Of(_) => f.write_str("Of(..)"),
        }
    }
}

/// A scalar's value and its gradients.
#[derive(Debug, Clone)]
pub struct Gradients {
    /// The scalar.
    pub value: f64,
    /// With respect to each hook asked for, in its shape.
    pub at: BTreeMap<HookPoint, Tensor>,
}

/// Sum of next-token cross-entropy of logits `[b, t, v]`, in nats.
pub(super) fn next_token_loss(logits: &Tensor, tokens: &Tensor) -> Result<Tensor> {
    let (_, t) = tokens.dims2()?;
    if t < 2 {
        return Err(Error::setting(
            "tokens",
            "a row of one token has no next token to be charged with, give at least two",
        ));
    }
    let logits = logits.narrow(1, 0, t - 1)?.contiguous()?; // [b, t-1, v]
    let next = tokens.narrow(1, 1, t - 1)?.contiguous()?.unsqueeze(2)?; // [b, t-1, 1]
    let right = logits.gather(&next, 2)?.squeeze(2)?; // [b, t-1]
    Ok((logits.log_sum_exp(D::Minus1)? - right)?.sum_all()?)
}

impl Scalar<'_> {
    fn of(&self, logits: &Tensor, tokens: &Tensor) -> Result<Tensor> {
        let (_, t, v) = logits.dims3()?;
        let one = |position: usize, token: TokenId| -> Result<Tensor> {
            if position >= t || token.index() >= v {
                let what = format!("there is no logit of token {token} at position {position}");
                return Err(Error::setting("scalar", what));
            }
            let row = logits.narrow(1, position, 1)?;
            Ok(row.narrow(2, token.index(), 1)?.sum_all()?)
        };
        match self {
            Self::NextTokenLoss => next_token_loss(logits, tokens),
            Self::Logit { position, token } => one(*position, *token),
            Self::LogitDifference {
                position,
                right,
                wrong,
            } => Ok((one(*position, *right)? - one(*position, *wrong)?)?),
            Self::Of(scalar) => scalar(logits, tokens),
        }
    }
}

/// Adds a zero to each hook; the scalar's gradient with respect to that zero is the one with respect to the hook, and what lies before is
/// still reached.
struct Zeros<'a> {
    wanted: &'a [HookPoint],
    zeros: BTreeMap<HookPoint, Var>,
}

impl Hooks for Zeros<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        self.wanted.contains(&hook)
    }

    fn visit(&mut self, hook: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let zero = Var::zeros(value.shape(), value.dtype(), value.device())?;
        let moved = (value + zero.as_tensor())?;
        self.zeros.insert(hook, zero);
        Ok(Some(moved))
    }
}

/// Rows of one pass there and back.
fn rows_at_once(config: &Config, t: usize) -> usize {
    let block = 20 * config.d_model + 6 * config.d_mlp + 8 * config.heads * (config.d_head + t);
    let held = t.saturating_mul(config.layers * block + 5 * config.vocab);
    (HELD / held.max(1)).clamp(1, 8)
}

impl Model {
    /// The value of `scalar` on token ids `[b, t]`, and its gradients with respect to `hooks`.
    pub fn gradients(
        &self,
        tokens: &Tensor,
        scalar: &Scalar<'_>,
        hooks: &[HookPoint],
    ) -> Result<Gradients> {
        for hook in hooks {
            self.check_hook(*hook)?;
            if *hook == HookPoint::PosEmbed {
                return Err(Error::hook(
                    hook,
                    "is shared by all rows, ask for the gradient of hook_embed",
                ));
            }
        }
        let (b, t) = tokens.dims2()?;
        let rows = rows_at_once(&self.config, t);
        let mut value = 0.0;
        let mut parts: BTreeMap<HookPoint, Vec<Tensor>> = BTreeMap::new();
        for from in (0..b).step_by(rows) {
            let some = tokens.narrow(0, from, rows.min(b - from))?.contiguous()?;
            let of_some = self.gradients_of(&some, scalar, hooks)?;
            value += of_some.value;
            for (hook, grad) in of_some.at {
                parts.entry(hook).or_default().push(grad);
            }
        }
        let whole = |(hook, parts): (HookPoint, Vec<Tensor>)| Ok((hook, Tensor::cat(&parts, 0)?));
        let at = parts.into_iter().map(whole).collect::<Result<_>>()?;
        Ok(Gradients { value, at })
    }

    fn gradients_of(
        &self,
        tokens: &Tensor,
        scalar: &Scalar<'_>,
        hooks: &[HookPoint],
    ) -> Result<Gradients> {
        let mut zeros = Zeros {
            wanted: hooks,
            zeros: BTreeMap::new(),
        };
        let logits = self
            .run(Start::Tokens(tokens), &mut zeros)?
            .ok_or_else(|| super::unreachable_end("logits"))?;
        let scalar = scalar.of(&logits, tokens)?;
        let value = f64::from(scalar.to_dtype(DType::F32)?.to_scalar::<f32>()?);
        if !value.is_finite() {
            return Err(Error::Numeric {
                what: format!("the scalar to differentiate is {value}: are the weights whole?"),
            });
        }
        let mut grads = scalar.backward()?;
        let at = zeros
            .zeros
            .into_iter()
            .map(|(hook, zero)| {
                let grad = grads.remove(zero.as_tensor());
                let missing = || Error::hook(hook, "the scalar does not depend on it");
                Ok((hook, grad.ok_or_else(missing)?.detach()))
            })
            .collect::<Result<_>>()?;
        Ok(Gradients { value, at })
    }
}
