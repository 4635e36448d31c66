//! Selection rules at inference. Each rule has its own file and one line in the list here.

use std::fmt::Debug;

use super::Variant;
use super::decision::Limit;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::latents::Latents;

/// One rule of [`Selection`].
pub(super) trait Selects: Debug {
    /// Computes the latents of activations less `b_dec`, `[n, d]`.
    fn encode(&self, centred: &Matrix, w_enc: &Matrix, b_enc: &[f32]) -> Result<Latents>;

    /// Returns the least pre-activation with which `feature` fires at a token of pre-activations `pre [f]`; none where the rule has none.
    fn cut_off(&self, pre: &[f32], feature: usize) -> Option<Limit>;

    /// Returns the activation that `feature` gets from its own pre-activation; none where that depends on other features.
    fn alone(&self, _pre: f32, _feature: usize) -> Option<f32> {
        None
    }

    /// Computes the activation that `feature` gets from an open gate, where a gate and a magnitude are told apart.
    fn magnitude(&self, _gate: f64, _b_enc: f64, _feature: usize) -> Option<f64> {
        None
    }

    /// Name with its numbers.
    fn describe(&self) -> String;

    /// Says in one sentence which features survive.
    fn definition(&self) -> &'static str;

    /// Name and numbers as the fingerprint has them.
    fn canonical(&self) -> String;

    /// Variant that training goes on as; a rule that is not trained here names the nearest.
    fn trained_as(&self) -> Variant;

    /// Active features per token, where the rule sets them.
    fn k(&self) -> Option<usize> {
        None
    }

    /// Values for each feature, with their names.
    fn held(&self) -> Vec<(&'static str, &[f32])> {
        Vec::new()
    }

    /// Values for each feature that training learns; those that grow with pre-activations come first.
    fn learnt(&mut self) -> Vec<&mut Vec<f32>> {
        Vec::new()
    }

    /// Adapts the rule to pre-activations `factor` times as large.
    fn scale(&mut self, _factor: f32) {}

    /// Adapts the rule to an encoder bias that was moved by `moved [f]` while what is read moved the other way, so that pre-activations stay.
    fn shift(&mut self, _moved: &[f64]) {}

    /// Adapts the rule to pre-activations that grow by a factor `[f]` of their feature; a simpler rule that does the same takes its place.
    fn grow(&mut self, factors: &[f32]) -> Option<Selection> {
        // Thresholds and the magnitude's bias are pre-activations; a gate's growth is a ratio of two and comes second.
        for values in self.learnt().into_iter().take(1) {
            values.iter_mut().zip(factors).for_each(|(v, f)| *v *= f);
        }
        None
    }

    /// Whether features are chosen by rank: multiplying pre-activations by different factors would choose others.
    fn ranks(&self) -> bool;

    /// Whether [`Selects::grow`] keeps the choice under factors that differ.
    fn follows_growth(&self) -> bool {
        !self.ranks()
    }

    /// Whether activations may be negative.
    fn is_signed(&self) -> bool {
        false
    }

    /// Whether pre-activations are those of an encoder of its own; otherwise the decoder reads.
    fn has_encoder(&self) -> bool {
        true
    }

    /// Whether kernels on a GPU cover it.
    fn is_covered(&self) -> bool {
        true
    }
}

