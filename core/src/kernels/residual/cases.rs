//! Inputs: those of `sparse_decode`, each with a target.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::dims::Matrix;
use crate::kernels::encode::cases::uneven;
use crate::kernels::sparse_decode::cases;

/// One input of the operation: codes and decoder of `sparse_decode`, and a target.
pub(in crate::kernels) fn all() -> Vec<(cases::Case, Matrix)> {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    cases::all()
        .into_iter()
        .map(|case| {
            let target = uneven(&mut rng, case.latents.rows(), case.w_dec.columns());
            (case, target)
        })
        .collect()
}
