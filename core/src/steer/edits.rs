//! Applies a list of edits during a forward pass.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::apply::{Met, Value, apply};
use super::edit::{Action, Edit, ErrorTerm};
use super::positions::Row;
use super::proof::{Seen, Trace};
use crate::error::{Error, Result};
use crate::ids::{HookPoint, TokenId};
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

    /// Returns the dictionaries that the edits run because they change codes, each once.
    pub fn dictionaries(&self) -> Vec<&Sae> {
        let mut all: Vec<&Sae> = Vec::new();
        for edit in &self.0 {
            if let Action::Dictionary(edit) = &edit.action
                && !all.iter().any(|sae| std::ptr::eq(*sae, edit.dictionary()))
            {
                all.push(edit.dictionary());
            }
        }
        all
    }

    /// Returns the hook that a pass reaches first, of those that the edits read and change.
    pub(super) fn first_hook(&self) -> Option<HookPoint> {
        let first = |edit: &Edit| edit.reads().map_or(edit.hook, |reads| reads.min(edit.hook));
        self.0.iter().map(first).min()
    }

    /// Whether an edit reaches this position of the row.
    pub(super) fn reach(&self, position: usize, row: &Row) -> bool {
        let reaches = |edit: &Edit| edit.positions.contains(position, row);
        self.0.iter().any(reaches)
    }

    /// Returns the hooks whose values in the run without edits are needed.
    pub(super) fn frozen(&self) -> Vec<HookPoint> {
        let frozen = |edit: &&Edit| match &edit.action {
            Action::Dictionary(edit) => matches!(edit.error, ErrorTerm::Frozen),
            _ => false,
        };
        let hooks = |edit: &Edit| edit.reads().into_iter().chain(edit.hooks());
        let mut all: Vec<HookPoint> = self.0.iter().filter(frozen).flat_map(hooks).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Runs a forward pass with the edits; `inner` sees the values after them and may replace them again. Returns logits `[b, t, v]`, or none where `inner`
    /// ended the pass. Runs the model without edits first where an edit needs that.
    pub fn run(
        &self,
        model: &Model,
        tokens: &Tensor,
        inner: &mut dyn Hooks,
    ) -> Result<Option<Tensor>> {
        let rows: Vec<Row> = (tokens.to_vec2::<u32>()?.into_iter())
            .map(|row| {
                let row: Vec<TokenId> = row.into_iter().map(TokenId).collect();
                Row::new(&row, row.len())
            })
            .collect();
        self.passed(model, (tokens, &rows), None, inner)
    }

    /// Runs a pass as [`Edits::run`] does over rows that may hold generated tokens; `trace` sees what each edit changes.
    pub(super) fn traced(
        &self,
        model: &Model,
        (tokens, rows): (&Tensor, &[Row]),
        trace: &mut Trace,
        inner: &mut dyn Hooks,
    ) -> Result<Option<Tensor>> {
        self.passed(model, (tokens, rows), Some(trace), inner)
    }

    fn passed(
        &self,
        model: &Model,
        (tokens, rows): (&Tensor, &[Row]),
        trace: Option<&mut Trace>,
        inner: &mut dyn Hooks,
    ) -> Result<Option<Tensor>> {
        let clean = match self.frozen() {
            hooks if hooks.is_empty() => Clean::new(),
            hooks => model.capture(tokens, &hooks)?,
        };
        let mut edited = Edited::new(self, (rows, &clean), inner);
        edited.trace = trace;
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
    /// Tokens of each row of the batch.
    pub(super) rows: &'a [Row],
    /// Values without edits, at the same positions as the pass.
    pub(super) clean: &'a Clean,
    /// Sees the change that each edit makes, if there is one.
    pub(super) trace: Option<&'a mut Trace>,
    pub(super) inner: &'a mut dyn Hooks,
    /// Values of this pass at hooks that transcoders read.
    read: BTreeMap<HookPoint, Tensor>,
}

impl<'a> Edited<'a> {
    /// Creates the hooks of one pass over `rows`, with the values of the run without edits, of which `inner` sees the values after the edits.
    pub(super) fn new(
        edits: &'a Edits,
        (rows, clean): (&'a [Row], &'a Clean),
        inner: &'a mut dyn Hooks,
    ) -> Self {
        Self {
            edits,
            rows,
            clean,
            trace: None,
            inner,
            read: BTreeMap::new(),
        }
    }
}

impl Hooks for Edited<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        let wants = |edit: &Edit| edit.changes(hook) || edit.reads() == Some(hook);
        self.edits.0.iter().any(wants) || self.inner.wants(hook)
    }

    fn visit(&mut self, hook: HookPoint, first: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let mut edited = self.edited(hook, first, value)?;
        if self.inner.wants(hook) {
            let seen = edited.as_ref().unwrap_or(value);
            edited = self.inner.visit(hook, first, seen)?.or(edited);
        }
        if self.edits.0.iter().any(|edit| edit.reads() == Some(hook)) {
            let read = edited.as_ref().unwrap_or(value).clone();
            self.read.insert(hook, read);
        }
        Ok(edited)
    }

    fn last(&self) -> Option<HookPoint> {
        self.inner.last()
    }
}

impl Edited<'_> {
    /// Returns the value after the edits; none where no edit reaches it.
    fn edited(&mut self, hook: HookPoint, first: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let mut numbers: Option<Value> = None;
        let edits = self.edits.0.iter().enumerate();
        for (i, edit) in edits.filter(|(_, edit)| edit.changes(hook)) {
            let mut now = match numbers.take() {
                Some(numbers) => numbers,
                None => Value::new(hook, value)?,
            };
            let tokens = now.reached(edit, first, self.rows);
            let before = match &self.trace {
                Some(_) => Some(now.gathered(&tokens)?),
                None => None,
            };
            let met = Met {
                hook,
                first,
                clean: self.clean,
                read: edit.reads().and_then(|reads| self.read.get(&reads)),
            };
            apply(edit, &mut now, &tokens, &met)?;
            if let (Some(trace), Some(before)) = (&mut self.trace, &before) {
                let after = now.gathered(&tokens)?;
                let values = Seen {
                    before,
                    after: &after,
                    heads: now.heads,
                    read: met.read_at(edit, &tokens)?,
                };
                trace.see((i, edit), (hook, first, &tokens), &values)?;
            }
            numbers = Some(now);
        }
        numbers
            .map(|now| Ok(Tensor::from_vec(now.numbers, value.dims(), &Device::Cpu)?))
            .transpose()
    }
}
