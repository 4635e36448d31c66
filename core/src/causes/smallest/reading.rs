//! A text, a dictionary and changes of its features: codes, weights, and the state of the model with the changes so far.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::{Step, TOP};
use crate::causes::Target;
use crate::causes::rows::{Pass, Put, Text, at_once, repeated};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint, Layer};
use crate::latents::Latents;
use crate::models::Model;
use crate::prompt::{NextToken, log_sum_exp, most_likely};
use crate::sae::ByToken;
use crate::steer::{EditSpec, Vector, What};

/// Change of one feature at one position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Change {
    pub(super) feature: FeatureId,
    pub(super) position: usize,
    pub(super) before: f32,
    pub(super) after: f32,
}

/// A text read through the dictionary.
pub(super) struct Reading<'a> {
    pub(super) text: Text<'a>,
    pub(super) sae: ByToken<'a>,
    pub(super) hook: HookPoint,
    layer: usize,
    /// Stream that enters the block of the hook that the dictionary reads, `[1, t, d]`.
    stream: Tensor,
    /// Value at the hook that the dictionary writes, `[t, w]`.
    pub(super) whole: Matrix,
    /// Part of it that the dictionary writes.
    pub(super) part: Matrix,
    /// Its code.
    pub(super) latents: Latents,
}

/// State after some changes.
pub(super) struct State {
    /// Logits at the end of the text.
    pub(super) logits: Vec<f32>,
    /// Target, if one is watched.
    pub(super) target: Option<f64>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(text: Text<'a>, sae: ByToken<'a>) -> Result<Self> {
        crate::formats::check_hooks(&sae, text.model)?;
        let (reads, hook) = (sae.reads()?, sae.writes()?);
        let Some(layer) = reads.layer().map(Layer::index) else {
            let what = "lies outside the blocks, choose a dictionary of a place inside one";
            return Err(Error::hook(hook, what));
        };
        let mut stream = text.entering()?;
        for before in 0..layer {
            stream = text.leaving(before, &stream)?;
        }
        let hooks = if reads == hook {
            vec![hook]
        } else {
            vec![reads, hook]
        };
        let mut pass = Pass::keeping(&hooks);
        text.run(layer, &stream, &mut pass)?;
        let whole = Matrix::from_tensor(&pass.take(hook)?, text.model.width(hook)?)?;
        let (latents, part) = if reads == hook {
            let part = sae.own_part(&whole)?.into_owned();
            (sae.encode(&part)?, part)
        } else {
            let read = Matrix::from_tensor(&pass.take(reads)?, text.model.width(reads)?)?;
            (sae.encode(&*sae.own_part(&read)?)?, whole.clone())
        };
        Ok(Self {
            text,
            sae,
            hook,
            layer,
            stream,
            whole,
            part,
            latents,
        })
    }

    /// Returns the number of decoder rows that a change adds: `(after − before) · back`, `back` being the scale of the token where each is normalised.
    fn strength(&self, change: Change) -> f64 {
        let back = if self.sae.role.transcodes() {
            1.0
        } else {
            self.sae.input_norm.back(self.part.row(change.position)).0
        };
        (f64::from(change.after) - f64::from(change.before)) * back
    }

    /// Returns the movement of the dictionary's part by a change, in f64.
    pub(super) fn movement(&self, change: Change) -> Result<Vec<f64>> {
        let by = self.strength(change);
        let direction = self.sae.direction(change.feature)?;
        Ok(direction.iter().map(|w| by * f64::from(*w)).collect())
    }

    /// Returns the hook's value with `changes`, `[t, w]`.
    pub(super) fn changed(&self, changes: &[Change]) -> Result<Matrix> {
        let mut moved: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for change in changes {
            let by = self.movement(*change)?;
            let sum = moved
                .entry(change.position)
                .or_insert_with(|| vec![0.0; by.len()]);
            sum.iter_mut().zip(by).for_each(|(sum, by)| *sum += by);
        }
        let mut part = self.part.clone();
        for (position, by) in moved {
            for (x, by) in part.row_mut(position).iter_mut().zip(by) {
                *x = (f64::from(*x) + by) as f32;
            }
        }
        self.sae.put_back(&self.whole, part)
    }

