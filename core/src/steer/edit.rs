//! Describes one intervention: the action on a hook's value, and its positions, rows and heads.

use std::sync::Arc;

use candle_core::Tensor;

use super::positions::Positions;
use crate::dark_matter::Probe;
use crate::error::{Error, Result};
use crate::fit::Fit;
use crate::formats;
use crate::ids::{FeatureId, Head, HookPoint, Site};
use crate::models::Model;
use crate::sae::{ByToken, Output, Sae};

/// Intervention at a hook. Values that it does not reach stay bit-identical.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Hook that it changes.
    pub hook: HookPoint,
    /// Change that it makes.
    pub action: Action,
    /// Positions of a row.
    pub positions: Positions,
    /// Rows of the batch; none: all.
    pub rows: Option<Vec<usize>>,
    /// Heads, at hooks that have a head dimension; none: all.
    pub heads: Option<Vec<Head>>,
}

/// Action on one token's value x `[w]`: the whole width of the hook with heads concatenated, or that of the chosen heads.
#[derive(Debug, Clone)]
pub enum Action {
    /// Adds: x + v.
    Add(Vec<f32>),
    /// Adds to each of several hooks a vector of its own, as the decoder row of a cross-layer transcoder's feature does; the edit's hook is the first of them.
    AddAcross(Vec<(HookPoint, Vec<f32>)>),
    /// Replaces the value by v; with the mean activation this is mean ablation.
    Replace(Vec<f32>),
    /// Multiplies: c · x (masked scores stay masked).
    Scale(f32),
    /// Sets the value to 0: zero ablation (masked scores stay masked).
    Zero,
    /// Projects v out: x − (x·u) u, u being the unit vector along v.
    ProjectOut(Vec<f32>),
    /// Scales the component along v: x + (factor − 1)(x·u) u, u being the unit vector along v; factor 0 projects v out.
    Orthogonal {
        /// Vector of any length except 0.
        direction: Vec<f32>,
        /// Factor of the component.
        factor: f32,
    },
    /// Clamps: moves x along the unit vector u of `direction` so that x·u lies within the bounds.
    Clamp {
        /// Vector of any length except 0.
        direction: Vec<f32>,
        /// Lower bound of x·u.
        least: f32,
        /// Upper bound of x·u.
        most: f32,
    },
    /// Changes activations of features, or splices the dictionary in unchanged.
    Dictionary(DictionaryEdit),
    /// Patches in the value of another run at the same positions, in the hook's shape: one row for all rows, or row by row. Positions beyond its end are not changed.
    Patch(Tensor),
    /// Replaces the head's attention pattern (only at `attn.hook_pattern`).
    Attend(Attend),
}

/// Attention pattern that replaces a head's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attend {
    /// Uniform attention over the position itself and all before it.
    Uniform,
    /// Attention to the previous position (the first position attends to itself).
    Previous,
    /// Attention to the first position.
    First,
    /// Attention to the position itself.
    Itself,
}

impl Attend {
    /// All of them with their written names.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Uniform, "uniform"),
        (Self::Previous, "previous"),
        (Self::First, "first"),
        (Self::Itself, "itself"),
    ];
}

/// Changes to the latents of a token, applied one after another and then decoded.
#[derive(Debug, Clone)]
pub struct DictionaryEdit {
    /// Dictionary; always a [`ByToken`], see [`DictionaryEdit::new`].
    sae: Arc<Sae>,
    /// Hook that it reads, where it writes others; none for an autoencoder, which reads the edit's hook.
    reads: Option<HookPoint>,
    /// Hooks that it writes, where it reads another; empty for an autoencoder, which writes the edit's hook.
    outputs: Vec<Output>,
    /// Changes, in their order.
    pub changes: Vec<LatentChange>,
    /// Treatment of the dictionary's error.
    pub error: ErrorTerm,
}

