//! Effect of a feature on the loss at its strongest examples: the feature is ablated at the example's token alone, and the cross-entropy of the next token is
//! measured again.
//!
//! Ablation subtracts what the feature adds to the hook, or to each hook that a layer of a cross-layer transcoder writes, so that the dictionary's error and all other features stay. The rest of the pass, from the hook on, runs
//! again for the example's token; keys and values of earlier tokens are those of the row as it is.

use std::borrow::Cow;
use std::ops::Range;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::index::damaged;
use super::pack::{Reader, Writer};
use super::{Index, pass};
use crate::capture;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint, TokenId};
use crate::models::{self, CleanRun, Hooks, Model};
use crate::prompt::log_sum_exp;
use crate::sae::{ByToken, Output};

/// Rows of text read between two reports.
const AT_ONCE: usize = 16;
/// Features ablated in one batch, at most.
const BATCH: usize = 64;

/// Row, position and activation of an example.
pub(super) type Place = (u32, u32, f32);

/// An example: its row, position, feature, number among the feature's examples, and activation.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Wanted {
    row: u32,
    position: u32,
    feature: FeatureId,
    number: usize,
    act: f32,
}

/// Effects as far as they are computed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Found {
    /// Number of rows whose examples are done.
    pub(super) done: usize,
    /// `[f]`, in the order of a feature's examples; NaN where there is none.
    pub(super) effects: Vec<Vec<f32>>,
}

impl Found {
    pub(super) fn write(&self, out: &mut Writer) {
        out.int(self.done as u64);
        out.list(&self.effects, |out, effects| {
            out.list(effects, |out, effect| out.f32(*effect));
        });
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            done: usize::try_from(from.int()?).ok()?,
            effects: from.list(|from| from.list(Reader::f32))?,
        })
    }
}

/// Computation of the change of the next token's cross-entropy, in nats, when a feature is ablated at each of its examples; above 0 the feature makes the next token
/// more likely. NaN where the row ends with the example's token, and where the next token is special and not predicted.
#[derive(Debug)]
pub(super) struct Losses<'a> {
    model: Cow<'a, Model>,
    /// Hooks that the dictionary writes, in the order of the pass.
    outputs: Vec<Output>,
    sae: ByToken<'a>,
    rows: &'a Rows,
    /// All examples, row by row.
    wanted: Vec<Wanted>,
    /// Ranges of `wanted` by row.
    of_rows: Vec<Range<usize>>,
    /// Number of examples, `[f]`.
    lengths: Vec<usize>,
}

impl<'a> Losses<'a> {
    /// Prepares the computation at `examples`, `[f]`.
    pub(super) fn new(
        (model, sae): (&'a Model, ByToken<'a>),
        rows: &'a Rows,
        examples: &[Vec<Place>],
    ) -> Result<Self> {
        pass::hook_of(model, sae)?;
        let outputs = sae.outputs()?;
        (outputs.iter()).try_for_each(|output| model.check_hook(output.hook))?;
        sae.w_dec.check()?;
        let mut wanted = Vec::new();
        for (f, places) in examples.iter().enumerate() {
            let places = places.iter().enumerate();
            wanted.extend(places.map(|(number, (row, position, act))| Wanted {
                row: *row,
                position: *position,
                feature: FeatureId::from(f),
                number,
                act: *act,
            }));
        }
        wanted.sort_unstable_by_key(|one| (one.row, one.position, one.feature, one.number));
        let mut start = 0;
        let of_rows = wanted.chunk_by(|a, b| a.row == b.row).map(|of_row| {
            start += of_row.len();
            start - of_row.len()..start
        });
        Ok(Self {
            model: capture::reader(model, rows)?,
            outputs,
            sae,
            rows,
            of_rows: of_rows.collect(),
            wanted,
            lengths: examples.iter().map(Vec::len).collect(),
        })
    }

    /// Number of rows with examples.
    pub(super) fn len(&self) -> usize {
        self.of_rows.len()
    }

    /// Computes the effects in the next rows; whether there were any left.
    pub(super) fn advance(&self, found: &mut Found) -> Result<bool> {
        if found.effects.len() != self.lengths.len() {
            let each = self.lengths.iter().map(|length| vec![f32::NAN; *length]);
            *found = Found {
                done: 0,
                effects: each.collect(),
            };
        }
        let end = (found.done + AT_ONCE).min(self.len());
        let some = &self.of_rows[found.done.min(end)..end];
        let all: Vec<Vec<f32>> = some
            .par_iter()
            .map(|range| {
                let wanted = &self.wanted[range.clone()];
                of_row((&self.model, &self.outputs), self.sae, self.rows, wanted)
            })
            .collect::<Result<_>>()?;
        for (range, effects) in some.iter().zip(all) {
            for (one, effect) in self.wanted[range.clone()].iter().zip(effects) {
                found.effects[one.feature.index()][one.number] = effect;
            }
        }
        found.done = end;
        Ok(!some.is_empty())
    }
}

impl Index {
    /// Reads the effects on the loss at a feature's strongest examples; nothing where the index has none.
    pub(super) fn losses_of(&self, feature: FeatureId, examples: usize) -> Result<Vec<f32>> {
        if !self.about().loss_effects {
            return Ok(Vec::new());
        }
        let bytes = self.packed_of("loss", feature)?;
        let (effects, rest) = bytes.as_chunks();
        if effects.len() != examples || !rest.is_empty() {
            return Err(damaged(self.path()));
        }
        Ok(effects
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect())
    }
}

