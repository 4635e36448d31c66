//! Whether one feature fires at one token, by which limit, and what its pre-activation is.

use super::Sae;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::FeatureId;
use crate::kernels::pre_activations::pre_activations;

/// Features whose pre-activations are computed at once.
const AT_ONCE: usize = 1024;

/// Least pre-activation with which a feature fires, and its name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limit {
    pub(super) value: f64,
    pub(super) named: String,
}

impl Limit {
    pub(super) fn new(value: f32, named: impl Into<String>) -> Self {
        Self {
            value: f64::from(value),
            named: named.into(),
        }
    }

    /// Creates the limit of a rule that keeps the `k` largest of `pre`, if positive.
    pub(super) fn of_positive(pre: &[f32], k: usize) -> Self {
        match kth_largest(pre, k).filter(|least| *least > 0.0) {
            Some(least) => {
                let named = format!("the {} largest of this token's pre-activations", ordinal(k));
                Self::new(least, named)
            }
            None => Self::new(0.0, "only positive pre-activations fire"),
        }
    }
}

/// Returns the `k`-th largest value; none where there are fewer.
pub(super) fn kth_largest(values: &[f32], k: usize) -> Option<f32> {
    let at = k.checked_sub(1).filter(|at| *at < values.len())?;
    let mut values = values.to_vec();
    let (_, kth, _) = values.select_nth_unstable_by(at, |a, b| b.total_cmp(a));
    Some(*kth)
}

/// Writes a rank as an ordinal number.
pub(super) fn ordinal(rank: usize) -> String {
    let ending = match (rank % 10, rank % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{rank}{ending}")
}

/// Decision of a dictionary about one feature at one token.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decision {
    /// Pre-activation `w · (x − b_dec) + b_enc` of the normalised token; for a gated dictionary the gate.
    pub pre_activation: f64,
    /// Activation; 0 where the feature is silent.
    pub activation: f64,
    /// Whether the feature fires.
    pub active: bool,
    /// Least pre-activation with which it fires at this token: its threshold, or the least that the rule kept; in magnitude where signs are kept. None where
    /// the rule has no such value.
    pub cut_off: Option<f64>,
    /// Sentence that says what the pre-activation is and how it stands to the cut-off.
    pub explained: String,
}

impl Sae {
    /// Decides about `feature` at one token `x [1, d]`, as [`Sae::encode`] does.
    pub fn decide(&self, x: &Matrix, feature: FeatureId) -> Result<Decision> {
        let latents = self.encode(x)?;
        let activation = latents.get(0, feature);
        let centred = self.centred(x)?;
        let mut pre: Vec<f32> = Vec::with_capacity(self.features());
        let all: Vec<u32> = (0..self.features() as u32).collect();
        for some in all.chunks(AT_ONCE) {
            let some = pre_activations(&centred, &self.w_enc, &self.b_enc, some)?;
            pre.extend_from_slice(some.row(0));
        }
        let own = f64::from(pre[feature.index()]);
        let limit = self.selection.cut_off(&pre, feature.index());
        let mut decision = Decision {
            pre_activation: own,
            activation: f64::from(activation),
            active: activation != 0.0,
            cut_off: limit.as_ref().map(|limit| limit.value),
            explained: String::new(),
        };
        decision.explained = self.explained(&decision, feature, limit.as_ref());
        Ok(decision)
    }

    fn explained(&self, decision: &Decision, feature: FeatureId, limit: Option<&Limit>) -> String {
        let Decision {
            pre_activation: pre,
            activation,
            active,
            ..
        } = *decision;
        let read = self.read();
        let b_enc = f64::from(self.b_enc[feature.index()]);
        let magnitude = self.selection.magnitude(pre, b_enc, feature.index());
        if let Some(magnitude) = magnitude {
            let end = match (active, pre > 0.0) {
                (true, _) => format!(
                    "The gate is open, and the magnitude path exp(r_mag) · (gate − b_enc) + b_mag along the same direction gives the activation {activation:.4}"
                ),
                (false, true) => format!(
                    "The gate is open, but the magnitude path gives {magnitude:.4}, which is not above 0, so the feature is silent"
                ),
                (false, false) => {
                    "The gate is closed, below the cut-off 0, so the feature is silent".to_owned()
                }
            };
            return format!("Explains the gate {pre:.4}, {read}. {end}.");
        }
        let fires = format!("the feature fires with {activation:.4}");
        let end = match (limit, active) {
            (Some(limit), true) => {
                format!(
                    "It reaches the cut-off {} ({}): {fires}",
                    near(limit.value),
                    limit.named
                )
            }
            (Some(limit), false) => format!(
                "It is below the cut-off {} ({}), so the feature is silent",
                near(limit.value),
                limit.named
            ),
            (None, true) => format!("By its rule ({}) {fires}", self.selection.describe()),
            (None, false) => format!(
                "By its rule ({}) the feature is silent",
                self.selection.describe()
            ),
        };
        format!("Explains the pre-activation {pre:.4}, {read}. {end}.")
    }

    /// Says which form of the token the encoder reads.
    fn read(&self) -> String {
        let form = self.input_norm.describe();
        match (form, self.subtracts()) {
            (None, false) => "the encoder's product with the token, plus b_enc".to_owned(),
            (None, true) => {
                "the encoder's product with the token less b_dec, plus b_enc".to_owned()
            }
            (Some(form), false) => {
                format!("the encoder's product with the normalised token ({form}), plus b_enc")
            }
            (Some(form), true) => format!(
                "the encoder's product with the normalised token ({form}) less b_dec, plus b_enc"
            ),
        }
    }
}

/// Writes a cut-off to four decimals, and 0 as such.
fn near(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else {
        format!("{value:.4}")
    }
}