impl DictionaryEdit {
    /// Creates an edit by a dictionary that encodes each token by itself; a temporal one is rejected by name. The hook of an autoencoder may differ from the edit's; its
    /// width must match. A transcoder reads its own hook and changes those that it writes: its error is y − D(z), y being the value there. One layer of a cross-layer
    /// transcoder writes a part of each value, so that its error can be kept or frozen and not left out.
    pub fn new(sae: Arc<Sae>, changes: Vec<LatentChange>, error: ErrorTerm) -> Result<Self> {
        sae.by_token()?;
        let (reads, outputs) = if sae.role.transcodes() {
            refuse_error(&sae, &error)?;
            (Some(sae.reads()?), sae.outputs()?)
        } else {
            (None, Vec::new())
        };
        if let (Some(reads), Some(first)) = (reads, outputs.first())
            && reads >= first.hook
        {
            let what = format!(
                "is written by {}, which reads {reads} only after it in a pass, so that edits of its features cannot act: choose another dictionary",
                sae.name
            );
            return Err(Error::hook(first.hook, what));
        }
        Ok(Self {
            sae,
            reads,
            outputs,
            changes,
            error,
        })
    }

    /// Returns the dictionary, whatever its role.
    pub(super) fn dictionary(&self) -> &Sae {
        &self.sae
    }

    /// Returns the dictionary.
    pub fn sae(&self) -> Result<ByToken<'_>> {
        self.sae.by_token()
    }

    /// Returns the output of a transcoder at `hook`; none for an autoencoder.
    pub(super) fn output(&self, hook: HookPoint) -> Option<&Output> {
        self.outputs.iter().find(|output| output.hook == hook)
    }
}

/// Refuses an error term that is not defined for a transcoder.
fn refuse_error(sae: &Sae, error: &ErrorTerm) -> Result<()> {
    let what = match error {
        ErrorTerm::Linear(_) | ErrorTerm::Nonlinear(_) => format!(
            "the linear part of an error is that of an autoencoder, and {} is a transcoder: keep, drop or freeze the error",
            sae.name
        ),
        ErrorTerm::Dropped if sae.is_cross_layer() => format!(
            "{} is one layer of a cross-layer transcoder and writes a part of each value, so that without the error the other layers' parts are missing: keep or freeze it",
            sae.name
        ),
        _ => return Ok(()),
    };
    Err(Error::setting("error", what))
}

/// Change of one feature's activation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LatentChange {
    /// Sets it on every token (0 removes the feature).
    Set(FeatureId, f32),
    /// Adds to it on every token, active or not.
    Add(FeatureId, f32),
    /// Multiplies it where the feature is active.
    Scale(FeatureId, f32),
}

impl LatentChange {
    /// Returns the feature and the number.
    pub(super) fn parts(self) -> (FeatureId, f32) {
        match self {
            Self::Set(feature, x) | Self::Add(feature, x) | Self::Scale(feature, x) => (feature, x),
        }
    }
}

/// Term that is added to decode(z′). z = encode(x) are the latents before the changes, z′ after.
#[derive(Debug, Clone)]
pub enum ErrorTerm {
    /// Error kept: x + (decode(z′) − decode(z)), both decoded in the same order, so that x stays bit-identical where nothing changes; x̂ + (x − x̂) would
    /// round.
    Kept,
    /// Error dropped: decode(z′).
    Dropped,
    /// Error frozen as in the run without edits: x₀ + (decode(z′) − decode(encode(x₀))), x₀ being the value there. Where each token is normalised, z′ is scaled
    /// back by the numbers of x, and encode(x₀) by those of x₀.
    Frozen,
    /// Linear part of the error, which the probe predicts from x.
    Linear(Arc<Probe>),
    /// Nonlinear part of the error, which the probe does not predict.
    Nonlinear(Arc<Probe>),
}

impl Edit {
    /// Returns an edit of all rows and heads, at every position; by a dictionary, at every position but the first, which is the attention sink.
    pub fn new(hook: HookPoint, action: Action) -> Self {
        let positions = match &action {
            Action::Dictionary(_) => Positions::from(1),
            _ => Positions::all(),
        };
        Self {
            hook,
            action,
            positions,
            rows: None,
            heads: None,
        }
    }

