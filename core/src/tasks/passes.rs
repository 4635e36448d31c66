//! Runs of one prompt with many edits: what is before the first edited token and block is computed once.

use candle_core::{Device, Tensor};

use super::Prompt;
use super::site::Place;
use crate::error::Result;
use crate::ids::{HookPoint, TokenId};
use crate::models::{Hooks, Model, Place as Resumed};

/// Rows of one pass.
const AT_ONCE: usize = 64;

/// New values of one run: for each place those of its edited columns; none where the place is left as it is.
pub type Edit = Vec<Option<Vec<f32>>>;

/// Logits at the last position.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Logit of the right answer less that of the wrong one.
    pub difference: f64,
    /// Token with the largest logit, the first of equals.
    pub first: TokenId,
    /// Logits, `[v]`.
    pub logits: Vec<f32>,
}

impl Outcome {
    fn new(logits: Vec<f32>, prompt: &Prompt) -> Self {
        let mut first = 0;
        for (token, logit) in logits.iter().enumerate() {
            if *logit > logits[first] {
                first = token;
            }
        }
        let logit = |token: TokenId| f64::from(logits[token.index()]);
        Self {
            difference: logit(prompt.right) - logit(prompt.wrong),
            first: TokenId::from(first),
            logits,
        }
    }

    /// Returns the `n` tokens with the largest logits, the largest first.
    pub fn top(&self, n: usize) -> Vec<(TokenId, f32)> {
        let mut order: Vec<usize> = (0..self.logits.len()).collect();
        let larger =
            |a: &usize, b: &usize| self.logits[*b].total_cmp(&self.logits[*a]).then(a.cmp(b));
        let n = n.min(order.len());
        if n < order.len() {
            order.select_nth_unstable_by(n, larger);
        }
        order.truncate(n);
        order.sort_unstable_by(larger);
        let top = order.into_iter();
        top.map(|token| (TokenId::from(token), self.logits[token]))
            .collect()
    }
}

/// Runs `prompt` untouched and with each of `edits`, all places of an edit together. Returns the untouched outcome and those of the edits.
pub fn run(
    model: &Model,
    prompt: &Prompt,
    places: &[Place],
    edits: &[Edit],
) -> Result<(Outcome, Vec<Outcome>)> {
    let mut hooks: Vec<HookPoint> = places.iter().map(|place| place.site.hook).collect();
    hooks.dedup();
    let clean = model.clean_run(&prompt.tokens, &hooks)?;
    let t = prompt.tokens.len();
    let last = clean.logits().narrow(1, t - 1, 1)?.flatten_all()?;
    let untouched = Outcome::new(last.to_vec1()?, prompt);
    let at: Vec<usize> = places
        .iter()
        .map(|place| place.at(&prompt.positions, t))
        .collect::<Result<_>>()?;
    let Some(first) = hooks.first().copied() else {
        return Ok((untouched, Vec::new()));
    };
    let from = clean.start(at.iter().copied().min().unwrap_or(0));
    let base = clean.value(first)?.narrow(1, from, t - from)?;
    let mut outcomes = Vec::with_capacity(edits.len());
    for some in edits.chunks(AT_ONCE) {
        let mut puts = Puts {
            places,
            at: &at,
            from,
            edits: some,
            done: first,
        };
        let dims: Vec<usize> = [some.len()]
            .into_iter()
            .chain(base.dims()[1..].iter().copied())
            .collect();
        let rows = base.broadcast_as(dims)?.contiguous()?;
        let rows = puts.changed(first, &rows)?;
        let place = Resumed { hook: first, from };
        let logits = clean.replaced_with(place, &rows, true, &mut puts)?;
        let logits = logits.squeeze(1)?.to_vec2::<f32>()?;
        outcomes.extend(logits.into_iter().map(|row| Outcome::new(row, prompt)));
    }
    Ok((untouched, outcomes))
}

/// Puts the new values of several runs in at the hooks behind the first.
struct Puts<'a> {
    places: &'a [Place],
    /// Position of each place.
    at: &'a [usize],
    /// Position of the first token of the values.
    from: usize,
    edits: &'a [Edit],
    /// Hook whose values the pass starts with.
    done: HookPoint,
}

impl Puts<'_> {
    /// Returns `value [b, n, …]` with the columns of the places at `hook` replaced.
    fn changed(&self, hook: HookPoint, value: &Tensor) -> Result<Tensor> {
        let dims = value.dims().to_vec();
        let (n, width) = (dims[1], dims[2..].iter().product::<usize>());
        let mut numbers = value.flatten_all()?.to_vec1::<f32>()?;
        let here = self.places.iter().enumerate();
        for (number, place) in here.filter(|(_, place)| place.site.hook == hook) {
            for (row, edit) in self.edits.iter().enumerate() {
                let Some(values) = &edit[number] else {
                    continue;
                };
                let start = (row * n + self.at[number] - self.from) * width;
                for (column, value) in place.columns.iter().zip(values) {
                    numbers[start + column] = *value;
                }
            }
        }
        Ok(Tensor::from_vec(numbers, dims, &Device::Cpu)?)
    }
}

impl Hooks for Puts<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook != self.done && self.places.iter().any(|place| place.site.hook == hook)
    }

    fn visit(&mut self, hook: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        self.changed(hook, value).map(Some)
    }
}
