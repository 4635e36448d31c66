//! Passes of a chunk of rows: clean, and with another value at a hook. They start at the hook's layer from the residual stream of the clean pass.

use candle_core::Tensor;

use super::passes::losses;
use crate::corpus::{Positions, Rows};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, TokenId};
use crate::models::{Capture, Hooks, Model, NoHooks, Resume, Start, token_tensor};

/// A model and the rows that it reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Splicer<'a> {
    model: &'a Model,
    rows: &'a Rows,
}

/// Clean pass of a chunk of rows.
#[derive(Debug)]
pub(crate) struct Clean<'a> {
    tokens: Vec<&'a [TokenId]>,
    /// Token ids `[b, t]`.
    input: Tensor,
    capture: Capture,
    /// Logits `[b, t, v]`.
    pub(crate) logits: Tensor,
    /// Whether each position counts, `[b·t]`.
    pub(crate) counts: Vec<bool>,
    /// Whether the prediction of each position but the last is charged, `[b][t − 1]`.
    pub(crate) charges: Vec<Vec<bool>>,
}

impl Clean<'_> {
    /// Sums the cross-entropy of `logits [b, t, v]` over the predictions of each row that are charged.
    pub(super) fn charge_rows(&self, logits: &Tensor) -> Result<Vec<f64>> {
        let rows = losses(logits, &self.tokens, &self.charges)?.into_iter();
        let sums = rows.map(|row| row.into_iter().map(|(_, loss)| loss).sum());
        Ok(sums.collect())
    }

    /// Sums the cross-entropy of `logits [b, t, v]` over the predictions that are charged, and gives `each` row of the chunk, position and loss that is charged.
    pub(crate) fn charge_each(
        &self,
        logits: &Tensor,
        each: &mut dyn FnMut((usize, usize), f64),
    ) -> Result<f64> {
        let losses = losses(logits, &self.tokens, &self.charges)?;
        let sums = losses.into_iter().enumerate().map(|(row, losses)| {
            let losses = losses
                .into_iter()
                .inspect(|(at, loss)| each((row, *at), *loss));
            losses.map(|(_, loss)| loss).sum::<f64>()
        });
        Ok(sums.sum())
    }

    /// Returns the positions that zero-ablation covers: those of `counts`, or all by the rule of SAELens.
    pub(crate) fn zeroed(&self, rows: &Rows) -> Vec<bool> {
        match rows.mask().rule {
            Positions::SaeLens => vec![true; self.counts.len()],
            _ => self.counts.clone(),
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

impl<'a> Splicer<'a> {
    /// Prepares passes of `rows` through `model`, which reads them as they say (`capture::reader`).
    pub(crate) fn new(model: &'a Model, rows: &'a Rows) -> Self {
        Self { model, rows }
    }

    /// Runs the rows `chosen` unchanged and keeps the values at `hooks`.
    pub(crate) fn clean(&self, chosen: &[usize], hooks: &[HookPoint]) -> Result<Clean<'a>> {
        let tokens: Vec<&[TokenId]> = chosen.iter().map(|row| self.rows.row(*row)).collect();
        let input = token_tensor(&tokens)?; // [b, t]
        let mut wanted = hooks.to_vec();
        wanted.extend(hooks.iter().filter_map(|hook| match self.resume(*hook) {
            Resume::Before(before, _) => Some(before),
            Resume::Embedding | Resume::At(_) => None,
        }));
        wanted.sort_unstable();
        wanted.dedup();
        let mut capture = Capture::to_the_end(wanted);
        let logits = logits(self.model.run(Start::Tokens(&input), &mut capture)?)?;
        Ok(Clean {
            tokens,
            input,
            capture,
            logits,
            counts: self.rows.counts_of(chosen),
            charges: chosen.iter().map(|row| self.rows.charges(*row)).collect(),
        })
    }

    /// Returns the clean values at `hook`, `[b·t, d]`, heads concatenated.
    pub(crate) fn activation(&self, clean: &Clean<'_>, hook: HookPoint) -> Result<Matrix> {
        Matrix::from_tensor(self.kept(clean, hook)?, self.model.width(hook)?)
    }

    /// Computes the logits `[b, t, v]` with `value [b·t, d]` at `hook`.
    pub(crate) fn replaced(
        &self,
        clean: &Clean<'_>,
        hook: HookPoint,
        value: &Matrix,
    ) -> Result<Tensor> {
        let value = value.to_tensor()?;
        let value = &value.reshape(self.kept(clean, hook)?.dims())?; // as the hook has it
        let input = &clean.input;
        let mut replace = Replace { hook, value };
        let run = match self.resume(hook) {
            Resume::Embedding => self.model.run(Start::Tokens(input), &mut replace),
            Resume::Before(before, layer) => {
                let start = Start::Residual(layer, self.kept(clean, before)?, Some(input));
                self.model.run(start, &mut replace)
            }
            Resume::At(layer) => {
                let start = Start::Residual(layer, value, Some(input));
                self.model.run(start, &mut NoHooks)
            }
        };
        logits(run?)
    }

    fn resume(&self, hook: HookPoint) -> Resume {
        Resume::new(hook, self.model.config().layers)
    }

    fn kept<'k>(&self, clean: &'k Clean<'_>, hook: HookPoint) -> Result<&'k Tensor> {
        let missing = || Error::hook(hook, format!("{} did not reach it", self.model.name()));
        clean.capture.values.get(&hook).ok_or_else(missing)
    }
}

pub(crate) fn logits(run: Option<Tensor>) -> Result<Tensor> {
    run.ok_or_else(|| Error::Shape {
        op: "evaluation",
        what: "the forward pass ended before the logits".to_owned(),
    })
}