/// Computes the effects at all examples of one row, in their order.
fn of_row(
    (model, outputs): (&Model, &[Output]),
    sae: ByToken<'_>,
    rows: &Rows,
    wanted: &[Wanted],
) -> Result<Vec<f32>> {
    let Some((row, last)) = wanted.first().zip(wanted.last()) else {
        return Ok(Vec::new());
    };
    let row = row.row as usize;
    let charges = rows.charges(row);
    let tokens = rows.row(row);
    let clean = model.clean_run(&tokens[..=last.position as usize], &[outputs[0].hook])?;
    let mut effects = Vec::with_capacity(wanted.len());
    for here in wanted.chunk_by(|a, b| a.position == b.position) {
        let position = here[0].position as usize;
        let next = tokens.get(position + 1);
        match next.filter(|_| charges.get(position) == Some(&true)) {
            None => effects.extend(here.iter().map(|_| f32::NAN)),
            Some(next) => {
                for some in here.chunks(BATCH) {
                    effects.extend(at_position(
                        (&clean, outputs),
                        sae,
                        (position, *next),
                        some,
                    )?);
                }
            }
        }
    }
    Ok(effects)
}

/// Subtracts what features write to later hooks than the first, each in a row of the batch behind the text as it is.
struct Without<'a> {
    sae: ByToken<'a>,
    outputs: &'a [Output],
    position: usize,
    wanted: &'a [Wanted],
}

impl Hooks for Without<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        self.outputs.iter().any(|output| output.hook == hook)
    }

    fn visit(&mut self, hook: HookPoint, first: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let Some(output) = self.outputs.iter().find(|output| output.hook == hook) else {
            return Ok(None);
        };
        let (b, n, w) = value.dims3()?;
        let mut by = vec![0.0; b * n * w];
        for (row, ablated) in (1..).zip(self.wanted) {
            let start = (row * n + self.position - first) * w;
            let direction = self.sae.written(ablated.feature, output)?;
            for (by, x) in by[start..start + w].iter_mut().zip(direction) {
                *by = -ablated.act * x;
            }
        }
        Ok(Some(
            (value + Tensor::from_vec(by, (b, n, w), &Device::Cpu)?)?,
        ))
    }
}

/// Computes the effects of some features at one position.
fn at_position(
    (clean, outputs): (&CleanRun<'_>, &[Output]),
    sae: ByToken<'_>,
    (position, next): (usize, TokenId),
    wanted: &[Wanted],
) -> Result<Vec<f32>> {
    let (output, further) = (&outputs[0], &outputs[1..]);
    let hook = output.hook;
    let (from, end) = (clean.start(position), clean.end(position));
    let later = clean.value(hook)?.narrow(1, from, end - from)?.squeeze(0)?;
    let mut dims = later.dims().to_vec();
    let one: Vec<f32> = later.flatten_all()?.to_vec1()?;
    let width = one.len() / dims[0];
    let here = (position - from) * width..(position - from + 1) * width;
    let whole = Matrix::new(1, width, one[here.clone()].to_vec())?;
    // A transcoder writes the same whatever the value there is.
    let (own, back) = if sae.role.transcodes() {
        (whole.clone(), 1.0)
    } else {
        let own = sae.own_part(&whole)?.into_owned();
        let (back, _) = sae.input_norm.back(own.row(0));
        (own, back)
    };
    let mut values = one.clone();
    for ablated in wanted {
        let direction = sae.written(ablated.feature, output)?;
        let mut left = own.clone();
        for (x, w) in left.values_mut().iter_mut().zip(direction) {
            *x = (f64::from(*x) - f64::from(ablated.act) * back * f64::from(*w)) as f32;
        }
        let changed = if sae.role.transcodes() {
            left
        } else {
            sae.put_back(&whole, left)?
        };
        let start = values.len();
        values.extend_from_slice(&one);
        values[start + here.start..start + here.end].copy_from_slice(changed.values());
    }
    dims.insert(0, wanted.len() + 1);
    let values = Tensor::from_vec(values, dims, &Device::Cpu)?;
    let alone = end == position + 1;
    let mut without = Without {
        sae,
        outputs: further,
        position,
        wanted,
    };
    let place = models::Place { hook, from };
    let logits = clean.replaced_with(place, &values, alone, &mut without)?; // [b, n, v]
    let at = if alone { 0 } else { position - from };
    let logits = logits.narrow(1, at, 1)?.squeeze(1)?.to_vec2::<f32>()?;
    let losses = logits
        .iter()
        .map(|logits| log_sum_exp(logits) - f64::from(logits[next.index()]));
    let losses: Vec<f64> = losses.collect();
    // The first row of the batch is the text as it is.
    let effects = losses[1..].iter().map(|loss| (loss - losses[0]) as f32);
    let effects: Vec<f32> = effects.collect();
    if effects.iter().any(|effect| !effect.is_finite()) {
        return Err(Error::Numeric {
            what: format!(
                "the loss without a feature of `{}` is not finite: its decoder or the model's weights are damaged",
                sae.name
            ),
        });
    }
    Ok(effects)
}
