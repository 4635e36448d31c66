//! Checks g against the change of the loss along a feature, and z · g against the cost of deleting the feature.
//!
//! Losses are sums of next-token cross-entropies in f64 of f32 logits, so a difference of two has an error near 1e-5 nats: slopes are taken by Ridders'
//! extrapolation of central differences over a range of steps, which finds the step where neither rounding nor curvature counts (Ridders 1982).

use candle_core::Tensor;

use super::steering::layer_after;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, TokenId};
use crate::models::{Model, NoHooks, Scalar, Start, token_tensor};
use crate::sae::Sae;
use crate::steer::log_probabilities;

/// Share of the deletions, those of the least z, that count as small.
pub(super) const SMALL: f64 = 0.25;

/// Texts, and tokens of each.
const TEXTS: usize = 8;
const TOKENS: usize = 32;
/// Distance between the positions that are tried.
const EVERY: usize = 4;
/// Central differences of one slope, the first step's share of the activation's length, and what each next one is divided by.
const STEPS: usize = 9;
const FIRST: f64 = 0.2;
const SHRINK: f64 = 1.5;
/// Slopes that count: those of the steepest feature at each position tried, the steepest half of these, where an error relative to the slope means something.
const STEEPEST: f64 = 0.5;

/// The beginning of a row: activations and the gradient of its loss.
#[derive(Debug)]
pub(super) struct Text {
    tokens: Vec<TokenId>,
    /// `[t, d]`.
    x: Matrix,
    /// `[t, d]`.
    gradient: Matrix,
}

impl Text {
    /// Reads evenly spaced rows.
    pub(super) fn some(model: &Model, rows: &Rows, hook: HookPoint) -> Result<Vec<Self>> {
        let texts = TEXTS.min(rows.len());
        let d = model.width(hook)?;
        let text = |i: usize| {
            let row = rows.row(i * rows.len() / texts);
            let tokens = row[..TOKENS.min(row.len())].to_vec();
            let input = token_tensor(&[&tokens])?;
            let value = |found: Option<&Tensor>| -> Result<Matrix> {
                let missing = || Error::hook(hook, "was not reached");
                Matrix::from_tensor(found.ok_or_else(missing)?, d)
            };
            let x = value(model.capture(&input, &[hook])?.get(&hook))?;
            let gradients = model.gradients(&input, &Scalar::NextTokenLoss, &[hook])?;
            let gradient = value(gradients.at.get(&hook))?;
            Ok(Self {
                tokens,
                x,
                gradient,
            })
        };
        (0..texts).map(text).collect()
    }

    /// Positions that are tried: not the first, which no dictionary reads, nor the last, which predicts nothing here.
    fn positions(&self) -> impl Iterator<Item = usize> + use<> {
        (EVERY..self.tokens.len() - 1).step_by(EVERY)
    }

    /// g of `feature` at `position`.
    fn along(&self, sae: &Sae, position: usize, feature: usize) -> f64 {
        let pairs = self
            .gradient
            .row(position)
            .iter()
            .zip(sae.w_dec.row(feature));
        pairs.map(|(g, w)| f64::from(*g) * f64::from(*w)).sum()
    }

    /// Summed losses, one for each of `moves`: how far along which feature the activation at `position` is moved.
    fn losses(
        &self,
        model: &Model,
        (sae, hook): (&Sae, HookPoint),
        position: usize,
        moves: &[(usize, f64)],
    ) -> Result<Vec<f64>> {
        let (t, d) = (self.tokens.len(), self.x.columns());
        let mut values = Vec::with_capacity(moves.len() * t * d);
        for (feature, by) in moves {
            let begin = values.len() + position * d;
            values.extend_from_slice(self.x.values());
            for (x, w) in values[begin..begin + d]
                .iter_mut()
                .zip(sae.w_dec.row(*feature))
            {
                *x = (f64::from(*x) + by * f64::from(*w)) as f32;
            }
        }
        let moved = Matrix::new(moves.len() * t, d, values)?.to_tensor()?;
        let moved = moved.reshape((moves.len(), t, d))?; // [b, t, d]
        let start = Start::Residual(layer_after(hook)?, &moved, None);
        let logits = model
            .run(start, &mut NoHooks)?
            .ok_or_else(|| Error::Numeric {
                what: "the forward pass ended before its logits".to_owned(),
            })?;
        let loss = |i: usize| -> Result<f64> {
            let row = logits.get(i)?; // [t, v]
            // What comes before the position does not change.
            (position..t - 1)
                .map(|p| Ok(-log_probabilities(&row.get(p)?)?[self.tokens[p + 1].index()]))
                .sum()
        };
        (0..moves.len()).map(loss).collect()
    }
}