    /// Whether it changes the value of `hook`.
    pub fn changes(&self, hook: HookPoint) -> bool {
        match &self.action {
            Action::Dictionary(edit) if edit.reads.is_some() => edit.output(hook).is_some(),
            Action::AddAcross(parts) => parts.iter().any(|(own, _)| *own == hook),
            _ => self.hook == hook,
        }
    }

    /// Returns the hooks that it changes, in the order of the pass: one, unless a layer of a cross-layer transcoder writes several.
    pub fn hooks(&self) -> Vec<HookPoint> {
        match &self.action {
            Action::Dictionary(edit) if edit.reads.is_some() => {
                edit.outputs.iter().map(|output| output.hook).collect()
            }
            Action::AddAcross(parts) => parts.iter().map(|(hook, _)| *hook).collect(),
            _ => vec![self.hook],
        }
    }

    /// Returns the hook whose value decides the change at another one.
    pub(super) fn reads(&self) -> Option<HookPoint> {
        match &self.action {
            Action::Dictionary(edit) => edit.reads,
            _ => None,
        }
    }

    /// Checks the edit against `model`: hook, width, heads, numbers.
    pub(super) fn check(&self, model: &Model) -> Result<()> {
        model.check_hook(self.hook)?;
        let heads = self.head_count(model)?;
        match &self.action {
            Action::Add(vector) | Action::Replace(vector) => self.check_vector(model, vector),
            Action::AddAcross(parts) => parts.iter().try_for_each(|(hook, vector)| {
                model.check_hook(*hook)?;
                Self::new(*hook, Action::Zero).check_vector(model, vector)
            }),
            Action::ProjectOut(direction) => self.check_direction(model, direction),
            Action::Clamp {
                direction,
                least,
                most,
            } => {
                if least.is_nan() || most.is_nan() || least > most {
                    let what = format!("the range {least} to {most} is empty, give least ≤ most");
                    return Err(Error::setting("clamp", what));
                }
                self.check_direction(model, direction)
            }
            Action::Orthogonal { direction, factor } => {
                finite("by", *factor)?;
                self.check_direction(model, direction)
            }
            Action::Scale(by) => finite("by", *by),
            Action::Zero => Ok(()),
            Action::Dictionary(edit) => self.check_dictionary(model, edit),
            Action::Patch(value) => self.check_patch(model, value, heads),
            Action::Attend(_) if self.hook.site() == Some(Site::Pattern) => Ok(()),
            Action::Attend(_) => Err(Error::hook(
                self.hook,
                "is not an attention pattern, use attn.hook_pattern",
            )),
        }
    }

    /// Returns the number of heads of the hook after checking the chosen ones.
    fn head_count(&self, model: &Model) -> Result<usize> {
        let heads = match model.heads(self.hook) {
            Some(heads) => heads,
            None if self.heads.is_some() => {
                let what = "has no head dimension; leave out `heads` or use attn.hook_z";
                return Err(Error::hook(self.hook, what));
            }
            None => 1,
        };
        let Some(chosen) = &self.heads else {
            return Ok(heads);
        };
        match chosen.iter().find(|head| head.index() >= heads) {
            Some(head) => Err(Error::setting(
                "heads",
                format!("{head} is not one of the {heads} heads of {}", self.hook),
            )),
            None if chosen.is_empty() => Err(Error::setting("heads", "none is named, name one")),
            None => Ok(heads),
        }
    }

    fn check_vector(&self, model: &Model, vector: &[f32]) -> Result<()> {
        let width = model.width(self.hook)?;
        let heads = self.head_count(model)?;
        let chosen = self.heads.as_ref().map_or(heads, Vec::len);
        let part = width / heads * chosen;
        if vector.len() != width && vector.len() != part {
            let wanted = if part == width {
                width.to_string()
            } else {
                format!("{width}, or {part} for the heads chosen")
            };
            return Err(Error::hook(
                self.hook,
                format!("the vector has {} numbers, it needs {wanted}", vector.len()),
            ));
        }
        vector.iter().try_for_each(|x| finite("vector", *x))
    }

