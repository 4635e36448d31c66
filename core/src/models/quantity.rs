//! What can be asked of a model by name: logits, the summed loss, a hook, or the loss's gradient with respect to a hook.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use candle_core::Tensor;

use super::gradient::{Scalar, next_token_loss};
use super::{Capture, Model, Start, unreachable_end};
use crate::error::{Error, Result};
use crate::ids::HookPoint;

/// Something of a forward (and backward) pass, under the name it is written by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// A hook's value, under its TransformerLens name.
    Hook(HookPoint),
    /// `logits`: `[b, t, v]`.
    Logits,
    /// `loss_sum`: cross-entropy of all next tokens, summed, in nats, `[1]`.
    LossSum,
    /// `grad.NAME`: the gradient of `loss_sum` with respect to a hook.
    Gradient(HookPoint),
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hook(hook) => hook.fmt(f),
            Self::Logits => f.write_str("logits"),
            Self::LossSum => f.write_str("loss_sum"),
            Self::Gradient(hook) => write!(f, "grad.{hook}"),
        }
    }
}

impl FromStr for Quantity {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "logits" => Ok(Self::Logits),
            "loss_sum" => Ok(Self::LossSum),
            _ => match name.strip_prefix("grad.") {
                Some(hook) => Ok(Self::Gradient(hook.parse()?)),
                None => Ok(Self::Hook(name.parse()?)),
            },
        }
    }
}

impl Model {
    /// An error naming the hooks there are, if this model lacks what `quantity` needs.
    pub fn check_quantity(&self, quantity: Quantity) -> Result<()> {
        match quantity {
            Quantity::Hook(hook) | Quantity::Gradient(hook) => self.check_hook(hook),
            Quantity::Logits | Quantity::LossSum => Ok(()),
        }
    }

    /// Quantities of token ids `[b, t]`; the pass stops after the last hook unless logits are needed.
    pub fn quantities(
        &self,
        tokens: &Tensor,
        wanted: &[Quantity],
    ) -> Result<BTreeMap<Quantity, Tensor>> {
        let hooks: Vec<HookPoint> = wanted
            .iter()
            .filter_map(|quantity| match quantity {
                Quantity::Hook(hook) => Some(*hook),
                _ => None,
            })
            .collect();
        let gradients: Vec<HookPoint> = wanted
            .iter()
            .filter_map(|quantity| match quantity {
                Quantity::Gradient(hook) => Some(*hook),
                _ => None,
            })
            .collect();
        for quantity in wanted {
            self.check_quantity(*quantity)?;
        }
        let mut found = BTreeMap::new();
        let ends = [Quantity::Logits, Quantity::LossSum];
        if ends.iter().any(|end| wanted.contains(end)) {
            let mut capture = Capture::to_the_end(&hooks);
            let logits = self.run(Start::Tokens(tokens), &mut capture)?;
            let logits = logits.ok_or_else(|| unreachable_end("logits"))?;
            if wanted.contains(&Quantity::LossSum) {
                let loss = next_token_loss(&logits, tokens)?.reshape(1)?;
                found.insert(Quantity::LossSum, loss);
            }
            if wanted.contains(&Quantity::Logits) {
                found.insert(Quantity::Logits, logits);
            }
            found.extend(named(capture.values));
        } else {
            found.extend(named(self.capture(tokens, &hooks)?));
        }
        if !gradients.is_empty() {
            let grads = self.gradients(tokens, &Scalar::NextTokenLoss, &gradients)?;
            let grads = grads.at.into_iter();
            found.extend(grads.map(|(hook, grad)| (Quantity::Gradient(hook), grad)));
        }
        Ok(found)
    }
}

fn named(values: BTreeMap<HookPoint, Tensor>) -> impl Iterator<Item = (Quantity, Tensor)> {
    let values = values.into_iter();
    values.map(|(hook, value)| (Quantity::Hook(hook), value))
}
