//! Quantities that a model computes by name: logits, the summed loss, a hook, or the loss's gradient with respect to a hook.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use candle_core::Tensor;

use super::gradient::{Scalar, chunks, next_token_loss};
use super::{Capture, Model, Start, unreachable_end};
use crate::error::{Error, Result};
use crate::ids::HookPoint;

/// Value of a forward or backward pass, under the name it is written by.
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
    /// Checks that this model has the hooks that `quantity` needs; the error names those it has.
    pub fn check_quantity(&self, quantity: Quantity) -> Result<()> {
        match quantity {
            Quantity::Hook(hook) | Quantity::Gradient(hook) => self.check_hook(hook),
            Quantity::Logits | Quantity::LossSum => Ok(()),
        }
    }

    /// Computes quantities of token ids `[b, t]`, a few rows at a time; a pass stops after the last hook unless logits are needed.
    pub fn quantities(
        &self,
        tokens: &Tensor,
        wanted: &[Quantity],
    ) -> Result<BTreeMap<Quantity, Tensor>> {
        for quantity in wanted {
            self.check_quantity(*quantity)?;
        }
        let mut parts: BTreeMap<Quantity, Vec<Tensor>> = BTreeMap::new();
        for some in chunks(&self.config, tokens)? {
            for (quantity, value) in self.quantities_of(&some, wanted)? {
                parts.entry(quantity).or_default().push(value);
            }
        }
        let whole = |(quantity, parts): (Quantity, Vec<Tensor>)| {
            let value = match quantity {
                Quantity::LossSum => Tensor::stack(&parts, 0)?.sum(0)?,
                Quantity::Hook(HookPoint::PosEmbed) => parts[0].clone(),
                _ => Tensor::cat(&parts, 0)?,
            };
            Ok((quantity, value))
        };
        parts.into_iter().map(whole).collect()
    }

    fn quantities_of(
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
        let mut found = BTreeMap::new();
        let ends = [Quantity::Logits, Quantity::LossSum];
        if ends.iter().any(|end| wanted.contains(end)) {
            let mut capture = Capture::to_the_end(&hooks[..]);
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use candle_core::Device;

    use super::*;

    #[test]
    fn names_print_and_parse() {
        for name in [
            "logits",
            "loss_sum",
            "blocks.2.attn.hook_rot_q",
            "grad.hook_embed",
        ] {
            assert_eq!(name.parse::<Quantity>().unwrap().to_string(), name);
        }
        assert!("grad.logits".parse::<Quantity>().is_err());
    }

    #[test]
    fn many_rows_give_what_each_row_gives() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/tiny-gpt2");
        let model = Model::open(Path::new(golden)).unwrap().0;
        let ids: Vec<u32> = (0..11 * 5).map(|i| i * 97 % 512).collect();
        let tokens = Tensor::from_vec(ids, (11, 5), &Device::Cpu).unwrap();
        let names = [
            "hook_pos_embed",
            "blocks.1.attn.hook_pattern",
            "logits",
            "loss_sum",
        ];
        let wanted = names.map(|name| name.parse::<Quantity>().unwrap());
        let all = model.quantities(&tokens, &wanted).unwrap();
        let dims = wanted.map(|quantity| all[&quantity].dims().to_vec());
        let want: [&[usize]; 4] = [&[1, 5, 32], &[11, 4, 5, 5], &[11, 5, 512], &[1]];
        assert_eq!(dims, want.map(<[usize]>::to_vec));
        let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let none = tokens.narrow(0, 0, 0).unwrap();
        assert!(model.quantities(&none, &wanted).is_err());
        let mut loss = 0.0;
        for row in 0..11 {
            let one = tokens.narrow(0, row, 1).unwrap();
            let one = model.quantities(&one, &wanted).unwrap();
            loss += values(&one[&Quantity::LossSum])[0];
            let of_all = all[&Quantity::Logits].narrow(0, row, 1).unwrap();
            for (all, one) in values(&of_all).iter().zip(values(&one[&Quantity::Logits])) {
                assert!((all - one).abs() < 1e-5, "{all} {one}");
            }
        }
        assert!((values(&all[&Quantity::LossSum])[0] - loss).abs() < 1e-2);
    }
}
