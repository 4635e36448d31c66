//! Proves that edits acted: how much they change at each hook, at the final residual and in the logits; and where nothing changed, why.
//!
//! The run is repeated over the prompt and the text that was generated from it, once without edits and once with them (teacher-forced), so that the proof does not rest on
//! the run that it judges. Reasons are looked for in the values of that run.

mod reason;
#[cfg(test)]
mod tests;
mod trace;

use candle_core::Tensor;

pub use self::reason::Reason;
pub(super) use self::trace::{Seen, Trace};
use super::edits::Edits;
use super::positions::Row;
use super::shift::{divergence, log_probabilities};
use crate::error::Result;
use crate::ids::{HookPoint, Site, TokenId};
use crate::models::{Capture, Model, Start, token_tensor};
use crate::section::{Section, Table};

/// Definitions of the figures, by their names in JSON.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "hooks",
        "change that the edits at a hook make there: value after them minus value before them, in the steered run",
    ),
    (
        "delta",
        "norm ‖Δ‖ of the change of a token's value, mean over the positions that the edits reach; for `residual`, at the prompt's last token",
    ),
    (
        "relative",
        "‖Δ‖/‖x‖, x being the value before the change, mean over the same positions; for `residual`, x is the value of the untouched run",
    ),
    (
        "norm",
        "mean norm ‖x‖ of the value before the edits at a hook, over the same positions",
    ),
    (
        "reached",
        "positions of the prompt and of the steered text that an edit reaches; `reached_new` counts those of the steered text",
    ),
    (
        "residual",
        "steered minus untouched residual after the last layer, at the prompt's last token",
    ),
    (
        "logits",
        "at the prompt's last token: `largest` is the largest absolute change of a logit, `kl` is KL(steered ‖ untouched) of the next token in nats",
    ),
    (
        "generated",
        "largest of these figures over the first 64 positions of the steered text, both runs reading the same text; null without such positions",
    ),
];

/// Positions of the steered text that a proof looks at, from its beginning.
pub const NEW: usize = 64;

/// Size of a change.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Size {
    /// Norm ‖Δ‖.
    pub delta: f64,
    /// Norm relative to that of the value, ‖Δ‖/‖x‖; 0 where both are 0.
    pub relative: f64,
}

impl Size {
    /// Creates the size of a change `delta` of a value of norm `of`.
    fn new(delta: f64, of: f64) -> Self {
        Self {
            delta,
            relative: if delta == 0.0 { 0.0 } else { delta / of },
        }
    }

    fn largest(self, other: Self) -> Self {
        Self {
            delta: self.delta.max(other.delta),
            relative: self.relative.max(other.relative),
        }
    }
}

/// Change that the edits at one hook make there.
#[derive(Debug, Clone, PartialEq)]
pub struct HookChange {
    /// The hook.
    pub hook: HookPoint,
    /// Mean over the positions that they reach.
    pub size: Size,
    /// Mean norm ‖x‖ of the value before them, over the same positions.
    pub norm: f64,
    /// Positions that they reach.
    pub reached: usize,
    /// Those among them after the prompt.
    pub reached_new: usize,
}

/// Change of the logits at a position.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LogitChange {
    /// Largest absolute change of a logit.
    pub largest: f64,
    /// KL(steered ‖ untouched) of the next token, nats.
    pub kl: f64,
}

/// Change at the model's end.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EndChange {
    /// Residual after the last layer.
    pub residual: Size,
    /// Logits.
    pub logits: LogitChange,
}

/// Change that one edit makes, and why it makes none.
#[derive(Debug, Clone, PartialEq)]
pub struct EditChange {
    /// Its hook.
    pub hook: HookPoint,
    /// Mean over the positions that it reaches.
    pub size: Size,
    /// Positions that it reaches.
    pub reached: usize,
    /// Those among them after the prompt.
    pub reached_new: usize,
    /// Why it changes nothing; none where it changes something.
    pub reason: Option<Reason>,
}

/// Changes that edits made in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// Edited hooks, in the order of the pass.
    pub hooks: Vec<HookChange>,
    /// Edits, in their order.
    pub edits: Vec<EditChange>,
    /// Model's end at the prompt's last token.
    pub end: EndChange,
    /// Largest change at the model's end over the positions of the steered text; none where it has no position of its own.
    pub generated: Option<EndChange>,
}

impl Proof {
    /// Whether the edits change a logit, at the prompt's last token or along the steered text.
    pub fn acted(&self) -> bool {
        let moved = |end: &EndChange| end.logits.largest > 0.0;
        moved(&self.end) || self.generated.as_ref().is_some_and(moved)
    }