/// Defines [`Selection`] from its rules.
macro_rules! selections {
    ($($(#[$doc:meta])* $name:ident($file:ident::$rule:ident),)*) => {
        /// Rule that decides which (token, feature) pairs survive when a dictionary is used.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Selection {
            $($(#[$doc])* $name(super::$file::$rule),)*
        }

        impl Selection {
            fn rule(&self) -> &dyn Selects {
                match self {
                    $(Self::$name(rule) => rule,)*
                }
            }

            fn rule_mut(&mut self) -> &mut dyn Selects {
                match self {
                    $(Self::$name(rule) => rule,)*
                }
            }
        }

        $(impl From<super::$file::$rule> for Selection {
            fn from(rule: super::$file::$rule) -> Self {
                Self::$name(rule)
            }
        })*
    };
}

selections! {
    /// The `k` largest pre-activations of each token, then ReLU.
    TopK(topk::TopK),
    /// The `k` pre-activations of largest magnitude of each token, signs kept.
    AbsTopK(signed_topk::AbsTopK),
    /// Every positive pre-activation.
    Relu(relu::Relu),
    /// Every positive pre-activation above its feature's threshold.
    JumpRelu(jump_relu::JumpRelu),
    /// Features whose gate is positive.
    Gated(gated::Gated),
    /// The largest pre-activation of each group of features, if positive.
    GroupMax(untrained::GroupMax),
    /// The `k` largest pre-activations of each token, without ReLU.
    RawTopK(untrained::RawTopK),
    /// The `k` pre-activations of each token that are largest times their feature's weight, if positive.
    WeightedTopK(untrained::WeightedTopK),
    /// Every pre-activation above its feature's threshold, which may be negative.
    Jump(untrained::Jump),
    /// One feature after the other by what those before leave.
    MatchingPursuit(untrained::Pursuit),
}

impl Selection {
    /// Computes the latents of activations less `b_dec`, `[n, d]`.
    pub(crate) fn encode(
        &self,
        centred: &Matrix,
        w_enc: &Matrix,
        b_enc: &[f32],
    ) -> Result<Latents> {
        self.rule().encode(centred, w_enc, b_enc)
    }

    /// Returns the least pre-activation with which `feature` fires at a token of pre-activations `pre [f]`; none where the rule has none.
    pub(super) fn cut_off(&self, pre: &[f32], feature: usize) -> Option<Limit> {
        self.rule().cut_off(pre, feature)
    }

    /// Returns the activation that `feature` gets from its own pre-activation; none where that depends on other features.
    pub(super) fn alone(&self, pre: f32, feature: usize) -> Option<f32> {
        self.rule().alone(pre, feature)
    }

    /// Computes the activation that `feature` gets from an open gate, where a gate and a magnitude are told apart.
    pub(super) fn magnitude(&self, gate: f64, b_enc: f64, feature: usize) -> Option<f64> {
        self.rule().magnitude(gate, b_enc, feature)
    }

    /// Returns the rule for pre-activations `factor` times as large.
    #[must_use]
    pub(crate) fn scaled(mut self, factor: f32) -> Self {
        self.rule_mut().scale(factor);
        self
    }

    /// Adapts the rule to an encoder bias that was moved by `moved [f]` while what is read moved the other way, so that pre-activations stay.
    pub(super) fn shift(&mut self, moved: &[f64]) {
        self.rule_mut().shift(moved);
    }

    /// Adapts the rule to pre-activations that grow by a factor `[f]` of their feature.
    pub(super) fn grow(&mut self, factors: &[f32]) {
        if let Some(simpler) = self.rule_mut().grow(factors) {
            *self = simpler;
        }
    }

    /// Checks that it holds one value of each kind for each of `features`.
    pub(crate) fn check(&self, features: usize) -> Result<()> {
        for (name, values) in self.held() {
            if values.len() != features {
                let what = format!(
                    "`{name}` has {} values for {features} features",
                    values.len()
                );
                return Err(Error::Shape { op: "encode", what });
            }
        }
        Ok(())
    }

    /// Values for each feature, with their names.
    pub(super) fn held(&self) -> Vec<(&'static str, &[f32])> {
        self.rule().held()
    }

    /// Name and numbers as the fingerprint has them.
    pub(super) fn canonical(&self) -> String {
        self.rule().canonical()
    }

    /// Values for each feature that training learns; those that grow with pre-activations come first.
    pub(crate) fn by_feature(&mut self) -> Vec<&mut Vec<f32>> {
        self.rule_mut().learnt()
    }

    /// Whether features are chosen by rank: multiplying pre-activations by different factors would choose others.
    pub(crate) fn ranks(&self) -> bool {
        self.rule().ranks()
    }

    /// Whether it can be adapted to pre-activations that grow by different factors.
    pub(crate) fn follows_growth(&self) -> bool {
        self.rule().follows_growth()
    }

    /// Whether pre-activations are those of an encoder; otherwise the decoder reads.
    pub(super) fn has_encoder(&self) -> bool {
        self.rule().has_encoder()
    }

    /// Whether kernels on a GPU cover it.
    pub(super) fn is_covered(&self) -> bool {
        self.rule().is_covered()
    }

    /// Variant that training goes on as; a rule that is not trained here names the nearest.
    pub fn trained_as(&self) -> Variant {
        self.rule().trained_as()
    }

    /// Active features per token, where the rule sets them.
    pub fn k(&self) -> Option<usize> {
        self.rule().k()
    }

    /// Whether activations may be negative.
    pub fn is_signed(&self) -> bool {
        self.rule().is_signed()
    }

    /// Name with its numbers.
    pub fn describe(&self) -> String {
        self.rule().describe()
    }

    /// Says in one sentence which features survive.
    pub fn definition(&self) -> &'static str {
        self.rule().definition()
    }
}
