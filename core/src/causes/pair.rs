//! Two texts of one length and a target on both, between which activations are patched.

use serde::{Deserialize, Serialize};

use super::Target;
use super::rows::Text;
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::models::Model;

/// Two texts, a target, and its value on each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextPair {
    /// Target as it is written.
    pub target: String,
    /// Target in words.
    pub target_said: String,
    /// Target on the first text.
    pub clean_value: f64,
    /// Target on the second text.
    pub corrupt_value: f64,
    /// Tokens of the first text.
    pub clean: Vec<TokenId>,
    /// Tokens of the second text.
    pub corrupt: Vec<TokenId>,
    /// Display forms of the first text's tokens.
    pub clean_texts: Vec<String>,
    /// Display forms of the second text's tokens.
    pub corrupt_texts: Vec<String>,
}

impl TextPair {
    /// Reads the target on both texts after checking them.
    pub(super) fn new(
        model: &Model,
        (clean, corrupt): (&[TokenId], &[TokenId]),
        target: Target,
    ) -> Result<Self> {
        check_texts(model, (clean, corrupt), Some(target))?;
        let codec = model.codec();
        let value = |tokens: &[TokenId]| -> Result<f64> {
            let text = Text { model, tokens };
            let streams = text.entering()?;
            let values = text.targets((0, &streams), super::rows::Pass::default(), target)?;
            Ok(values[0])
        };
        let texts = |tokens: &[TokenId]| tokens.iter().map(|id| codec.display(*id)).collect();
        Ok(Self {
            target: target.written(codec),
            target_said: target.said(codec),
            clean_value: value(clean)?,
            corrupt_value: value(corrupt)?,
            clean: clean.to_vec(),
            corrupt: corrupt.to_vec(),
            clean_texts: texts(clean),
            corrupt_texts: texts(corrupt),
        })
    }

    /// Whether the texts differ, position by position.
    pub fn differs(&self) -> Vec<bool> {
        let pairs = self.clean.iter().zip(&self.corrupt);
        pairs.map(|(clean, corrupt)| clean != corrupt).collect()
    }

    /// Returns the first position in which the texts differ.
    pub fn first_difference(&self) -> Option<usize> {
        self.differs().iter().position(|differs| *differs)
    }

    /// Returns the share of the way from the second text's target to the first's at which `value` lies; none where these are equal.
    pub fn recovered(&self, value: f64) -> Option<f64> {
        let whole = self.clean_value - self.corrupt_value;
        (whole != 0.0).then(|| (value - self.corrupt_value) / whole)
    }

    /// Says why no share can be given, where the target has one value on both texts.
    pub fn undecided(&self) -> Option<String> {
        (self.clean_value == self.corrupt_value).then(|| {
            format!(
                "The target is {:.4} on both texts, so no share of a difference can be recovered: change the second text where the answer depends on it, or choose another target.",
                self.clean_value
            )
        })
    }

    /// Says how the two texts differ and what the target is on each.
    pub fn described(&self) -> String {
        let count = self
            .differs()
            .into_iter()
            .filter(|differs| *differs)
            .count();
        format!(
            "The texts differ in {count} of {} tokens; {} is {:.4} on the first and {:.4} on the second.",
            self.clean.len(),
            self.target_said,
            self.clean_value,
            self.corrupt_value
        )
    }
}

/// Checks that two texts have one length that the model reads and that the target, if there is one, can be read on them.
pub fn check_texts(
    model: &Model,
    (clean, corrupt): (&[TokenId], &[TokenId]),
    target: Option<Target>,
) -> Result<()> {
    if clean.len() != corrupt.len() {
        let what = format!(
            "the first text has {} tokens and the second {}: positions match only in texts of one length, change one of them",
            clean.len(),
            corrupt.len()
        );
        return Err(Error::setting("corrupt", what));
    }
    let context = model.config().context;
    if clean.len() > context {
        let what = format!(
            "the texts have {} tokens, the model reads at most {context}: give shorter ones",
            clean.len()
        );
        return Err(Error::setting("clean", what));
    }
    target.map_or(Ok(()), |target| target.check(clean.len()))
}
