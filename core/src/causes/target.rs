//! Number whose causes are sought: a token's logit, a difference of two logits, or the loss of a text.

use candle_core::{D, DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::text::TextCodec;

/// Name of the setting.
const TARGET: &str = "target";
/// Word before the tokens of a logit or a difference.
const LOGIT: &str = "logit: ";
/// Words between the tokens of a difference.
const LESS: &str = " - ";
/// Name of the loss.
const LOSS: &str = "loss";

/// Number that a text gives a model. Logits are the model's own, behind a soft cap where it has one, at the last position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Target {
    /// Logit of a token at the last position.
    Logit(TokenId),
    /// Difference of the logits of two tokens at the last position.
    Difference {
        /// Token whose logit is added.
        right: TokenId,
        /// Token whose logit is subtracted.
        wrong: TokenId,
    },
    /// Mean cross-entropy in nats: each position p from 1 to the last but one is charged with its prediction of token p + 1. Position 0 is charged with
    /// nothing, since nothing before it is ever changed.
    Loss,
}

impl Target {
    /// Format of a written target, as a phrase.
    pub const FORMAT: &str = "`logit: A`, `logit: A - B` or `loss`; A and B are one token each and keep their leading spaces, so that `logit:  Mary -  John` has the tokens ` Mary` and ` John`";

    /// Reads a target that is written as [`Self::FORMAT`] says. Behind `logit: ` the rest is split once at ` - `; each part must be one token, BOS aside.
    pub fn parse(text: &str, codec: &TextCodec) -> Result<Self> {
        if text == LOSS {
            return Ok(Self::Loss);
        }
        let Some(rest) = text.strip_prefix(LOGIT) else {
            let what = format!("`{text}` is no target, write {}", Self::FORMAT);
            return Err(Error::setting(TARGET, what));
        };
        Ok(match rest.split_once(LESS) {
            Some((right, wrong)) => Self::Difference {
                right: codec.one_token(right, TARGET)?,
                wrong: codec.one_token(wrong, TARGET)?,
            },
            None => Self::Logit(codec.one_token(rest, TARGET)?),
        })
    }

    /// Writes the target as [`Self::parse`] reads it.
    pub fn written(self, codec: &TextCodec) -> String {
        match self {
            Self::Logit(token) => format!("{LOGIT}{}", codec.display(token)),
            Self::Difference { right, wrong } => {
                let [right, wrong] = [right, wrong].map(|token| codec.display(token));
                format!("{LOGIT}{right}{LESS}{wrong}")
            }
            Self::Loss => LOSS.to_owned(),
        }
    }

    /// Names the target in words, for sentences and headings.
    pub fn said(self, codec: &TextCodec) -> String {
        let quoted = |token| format!("“{}”", codec.display(token));
        match self {
            Self::Logit(token) => format!("the logit of {}", quoted(token)),
            Self::Difference { right, wrong } => {
                let [right, wrong] = [right, wrong].map(quoted);
                format!("the logit of {right} less that of {wrong}")
            }
            Self::Loss => "the loss".to_owned(),
        }
    }

    /// Returns the tokens whose logits it takes, each with its sign; none for the loss.
    pub fn tokens(self) -> Vec<(TokenId, f64)> {
        match self {
            Self::Logit(token) => vec![(token, 1.0)],
            Self::Difference { right, wrong } => vec![(right, 1.0), (wrong, -1.0)],
            Self::Loss => Vec::new(),
        }
    }

    /// Whether it is the loss, and so depends on the logits of many positions.
    pub fn is_loss(self) -> bool {
        self == Self::Loss
    }

    /// Returns the first position whose logits it reads, in a text of `t` tokens.
    pub fn first_read(self, t: usize) -> usize {
        match self {
            Self::Loss => 1,
            Self::Logit(_) | Self::Difference { .. } => t.saturating_sub(1),
        }
    }

    /// Checks that a text of `t` tokens has this number and a position besides the first: two tokens for logits, three for the loss.
    pub fn check(self, t: usize) -> Result<()> {
        let least = if self.is_loss() { 3 } else { 2 };
        if t >= least {
            return Ok(());
        }
        let what = format!(
            "has {t} tokens, and the first is left alone: give at least {least} for this target"
        );
        Err(Error::setting("text", what))
    }

