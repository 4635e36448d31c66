//! Logit lens: the prediction of each layer as if the model ended there. The residual stream passes through the final norm, the unembedding and the logit
//! cap, as at the model's last layer (nostalgebraist 2020, *interpreting GPT: the logit lens*). No probe is trained: early layers of some models use another
//! basis, and their predictions then differ from the final one.

#[cfg(test)]
mod tests;

use candle_core::Tensor;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::ids::{HookPoint, Layer, Site, TokenId};
use crate::models::{Model, Start, token_tensor};
use crate::progress::{Ended, Flow, Progress};
use crate::prompt::{NextToken, log_sum_exp, most_likely};

/// Limit on the residual streams in memory, in bytes; longer texts are cut.
const HELD: usize = 1 << 30;

/// Number of logits per step: 32 MB of logits and 64 MB of probabilities.
const LOGITS: usize = 1 << 23;

/// Prediction of one layer at one position.
#[derive(Debug, Clone, PartialEq)]
pub struct Guess {
    /// The most likely next tokens, most likely first.
    pub top: Vec<NextToken>,
    /// Rank and probability of the text's next token; none at the last position.
    pub actual: Option<Actual>,
    /// Entropy −Σ p ln p of the layer's prediction, nats.
    pub entropy: f32,
    /// KL(model ‖ layer) = Σ p ln(p / q), nats: p is the model's prediction, q the layer's. 0 at the last layer.
    pub kl: f32,
}

/// Prediction of the text's next token by a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Actual {
    /// Rank, 1 for the most likely; among equals the smaller id comes first.
    pub rank: usize,
    /// Probability.
    pub probability: f32,
}

/// Logit lens of a text: layers downwards, positions across.
#[derive(Debug, Clone, PartialEq)]
pub struct Lens {
    /// Tokens, BOS included.
    pub tokens: Vec<TokenId>,
    /// Their display forms.
    pub texts: Vec<String>,
    /// Hook of each row: `blocks.0.hook_resid_pre`, then `hook_resid_post` of every block; the last row is the model's own prediction.
    pub hooks: Vec<HookPoint>,
    /// Predictions row by row, `[l + 1, t]`.
    guesses: Vec<Guess>,
    /// Number of tokens cut at the end to bound memory. The rest does not depend on them.
    pub cut: usize,
}

impl Lens {
    /// Returns the name of row `row`: `embed`, then the number of the block that it follows.
    pub fn name(&self, row: usize) -> String {
        match self.hooks[row] {
            HookPoint::Block(layer, Site::ResidPost) => layer.to_string(),
            _ => "embed".to_owned(),
        }
    }

    /// Returns the prediction of row `row` of [`Lens::hooks`] at position `t`.
    pub fn guess(&self, row: usize, t: usize) -> &Guess {
        &self.guesses[row * self.tokens.len() + t]
    }
}

