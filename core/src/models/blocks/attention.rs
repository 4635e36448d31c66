//! Causal attention with grouped key/value heads, windows, soft caps, q and k norms, and an optional cache.

use candle_core::{Device, Tensor};

use super::{Linear, Norm, Pass, Step};
use crate::error::Result;
use crate::ids::{HookPoint, Site};
use crate::kernels::attention::{Mix, Pattern, Rule, Scores, Softmax};

/// Number and width of heads.
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
    /// Computation of scores, and which keys are seen.
    pub(in crate::models) rule: Rule,
    /// Norms of each query and key head, `[e]`.
    pub(in crate::models) head_norms: Option<(Norm, Norm)>,
    /// Index of the rotation that applies to queries and keys.
    pub(in crate::models) rotary: Option<usize>,
}

/// Rotated keys and values of all positions so far, layer by layer.
#[derive(Debug, Clone, Default)]
pub(in crate::models) struct KeyValueCache {
    layers: Vec<(Tensor, Tensor)>,
}

impl KeyValueCache {
    /// Returns the first `layers` layers alone.
    fn below(&self, layers: usize) -> Self {
        Self {
            layers: self.layers.iter().take(layers).cloned().collect(),
        }
    }

    /// Returns the layers below `layer` as they are, and the first `positions` positions of the others.
    pub(in crate::models) fn until(&self, positions: usize, layer: usize) -> Result<Self> {
        let Some(above) = (positions > 0).then(|| self.layers.iter().skip(layer)) else {
            return Ok(self.below(layer));
        };
        let mut layers = self.below(layer).layers;
        for (k, v) in above {
            layers.push((k.narrow(1, 0, positions)?, v.narrow(1, 0, positions)?));
        }
        Ok(Self { layers })
    }

    /// Appends `k`, `v` `[b, t, h_kv, e]` of `layer` and returns all of that layer. A memory of one row is that of every row of a larger batch.
    fn append(&mut self, layer: usize, k: Tensor, v: Tensor) -> Result<(Tensor, Tensor)> {
        let all = match self.layers.get(layer) {
            Some((old_k, old_v)) => (behind(old_k, &k)?, behind(old_v, &v)?),
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

/// Puts `new [b, t, h_kv, e]` behind `old`, whose single row stands for all of them.
fn behind(old: &Tensor, new: &Tensor) -> Result<Tensor> {
    let (b, ..) = new.dims4()?;
    let (rows, t, h, e) = old.dims4()?;
    if rows == b {
        return Ok(Tensor::cat(&[old, new], 1)?);
    }
    let old = old.broadcast_as((b, t, h, e))?;
    Ok(Tensor::cat(&[&old, new], 1)?)
}

impl Attention {
    /// Computes what attention adds to the residual stream from `x [b, t, d]`, already normed.
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
        if let Some((q_norm, k_norm)) = &self.head_norms {
            q = q_norm.forward(&q)?;
            k = k_norm.forward(&k)?;
        }
        if let Some(rotation) = self.rotary.and_then(|i| pass.rotations.get(i)) {
            let (turned_q, turned_k) = (rotation.apply(&q)?, rotation.apply(&k)?);
            q = pass.at(hook(Site::RotQ), turned_q)?;
            k = pass.at(hook(Site::RotK), turned_k)?;
        }
        if let Some(cache) = &mut pass.cache {
            (k, v) = cache.append(layer, k, v)?;
        }
        let pattern = self.pattern(layer, (&q, &k), pass)?; // [b, h, t, t_all]
        let pattern = pass.at(hook(Site::Pattern), pattern)?;
        let z = pattern.contiguous()?.apply_op2(&v, Mix)?; // [b, t, h, e]
        let z = pass.at(hook(Site::Z), z)?;
        if pass.cares(hook(Site::Result))
            && let Some(result) = pass.offer(hook(Site::Result), &self.result(&z)?)?
        {
            return Ok(self.summed(&result)?);
        }
        Ok(self.output.forward(&z.reshape((b, t, h * e))?)?)
    }

    /// Computes the pattern, through the scores if a hook wants them.
    fn pattern(
        &self,
        layer: usize,
        (q, k): (&Tensor, &Tensor),
        pass: &mut Pass<'_>,
    ) -> Step<Tensor> {
        let hook = HookPoint::block(layer, Site::AttnScores);
        if pass.cares(hook) {
            let scores = q.apply_op2(k, Scores(self.rule, pass.starts.clone()))?;
            if let Some(scores) = pass.offer(hook, &scores)? {
                return Ok(scores.contiguous()?.apply_op1(Softmax)?);
            }
        }
        Ok(q.apply_op2(k, Pattern(self.rule, pass.starts.clone()))?)
    }

    /// Computes what each head writes, `[b, t, h, d]`, from `z [b, t, h, e]`.
    fn result(&self, z: &Tensor) -> Result<Tensor> {
        let (b, t, h, e) = z.dims4()?;
        let weight = self.output.weight()?.contiguous()?.reshape((h, e, ()))?; // [h, e, d]
        let heads = z.reshape((b * t, h, e))?.transpose(0, 1)?.contiguous()?; // [h, n, e]
        let written = heads.matmul(&weight)?.transpose(0, 1)?; // [n, h, d]
        Ok(written.contiguous()?.reshape((b, t, h, ()))?)
    }

    /// Sums what each head writes into the attention output.
    fn summed(&self, result: &Tensor) -> Result<Tensor> {
        let sum = result.sum(2)?; // [b, t, d]
        Ok(match self.output.bias() {
            Some(bias) => sum.broadcast_add(&Tensor::new(bias, &Device::Cpu)?)?,
            None => sum,
        })
    }
}
