//! One prompt read many times in one pass, each row with its own change at some hooks.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::Prompt;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, TokenId};
use crate::models::{Hooks, Model, Start, token_tensor};

/// Change of one row's value at a hook.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    /// None.
    Keep,
    /// Other numbers at a position.
    Put(usize, Vec<f32>),
    /// Zeros at every position.
    Zero,
}

/// Changes of each row by hook; a hook without an entry is not changed.
pub(super) type Changes = BTreeMap<HookPoint, Vec<Change>>;

/// Applies the changes as the pass reaches their hooks.
struct Apply<'a>(&'a Changes);

impl Hooks for Apply<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        self.0.contains_key(&hook)
    }

    fn visit(&mut self, hook: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let Some(changes) = self.0.get(&hook) else {
            return Ok(None);
        };
        let dims = value.dims().to_vec();
        let width: usize = dims[2..].iter().product();
        let mut numbers = value.flatten_all()?.to_vec1::<f32>()?;
        let rows = numbers.chunks_exact_mut(dims[1] * width).zip(changes);
        for (row, change) in rows {
            match change {
                Change::Keep => {}
                Change::Put(at, values) => {
                    row[at * width..(at + 1) * width].copy_from_slice(values);
                }
                Change::Zero => row.fill(0.0),
            }
        }
        Ok(Some(Tensor::from_vec(numbers, dims, &Device::Cpu)?))
    }
}

/// Returns logit(IO) − logit(S) at the end of the prompt, for `rows` rows with their changes.
pub(super) fn differences(
    model: &Model,
    prompt: &Prompt,
    (rows, changes): (usize, &Changes),
) -> Result<Vec<f64>> {
    let tokens: Vec<&[TokenId]> = vec![&prompt.tokens; rows];
    let logits = model.run(Start::Tokens(&token_tensor(&tokens)?), &mut Apply(changes))?;
    let logits = logits.ok_or_else(|| Error::Numeric {
        what: "the forward pass ended before its logits".to_owned(),
    })?;
    let last = logits.narrow(1, prompt.tokens.len() - 1, 1)?.squeeze(1)?; // [b, v]
    let of = |row: Vec<f32>| f64::from(row[prompt.io.index()]) - f64::from(row[prompt.s.index()]);
    Ok(last.to_vec2::<f32>()?.into_iter().map(of).collect())
}
