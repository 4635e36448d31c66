//! Activations of features edited in place, the dictionary's error kept: x + (decode(edited) − decode(clean)).
//!
//! Decoding both sides and adding the difference is exact where nothing is edited; adding the error x − x̂ back to an edited x̂ would round.

use candle_core::Tensor;

use crate::device;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{FeatureId, HookPoint};
use crate::models::Hooks;
use crate::sae::{Latents, Sae};

use super::addition::check_feature;

/// What happens to one feature's activation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Edit {
    /// It becomes this on every token (0 removes the feature).
    Set(FeatureId, f32),
    /// It is multiplied by this where the feature is active.
    Scale(FeatureId, f32),
}

/// Splices edited activations into a hook at every position but the first. Rows that no edit changes keep their bits.
#[derive(Debug)]
pub struct Splice<'a> {
    sae: &'a Sae,
    hook: HookPoint,
    edits: Vec<Edit>,
}

impl<'a> Splice<'a> {
    /// For the hook of `sae`; edits apply in their order.
    pub fn new(sae: &'a Sae, edits: Vec<Edit>) -> Result<Self> {
        for edit in &edits {
            let (Edit::Set(feature, _) | Edit::Scale(feature, _)) = edit;
            check_feature(sae, *feature)?;
        }
        Ok(Self {
            sae,
            hook: sae.hook()?,
            edits,
        })
    }

    /// Activations `[n, d]` after the edits; `keep(row)` rows are left alone.
    fn apply(&self, x: &mut Matrix, keep: impl Fn(usize) -> bool) -> Result<()> {
        let latents = self.sae.encode(x)?;
        let (mut clean, mut edited) = (Rows::default(), Rows::default());
        let mut changed = Vec::new();
        for i in (0..x.rows()).filter(|i| !keep(*i)) {
            let before: Vec<(FeatureId, f32)> = latents.row(i).collect();
            let after = self.edited(&before);
            if after != before {
                changed.push(i);
                clean.push(&before);
                edited.push(&after);
            }
        }
        let clean = self.sae.decode(&clean.latents)?;
        let edited = self.sae.decode(&edited.latents)?;
        for (at, i) in changed.into_iter().enumerate() {
            let difference = edited.row(at).iter().zip(clean.row(at));
            for (value, (edited, clean)) in x.row_mut(i).iter_mut().zip(difference) {
                *value += edited - clean;
            }
        }
        Ok(())
    }

    /// One token's activations, by feature, after the edits.
    fn edited(&self, row: &[(FeatureId, f32)]) -> Vec<(FeatureId, f32)> {
        let mut row = row.to_vec();
        for edit in &self.edits {
            match *edit {
                Edit::Set(feature, value) => {
                    let at = row.partition_point(|(other, _)| *other < feature);
                    match row.get_mut(at) {
                        Some((other, act)) if *other == feature => *act = value,
                        _ => row.insert(at, (feature, value)),
                    }
                }
                Edit::Scale(feature, factor) => {
                    if let Some((_, act)) = row.iter_mut().find(|(other, _)| *other == feature) {
                        *act *= factor;
                    }
                }
            }
        }
        row.retain(|(_, act)| *act != 0.0);
        row
    }
}

/// Latents put together row by row.
struct Rows {
    latents: Latents,
}

impl Default for Rows {
    fn default() -> Self {
        Self {
            latents: Latents {
                offsets: vec![0],
                ..Latents::default()
            },
        }
    }
}

impl Rows {
    fn push(&mut self, row: &[(FeatureId, f32)]) {
        self.latents
            .features
            .extend(row.iter().map(|(feature, _)| feature.0));
        self.latents.acts.extend(row.iter().map(|(_, act)| *act));
        self.latents.offsets.push(self.latents.acts.len());
    }
}

impl Hooks for Splice<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook == self.hook && !self.edits.is_empty()
    }

    fn visit(
        &mut self,
        _: HookPoint,
        first_position: usize,
        value: &Tensor,
    ) -> Result<Option<Tensor>> {
        let t = value.dim(1)?;
        let mut x = Matrix::from_tensor(value, self.sae.width())?;
        self.apply(&mut x, |i| first_position + i % t == 0)?;
        let spliced = Tensor::from_vec(x.into_values(), value.dims(), &device::cpu())?;
        Ok(Some(spliced))
    }
}
