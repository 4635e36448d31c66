//! One intervention: what is done to a hook's value, at which positions, rows and heads.

use std::sync::Arc;

use candle_core::Tensor;

use super::positions::Positions;
use crate::dark_matter::Probe;
use crate::error::{Error, Result};
use crate::fit::Fit;
use crate::formats;
use crate::ids::{FeatureId, Head, HookPoint, Site};
use crate::models::Model;
use crate::sae::{Autoencoder, Sae};

/// An intervention at a hook. What it does not reach keeps its bits.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Where.
    pub hook: HookPoint,
    /// What is done.
    pub action: Action,
    /// At which positions of a row.
    pub positions: Positions,
    /// In which rows of the batch; none: in all.
    pub rows: Option<Vec<usize>>,
    /// In which heads, at hooks that have a dimension of heads; none: in all.
    pub heads: Option<Vec<Head>>,
}

/// What is done to one token's value x `[w]`: the whole width of the hook with heads concatenated, or that of the chosen heads alone.
#[derive(Debug, Clone)]
pub enum Action {
    /// x + v.
    Add(Vec<f32>),
    /// v: with the mean activation this is mean ablation.
    Replace(Vec<f32>),
    /// c · x (masked scores stay masked).
    Scale(f32),
    /// 0: zero ablation (masked scores stay masked).
    Zero,
    /// x − (x·u) u, u the unit vector along v.
    ProjectOut(Vec<f32>),
    /// x moved along the unit vector u of `direction` so that x·u lies within the bounds.
    Clamp {
        /// Any length but 0.
        direction: Vec<f32>,
        /// Lower bound of x·u.
        least: f32,
        /// Upper bound of x·u.
        most: f32,
    },
    /// Activations of features changed, or the dictionary spliced in as it is.
    Dictionary(DictionaryEdit),
    /// The value of another run at the same positions, in the hook's shape; of one row for all rows, or row by row. Reaches as far as it goes.
    Patch(Tensor),
    /// An attention pattern put in place of the head's own (`attn.hook_pattern` alone).
    Attend(Attend),
}

/// Where every query looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attend {
    /// At itself and everything before it alike.
    Uniform,
    /// At the position before it (the first position: at itself).
    Previous,
    /// At the first position.
    First,
    /// At itself.
    Itself,
}

/// Latents of a token changed one after another, then decoded.
#[derive(Debug, Clone)]
pub struct DictionaryEdit {
    /// An [`Autoencoder`], see [`DictionaryEdit::new`].
    sae: Arc<Sae>,
    /// In their order.
    pub changes: Vec<LatentChange>,
    /// What becomes of what the dictionary leaves unexplained.
    pub error: ErrorTerm,
}

impl DictionaryEdit {
    /// Of a dictionary that reconstructs what it reads, token by token; any other is refused by name. Its hook need not be the edit's, its width must fit.
    pub fn new(sae: Arc<Sae>, changes: Vec<LatentChange>, error: ErrorTerm) -> Result<Self> {
        sae.autoencoder()?;
        Ok(Self {
            sae,
            changes,
            error,
        })
    }

    /// The dictionary.
    pub fn sae(&self) -> Result<Autoencoder<'_>> {
        self.sae.autoencoder()
    }
}

/// What happens to one feature's activation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LatentChange {
    /// It becomes this on every token (0 removes the feature).
    Set(FeatureId, f32),
    /// This is added to it on every token, active or not.
    Add(FeatureId, f32),
    /// It is multiplied by this where the feature is active.
    Scale(FeatureId, f32),
}

impl LatentChange {
    /// The feature and the number.
    pub(super) fn parts(self) -> (FeatureId, f32) {
        match self {
            Self::Set(feature, x) | Self::Add(feature, x) | Self::Scale(feature, x) => (feature, x),
        }
    }
}

/// What is added to decode(edited). z = encode(x) before, and z′ after the changes.
#[derive(Debug, Clone)]
pub enum ErrorTerm {
    /// The error: x + (decode(z′) − decode(z)), both decoded in the same order, so that x keeps its bits where nothing changes; x̂ + (x − x̂) would
    /// round.
    Kept,
    /// Nothing: decode(z′).
    Dropped,
    /// The error of the run without edits: x₀ + (decode(z′) − decode(encode(x₀))), x₀ the value there. Where each token is normalised, z′ is brought back
    /// by the numbers of x and encode(x₀) by those of x₀.
    Frozen,
    /// Its linear part, as the probe predicts it from x.
    Linear(Arc<Probe>),
    /// What the probe does not predict of it.
    Nonlinear(Arc<Probe>),
}

impl Edit {
    /// Returns an edit of all rows and heads, at every position; by a dictionary, at every position but the first, where attention rests.
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

    /// Checks it against `model`: hook, width, heads, numbers.
    pub(super) fn check(&self, model: &Model) -> Result<()> {
        model.check_hook(self.hook)?;
        let heads = self.head_count(model)?;
        match &self.action {
            Action::Add(vector) | Action::Replace(vector) => self.check_vector(model, vector),
            Action::ProjectOut(direction) => self.check_direction(model, direction),
            Action::Clamp {
                direction,
                least,
                most,
            } => {
                if least.is_nan() || most.is_nan() || least > most {
                    let what =
                        format!("nothing lies between {least} and {most}, give least ≤ most");
                    return Err(Error::setting("clamp", what));
                }
                self.check_direction(model, direction)
            }
            Action::Scale(by) => finite("by", *by),
            Action::Zero => Ok(()),
            Action::Dictionary(edit) => self.check_dictionary(model, edit),
            Action::Patch(value) => self.check_patch(model, value, heads),
            Action::Attend(_) if self.hook.site() == Some(Site::Pattern) => Ok(()),
            Action::Attend(_) => Err(Error::hook(
                self.hook,
                "holds no attention pattern, use attn.hook_pattern",
            )),
        }
    }

    /// Heads of the hook, after checking those chosen.
    fn head_count(&self, model: &Model) -> Result<usize> {
        let heads = match model.heads(self.hook) {
            Some(heads) => heads,
            None if self.heads.is_some() => {
                let what = "has no dimension of heads, leave `heads` out or choose attn.hook_z";
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
                format!("{head} is not among the {heads} heads of {}", self.hook),
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
                format!(
                    "a vector of {} numbers does not fit it, it takes {wanted}",
                    vector.len()
                ),
            ));
        }
        vector.iter().try_for_each(|x| finite("vector", *x))
    }

    fn check_direction(&self, model: &Model, direction: &[f32]) -> Result<()> {
        self.check_vector(model, direction)?;
        if direction.iter().all(|x| *x == 0.0) {
            let what = "the vector is 0 and points nowhere, choose another";
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
                    "the dictionary {} reads head {head} alone, give heads={head}",
                    sae.name
                ),
                None => "a dictionary reads all heads together, leave `heads` out".to_owned(),
            };
            return Err(Error::setting("heads", what));
        }
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
            format!("a value of shape {dims:?} is not of this hook, capture it there"),
        ))
    }
}

/// An error naming the features there are, if `sae` lacks `feature`.
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
        format!("{value} is no number to compute with, give a finite one"),
    ))
}