/// Slope of the loss along a feature.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slope {
    pub(super) by_autodiff: f64,
    pub(super) measured: f64,
}

/// The steepest feature of the code at every position tried.
pub(super) fn slopes(
    model: &Model,
    sae: &Sae,
    hook: HookPoint,
    texts: &[Text],
) -> Result<Vec<Slope>> {
    let mut all = Vec::new();
    for text in texts {
        let latents = sae.encode(&text.x)?;
        for position in text.positions() {
            let mut active: Vec<(usize, f64)> = latents
                .row(position)
                .map(|(f, _)| (f.index(), text.along(sae, position, f.index())))
                .collect();
            active.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
            active.truncate(1);
            let length = text
                .x
                .row(position)
                .iter()
                .map(|x| f64::from(*x).powi(2))
                .sum::<f64>();
            let first = FIRST * length.sqrt();
            for (feature, by_autodiff) in active {
                let steps = (0..STEPS).map(|i| first / SHRINK.powi(i as i32));
                let moves: Vec<(usize, f64)> =
                    steps.flat_map(|h| [(feature, h), (feature, -h)]).collect();
                let losses = text.losses(model, (sae, hook), position, &moves)?;
                let differences = moves.chunks_exact(2).zip(losses.chunks_exact(2));
                let differences = differences.map(|(m, l)| (l[0] - l[1]) / (2.0 * m[0].1));
                let measured = ridders(&differences.collect::<Vec<_>>());
                all.push(Slope {
                    by_autodiff,
                    measured,
                });
            }
        }
    }
    all.sort_by(|a, b| b.by_autodiff.abs().total_cmp(&a.by_autodiff.abs()));
    all.truncate((all.len() as f64 * STEEPEST).ceil() as usize);
    Ok(all)
}

/// The limit of central differences at steps that shrink by [`SHRINK`]: of Neville's table the entry whose neighbours agree best.
fn ridders(differences: &[f64]) -> f64 {
    let mut column = differences.to_vec();
    let mut best = (f64::INFINITY, differences.first().copied().unwrap_or(0.0));
    let mut factor = 1.0;
    while column.len() > 1 {
        factor *= SHRINK * SHRINK;
        let next: Vec<f64> = (column.windows(2))
            .map(|pair| (pair[1] * factor - pair[0]) / (factor - 1.0))
            .collect();
        for (next, before) in next.iter().zip(column.windows(2)) {
            let off = (next - before[0]).abs().max((next - before[1]).abs());
            if off < best.0 {
                best = (off, *next);
            }
        }
        column = next;
    }
    best.1
}

/// Deletion of a feature from one token's activation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deletion {
    z: f64,
    /// Decrease of the loss to first order, z · g.
    pub(super) predicted: f64,
    /// Decrease of the loss, L(x) − L(x − z · direction).
    pub(super) measured: f64,
}

/// All active features at every position tried, by rising z.
pub(super) fn deletions(
    model: &Model,
    sae: &Sae,
    hook: HookPoint,
    texts: &[Text],
) -> Result<Vec<Deletion>> {
    let mut all = Vec::new();
    for text in texts {
        let latents = sae.encode(&text.x)?;
        for position in text.positions() {
            let active: Vec<(usize, f64)> = (latents.row(position))
                .map(|(f, z)| (f.index(), -f64::from(z)))
                .collect();
            let moves: Vec<(usize, f64)> =
                std::iter::once((0, 0.0)).chain(active.clone()).collect();
            let losses = text.losses(model, (sae, hook), position, &moves)?;
            for ((feature, by), loss) in active.into_iter().zip(&losses[1..]) {
                all.push(Deletion {
                    z: -by,
                    predicted: -by * text.along(sae, position, feature),
                    measured: losses[0] - loss,
                });
            }
        }
    }
    all.sort_by(|a, b| a.z.total_cmp(&b.z));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_found_where_rounding_and_curvature_are_both_large() {
        // exp(x) at 1, rounded to f32: the plain differences are off by 4e-2 at the first step and by 6e-5 at the last.
        let f = |x: f64| f64::from(((x.exp()) * 100.0) as f32);
        let steps = (0..STEPS).map(|i| 0.5 / SHRINK.powi(i as i32));
        let differences: Vec<f64> = steps
            .map(|h| (f(1.0 + h) - f(1.0 - h)) / (2.0 * h))
            .collect();
        let want = 100.0 * 1.0_f64.exp();
        assert!((differences[0] / want - 1.0).abs() > 1e-2);
        assert!((ridders(&differences) / want - 1.0).abs() < 1e-5);
    }
}
