//! Gradients of a scalar of the logits with respect to hooks, through candle's backward, a few rows at a time so that memory stays bounded.

use std::collections::BTreeMap;
use std::fmt;

use candle_core::{D, DType, Tensor, Var};

use super::{Config, Hooks, Model, Start};
use crate::error::{Error, Result};
use crate::ids::{HookPoint, TokenId};

/// Numbers that one chunk of rows may hold on the way back: 256 million, 1 GiB.
const HELD: usize = 1 << 28;

/// Scalar to differentiate: a sum over rows of a function of each row's logits.
#[derive(Clone, Copy)]
pub enum Scalar<'a> {
    /// Σ over positions of −log p(next token), in nats.
    NextTokenLoss,
    /// The logit of `token` at `position` of each row.
    Logit {
        /// Position, counted from 0.
        position: usize,
        /// Token whose logit it is.
        token: TokenId,
    },
    /// Difference of the logits of `right` and `wrong` at `position` of each row.
    LogitDifference {
        /// Position, counted from 0.
        position: usize,
        /// Token whose logit is added.
        right: TokenId,
        /// Token whose logit is subtracted.
        wrong: TokenId,
    },
    /// Any function of logits `[b, t, v]` and tokens `[b, t]` of some of the rows; must be a sum over rows and made of differentiable operations.
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

/// Value of a scalar and its gradients.
#[derive(Debug, Clone)]
pub struct Gradients {
    /// Value of the scalar.
    pub value: f64,
    /// Gradient with respect to each hook asked for, in its shape.
    pub at: BTreeMap<HookPoint, Tensor>,
}

