//! The first half of the first step: scores, −∞ where a query may not look.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::{Rule, Starts, by_head, cpu, from_products};

/// `q`, `k` to the scores.
#[derive(Debug, Clone)]
pub(crate) struct Scores(pub(crate) Rule, pub(crate) Starts);

impl CustomOp2 for Scores {
    fn name(&self) -> &'static str {
        "attention_scores"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let rule = (&self.0, &self.1);
        by_head((q, q_layout), (k, k_layout), rule, cpu::End::Mask)
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        scores: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let seen = scores.ge(f64::from(f32::MIN))?;
        let none = scores.zeros_like()?;
        let mut grad = seen.where_cond(grad, &none)?; // [b, h, t, s]
        if let Some(cap) = self.0.cap {
            let tanh = (seen.where_cond(scores, &none)? / cap)?;
            grad = (grad * tanh.sqr()?.affine(-1.0, 1.0)?)?;
        }
        from_products(q, k, &(grad * self.0.scale)?)
    }
}
