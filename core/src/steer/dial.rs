//! A feature whose activations are measured along a text.

use std::sync::Arc;

use candle_core::Tensor;

use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint};
use crate::sae::Sae;

/// Feature whose activation is measured under each token, at the hook that its dictionary reads.
#[derive(Debug, Clone)]
pub struct Dial {
    sae: Arc<Sae>,
    hook: HookPoint,
    feature: FeatureId,
}

impl Dial {
    /// Creates the dial of one feature. Fails for a dictionary that reads whole texts or names no hook, and for a feature that it does not have.
    pub fn new(sae: Arc<Sae>, feature: FeatureId) -> Result<Self> {
        sae.check_by_token()?;
        super::edit::check_feature(&sae, feature)?;
        Ok(Self {
            hook: sae.reads()?,
            sae,
            feature,
        })
    }

    /// Returns the hook that the dictionary reads.
    pub fn hook(&self) -> HookPoint {
        self.hook
    }

    /// Returns the feature.
    pub fn feature(&self) -> FeatureId {
        self.feature
    }

    /// Returns the dictionary.
    pub fn dictionary(&self) -> &Sae {
        &self.sae
    }

    /// Computes the feature's activations at the hook's value `[1, t, …]`, one per position.
    pub(super) fn activations(&self, value: &Tensor) -> Result<Vec<f32>> {
        let (rows, t) = (value.dim(0)?, value.dim(1)?);
        let numbers: Vec<f32> = value.flatten_all()?.to_vec1()?;
        if rows != 1 || t == 0 {
            let what = format!("its value has shape {:?}, give one text", value.dims());
            return Err(Error::hook(self.hook, what));
        }
        let whole = Matrix::new(t, numbers.len() / t, numbers)?;
        let own = self.sae.own_part(&whole)?;
        self.sae.activations(&own, self.feature)
    }
}
