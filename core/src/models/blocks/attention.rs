//! Causal attention with grouped key/value heads and an optional cache.

use candle_core::Tensor;

use super::{Linear, Pass, Step};
use crate::error::Result;
use crate::ids::{HookPoint, Site};
use crate::kernels::attention::{Mix, Pattern};

/// How many heads, how wide.
#[derive(Debug, Clone, Copy)]
pub(in crate::models) struct Heads {
    /// Query heads, `h`.
    pub(in crate::models) queries: usize,
    /// Key/value heads.
    pub(in crate::models) keys: usize,
    /// Head width, `e`.
    pub(in crate::models) width: usize,
}

/// Attention of one block.
#[derive(Debug)]
pub(in crate::models) struct Attention {
    /// Its heads.
    pub(in crate::models) heads: Heads,
    /// `[d, (h + 2 h_kv)·e]`: queries, then keys, then values.
    pub(in crate::models) qkv: Linear,
    /// `[h·e, d]`.
    pub(in crate::models) output: Linear,
    /// Factor on the scores.
    pub(in crate::models) scale: f64,
}

/// Rotated keys and values of all positions so far, layer by layer.
#[derive(Debug, Default)]
pub(in crate::models) struct KeyValueCache {
    layers: Vec<(Tensor, Tensor)>,
}

impl KeyValueCache {
    /// Appends `k`, `v` `[b, t, h_kv, e]` of `layer` and returns all of that layer.
    fn append(&mut self, layer: usize, k: Tensor, v: Tensor) -> Result<(Tensor, Tensor)> {
        let all = match self.layers.get(layer) {
            Some((old_k, old_v)) => (Tensor::cat(&[old_k, &k], 1)?, Tensor::cat(&[old_v, &v], 1)?),
            None => (k, v),
        };
        if layer < self.layers.len() {
            self.layers[layer] = all.clone();
        } else {
            self.layers.push(all.clone());
        }
        Ok(all)
    }
}

impl Attention {
    /// `x [b, t, d]`, already normed, to what attention adds to the residual stream.
    pub(in crate::models) fn forward(
        &self,
        layer: usize,
        x: &Tensor,
        pass: &mut Pass<'_>,
    ) -> Step<Tensor> {
        let Heads {
            queries: h,
            keys: h_kv,
            width: e,
        } = self.heads;
        let (b, t, _) = x.dims3()?;
        let hook = |site| HookPoint::block(layer, site);
        let qkv = self.qkv.forward(x)?.reshape((b, t, h + 2 * h_kv, e))?;
        let q = pass.at(hook(Site::Q), qkv.narrow(2, 0, h)?)?;
        let k = pass.at(hook(Site::K), qkv.narrow(2, h, h_kv)?)?;
        let v = pass.at(hook(Site::V), qkv.narrow(2, h + h_kv, h_kv)?)?;
        let (mut q, mut k, mut v) = (q, k, v);
        if let Some(rotation) = &pass.rotation {
            q = rotation.apply(&q)?;
            k = rotation.apply(&k)?;
        }
        if let Some(cache) = &mut pass.cache {
            (k, v) = cache.append(layer, k, v)?;
        }
        let pattern = q.apply_op2(&k, Pattern { scale: self.scale })?; // [b, h, t, t_all]
        let pattern = pass.at(hook(Site::Pattern), pattern)?;
        let z = pattern.contiguous()?.apply_op2(&v, Mix)?; // [b, t, h, e]
        let z = pass.at(hook(Site::Z), z)?;
        Ok(self.output.forward(&z.reshape((b, t, h * e))?)?)
    }
}
