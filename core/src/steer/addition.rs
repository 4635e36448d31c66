//! c × decoder row added to a hook's value.

use candle_core::Tensor;

use crate::device;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint};
use crate::models::Hooks;
use crate::sae::Sae;

use super::Steering;

/// Adds `strength × w_dec[feature]` at every position but the first; with strength 0 it touches nothing.
#[derive(Debug, Clone)]
pub struct Addition {
    hook: HookPoint,
    /// `[d]`: strength × row; empty for strength 0.
    delta: Vec<f32>,
}

impl Addition {
    /// For the hook of `sae`.
    pub fn new(sae: &Sae, steering: Steering) -> Result<Self> {
        let Steering { feature, strength } = steering;
        if !strength.is_finite() {
            return Err(Error::setting(
                "strength",
                format!("{strength} is no number to multiply with, give a finite one"),
            ));
        }
        check_feature(sae, feature)?;
        let row = sae.w_dec.row(feature.index()).iter();
        let delta = if strength == 0.0 {
            Vec::new()
        } else {
            row.map(|value| strength * value).collect()
        };
        Ok(Self {
            hook: sae.hook()?,
            delta,
        })
    }
}

impl Hooks for Addition {
    fn wants(&self, hook: HookPoint) -> bool {
        hook == self.hook && !self.delta.is_empty()
    }

    fn visit(
        &mut self,
        hook: HookPoint,
        first_position: usize,
        value: &Tensor,
    ) -> Result<Option<Tensor>> {
        let t = value.dim(1)?;
        let skipped = usize::from(first_position == 0).min(t);
        if skipped == t {
            return Ok(None);
        }
        let mut shape = value.dims().to_vec(); // [b, t, d] or [b, t, h, e]
        shape[..2].fill(1);
        if shape.iter().product::<usize>() != self.delta.len() {
            return Err(Error::hook(
                hook,
                format!(
                    "its value has shape {:?}, the dictionary has width {}: open the model it was trained on",
                    value.dims(),
                    self.delta.len()
                ),
            ));
        }
        let delta = Tensor::from_slice(&self.delta, shape, &device::cpu())?; // [1, 1, …]
        let moved = value
            .narrow(1, skipped, t - skipped)?
            .broadcast_add(&delta)?;
        if skipped == 0 {
            return Ok(Some(moved));
        }
        Ok(Some(Tensor::cat(
            &[&value.narrow(1, 0, skipped)?, &moved],
            1,
        )?))
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