    /// Computes it for each row of logits `[b, n, v]`, those of the last `n` positions of `tokens`, which start at `first`; sums in f64. Logits need the last
    /// position alone. Of the loss it is the part of the charged positions among them (the whole with `first` 0 or 1): their sum over the number of all charged ones.
    pub fn of_logits(self, logits: &Tensor, tokens: &[TokenId], first: usize) -> Result<Vec<f64>> {
        let (_, n, v) = logits.dims3()?;
        let t = tokens.len();
        self.check_positions(t, (first, n))?;
        if self.is_loss() {
            let from = first.max(1);
            let charged = (t - 1).saturating_sub(from);
            if charged == 0 {
                return Ok(vec![0.0; logits.dim(0)?]);
            }
            let charged = logits.narrow(1, from - first, charged)?;
            let charged = charged.contiguous()?.to_vec3::<f32>()?; // [b, charged, v]
            return charged
                .iter()
                .map(|row| mean_loss(row, &tokens[from + 1..], t))
                .collect();
        }
        let last = logits.narrow(1, n - 1, 1)?.squeeze(1)?; // [b, v]
        let last = last.contiguous()?.to_vec2::<f32>()?;
        let terms = self.tokens();
        check_in(&terms, v)?;
        let value = |row: &Vec<f32>| {
            let terms = terms.iter();
            terms
                .map(|(id, sign)| sign * f64::from(row[id.index()]))
                .sum()
        };
        Ok(last.iter().map(value).collect())
    }

    /// Computes the sum over rows of [`Self::of_logits`] as a scalar that can be differentiated, of the same arguments.
    pub fn differentiable(
        self,
        logits: &Tensor,
        tokens: &[TokenId],
        first: usize,
    ) -> Result<Tensor> {
        let (b, n, v) = logits.dims3()?;
        let t = tokens.len();
        self.check_positions(t, (first, n))?;
        let mut sum = Tensor::zeros((), DType::F32, logits.device())?;
        if self.is_loss() {
            let from = first.max(1);
            let charged = (t - 1).saturating_sub(from);
            if charged == 0 {
                return Ok(sum);
            }
            let logits = logits.narrow(1, from - first, charged)?.contiguous()?; // [b, charged, v]
            let next: Vec<u32> = tokens[from + 1..].iter().map(|token| token.0).collect();
            let next = Tensor::from_vec(next, (1, charged, 1), logits.device())?;
            let next = next.broadcast_as((b, charged, 1))?.contiguous()?;
            let right = logits.gather(&next, 2)?.squeeze(2)?; // [b, charged]
            let sum = (logits.log_sum_exp(D::Minus1)? - right)?.sum_all()?;
            return Ok((sum / (t - 2) as f64)?);
        }
        let last = logits.narrow(1, n - 1, 1)?;
        let terms = self.tokens();
        check_in(&terms, v)?;
        for (token, sign) in terms {
            let logit = last.narrow(2, token.index(), 1)?.sum_all()?;
            sum = (sum + (logit * sign)?)?;
        }
        Ok(sum)
    }

    /// Checks that `n` positions from `first` are the last ones of `t` tokens.
    fn check_positions(self, t: usize, (first, n): (usize, usize)) -> Result<()> {
        self.check(t)?;
        if first + n == t && n > 0 {
            return Ok(());
        }
        Err(Error::Shape {
            op: "target",
            what: format!("logits of {n} positions from {first} are not those of {t} tokens"),
        })
    }
}

/// Sums the cross-entropy of logits `[n, v]` of tokens `next`, over the number of charged positions of a text of `t` tokens.
fn mean_loss(logits: &[Vec<f32>], next: &[TokenId], t: usize) -> Result<f64> {
    let mut sum = 0.0;
    for (logits, next) in logits.iter().zip(next) {
        check_in(&[(*next, 1.0)], logits.len())?;
        sum += crate::prompt::log_sum_exp(logits) - f64::from(logits[next.index()]);
    }
    Ok(sum / (t - 2) as f64)
}

