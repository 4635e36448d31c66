//! Gradient SAE: TopK by the effect on the model's loss.
//!
//! | | |
//! |---|---|
//! | paper | Olmo et al. 2024, "Features that Make a Difference: Leveraging Gradients for Improved Dictionary Learning" (arXiv 2411.10397), Figure 1 |
//! | rule in training | of each token the `k` largest scores `z · (1 + β·abs(g))`, `g = w_dec · ∂L/∂x`, L the sum of the tokens' next-token losses; the values are the pre-activations z |
//! | rule at inference | TopK: no gradient is needed (β = 0) |
//! | extra parameters | none |
//! | losses | normalised squared error, AuxK/32; no gradient through g or the selection |
//! | other names | g-SAE |
//!
//! β is relative, `β = beta / mean abs(g)` with a moving average over a sample of each batch, so that one setting suits every model. The figure passes the
//! scores on to the decoder; this literal reading is a switch, which makes inference without gradients inconsistent.

use super::parts::Average;
use super::rule::{Card, Choose, Numbers, Plan, Rule, Terms, Uses};
use super::state::Keep;
use super::{Sae, Selection, TopK};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::kernels::encode::{Ranking, encode_scored};
use crate::kernels::pre_activations::pre_activations;
use crate::latents::Latents;

/// Entry of the list of variants.
pub(super) const CARD: Card = Card {
    name: "gradient",
    uses: &[Uses::Budget, Uses::K],
    rule: |wanted| {
        let literal = wanted.gradient_values == GradientValues::Scores;
        Box::new(GradientRule::new(wanted.k, wanted.beta, literal))
    },
    suits: Card::SUITS,
};

/// Values that a gradient SAE passes to its decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GradientValues {
    /// Pre-activations of the features that the scores select.
    PreActivations,
    /// The scores themselves.
    Scores,
}

/// Tokens of a batch that enter the mean of |g|.
const SAMPLE: usize = 32;

/// Training rule of the gradient SAE.
#[derive(Debug)]
struct GradientRule {
    k: usize,
    beta: f64,
    /// Whether the decoder takes the scores instead of the pre-activations.
    literal: bool,
    size: Average,
}

impl GradientRule {
    /// Creates the rule; `beta` is relative to the mean of |g|.
    fn new(k: usize, beta: f64, literal: bool) -> Self {
        Self {
            k,
            beta,
            literal,
            size: Average::default(),
        }
    }
}

/// Number of rows of a batch of `tokens`, its first, over which the mean |g| is taken.
pub(crate) fn sampled(tokens: usize) -> usize {
    tokens.min(SAMPLE)
}

/// Error of a step without gradients.
pub(crate) fn missing() -> Error {
    let what = "the variant gradient needs the gradient of the model's loss, which this source of activations does not provide: train from the model";
    Error::setting("variant", what)
}

/// Computes the mean |g| of `g = gradients [n, d] · w_dec [f, d]ᵀ`, to which β is relative.
pub(crate) fn mean_size(gradients: &Matrix, w_dec: &Matrix) -> Result<f64> {
    let features: Vec<u32> = (0..w_dec.rows() as u32).collect();
    let along = pre_activations(gradients, w_dec, &vec![0.0; features.len()], &features)?;
    let sum: f64 = along.values().iter().map(|g| f64::from(g.abs())).sum();
    Ok(sum / along.values().len().max(1) as f64)
}

impl Sae {
    /// Encodes activations `[n, d]` by the training rule of a gradient SAE: of each token the `k` largest scores `z · (1 + β·abs(g))`, with `gradients [n, d]` of
    /// the model's summed next-token loss. The gradients need the next tokens of the text, which are not available when a dictionary is used.
    pub fn encode_by_gradient(
        &self,
        x: &Matrix,
        gradients: &Matrix,
        k: usize,
        beta: f32,
    ) -> Result<Latents> {
        let centred = self.centred(x)?;
        let ranking = Ranking {
            gradients,
            w_dec: &self.w_dec,
            beta,
        };
        let (latents, _) = encode_scored(&centred, &self.w_enc, &self.b_enc, k, ranking)?;
        Ok(latents)
    }
}

impl Rule for GradientRule {
    fn plan(&mut self, numbers: &Numbers) -> Result<Plan> {
        Ok(Plan {
            choose: Choose::Scored {
                k: numbers.k(self.k),
            },
            terms: if self.literal {
                Terms::Scores
            } else {
                Terms::Plain
            },
        })
    }

    fn beta(&mut self, size: f64) -> f32 {
        self.size.add(size);
        let size = self.size.get();
        if size > 0.0 {
            (self.beta / size) as f32
        } else {
            0.0
        }
    }

    fn inference(&self) -> Selection {
        Selection::TopK(TopK { k: self.k })
    }

    fn differs(&self) -> bool {
        true
    }

    fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        self.size.state("mean_gradient", keep)
    }
}
