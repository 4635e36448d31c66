//! Forward passes of one chunk of rows: clean, then spliced and ablated from the dictionary's layer on.

use candle_core::Tensor;

use super::Code;
use super::splicer::Splicer;
use super::sums::Sums;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{HookPoint, TokenId};
use crate::models::Model;
use crate::sae::Sae;

/// Inputs of the passes.
pub(super) struct Passes<'a> {
    model: &'a Model,
    sae: &'a Sae,
    code: Code<'a>,
    rows: &'a Rows,
    hook: HookPoint,
    mean: Vec<f32>,
}

impl<'a> Passes<'a> {
    pub(super) fn new(
        model: &'a Model,
        (sae, code): (&'a Sae, Code<'a>),
        rows: &'a Rows,
        hook: HookPoint,
        mean: Vec<f32>,
    ) -> Self {
        Self {
            model,
            sae,
            code,
            rows,
            hook,
            mean,
        }
    }

    /// Computes the sums of one chunk of rows.
    pub(super) fn measure(&self, rows: &[usize]) -> Result<Sums> {
        let splicer = Splicer::new(self.model, self.rows);
        let reads = self.sae.reads()?;
        let clean = splicer.clean(rows, &[self.hook, reads])?;
        let mut sums = Sums::new(self.sae.features());
        sums.ce_clean += clean.charge(&clean.logits)?;
        let whole = splicer.activation(&clean, self.hook)?;
        // A dictionary of one head replaces that head alone.
        let x = self.sae.own_part(&whole)?;
        let read = if reads == self.hook {
            None
        } else {
            Some(splicer.activation(&clean, reads)?)
        };
        let read = read.as_ref().unwrap_or(&x);
        let latents = (self.code)(rows, read)?;
        let recon = self.sae.decode(&latents, read)?;
        let counts = &clean.counts;
        for i in (0..x.rows()).filter(|i| counts[*i]) {
            sums.fit(x.row(i), recon.row(i), &self.mean);
            sums.active(&latents.features[latents.range(i)]);
        }
        sums.charged += count(&clean.charges);
        let zero = Matrix::zeros(x.rows(), x.columns());
        let mean = Matrix::new(x.rows(), x.columns(), self.mean.repeat(x.rows()))?;
        let zeroed = clean.zeroed(self.rows);
        let mut near = Some(&mut sums.kl_sae);
        for (value, ce, reached) in [
            (recon, &mut sums.ce_sae, counts),
            (zero, &mut sums.ce_zero, &zeroed),
            (mean, &mut sums.ce_mean, counts),
        ] {
            let value = self.sae.put_back(&whole, keeping(value, &x, reached))?;
            let logits = splicer.replaced(&clean, self.hook, &value)?;
            *ce += clean.charge(&logits)?;
            // The first value is the reconstruction.
            if let Some(kl) = near.take() {
                *kl += divergence(&clean.logits, &logits, counts)?;
            }
        }
        Ok(sums)
    }
}

/// Returns `value` with the clean activation at positions that do not count.
pub(crate) fn keeping(mut value: Matrix, x: &Matrix, reached: &[bool]) -> Matrix {
    for i in (0..x.rows()).filter(|i| !reached[*i]) {
        value.row_mut(i).copy_from_slice(x.row(i));
    }
    value
}

/// Returns the positions that are charged.
pub(crate) fn count(charges: &[Vec<bool>]) -> u64 {
    charges.iter().flatten().filter(|charged| **charged).count() as u64
}

/// Sums the cross-entropy of `logits [b, t, v]`: each position for which `charges` holds is charged with the next token.
pub(crate) fn charge(logits: &Tensor, tokens: &[&[TokenId]], charges: &[Vec<bool>]) -> Result<f64> {
    let rows = losses(logits, tokens, charges)?.into_iter();
    let sums = rows.map(|row| row.into_iter().map(|(_, loss)| loss).sum::<f64>());
    Ok(sums.sum())
}

/// Returns, for each row of `logits [b, t, v]`, the positions for which `charges` holds and their cross-entropy with the next token.
pub(super) fn losses(
    logits: &Tensor,
    tokens: &[&[TokenId]],
    charges: &[Vec<bool>],
) -> Result<Vec<Vec<(usize, f64)>>> {
    let (_, t, v) = logits.dims3()?;
    let values = logits.flatten_all()?.to_vec1::<f32>()?;
    let rows = values.chunks_exact(t * v).zip(tokens).zip(charges);
    let of_row = |((row, tokens), charges): ((&[f32], &&[TokenId]), &Vec<bool>)| {
        let positions = row.chunks_exact(v).zip(&tokens[1..]).zip(charges);
        let charged = positions.enumerate().filter(|(_, (_, charged))| **charged);
        let loss = |(at, ((logits, target), _)): (usize, ((&[f32], &TokenId), &bool))| {
            (at, cross_entropy(logits, target.index()))
        };
        charged.map(loss).collect()
    };
    Ok(rows.map(of_row).collect())
}

/// Sums the KL divergence in nats of the distributions of `other [b, t, v]` from those of `clean`, over the positions for which `counts [b·t]` holds.
fn divergence(clean: &Tensor, other: &Tensor, counts: &[bool]) -> Result<f64> {
    let (_, _, v) = clean.dims3()?;
    let clean = clean.flatten_all()?.to_vec1::<f32>()?;
    let other = other.flatten_all()?.to_vec1::<f32>()?;
    let pairs = clean.chunks_exact(v).zip(other.chunks_exact(v));
    let counted = pairs.zip(counts).filter(|(_, counts)| **counts);
    let each = counted.map(|((clean, other), _)| {
        let (p, q) = (log_sum(clean), log_sum(other));
        let terms = clean.iter().zip(other).map(|(clean, other)| {
            let (clean, other) = (f64::from(*clean) - p, f64::from(*other) - q);
            clean.exp() * (clean - other)
        });
        terms.sum::<f64>()
    });
    Ok(each.sum())
}

/// −log softmax at `target`, in nats.
fn cross_entropy(logits: &[f32], target: usize) -> f64 {
    log_sum(logits) - f64::from(logits[target])
}

/// log Σ exp.
fn log_sum(logits: &[f32]) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|l| f64::from((l - largest).exp())).sum();
    sum.ln() + f64::from(largest)
}
