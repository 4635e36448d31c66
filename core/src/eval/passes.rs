//! Forward passes of one chunk of rows: clean, then spliced and ablated from the dictionary's layer on.

use candle_core::Tensor;

use super::Code;
use super::splicer::{Clean, Splicer};
use super::sums::{Sums, Whole};
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
    /// Mean of what the dictionary reads.
    mean: Vec<f32>,
    /// Mean of what its first parent reads, for a dictionary of an error.
    mean_of_root: Option<Vec<f32>>,
    /// Whether the divergence of the zero-ablated run is measured too.
    ablated_kl: bool,
}

impl<'a> Passes<'a> {
    /// Takes the means of what the dictionary reads and, for a dictionary of an error, of what its first parent reads.
    pub(super) fn new(
        model: &'a Model,
        (sae, code): (&'a Sae, Code<'a>),
        rows: &'a Rows,
        hook: HookPoint,
        means: Vec<Vec<f32>>,
    ) -> Self {
        let mut means = means.into_iter();
        let mean = means.next().unwrap_or_default();
        Self {
            model,
            sae,
            code,
            rows,
            hook,
            mean,
            mean_of_root: means.next(),
            ablated_kl: false,
        }
    }

    /// Measures the divergence of the zero-ablated run too.
    pub(super) fn with_ablated_kl(mut self) -> Self {
        self.ablated_kl = true;
        self
    }

    /// Computes the sums of each row of one chunk.
    pub(super) fn measure(&self, rows: &[usize]) -> Result<Vec<Sums>> {
        let splicer = Splicer::new(self.model, self.rows);
        let reads = self.sae.reads()?;
        let clean = splicer.clean(rows, &[self.hook, reads])?;
        let mut sums = vec![Sums::new(self.sae.features()); rows.len()];
        add(&clean, &clean.logits, &mut sums, |sums| &mut sums.ce_clean)?;
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
        let t = self.rows.context();
        for i in (0..x.rows()).filter(|i| counts[*i]) {
            let (sums, range) = (&mut sums[i / t], latents.range(i));
            sums.fit(x.row(i), recon.row(i), &self.mean);
            sums.active(&latents.features[range.clone()]);
            sums.acts(&latents.acts[range]);
        }
        for (sums, charges) in sums.iter_mut().zip(&clean.charges) {
            sums.charged += count(std::slice::from_ref(charges));
        }
        if let Some(mean) = &self.mean_of_root {
            self.measure_line((&splicer, &clean), (&whole, &recon, mean), &mut sums)?;
        }
        let zero = Matrix::zeros(x.rows(), x.columns());
        let mean = Matrix::new(x.rows(), x.columns(), self.mean.repeat(x.rows()))?;
        let zeroed = clean.zeroed(self.rows);
        let values: [Replaced<'_>; 3] = [
            (recon, counts, |sums| &mut sums.ce_sae),
            (zero, &zeroed, |sums| &mut sums.ce_zero),
            (mean, counts, |sums| &mut sums.ce_mean),
        ];
        let kls: [Option<Into>; 3] = [
            Some(|sums| &mut sums.kl_sae),
            self.ablated_kl.then_some(|sums| &mut sums.kl_zero),
            None,
        ];
        for ((value, reached, ce), kl) in values.into_iter().zip(kls) {
            let value = self.sae.put_back(&whole, keeping(value, &x, reached))?;
            let logits = splicer.replaced(&clean, self.hook, &value)?;
            add(&clean, &logits, &mut sums, ce)?;
            if let Some(kl) = kl {
                let each = divergences(&clean.logits, &logits, counts)?;
                let each = sums.iter_mut().zip(each);
                each.for_each(|(sums, divergence)| *kl(sums) += divergence);
            }
        }
        Ok(sums)
    }

    /// Adds the sums of the parents of a dictionary of an error, and of the parents together with `recon`, its own reconstruction of the error.
    fn measure_line(
        &self,
        (splicer, clean): (&Splicer<'_>, &Clean<'_>),
        (whole, recon, mean): (&Matrix, &Matrix, &[f32]),
        sums: &mut [Sums],
    ) -> Result<()> {
        let (Some(of), root) = (&self.sae.error_of, self.sae.root()) else {
            return Ok(());
        };
        let (x, counts) = (root.own_part(whole)?, &clean.counts);
        let parents = of.parent().with_parents(&x)?;
        let mut pair = parents.clone();
        let values = pair.values_mut().iter_mut().zip(recon.values());
        values.for_each(|(pair, recon)| *pair += recon);
        let t = self.rows.context();
        let both: [(Matrix, IntoWhole); 2] = [
            (parents, |sums| &mut sums.parents),
            (pair, |sums| &mut sums.pair),
        ];
        for (value, into) in both {
            for i in (0..x.rows()).filter(|i| counts[*i]) {
                into(&mut sums[i / t]).fit(x.row(i), value.row(i), mean);
            }
            let value = root.put_back(whole, keeping(value, &x, counts))?;
            let logits = splicer.replaced(clean, self.hook, &value)?;
            let each = clean.charge_rows(&logits)?;
            for (sums, charge) in sums.iter_mut().zip(each) {
                into(sums).ce += charge;
            }
        }
        Ok(())
    }
}

/// Sum of a row that something is added to.
type Into = fn(&mut Sums) -> &mut f64;

/// Sums of a row of a reconstruction of the activation.
type IntoWhole = fn(&mut Sums) -> &mut Whole;

/// Value in place of the activation, the positions where it is, and the sum of its cross-entropy.
type Replaced<'a> = (Matrix, &'a [bool], Into);

/// Adds the cross-entropy of each row.
fn add(clean: &Clean<'_>, logits: &Tensor, sums: &mut [Sums], into: Into) -> Result<()> {
    let each = clean.charge_rows(logits)?;
    for (sums, charge) in sums.iter_mut().zip(each) {
        *into(sums) += charge;
    }
    Ok(())
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

/// Sums the KL divergence in nats of the distributions of `other [b, t, v]` from those of `clean`, over the positions of each row for which `counts [b·t]` holds.
fn divergences(clean: &Tensor, other: &Tensor, counts: &[bool]) -> Result<Vec<f64>> {
    let (_, t, v) = clean.dims3()?;
    let clean = clean.flatten_all()?.to_vec1::<f32>()?;
    let other = other.flatten_all()?.to_vec1::<f32>()?;
    let rows = clean.chunks_exact(t * v).zip(other.chunks_exact(t * v));
    let rows = rows.zip(counts.chunks_exact(t));
    let each = rows.map(|((clean, other), counts)| {
        let pairs = clean.chunks_exact(v).zip(other.chunks_exact(v));
        let counted = pairs.zip(counts).filter(|(_, counts)| **counts);
        counted
            .map(|((clean, other), _)| divergence(clean, other))
            .sum()
    });
    Ok(each.collect())
}

/// KL divergence in nats of the distribution of `other [v]` from that of `clean`.
fn divergence(clean: &[f32], other: &[f32]) -> f64 {
    let (p, q) = (log_sum(clean), log_sum(other));
    let terms = clean.iter().zip(other).map(|(clean, other)| {
        let (clean, other) = (f64::from(*clean) - p, f64::from(*other) - q);
        clean.exp() * (clean - other)
    });
    terms.sum()
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