    /// Whether a position of the steered text was reached.
    pub fn reached_new(&self) -> bool {
        self.edits.iter().any(|edit| edit.reached_new > 0)
    }

    /// Says why nothing changed; none where something did.
    pub fn nothing(&self) -> Option<String> {
        if self.acted() {
            return None;
        }
        if self.edits.is_empty() {
            return Some("Nothing changed: there is no edit.".to_owned());
        }
        if self.edits.iter().any(|edit| edit.reason.is_none()) {
            let undone = self.hooks.iter().all(|hook| hook.size.delta == 0.0);
            let why = if undone {
                "edits at the same hook take each other back"
            } else {
                "no later part of the model reads the changed values at the positions whose next token was computed"
            };
            return Some(format!("Nothing changed in the logits: {why}."));
        }
        Some(format!("Nothing changed: {}.", self.reasons().join("; ")))
    }

    /// Says why single edits change nothing, while others do.
    pub fn idle(&self) -> Option<String> {
        let reasons = self.reasons();
        (self.acted() && !reasons.is_empty())
            .then(|| format!("Without effect: {}.", reasons.join("; ")))
    }

    fn reasons(&self) -> Vec<String> {
        let several = self.edits.len() > 1;
        let edits = self.edits.iter().enumerate();
        edits
            .filter_map(|(i, edit)| {
                let reason = edit.reason.as_ref()?;
                Some(if several {
                    format!("edit {}: {reason}", i + 1)
                } else {
                    reason.to_string()
                })
            })
            .collect()
    }

    /// Says in one sentence what changed, or why nothing did.
    pub fn conclusion(&self) -> String {
        if let Some(nothing) = self.nothing() {
            return nothing;
        }
        let hooks = self.hooks.iter().map(|hook| {
            let Size { delta, relative } = hook.size;
            format!(
                "{} moves by {delta:.3} ({:.1} % of its norm) at {}, ",
                hook.hook,
                100.0 * relative,
                positions(hook.reached)
            )
        });
        let hooks: String = hooks.collect();
        let EndChange { residual, logits } = self.end;
        let end = if logits.largest == 0.0 {
            "nothing at the prompt's end".to_owned()
        } else {
            format!(
                "the final residual by {:.3} ({:.1} %) at the prompt's end, and a logit there by up to {:.3} (KL {:.4} nats)",
                residual.delta,
                100.0 * residual.relative,
                logits.largest,
                logits.kl
            )
        };
        let is_along = self.reached_new() || logits.largest == 0.0;
        let along = self.generated.filter(|_| is_along);
        let along = along.map_or_else(String::new, |along| {
            format!(
                "; along the steered text a logit by up to {:.3}",
                along.logits.largest
            )
        });
        let new = if self.reached_new() {
            ""
        } else {
            "; no generated position was reached"
        };
        format!("The edits acted: {hooks}{end}{along}{new}.")
    }
}

impl Proof {
    /// Returns the result as a section of a report.
    pub fn section(&self) -> Section {
        let columns = ["where", "‖Δ‖", "‖Δ‖/‖x‖", "positions", "of them generated"];
        let mut table = Table::new(
            "Change by the edits at each hook, and at the model's end",
            &columns,
        );
        for hook in &self.hooks {
            table = table.row([
                hook.hook.to_string().into(),
                hook.size.delta.into(),
                hook.size.relative.into(),
                hook.reached.into(),
                hook.reached_new.into(),
            ]);
        }
        let Size { delta, relative } = self.end.residual;
        table = table.row([
            "final residual, prompt's end".into(),
            delta.into(),
            relative.into(),
            1_usize.into(),
            0_usize.into(),
        ]);
        let logits = self.end.logits;
        let section = Section::new("Proof that the edits acted", self.conclusion())
            .setting(
                "largest change of a logit",
                format!("{:.4}", logits.largest),
            )
            .setting("KL at the prompt's end", format!("{:.4} nats", logits.kl))
            .figure(table)
            .define(DEFINITIONS);
        match self.idle() {
            Some(idle) => section.sentence(idle),
            None => section,
        }
    }

