//! Adds a vector of its own to each row of a batch.

use candle_core::Tensor;

use crate::device::cpu;
use crate::error::Result;
use crate::ids::{FeatureId, HookPoint};
use crate::models::{Hooks, Model};
use crate::sae::ByToken;
use crate::steer::edit::{Action, Edit, check_feature};
use crate::steer::positions::Positions;

/// Decoder row of a feature as it is added at the hooks that its dictionary writes, all heads side by side.
#[derive(Debug, Clone)]
pub(in crate::steer) struct Row {
    /// Hooks in the order of the pass, each with its part of the row as stored, 0 in heads that the dictionary does not read; one unless the dictionary is a layer
    /// of a cross-layer transcoder.
    pub(in crate::steer) parts: Vec<(HookPoint, Vec<f32>)>,
}

impl Row {
    /// Takes the row of `feature`; an error where model and dictionary do not fit.
    pub(in crate::steer) fn new(
        model: &Model,
        sae: ByToken<'_>,
        feature: FeatureId,
    ) -> Result<Self> {
        check_feature(&sae, feature)?;
        let factor = sae.stored_factor(feature)?;
        let mut parts = Vec::new();
        for output in sae.outputs()? {
            let row = sae.written(feature, &output)?.iter();
            let own: Vec<f32> = if factor == 1.0 {
                row.copied().collect()
            } else {
                row.map(|x| (f64::from(*x) * factor) as f32).collect()
            };
            let edit = Edit {
                hook: output.hook,
                action: Action::Add(own.clone()),
                positions: Positions::from(1),
                rows: None,
                heads: sae.provenance.head.map(|head| vec![head]),
            };
            edit.check(model)?;
            let values = match sae.provenance.head {
                Some(head) => {
                    let mut all = vec![0.0; model.width(output.hook)?];
                    let begin = head.index() * own.len();
                    all[begin..begin + own.len()].copy_from_slice(&own);
                    all
                }
                None => own,
            };
            parts.push((output.hook, values));
        }
        Ok(Self { parts })
    }

    /// Returns the hook that it reaches first.
    pub(in crate::steer) fn hook(&self) -> HookPoint {
        self.parts[0].0
    }

    /// Computes its length over all hooks.
    pub(in crate::steer) fn length(&self) -> f64 {
        let values = self.parts.iter().flat_map(|(_, values)| values);
        values.map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
    }
}

/// Hooks that add to each row of a batch a vector of its own, at all positions but the first.
#[derive(Debug)]
pub(in crate::steer) struct Adding {
    /// By hook the vectors, `[rows, w]`.
    by: Vec<(HookPoint, Tensor)>,
}

impl Adding {
    /// Adds to each row of a batch a row of a dictionary times a strength; all rows are of one dictionary.
    pub(in crate::steer) fn new(rows: &[(&Row, f64)]) -> Result<Self> {
        let hooks = rows.first().map_or(0, |(row, _)| row.parts.len());
        let by = (0..hooks).map(|at| {
            let hook = rows[0].0.parts[at].0;
            let each = rows.iter().flat_map(|(row, strength)| {
                let values = row.parts[at].1.iter();
                values.map(move |value| (f64::from(*value) * strength) as f32)
            });
            let each: Vec<f32> = each.collect();
            let width = each.len() / rows.len().max(1);
            Ok((hook, Tensor::from_vec(each, (rows.len(), width), &cpu())?))
        });
        let by = by.collect::<Result<_>>()?;
        Ok(Self { by })
    }
}

impl Hooks for Adding {
    fn wants(&self, hook: HookPoint) -> bool {
        self.by.iter().any(|(own, _)| *own == hook)
    }

    fn visit(&mut self, hook: HookPoint, first: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let Some((_, by)) = self.by.iter().find(|(own, _)| *own == hook) else {
            return Ok(None);
        };
        let (rows, t) = (value.dim(0)?, value.dim(1)?);
        let kept = usize::from(first == 0);
        if t <= kept {
            return Ok(None);
        }
        let x = value.reshape((rows, t, ()))?; // heads side by side
        let by = by.unsqueeze(1)?; // [rows, 1, w]
        let moved = x.narrow(1, kept, t - kept)?.broadcast_add(&by)?;
        let moved = match kept {
            0 => moved,
            _ => Tensor::cat(&[&x.narrow(1, 0, kept)?, &moved], 1)?,
        };
        Ok(Some(moved.reshape(value.dims())?))
    }
}