    fn check_direction(&self, model: &Model, direction: &[f32]) -> Result<()> {
        self.check_vector(model, direction)?;
        if direction.iter().all(|x| *x == 0.0) {
            let what = "the vector is 0 and has no direction, choose another";
            return Err(Error::setting("direction", what));
        }
        Ok(())
    }

    fn check_dictionary(&self, model: &Model, edit: &DictionaryEdit) -> Result<()> {
        let sae = &edit.sae()?;
        let own = sae.provenance.head.map(|head| vec![head]);
        if self.heads != own {
            let what = match sae.provenance.head {
                Some(head) => format!(
                    "the dictionary {} reads only head {head}, give heads={head}",
                    sae.name
                ),
                None => "a dictionary reads all heads together, leave `heads` out".to_owned(),
            };
            return Err(Error::setting("heads", what));
        }
        if edit.reads.is_some() {
            self.check_outputs(model, edit)?;
        } else {
            let width = formats::width_for(sae, model, self.hook)?;
            if width != sae.width() {
                return Err(Error::hook(
                    self.hook,
                    format!(
                        "has width {width}, the dictionary {} has {}: open the model it was trained on or name its hook",
                        sae.name,
                        sae.width()
                    ),
                ));
            }
        }
        for change in &edit.changes {
            let (feature, x) = change.parts();
            check_feature(sae, feature)?;
            finite("value", x)?;
        }
        match &edit.error {
            ErrorTerm::Linear(probe) | ErrorTerm::Nonlinear(probe) => {
                Fit::of_probe(probe, Some(model), Some(sae))
                    .check(false)
                    .map(drop)
            }
            ErrorTerm::Kept | ErrorTerm::Dropped | ErrorTerm::Frozen => Ok(()),
        }
    }

    /// Checks that the model has the hooks that a transcoder reads and writes, and that the edit is at the first that it writes.
    fn check_outputs(&self, model: &Model, edit: &DictionaryEdit) -> Result<()> {
        let sae = &edit.sae()?;
        formats::check_ends(sae, model)?;
        for output in &edit.outputs {
            model.check_hook(output.hook)?;
        }
        match edit.outputs.first() {
            Some(first) if first.hook != self.hook => {
                let what = format!(
                    "the dictionary {} reads {} and writes {}, where edits of its features act: leave `hook` out",
                    sae.name,
                    sae.reads()?,
                    first.hook
                );
                Err(Error::hook(self.hook, what))
            }
            _ => Ok(()),
        }
    }

    fn check_patch(&self, model: &Model, value: &Tensor, heads: usize) -> Result<()> {
        let dims = value.dims();
        let fits = match self.hook.site() {
            Some(Site::Pattern | Site::AttnScores) => dims.len() == 4 && dims[1] == heads,
            _ if heads > 1 => {
                dims.len() == 4
                    && dims[2] == heads
                    && dims[2] * dims[3] == model.width(self.hook)?
            }
            _ if self.hook == HookPoint::PosEmbed => {
                dims.len() == 3 && dims[2] == model.config().d_model
            }
            _ => {
                dims.len() >= 3 && dims[2..].iter().product::<usize>() == model.width(self.hook)?
            }
        };
        if fits {
            return Ok(());
        }
        Err(Error::hook(
            self.hook,
            format!(
                "a value of shape {dims:?} does not belong to this hook, capture it at this hook"
            ),
        ))
    }
}

/// Checks that `sae` has `feature`; the error names the features it has.
pub(super) fn check_feature(sae: &Sae, feature: FeatureId) -> Result<()> {
    if feature.index() < sae.features() {
        return Ok(());
    }
    Err(Error::setting(
        "feature",
        format!(
            "{feature} is not in dictionary {}, which has features 0 to {}",
            sae.name,
            sae.features().saturating_sub(1)
        ),
    ))
}

fn finite(key: &str, value: f32) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Error::setting(
        key,
        format!("{value} is not a finite number, give a finite one"),
    ))
}
