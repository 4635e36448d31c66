//! Forward passes of one chunk of rows: clean, then spliced and ablated from the dictionary's layer on.

use candle_core::Tensor;

use super::Code;
use super::sums::Sums;
use crate::corpus::{Positions, Rows};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Layer, Site, TokenId};
use crate::models::{Capture, Hooks, Model, NoHooks, Start, token_tensor};
use crate::sae::Sae;

/// Inputs of the passes.
pub(super) struct Passes<'a> {
    model: &'a Model,
    sae: &'a Sae,
    code: Code<'a>,
    rows: &'a Rows,
    hook: HookPoint,
    mean: Vec<f32>,
    resume: Resume,
}

/// Start of a pass with a replaced value at the hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resume {
    /// Starts from the tokens and replaces the value on the way.
    Tokens,
    /// Starts from the residual stream of the clean run at `HookPoint`, which `Layer` reads, and replaces the value on the way.
    Before(HookPoint, Layer),
    /// Starts at this layer, since the value is the residual stream it reads.
    At(Layer),
}

impl Resume {
    fn new(hook: HookPoint, layers: usize) -> Self {
        match hook {
            HookPoint::Embed | HookPoint::PosEmbed => Self::Tokens,
            HookPoint::Block(layer, Site::ResidPre) => Self::At(layer),
            HookPoint::Block(Layer(layer), Site::ResidPost) => Self::At(Layer(layer + 1)),
            HookPoint::Block(layer, _) => {
                Self::Before(HookPoint::Block(layer, Site::ResidPre), layer)
            }
            HookPoint::FinalScale | HookPoint::FinalNormalized => {
                let last = HookPoint::block(layers - 1, Site::ResidPost);
                Self::Before(last, Layer::from(layers))
            }
        }
    }
}

/// Replaces the value of a hook.
struct Replace<'a> {
    hook: HookPoint,
    value: &'a Tensor,
}

impl Hooks for Replace<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook == self.hook
    }

    fn visit(&mut self, _: HookPoint, _: usize, _: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(self.value.clone()))
    }
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
            resume: Resume::new(hook, model.config().layers),
        }
    }

    /// Computes the sums of one chunk of rows.
    pub(super) fn measure(&self, rows: &[usize]) -> Result<Sums> {
        let tokens: Vec<&[TokenId]> = rows.iter().map(|row| self.rows.row(*row)).collect();
        let input = token_tensor(&tokens)?; // [b, t]
        let reads = self.sae.reads()?;
        let mut clean = Capture::to_the_end([self.hook]);
        if reads != self.hook {
            clean.wanted.push(reads);
        }
        if let Resume::Before(hook, _) = self.resume {
            clean.wanted.push(hook);
        }
        let mut sums = Sums::new(self.sae.features());
        let clean_logits = logits(self.model.run(Start::Tokens(&input), &mut clean)?)?;
        let charges: Vec<Vec<bool>> = rows.iter().map(|row| self.rows.charges(*row)).collect();
        sums.ce_clean += charge(&clean_logits, &tokens, &charges)?;
        let shape = self.kept(&clean, self.hook)?.dims().to_vec();
        let width = self.model.width(self.hook)?;
        let whole = Matrix::from_tensor(self.kept(&clean, self.hook)?, width)?;
        // A dictionary of one head replaces that head alone.
        let x = self.sae.own_part(&whole)?;
        let read = if reads == self.hook {
            None
        } else {
            let read = self.kept(&clean, reads)?;
            Some(Matrix::from_tensor(read, self.sae.width())?)
        };
        let read = read.as_ref().unwrap_or(&x);
        let latents = (self.code)(rows, read)?;
        let recon = self.sae.decode(&latents, read)?;
        let counts = self.rows.counts_of(rows);
        for i in (0..x.rows()).filter(|i| counts[*i]) {
            sums.fit(x.row(i), recon.row(i), &self.mean);
            sums.active(&latents.features[latents.range(i)]);
        }
        sums.charged += count(&charges);
        let zero = Matrix::zeros(x.rows(), x.columns());
        let mean = Matrix::new(x.rows(), x.columns(), self.mean.repeat(x.rows()))?;
        let everywhere = vec![true; x.rows()];
        let zeroed = match self.rows.mask().rule {
            Positions::SaeLens => &everywhere,
            _ => &counts,
        };
        let mut near = Some(&mut sums.kl_sae);
        for (value, ce, reached) in [
            (recon, &mut sums.ce_sae, &counts),
            (zero, &mut sums.ce_zero, zeroed),
            (mean, &mut sums.ce_mean, &counts),
        ] {
            let value = self.sae.put_back(&whole, keeping(value, &x, reached))?;
            let value = value.to_tensor()?;
            let value = value.reshape(shape.as_slice())?; // as the hook has it
            let logits = self.replaced(&input, &clean, &value)?;
            *ce += charge(&logits, &tokens, &charges)?;
            // The first value is the reconstruction.
            if let Some(kl) = near.take() {
                *kl += divergence(&clean_logits, &logits, &counts)?;
            }
        }
        Ok(sums)
    }

    /// Computes the logits with `value` at the hook.
    fn replaced(&self, input: &Tensor, clean: &Capture, value: &Tensor) -> Result<Tensor> {
        let mut replace = Replace {
            hook: self.hook,
            value,
        };
        let run = match self.resume {
            Resume::Tokens => self.model.run(Start::Tokens(input), &mut replace),
            Resume::Before(hook, layer) => {
                let start = Start::Residual(layer, self.kept(clean, hook)?, Some(input));
                self.model.run(start, &mut replace)
            }
            Resume::At(layer) => {
                let start = Start::Residual(layer, value, Some(input));
                self.model.run(start, &mut NoHooks)
            }
        };
        logits(run?)
    }

    fn kept<'k>(&self, clean: &'k Capture, hook: HookPoint) -> Result<&'k Tensor> {
        let missing = || Error::hook(hook, format!("{} did not reach it", self.model.name()));
        clean.values.get(&hook).ok_or_else(missing)
    }
}

pub(crate) fn logits(run: Option<Tensor>) -> Result<Tensor> {
    run.ok_or_else(|| Error::Shape {
        op: "evaluation",
        what: "the forward pass ended before the logits".to_owned(),
    })
}

/// Returns `value` with the clean activation at positions that do not count.
pub(super) fn keeping(mut value: Matrix, x: &Matrix, reached: &[bool]) -> Matrix {
    for i in (0..x.rows()).filter(|i| !reached[*i]) {
        value.row_mut(i).copy_from_slice(x.row(i));
    }
    value
}

/// Returns the positions that are charged.
pub(super) fn count(charges: &[Vec<bool>]) -> u64 {
    charges.iter().flatten().filter(|charged| **charged).count() as u64
}

/// Sums the cross-entropy of `logits [b, t, v]`: each position for which `charges` holds is charged with the next token.
pub(crate) fn charge(logits: &Tensor, tokens: &[&[TokenId]], charges: &[Vec<bool>]) -> Result<f64> {
    let (_, t, v) = logits.dims3()?;
    let values = logits.flatten_all()?.to_vec1::<f32>()?;
    let rows = values.chunks_exact(t * v).zip(tokens).zip(charges);
    let charged = rows.map(|((row, tokens), charges)| {
        let positions = row.chunks_exact(v).zip(&tokens[1..]).zip(charges);
        positions
            .filter(|(_, charged)| **charged)
            .map(|((logits, target), _)| cross_entropy(logits, target.index()))
            .sum::<f64>()
    });
    Ok(charged.sum())
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
