//! Signed TopK.
//!
//! | | |
//! |---|---|
//! | paper | none of its own; TopK without its ReLU, so that one feature can stand for a direction and its opposite |
//! | rule in training | the `k` pre-activations of largest magnitude of each token, signs kept |
//! | rule at inference | the same |
//! | extra parameters | none |
//! | losses | normalised squared error, AuxK/32 by magnitude |
//! | other names | SAELens `abstopk`; sparsify's old `signed` |

use super::rule::{Rule, Step};
use super::{Latents, Selection};
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::encode::encode_abs_topk;

/// See the module.
#[derive(Debug)]
pub(crate) struct SignedTopK {
    k: usize,
}

impl SignedTopK {
    pub(crate) fn new(k: usize) -> Self {
        Self { k }
    }
}

impl Rule for SignedTopK {
    fn select(&mut self, step: &Step<'_>) -> Result<Latents> {
        encode_abs_topk(step.centred, step.w_enc, step.b_enc, step.k(self.k))
    }

    fn help(&self, centred: &Matrix, w_enc: &Matrix, b_enc: &[f32], k: usize) -> Result<Latents> {
        encode_abs_topk(centred, w_enc, b_enc, k)
    }

    fn inference(&self) -> Selection {
        Selection::AbsTopK { k: self.k }
    }
}
