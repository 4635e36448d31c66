//! TopK without ReLU (circuit-tracer's TopK).

use super::super::decision::{Limit, kth_largest, ordinal};
use super::super::selection::Selects;
use super::super::variant::Variant;
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::encode::encode_raw_topk;
use crate::latents::Latents;

/// Keeps the `k` largest pre-activations of each token, including negative ones; ties go to lower features, and zeros are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawTopK {
    /// Active per token.
    pub k: usize,
}

impl Selects for RawTopK {
    fn encode(&self, centred: &Matrix, w_enc: &Matrix, b_enc: &[f32]) -> Result<Latents> {
        encode_raw_topk(centred, w_enc, b_enc, self.k)
    }

    fn cut_off(&self, pre: &[f32], _: usize) -> Option<Limit> {
        let named = format!(
            "the {} largest of this token's pre-activations",
            ordinal(self.k)
        );
        Some(Limit::new(kth_largest(pre, self.k)?, named))
    }

    fn describe(&self) -> String {
        format!("TopK without ReLU, k = {}", self.k)
    }

    fn definition(&self) -> &'static str {
        "Keeps the k largest pre-activations of each token, including negative ones"
    }

    fn canonical(&self) -> String {
        format!("raw topk {}", self.k)
    }

    fn trained_as(&self) -> Variant {
        Variant::TopK
    }

    fn k(&self) -> Option<usize> {
        Some(self.k)
    }

    fn is_signed(&self) -> bool {
        true
    }

    fn ranks(&self) -> bool {
        true
    }
}
