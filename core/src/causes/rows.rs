//! Passes that begin at a layer with several rows of one text, each row with numbers of its own at some hooks, up to the value of a target.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{Device, Tensor};

use super::Target;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Layer, Site, TokenId};
use crate::models::{Config, Hooks, Model, NoHooks, Start, token_tensor};

/// Numbers that the rows of one pass may hold at a time: 32 million, 128 MiB.
const HELD: usize = 1 << 25;
/// Most rows of one pass: more share no further work.
const MOST: usize = 64;

/// Returns the number of rows of `t` tokens that one pass takes. It depends on the shape alone, so that no result depends on the machine.
pub(super) fn at_once(config: &Config, t: usize) -> usize {
    let block = 10 * config.d_model + 4 * config.d_mlp + 4 * config.heads * (config.d_head + t);
    (HELD / (t * block).max(1)).clamp(1, MOST)
}

/// Numbers that one row takes from elsewhere at a hook.
#[derive(Debug, Clone)]
pub(super) struct Put<'a> {
    /// Row of the pass.
    pub(super) row: usize,
    /// Numbers of a whole row at the hook, `[t, w]`.
    pub(super) source: &'a [f32],
    /// Positions taken.
    pub(super) positions: Range<usize>,
    /// Columns taken, of the hook's width with heads side by side.
    pub(super) columns: Range<usize>,
}

/// Hooks of one pass: the numbers to put in, and the values to keep (as changed).
#[derive(Debug, Default)]
pub(super) struct Pass<'a> {
    puts: BTreeMap<HookPoint, Vec<Put<'a>>>,
    wanted: Vec<HookPoint>,
    last: Option<HookPoint>,
    kept: BTreeMap<HookPoint, Tensor>,
}

impl<'a> Pass<'a> {
    /// Keeps the values at `wanted` and ends after the last of them.
    pub(super) fn keeping(wanted: &[HookPoint]) -> Self {
        Self {
            last: wanted.iter().max().copied(),
            wanted: wanted.to_vec(),
            ..Self::default()
        }
    }

    /// Puts numbers in at `hook`, after those that it has there.
    pub(super) fn put(&mut self, hook: HookPoint, put: Put<'a>) {
        self.puts.entry(hook).or_default().push(put);
    }

    /// Takes the value kept at `hook`.
    pub(super) fn take(&mut self, hook: HookPoint) -> Result<Tensor> {
        let missing = || Error::hook(hook, "the pass did not reach it");
        self.kept.remove(&hook).ok_or_else(missing)
    }

    /// Takes the value kept at `hook` as numbers.
    pub(super) fn numbers(&mut self, hook: HookPoint) -> Result<Vec<f32>> {
        Ok(self.take(hook)?.flatten_all()?.to_vec1()?)
    }
}

impl Hooks for Pass<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        self.wanted.contains(&hook) || self.puts.contains_key(&hook)
    }

    fn visit(&mut self, hook: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let changed = match self.puts.get(&hook) {
            Some(puts) => Some(changed(value, puts)?),
            None => None,
        };
        if self.wanted.contains(&hook) {
            let value = changed.as_ref().unwrap_or(value);
            self.kept.insert(hook, value.clone());
        }
        Ok(changed)
    }

    fn last(&self) -> Option<HookPoint> {
        self.last
    }
}

/// Copies the numbers of `puts` into `value [b, t, …]`, in their order.
fn changed(value: &Tensor, puts: &[Put<'_>]) -> Result<Tensor> {
    let dims = value.dims().to_vec();
    let (t, width) = (dims[1], dims[2..].iter().product::<usize>());
    let mut numbers = value.flatten_all()?.to_vec1::<f32>()?;
    for put in puts {
        for at in put.positions.clone() {
            let own = (put.row * t + at) * width;
            let own = own + put.columns.start..own + put.columns.end;
            let from = at * width + put.columns.start..at * width + put.columns.end;
            numbers[own].copy_from_slice(&put.source[from]);
        }
    }
    Ok(Tensor::from_vec(numbers, dims, &Device::Cpu)?)
}

/// Text that a model reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    /// The model.
    pub(super) model: &'a Model,
    /// Tokens.
    pub(super) tokens: &'a [TokenId],
}