    /// Returns the figures as JSON, with [`DEFINITIONS`].
    pub fn object(&self) -> serde_json::Value {
        use serde_json::json;
        let end = |end: &EndChange| {
            json!({
                "residual": {"delta": end.residual.delta, "relative": end.residual.relative},
                "logits": {"largest": end.logits.largest, "kl": end.logits.kl},
            })
        };
        let hooks = self.hooks.iter().map(|hook| {
            json!({
                "hook": hook.hook.to_string(),
                "delta": hook.size.delta,
                "relative": hook.size.relative,
                "norm": hook.norm,
                "reached": hook.reached,
                "reached_new": hook.reached_new,
            })
        });
        let edits = self.edits.iter().map(|edit| {
            json!({
                "hook": edit.hook.to_string(),
                "delta": edit.size.delta,
                "relative": edit.size.relative,
                "reached": edit.reached,
                "reached_new": edit.reached_new,
                "reason": edit.reason.as_ref().map(Reason::to_string),
            })
        });
        let mut object = end(&self.end);
        object["hooks"] = hooks.collect();
        object["edits"] = edits.collect();
        object["generated"] = self.generated.as_ref().map_or(serde_json::Value::Null, end);
        object["reached_new"] = self.reached_new().into();
        object["acted"] = self.acted().into();
        object["conclusion"] = self.conclusion().into();
        let definitions = DEFINITIONS.iter();
        object["definitions"] = definitions
            .map(|(name, meaning)| ((*name).to_owned(), serde_json::Value::from(*meaning)))
            .collect();
        object
    }
}

fn positions(many: usize) -> String {
    match many {
        1 => "1 position".to_owned(),
        many => format!("{many} positions"),
    }
}

/// Runs `tokens` (BOS included by the caller), the first `prompt` of which are the prompt and the others a steered text, without edits and with them, and measures the
/// changes. Only the first [`NEW`] positions of the text count. Costs two passes.
pub fn prove(model: &Model, edits: &Edits, tokens: &[TokenId], prompt: usize) -> Result<Proof> {
    let tokens = &tokens[..tokens.len().min(prompt + NEW)];
    let input = token_tensor(&[tokens])?;
    let row = Row::new(tokens, prompt);
    let end = HookPoint::block(model.config().layers.saturating_sub(1), Site::ResidPost);
    let mut untouched = Capture::to_the_end([end]);
    let before = model.run(Start::Tokens(&input), &mut untouched)?;
    let mut steered = Capture::to_the_end([end]);
    let mut trace = Trace::new(edits, prompt);
    let after = edits.traced(model, (&input, &[row]), &mut trace, &mut steered)?;
    let ends = [untouched, steered].map(|mut kept| kept.values.remove(&end));
    let residuals = |at: usize| -> Result<Size> {
        match &ends {
            [Some(before), Some(after)] => Ok(size(&numbers(before, at)?, &numbers(after, at)?)),
            _ => Ok(Size::default()),
        }
    };
    let (before, after) = (
        before.expect("nothing ends the pass"),
        after.expect("nothing ends the pass"),
    );
    let at = |position: usize| -> Result<EndChange> {
        let logits =
            [&before, &after].map(|logits| logits.get(0).and_then(|row| row.get(position)));
        let [before, after] = logits;
        Ok(EndChange {
            residual: residuals(position)?,
            logits: logit_change(&before?, &after?)?,
        })
    };
    let mut generated: Option<EndChange> = None;
    for position in prompt..tokens.len() {
        let one = at(position)?;
        let most = generated.unwrap_or_default();
        generated = Some(EndChange {
            residual: one.residual.largest(most.residual),
            logits: LogitChange {
                largest: one.logits.largest.max(most.logits.largest),
                kl: one.logits.kl.max(most.logits.kl),
            },
        });
    }
    let (hooks, changes) = trace.finish(edits);
    Ok(Proof {
        hooks,
        edits: changes,
        end: at(prompt.saturating_sub(1))?,
        generated,
    })
}

/// Returns the numbers of `[1, t, d]` at a position.
fn numbers(value: &Tensor, at: usize) -> Result<Vec<f32>> {
    Ok(value.get(0)?.get(at)?.flatten_all()?.to_vec1()?)
}

fn size(before: &[f32], after: &[f32]) -> Size {
    let (delta, of) = trace::norms(before, after);
    Size::new(delta, of)
}

fn logit_change(before: &Tensor, after: &Tensor) -> Result<LogitChange> {
    let [a, b] = [before, after].map(Tensor::to_vec1::<f32>);
    let (a, b) = (a?, b?);
    let moved = a
        .iter()
        .zip(&b)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    let largest = moved.fold(0.0, f64::max);
    // Equal logits have equal probabilities; the sum below would round.
    let kl = if largest == 0.0 {
        0.0
    } else {
        divergence(&log_probabilities(before)?, &log_probabilities(after)?)
    };
    Ok(LogitChange { largest, kl })
}
