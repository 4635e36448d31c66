//! TopK.
//!
//! | | |
//! |---|---|
//! | paper | Gao et al. 2024, "Scaling and evaluating sparse autoencoders" (arXiv 2406.04093); Makhzani and Frey 2013 |
//! | rule in training | the `k` largest pre-activations of each token, then ReLU |
//! | rule at inference | the same |
//! | extra parameters | none |
//! | losses | normalised squared error, AuxK/32 |
//! | other names | SAELens `topk`; sparsify; dictionary_learning `AutoEncoderTopK`; "token choice" in the Mutual Choice paper |
//!
//! Equal pre-activations: the lower feature wins. A token with fewer than `k` positive pre-activations has fewer active features.

use super::Latents;
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::encode_topk::encode_topk;

/// Latents of activations less `b_dec`, `[n, d]`.
pub(super) fn encode(centred: &Matrix, w_enc: &Matrix, b_enc: &[f32], k: usize) -> Result<Latents> {
    encode_topk(centred, w_enc, b_enc, k)
}