fn check_in(terms: &[(TokenId, f64)], v: usize) -> Result<()> {
    match terms.iter().find(|(token, _)| token.index() >= v) {
        Some((token, _)) => {
            let what = format!("token {token} is beyond the model's vocabulary of {v}");
            Err(Error::setting(TARGET, what))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::models::Model;

    fn demo() -> Model {
        let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
        Model::open(Path::new(demo)).unwrap().0
    }

    #[test]
    fn a_target_is_read_with_the_spaces_of_its_tokens() {
        let model = demo();
        let codec = model.codec();
        let token = |text: &str| codec.token_of(text).unwrap();
        let read = |text: &str| Target::parse(text, codec);
        let two = Target::Difference {
            right: token(" Mary"),
            wrong: token(" John"),
        };
        assert_eq!(read("logit:  Mary -  John").unwrap(), two);
        assert_eq!(read(&two.written(codec)).unwrap(), two);
        assert_eq!(read("logit:  the").unwrap(), Target::Logit(token(" the")));
        assert_eq!(read("logit: the").unwrap(), Target::Logit(token("the")));
        // A dash alone is a token and no difference.
        assert_eq!(read("logit: -").unwrap(), Target::Logit(token("-")));
        assert_eq!(read("loss").unwrap(), Target::Loss);
        for (text, said) in [
            ("logit:  Mary went", "2 tokens ( Mary| went)"),
            ("logit:  Mary - ", "`` is 0 tokens"),
            ("logit:  Mary -  John -  Tom", "tokens"),
            ("logits: a", "is no target"),
            ("Loss", "is no target"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.to_string().contains(said), "{refused}");
            assert!(refused.to_string().starts_with("target: "), "{refused}");
        }
        assert_eq!(two.said(codec), "the logit of “ Mary” less that of “ John”");
    }

    #[test]
    fn both_forms_are_the_definition_in_f64() {
        let (t, v) = (5, 7);
        let tokens: Vec<TokenId> = [3, 1, 6, 0, 2].map(TokenId).to_vec();
        let numbers: Vec<f32> = (0..2 * t * v)
            .map(|i| (i as f32 * 0.7).sin() * 3.0)
            .collect();
        let logits = Tensor::from_vec(numbers.clone(), (2, t, v), &candle_core::Device::Cpu);
        let logits = logits.unwrap();
        let at = |row: usize, p: usize, token: usize| f64::from(numbers[(row * t + p) * v + token]);
        // Positions 1, 2 and 3 are charged with tokens 2, 3 and 4.
        let loss = |row: usize| -> f64 {
            let charged = (1..=3).map(|p| {
                let sum: f64 = (0..v).map(|token| at(row, p, token).exp()).sum();
                sum.ln() - at(row, p, tokens[p + 1].index())
            });
            charged.sum::<f64>() / 3.0
        };
        let two = Target::Difference {
            right: TokenId(4),
            wrong: TokenId(2),
        };
        let wanted: [(Target, [f64; 2]); 3] = [
            (Target::Loss, [loss(0), loss(1)]),
            (Target::Logit(TokenId(4)), [at(0, 4, 4), at(1, 4, 4)]),
            (two, [at(0, 4, 4) - at(0, 4, 2), at(1, 4, 4) - at(1, 4, 2)]),
        ];
        for (target, wanted) in wanted {
            let values = target.of_logits(&logits, &tokens, 0).unwrap();
            for (value, wanted) in values.iter().zip(wanted) {
                assert!(
                    (value - wanted).abs() < 1e-6,
                    "{target:?}: {value} {wanted}"
                );
            }
            let sum = target.differentiable(&logits, &tokens, 0).unwrap();
            let sum = f64::from(sum.to_scalar::<f32>().unwrap());
            assert!(
                (sum - wanted[0] - wanted[1]).abs() < 1e-5,
                "{target:?} {sum}"
            );
            // Later positions alone give their part, which for logits is the whole.
            let later = logits.narrow(1, 3, 2).unwrap();
            let part = target.of_logits(&later, &tokens, 3).unwrap()[0];
            let same = target.differentiable(&later.narrow(0, 0, 1).unwrap(), &tokens, 3);
            let same = f64::from(same.unwrap().to_scalar::<f32>().unwrap());
            assert!((part - same).abs() < 1e-6, "{target:?} {part} {same}");
            let earlier = logits.narrow(1, 0, 3).unwrap();
            let rest = match target {
                Target::Loss => {
                    mean_loss(&earlier.to_vec3::<f32>().unwrap()[0][1..], &tokens[2..4], t).unwrap()
                }
                _ => 0.0,
            };
            assert!((part + rest - wanted[0]).abs() < 1e-6, "{target:?}");
        }
        assert!(Target::Loss.check(2).is_err() && Target::Loss.check(3).is_ok());
        assert!(two.check(1).is_err());
        assert!(
            Target::Logit(TokenId(7))
                .of_logits(&logits, &tokens, 0)
                .is_err()
        );
        assert!(
            two.of_logits(&logits, &tokens, 1).is_err(),
            "not its positions"
        );
    }
}
