//! Applies a list of edits during a forward pass.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::apply::{Value, apply};
use super::edit::{Action, Edit, ErrorTerm};
use crate::error::{Error, Result};
use crate::ids::HookPoint;
use crate::models::{Capture, Hooks, Model, NoHooks, Quantity, Start, next_token_loss};
use crate::sae::Sae;

/// Values of the run without edits, by hook.
pub(super) type Clean = BTreeMap<HookPoint, Tensor>;

/// Edits that fit a model. They apply hook by hook as the pass reaches them; at one hook in the order of the list, each to the result of the one before.
#[derive(Debug, Clone, Default)]
pub struct Edits(Vec<Edit>);

impl Edits {
    /// Checks every edit against `model`. Computes nothing.
    pub fn new(model: &Model, edits: Vec<Edit>) -> Result<Self> {
        edits.iter().try_for_each(|edit| edit.check(model))?;
        Ok(Self(edits))
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the edits in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Edit> {
        self.0.iter()
    }

    /// Returns the dictionary that the edits run, if one changes codes.
    pub fn dictionary(&self) -> Option<&Sae> {
        self.0.iter().find_map(|edit| match &edit.action {
            Action::Dictionary(edit) => Some(edit.dictionary()),
            _ => None,
        })
    }

    /// Returns the hook that a pass reaches first.
    pub(super) fn first_hook(&self) -> Option<HookPoint> {
        self.0.iter().map(|edit| edit.hook).min()
    }

    /// Whether an edit reaches a position of a prompt of this many tokens.
    pub(super) fn reach_prompt(&self, prompt: usize) -> bool {
        let reaches = |edit: &Edit| (0..prompt).any(|at| edit.positions.contains(at, prompt));
        self.0.iter().any(reaches)
    }

    /// Returns the hooks whose values in the run without edits are needed.
    pub(super) fn frozen(&self) -> Vec<HookPoint> {
        let frozen = |edit: &&Edit| match &edit.action {
            Action::Dictionary(edit) => matches!(edit.error, ErrorTerm::Frozen),
            _ => false,
        };
        self.0.iter().filter(frozen).map(|edit| edit.hook).collect()
    }

    /// Runs a forward pass with the edits; `inner` sees the values after them and may replace them again. Returns logits `[b, t, v]`, or none where `inner`
    /// ended the pass. Runs the model without edits first where an edit needs that.
    pub fn run(
        &self,
        model: &Model,
        tokens: &Tensor,
        inner: &mut dyn Hooks,
    ) -> Result<Option<Tensor>> {
        let clean = match self.frozen() {
            hooks if hooks.is_empty() => Clean::new(),
            hooks => model.capture(tokens, &hooks)?,
        };
        let mut edited = Edited {
            edits: self,
            prompt: tokens.dim(1)?,
            clean: &clean,
            inner,
        };
        model.run(Start::Tokens(tokens), &mut edited)
    }

    /// Computes quantities of token ids `[b, t]` as [`Model::quantities`] does, with the edits: hooks as they are after the edits. Gradients are unsupported.
    pub fn quantities(
        &self,
        model: &Model,
        tokens: &Tensor,
        wanted: &[Quantity],
    ) -> Result<BTreeMap<Quantity, Tensor>> {
        if self.is_empty() {
            return model.quantities(tokens, wanted);
        }
        let mut keep = Capture::to_the_end([]);
        for quantity in wanted {
            model.check_quantity(*quantity)?;
            match quantity {
                Quantity::Hook(hook) => keep.wanted.push(*hook),
                Quantity::Gradient(hook) => {
                    let what = "gradients are unsupported with edits, leave out one of them";
                    return Err(Error::hook(hook, what));
                }
                Quantity::Logits | Quantity::LossSum => {}
            }
        }
        let logits = self.run(model, tokens, &mut keep)?;
        let logits = logits.expect("nothing ends the pass early");
        let values = keep.values.into_iter();
        let mut found: BTreeMap<_, _> = values
            .map(|(h, value)| (Quantity::Hook(h), value))
            .collect();
        if wanted.contains(&Quantity::LossSum) {
            let loss = next_token_loss(&logits, tokens)?.reshape(1)?;
            found.insert(Quantity::LossSum, loss);
        }
        if wanted.contains(&Quantity::Logits) {
            found.insert(Quantity::Logits, logits);
        }
        Ok(found)
    }

    /// Computes logits `[b, t, v]` of token ids `[b, t]` with the edits.
    pub fn logits(&self, model: &Model, tokens: &Tensor) -> Result<Tensor> {
        let logits = self.run(model, tokens, &mut NoHooks)?;
        Ok(logits.expect("nothing ends the pass early"))
    }
}

/// Edits as hooks of one pass.
pub(super) struct Edited<'a> {
    pub(super) edits: &'a Edits,
    /// Number of prompt tokens; all tokens where none are generated.
    pub(super) prompt: usize,
    /// Values without edits, at the same positions as the pass.
    pub(super) clean: &'a Clean,
    pub(super) inner: &'a mut dyn Hooks,
}

impl Hooks for Edited<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        self.edits.0.iter().any(|edit| edit.hook == hook) || self.inner.wants(hook)
    }

    fn visit(&mut self, hook: HookPoint, first: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let edited = self.edited(hook, first, value)?;
        if !self.inner.wants(hook) {
            return Ok(edited);
        }
        let seen = edited.as_ref().unwrap_or(value);
        Ok(self.inner.visit(hook, first, seen)?.or(edited))
    }

    fn last(&self) -> Option<HookPoint> {
        self.inner.last()
    }
}

impl Edited<'_> {
    /// Returns the value after the edits; none where no edit reaches it.
    fn edited(&self, hook: HookPoint, first: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let mut numbers: Option<Value> = None;
        for edit in self.edits.0.iter().filter(|edit| edit.hook == hook) {
            let mut now = match numbers.take() {
                Some(numbers) => numbers,
                None => Value::new(hook, value)?,
            };
            let tokens = now.reached(edit, first, self.prompt);
            apply(edit, &mut now, &tokens, (first, self.clean.get(&hook)))?;
            numbers = Some(now);
        }
        numbers
            .map(|now| Ok(Tensor::from_vec(now.numbers, value.dims(), &Device::Cpu)?))
            .transpose()
    }
}