/// Computes the sum of next-token cross-entropy of logits `[b, t, v]`, in nats.
pub(crate) fn next_token_loss(logits: &Tensor, tokens: &Tensor) -> Result<Tensor> {
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
    fn value(&self, logits: &Tensor, tokens: &Tensor) -> Result<Tensor> {
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

/// Adds a zero to each hook: the gradient with respect to that zero is the gradient with respect to the hook, and earlier values are
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

/// Splits token ids `[b, t]` into chunks of rows whose forward and backward pass stays within bounds.
pub(super) fn chunks(config: &Config, tokens: &Tensor) -> Result<Vec<Tensor>> {
    let (b, t) = tokens.dims2()?;
    if b == 0 || t == 0 {
        let what = "there are none, give at least one";
        return Err(Error::setting("tokens", what));
    }
    let rows = rows_at_once(config, t);
    (0..b)
        .step_by(rows)
        .map(|from| Ok(tokens.narrow(0, from, rows.min(b - from))?.contiguous()?))
        .collect()
}

fn rows_at_once(config: &Config, t: usize) -> usize {
    let block = 20 * config.d_model + 6 * config.d_mlp + 8 * config.heads * (config.d_head + t);
    let held = t.saturating_mul(config.layers * block + 5 * config.vocab);
    (HELD / held.max(1)).clamp(1, 8)
}

impl Model {
    /// Computes the value of `scalar` on token ids `[b, t]`, and its gradients with respect to `hooks`.
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
        let mut value = 0.0;
        let mut parts: BTreeMap<HookPoint, Vec<Tensor>> = BTreeMap::new();
        for some in chunks(&self.config, tokens)? {
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
        let scalar = scalar.value(&logits, tokens)?;
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use candle_core::Device;

    use super::*;
    use crate::ids::Site;

    fn open(tiny: &str) -> Model {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");
        let folder = Path::new(golden).join(format!("tiny-{tiny}"));
        Model::open(&folder).unwrap().0
    }

    fn tokens(rows: usize, t: usize) -> Tensor {
        let ids: Vec<u32> = (0..rows * t).map(|i| (i * 97 % 512) as u32).collect();
        Tensor::from_vec(ids, (rows, t), &Device::Cpu).unwrap()
    }

    fn values(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// Moves one entry of a hook.
    struct Nudge {
        hook: HookPoint,
        entry: usize,
        by: f32,
    }

    impl Hooks for Nudge {
        fn wants(&self, hook: HookPoint) -> bool {
            hook == self.hook
        }

        fn visit(&mut self, _: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
            let mut moved = values(value);
            moved[self.entry] += self.by;
            Ok(Some(Tensor::from_vec(moved, value.dims(), &Device::Cpu)?))
        }
    }

    #[test]
    fn gradients_at_every_hook_are_those_of_finite_differences() {
        let tokens = tokens(1, 12);
        let scalar = Scalar::LogitDifference {
            position: 10,
            right: TokenId(3),
            wrong: TokenId(200),
        };
        for tiny in ["gpt2", "gpt-neox", "qwen3", "gemma2"] {
            let model = open(tiny);
            let hooks: Vec<HookPoint> = model
                .hooks()
                .filter(|hook| *hook != HookPoint::PosEmbed)
                .filter(|hook| hook.layer().is_none_or(|layer| layer.index() == 1))
                .collect();
            let grads = model.gradients(&tokens, &scalar, &hooks).unwrap();
            assert_eq!(grads.at.len(), hooks.len());
            for hook in hooks {
                let grad = values(&grads.at[&hook]);
                // The entry that matters most.
                let by_size =
                    |a: &(usize, &f32), b: &(usize, &f32)| a.1.abs().total_cmp(&b.1.abs());
                let (entry, grad) = grad.iter().enumerate().max_by(by_size).unwrap();
                let at = |by: f32| {
                    let mut nudge = Nudge { hook, entry, by };
                    let logits = model.run(Start::Tokens(&tokens), &mut nudge).unwrap();
                    let value = scalar.value(&logits.unwrap(), &tokens).unwrap();
                    f64::from(value.to_scalar::<f32>().unwrap())
                };
                let step = 1e-2_f32;
                let slope = (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step)))
                    / (12.0 * f64::from(step));
                let off = (slope - f64::from(*grad)).abs();
                assert!(*grad != 0.0, "{tiny} {hook}");
                assert!(
                    off < 1e-3 + 5e-3 * slope.abs(),
                    "{tiny} {hook}: {grad} {slope}"
                );
            }
            assert!((grads.value - f64::from(values_at(&model, &tokens))).abs() < 1e-4);
        }
    }

    fn values_at(model: &Model, tokens: &Tensor) -> f32 {
        let logits = model.logits(tokens).unwrap();
        let row = values(&logits.narrow(1, 10, 1).unwrap());
        row[3] - row[200]
    }

    #[test]
    fn chunks_of_rows_give_what_single_rows_give() {
        let model = open("gpt2");
        let tokens = tokens(11, 6);
        assert!(rows_at_once(model.config(), 6) < 11, "several chunks");
        let hook = HookPoint::block(0, Site::Z);
        let all = model
            .gradients(&tokens, &Scalar::NextTokenLoss, &[hook])
            .unwrap();
        assert_eq!(all.at[&hook].dims(), [11, 6, 4, 8]);
        let mut sum = 0.0;
        for row in 0..11 {
            let one = tokens.narrow(0, row, 1).unwrap();
            let one = model
                .gradients(&one, &Scalar::NextTokenLoss, &[hook])
                .unwrap();
            sum += one.value;
            let of_all = all.at[&hook].narrow(0, row, 1).unwrap();
            for (all, one) in values(&of_all).iter().zip(values(&one.at[&hook])) {
                assert!((all - one).abs() < 1e-4, "{all} {one}");
            }
        }
        assert!((sum - all.value).abs() < 1e-3);
        let wide = Config {
            vocab: 50_000,
            layers: 48,
            d_model: 1600,
            d_mlp: 6400,
            ..model.config().clone()
        };
        assert_eq!(rows_at_once(&wide, 1024), 1);
    }

    #[test]
    fn any_scalar_will_do_and_what_cannot_be_is_said() {
        let model = open("gpt2");
        let tokens = tokens(2, 4);
        let hook = HookPoint::block(1, Site::ResidPre);
        let sum = |logits: &Tensor, _: &Tensor| -> Result<Tensor> { Ok(logits.sum_all()?) };
        let grads = model
            .gradients(&tokens, &Scalar::Of(&sum), &[hook])
            .unwrap();
        assert!(values(&grads.at[&hook]).iter().any(|grad| *grad != 0.0));
        let first = Scalar::Logit {
            position: 0,
            token: TokenId(1),
        };
        let grads = model.gradients(&tokens, &first, &[hook]).unwrap();
        let later = grads.at[&hook].narrow(1, 1, 3).unwrap();
        assert!(
            values(&later).iter().all(|grad| *grad == 0.0),
            "no look ahead"
        );

        let refused = |tokens: &Tensor, scalar: &Scalar<'_>, hook| {
            let refused = model.gradients(tokens, scalar, &[hook]);
            refused.unwrap_err().to_string()
        };
        let beyond = Scalar::Logit {
            position: 4,
            token: TokenId(1),
        };
        assert!(refused(&tokens, &beyond, hook).contains("position 4"));
        let one = tokens.narrow(1, 0, 1).unwrap();
        assert!(refused(&one, &Scalar::NextTokenLoss, hook).contains("at least two"));
        assert!(refused(&tokens, &first, HookPoint::PosEmbed).contains("hook_embed"));
        let lacking = HookPoint::block(7, Site::Z);
        assert!(refused(&tokens, &first, lacking).contains("no block 7"));
        let constant =
            |_: &Tensor, _: &Tensor| -> Result<Tensor> { Ok(Tensor::new(1_f32, &Device::Cpu)?) };
        assert!(refused(&tokens, &Scalar::Of(&constant), hook).contains("does not depend"));
    }
}