/// `tokens` through the lens, the `top` most likely guesses kept per cell. `observe` gets the guesses done (positions × layers).
pub fn read(
    model: &Model,
    tokens: &[TokenId],
    top: usize,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Lens>> {
    let chunk = (LOGITS / model.config().vocab.max(1)).max(1);
    read_by(model, tokens, (top, chunk), observe)
}

/// Computes the lens with `chunk` positions at once.
fn read_by(
    model: &Model,
    tokens: &[TokenId],
    (top, chunk): (usize, usize),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Lens>> {
    let config = model.config();
    let hooks: Vec<HookPoint> = std::iter::once(HookPoint::block(0, Site::ResidPre))
        .chain((0..config.layers).map(|layer| HookPoint::block(layer, Site::ResidPost)))
        .collect();
    let position_bytes = hooks.len() * config.d_model * size_of::<f32>();
    let kept = tokens.len().min((HELD / position_bytes.max(1)).max(1));
    let (tokens, cut) = (&tokens[..kept], tokens.len() - kept);
    let streams = model.capture(&token_tensor(&[tokens])?, &hooks)?;
    let mut table = Table {
        model,
        tokens,
        top,
        rows: vec![Vec::with_capacity(kept); hooks.len()],
    };
    let total = hooks.len() * kept;
    let mut done = 0;
    for first in (0..kept).step_by(chunk) {
        let positions = chunk.min(kept - first);
        let stream = |hook: &HookPoint| -> Result<Tensor> {
            let stream = streams
                .get(hook)
                .ok_or_else(|| Error::hook(*hook, format!("{} did not reach it", model.name())))?;
            Ok(stream.narrow(1, first, positions)?) // [1, positions, d]
        };
        let last = &hooks[hooks.len() - 1];
        let end = End::new(&table.logits(&stream(last)?)?);
        for (row, hook) in hooks.iter().enumerate() {
            let logits = table.logits(&stream(hook)?)?;
            table.add(row, first, (&logits, &end))?;
            done += positions;
            if observe(Progress::new(done, total, "guesses")).is_break() {
                return Ok(Ended::STOPPED);
            }
        }
    }
    Ok(Ended::Done(Lens {
        texts: tokens.iter().map(|id| model.codec().display(*id)).collect(),
        tokens: tokens.to_vec(),
        guesses: table.rows.into_iter().flatten().collect(),
        hooks,
        cut,
    }))
}

/// Predictions of the model at some positions, with which the layers are compared.
struct End {
    /// Probabilities row by row.
    probabilities: Vec<Vec<f64>>,
    entropies: Vec<f64>,
}

impl End {
    fn new(logits: &[Vec<f32>]) -> Self {
        let at = |logits: &Vec<f32>| {
            let total = log_sum_exp(logits);
            let p: Vec<f64> = logits
                .iter()
                .map(|l| (f64::from(*l) - total).exp())
                .collect();
            let entropy = total - expected(&p, logits);
            (p, entropy)
        };
        let (probabilities, entropies) = logits.par_iter().map(at).unzip();
        Self {
            probabilities,
            entropies,
        }
    }
}

/// Computes Σ p · logit.
fn expected(p: &[f64], logits: &[f32]) -> f64 {
    p.iter().zip(logits).map(|(p, l)| p * f64::from(*l)).sum()
}

struct Table<'a> {
    model: &'a Model,
    tokens: &'a [TokenId],
    top: usize,
    rows: Vec<Vec<Guess>>,
}

impl Table<'_> {
    /// Computes logits of residual streams `[1, t, d]`, one row per position.
    fn logits(&self, stream: &Tensor) -> Result<Vec<Vec<f32>>> {
        let end = Layer::from(self.model.config().layers);
        let start = Start::Residual(end, stream, None);
        let logits = self.model.run(start, &mut crate::models::NoHooks)?;
        let logits = logits.ok_or_else(|| Error::Numeric {
            what: "the forward pass ended before its logits".to_owned(),
        })?;
        Ok(logits.squeeze(0)?.to_vec2()?)
    }

    /// Appends the predictions by `logits` at the positions from `first` on to row `row`.
    fn add(&mut self, row: usize, first: usize, (logits, end): (&[Vec<f32>], &End)) -> Result<()> {
        let guesses = logits.par_iter().enumerate().map(|(i, logits)| {
            let following = self.tokens.get(first + i + 1).copied();
            self.guess(logits, following, (&end.probabilities[i], end.entropies[i]))
        });
        let guesses: Result<Vec<Guess>> = guesses.collect();
        self.rows[row].extend(guesses?);
        Ok(())
    }

    fn guess(
        &self,
        logits: &[f32],
        following: Option<TokenId>,
        (end, end_entropy): (&[f64], f64),
    ) -> Result<Guess> {
        let total = log_sum_exp(logits);
        if !total.is_finite() {
            return Err(Error::Numeric {
                what: format!(
                    "{} gives no finite logits when a middle layer is unembedded",
                    self.model.name()
                ),
            });
        }
        let p = |l: f32| (f64::from(l) - total).exp();
        let entropy = total - logits.iter().map(|l| p(*l) * f64::from(*l)).sum::<f64>();
        // Both cross terms are sums of the same form, so the last layer's difference is 0 and no rounding.
        let kl = (total - expected(end, logits)) - end_entropy;
        let actual = following.map(|token| {
            let logit = logits[token.index()];
            let before =
                |(i, l): &(usize, &f32)| **l > logit || (**l == logit && *i < token.index());
            Actual {
                rank: 1 + logits.iter().enumerate().filter(before).count(),
                probability: p(logit) as f32,
            }
        });
        Ok(Guess {
            top: most_likely(self.model.codec(), logits, total, self.top),
            actual,
            entropy: entropy as f32,
            kl: kl.max(0.0) as f32,
        })
    }
}
