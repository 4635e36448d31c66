//! Mean ablation of heads: the mixed values z of a head at positions from 1 on, replaced by their mean over these positions.

use std::collections::BTreeMap;

use candle_core::Tensor;
use rayon::prelude::*;

use crate::corpus::Rows;
use crate::error::Result;
use crate::ids::{Head, HookPoint, Layer, Site, TokenId};
use crate::models::{Hooks, Model, Start, token_tensor};

/// Mean z of every head over the positions from 1 on of some rows, `[h·e]` by layer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Means {
    by_layer: Vec<Vec<f32>>,
}

impl Means {
    /// Reads `chosen` of `rows` once, in parallel and added in order.
    pub(super) fn new(model: &Model, rows: &Rows, chosen: &[usize]) -> Result<Self> {
        let parts: Vec<Sums> = chosen
            .par_iter()
            .map(|row| Sums::new(model, rows.row(*row)))
            .collect::<Result<_>>()?;
        Ok(Self::from_sums(model, &parts))
    }

    /// Adds the sums of rows in order.
    pub(super) fn from_sums(model: &Model, parts: &[Sums]) -> Self {
        let config = model.config();
        let mut sums = vec![vec![0.0_f64; config.heads * config.d_head]; config.layers];
        let mut count = 0;
        for part in parts {
            count += part.positions;
            for (sums, part) in sums.iter_mut().zip(&part.by_layer) {
                for (sum, part) in sums.iter_mut().zip(part) {
                    *sum += part;
                }
            }
        }
        let mean = |sum: &f64| (sum / count.max(1) as f64) as f32;
        Self {
            by_layer: sums
                .iter()
                .map(|sums| sums.iter().map(mean).collect())
                .collect(),
        }
    }
}

/// Sums of z over the positions from 1 on of one row.
#[derive(Debug)]
pub(super) struct Sums {
    by_layer: Vec<Vec<f64>>,
    positions: usize,
    last: HookPoint,
}

impl Sums {
    fn new(model: &Model, row: &[TokenId]) -> Result<Self> {
        let last = HookPoint::block(model.config().layers - 1, Site::Z);
        let mut sums = Self {
            by_layer: Vec::new(),
            positions: row.len().saturating_sub(1),
            last,
        };
        model.run(Start::Tokens(&token_tensor(&[row])?), &mut sums)?;
        Ok(sums)
    }
}

impl Hooks for Sums {
    fn wants(&self, hook: HookPoint) -> bool {
        hook.site() == Some(Site::Z)
    }

    fn visit(&mut self, _: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let (_, _, heads, e) = value.dims4()?;
        let values = value.flatten_all()?.to_vec1::<f32>()?;
        let mut sums = vec![0.0; heads * e];
        for z in values.chunks_exact(heads * e).skip(1) {
            for (sum, z) in sums.iter_mut().zip(z) {
                *sum += f64::from(*z);
            }
        }
        self.by_layer.push(sums);
        Ok(None)
    }

    fn last(&self) -> Option<HookPoint> {
        Some(self.last)
    }
}

/// Replaces the z of some heads in a pass.
#[derive(Debug)]
pub(super) struct Replaced<'a> {
    means: &'a Means,
    heads: &'a BTreeMap<Layer, Vec<Head>>,
    width: usize,
}

impl<'a> Replaced<'a> {
    pub(super) fn new(
        model: &Model,
        means: &'a Means,
        heads: &'a BTreeMap<Layer, Vec<Head>>,
    ) -> Self {
        Self {
            means,
            heads,
            width: model.config().d_head,
        }
    }
}

impl Hooks for Replaced<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        let is_of = |layer| self.heads.contains_key(&layer);
        hook.site() == Some(Site::Z) && hook.layer().is_some_and(is_of)
    }

    fn visit(&mut self, hook: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let Some((layer, heads)) = hook
            .layer()
            .and_then(|layer| Some((layer, self.heads.get(&layer)?)))
        else {
            return Ok(None);
        };
        let (_, t, all, e) = value.dims4()?;
        let mean = &self.means.by_layer[layer.index()];
        let mut values = value.flatten_all()?.to_vec1::<f32>()?;
        for (at, z) in values.chunks_exact_mut(all * e).enumerate() {
            if at % t == 0 {
                continue;
            }
            for head in heads {
                let own = head.index() * self.width..(head.index() + 1) * self.width;
                z[own.clone()].copy_from_slice(&mean[own]);
            }
        }
        Ok(Some(Tensor::from_vec(
            values,
            value.dims(),
            value.device(),
        )?))
    }
}