impl Text<'_> {
    /// Returns the stream that enters the first block, `[1, t, d]`.
    pub(super) fn entering(&self) -> Result<Tensor> {
        let first = HookPoint::block(0, Site::ResidPre);
        let mut pass = Pass::keeping(&[first]);
        let input = token_tensor(&[self.tokens])?;
        self.model.run(Start::Tokens(&input), &mut pass)?;
        pass.take(first)
    }

    /// Runs `pass` from the streams `[b, t, d]` that enter `layer`.
    pub(super) fn run(&self, layer: usize, streams: &Tensor, pass: &mut Pass<'_>) -> Result<()> {
        let rows = vec![self.tokens; streams.dim(0)?];
        let input = token_tensor(&rows)?;
        let start = Start::Residual(Layer::from(layer), streams, Some(&input));
        self.model.run(start, pass).map(drop)
    }

    /// Runs `pass` from the streams that enter `layer` to the last block and returns the target of each row.
    pub(super) fn targets(
        &self,
        start: (usize, &Tensor),
        pass: Pass<'_>,
        target: Target,
    ) -> Result<Vec<f64>> {
        self.read(&self.ends(start, pass)?, target)
    }

    /// Runs `pass` from the streams that enter `layer` and returns those that leave the last block, `[b, t, d]`.
    pub(super) fn ends(
        &self,
        (layer, streams): (usize, &Tensor),
        mut pass: Pass<'_>,
    ) -> Result<Tensor> {
        let last = self.last();
        pass.wanted.push(last);
        pass.last = Some(last);
        self.run(layer, streams, &mut pass)?;
        pass.take(last)
    }

    /// Returns the streams that leave `layer`, from those that enter it.
    pub(super) fn leaving(&self, layer: usize, streams: &Tensor) -> Result<Tensor> {
        let behind = HookPoint::block(layer, Site::ResidPost);
        let mut pass = Pass::keeping(&[behind]);
        self.run(layer, streams, &mut pass)?;
        pass.take(behind)
    }

    /// Hook at which the stream leaves the last block.
    pub(super) fn last(&self) -> HookPoint {
        HookPoint::block(self.model.config().layers - 1, Site::ResidPost)
    }

    /// Reads the target of each row off the streams `[b, t, d]` that leave the last block. Logits of few positions are held at a time.
    pub(super) fn read(&self, streams: &Tensor, target: Target) -> Result<Vec<f64>> {
        let (b, t, _) = streams.dims3()?;
        let first = target.first_read(t);
        let rows = (HELD / ((t - first) * self.model.config().vocab).max(1)).max(1);
        let mut values = Vec::with_capacity(b);
        for row in (0..b).step_by(rows) {
            let some = streams.narrow(0, row, rows.min(b - row))?;
            let logits = self.logits(&some, first)?;
            values.extend(target.of_logits(&logits, self.tokens, first)?);
        }
        Ok(values)
    }

    /// Returns the logits `[v]` of the last position of each row of the streams `[b, t, d]` that leave the last block.
    pub(super) fn last_logits(&self, streams: &Tensor) -> Result<Vec<Vec<f32>>> {
        let logits = self.logits(streams, streams.dim(1)? - 1)?;
        Ok(logits.squeeze(1)?.to_vec2()?)
    }

    /// Computes logits of the positions from `first` on.
    fn logits(&self, streams: &Tensor, first: usize) -> Result<Tensor> {
        let some = streams
            .narrow(1, first, streams.dim(1)? - first)?
            .contiguous()?;
        let end = Layer::from(self.model.config().layers);
        let start = Start::Residual(end, &some, None);
        crate::eval::whole(self.model.run(start, &mut NoHooks)?)
    }
}

/// Repeats a stream `[1, t, d]` as `rows` rows.
pub(super) fn repeated(stream: &Tensor, rows: usize) -> Result<Tensor> {
    let (_, t, d) = stream.dims3()?;
    Ok(stream.broadcast_as((rows, t, d))?.contiguous()?)
}