    /// Runs the model with each of `values` in place of the hook's value at the positions from 1 on.
    pub(super) fn states(&self, values: &[Matrix], target: Option<Target>) -> Result<Vec<State>> {
        let t = self.text.tokens.len();
        let mut states = Vec::with_capacity(values.len());
        for some in values.chunks(at_once(self.text.model.config(), t)) {
            let mut pass = Pass::default();
            for (row, value) in some.iter().enumerate() {
                let put = Put {
                    row,
                    source: value.values(),
                    positions: 1..t,
                    columns: 0..value.columns(),
                };
                pass.put(self.hook, put);
            }
            let rows = repeated(&self.stream, some.len())?;
            let ends = self.text.ends((self.layer, &rows), pass)?;
            let targets = match target {
                Some(target) => {
                    let values = self.text.read(&ends, target)?;
                    values.into_iter().map(Some).collect()
                }
                None => vec![None; some.len()],
            };
            let logits = self.text.last_logits(&ends)?;
            let pairs = logits.into_iter().zip(targets);
            states.extend(pairs.map(|(logits, target)| State { logits, target }));
        }
        Ok(states)
    }

    /// Returns the weight of each active feature in the reconstruction at `position`: `(f_i u_i)·(â − b_dec) / ‖â − b_dec‖²`. The scale of a normalised token
    /// cancels. None where the reconstruction is 0.
    pub(super) fn weights(&self, position: usize) -> Result<Option<BTreeMap<FeatureId, f64>>> {
        let active: Vec<(FeatureId, f32)> = self.latents.row(position).collect();
        let mut sum = vec![0.0_f64; self.part.columns()];
        for (feature, act) in &active {
            for (sum, w) in sum.iter_mut().zip(self.sae.direction(*feature)?) {
                *sum += f64::from(*act) * f64::from(*w);
            }
        }
        let square: f64 = sum.iter().map(|x| x * x).sum();
        if square == 0.0 {
            return Ok(None);
        }
        let weight = |(feature, act): (FeatureId, f32)| {
            let along = self.sae.direction(feature)?.iter().zip(&sum);
            let product: f64 = along.map(|(w, x)| f64::from(*w) * x).sum();
            Ok((feature, f64::from(act) * product / square))
        };
        let weights: Result<_> = active.into_iter().map(weight).collect();
        weights.map(Some)
    }

    /// Joins changes with the states after them.
    pub(super) fn steps(&self, changes: &[Change], states: Vec<State>) -> Result<Vec<Step>> {
        let mut edited: BTreeMap<usize, f64> = BTreeMap::new();
        let mut steps = Vec::with_capacity(changes.len());
        for (change, state) in changes.iter().zip(states) {
            let of = |weights: BTreeMap<FeatureId, f64>| weights.get(&change.feature).copied();
            let weights = self.weights(change.position)?;
            let weight = weights.map(|weights| of(weights).unwrap_or_default());
            *edited.entry(change.position).or_default() += weight.unwrap_or_default();
            steps.push(Step {
                feature: change.feature,
                position: change.position,
                before: change.before,
                after: change.after,
                strength: self.strength(*change) as f32,
                weight,
                magnitude: edited.values().sum::<f64>() / edited.len() as f64,
                distance: None,
                target: state.target,
                agrees: None,
                top: top(self.text.model, &state.logits),
            });
        }
        Ok(steps)
    }
}

/// Returns the likeliest next tokens by `logits [v]`.
pub(super) fn top(model: &Model, logits: &[f32]) -> Vec<NextToken> {
    most_likely(model.codec(), logits, log_sum_exp(logits), TOP)
}

/// Returns the display forms of `text`'s tokens.
pub(super) fn displayed(text: &Text<'_>) -> Vec<String> {
    let codec = text.model.codec();
    text.tokens.iter().map(|id| codec.display(*id)).collect()
}

/// Writes steps as edits at `hook` by the dictionary of that name. Each adds a multiple of its feature's decoder row, which reads nothing: it is the same movement on
/// whatever the edits before it left.
pub(super) fn edits<'s>(
    (dictionary, hook): (&str, HookPoint),
    steps: impl Iterator<Item = &'s Step>,
) -> Result<Vec<EditSpec>> {
    let edit = |step: &Step| {
        let row = Vector::Feature(step.feature);
        let mut edit = EditSpec::new(What::Add(row, step.strength));
        edit.hook = Some(hook);
        edit.sae = Some(dictionary.to_owned());
        edit.positions = Some(step.position.to_string().parse()?);
        Ok(edit)
    };
    steps.map(edit).collect()
}
