//! Activations of one text that a trace reads, kept up to the explained token: nothing depends on later ones.

use std::collections::BTreeMap;

use candle_core::Tensor;

use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{Head, HookPoint, Layer, Site, TokenId};
use crate::models::{Hooks, Model, Start, token_tensor};

/// Limit on activations, patterns and written vectors together, in bytes.
const HELD: usize = 1 << 30;

/// Checks that `bytes` of values may be held.
pub(super) fn check_held(bytes: usize) -> Result<()> {
    if bytes <= HELD {
        return Ok(());
    }
    let what = format!(
        "the trace would hold {} MB, {} at most: explain an earlier token, shorten the text, or give fewer dictionaries",
        bytes.div_ceil(1_000_000),
        HELD / 1_000_000
    );
    Err(Error::setting("text", what))
}

/// Values at hooks and patterns of chosen layers, positions 0 to the explained one.
#[derive(Debug, Default)]
pub(super) struct Values {
    positions: usize,
    at: BTreeMap<HookPoint, Matrix>,
    patterns: BTreeMap<Layer, Matrix>,
}

impl Values {
    /// Runs the model on `tokens` and keeps the values of `hooks` and the patterns of `layers` at the first `positions` tokens.
    pub(super) fn read(
        model: &Model,
        (tokens, positions): (&[TokenId], usize),
        hooks: &[HookPoint],
        layers: &[Layer],
    ) -> Result<Self> {
        let config = model.config();
        let widths = hooks.iter().map(|hook| model.width(*hook));
        let width: usize = widths.sum::<Result<usize>>()?;
        let patterns = layers.len() * config.heads * positions;
        check_held(4 * positions.saturating_mul(width + patterns))?;
        let patterns = layers.iter().map(|l| HookPoint::Block(*l, Site::Pattern));
        let wanted: Vec<HookPoint> = hooks.iter().copied().chain(patterns).collect();
        let mut reader = Reader {
            last: wanted.iter().max().copied(),
            wanted,
            values: Self {
                positions,
                ..Self::default()
            },
        };
        model.run(Start::Tokens(&token_tensor(&[tokens])?), &mut reader)?;
        Ok(reader.values)
    }

    /// Returns the values at `hook`, `[t, width]`.
    pub(super) fn at(&self, hook: HookPoint) -> Result<&Matrix> {
        let missing = || Error::hook(hook, "the pass did not reach it");
        self.at.get(&hook).ok_or_else(missing)
    }

    /// Returns the attention of head `head` at token `at` to the tokens before and itself.
    pub(super) fn pattern(&self, layer: Layer, head: Head, at: usize) -> Result<&[f32]> {
        let hook = HookPoint::Block(layer, Site::Pattern);
        let missing = || Error::hook(hook, "the pass did not reach it");
        let pattern = self.patterns.get(&layer).ok_or_else(missing)?;
        Ok(&pattern.row(head.index() * self.positions + at)[..=at])
    }
}

struct Reader {
    wanted: Vec<HookPoint>,
    last: Option<HookPoint>,
    values: Values,
}

impl Hooks for Reader {
    fn wants(&self, hook: HookPoint) -> bool {
        self.wanted.contains(&hook)
    }

    fn visit(&mut self, hook: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let kept = self.values.positions;
        if let HookPoint::Block(layer, Site::Pattern) = hook {
            let pattern = value.narrow(2, 0, kept)?.narrow(3, 0, kept)?; // [1, h, t, t]
            let pattern = Matrix::from_tensor(&pattern.contiguous()?, kept)?;
            self.values.patterns.insert(layer, pattern);
        } else {
            let width = value.elem_count() / value.dim(1)?.max(1);
            let value = value.narrow(1, 0, kept)?.contiguous()?;
            let value = Matrix::from_tensor(&value, width)?;
            self.values.at.insert(hook, value);
        }
        Ok(None)
    }

    fn last(&self) -> Option<HookPoint> {
        self.last
    }
}
