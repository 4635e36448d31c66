//! Inputs: ragged sizes, one row, no row, several blocks, and columns whose mean is 10,000 times their spread.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::dims::Matrix;
use crate::kernels::encode::cases::uneven;

/// All tables with their names.
pub(in crate::kernels) fn all() -> Vec<(&'static str, Matrix)> {
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    let mut far = Matrix::zeros(300, 40);
    for (i, value) in far.values_mut().iter_mut().enumerate() {
        let mean = if i % 2 == 0 { 1e4 } else { -3e3 };
        *value = mean + rng.random_range(-1.0_f32..1.0);
    }
    let mut signs = uneven(&mut rng, 129, 5);
    for (i, row) in (0..129).map(|i| (i, if i % 2 == 0 { 1e3 } else { -1e3 })) {
        signs.row_mut(i)[2] = row;
    }
    vec![
        ("tiny", uneven(&mut rng, 2, 3)),
        ("ragged", uneven(&mut rng, 131, 19)),
        ("one row", uneven(&mut rng, 1, 64)),
        ("no row", Matrix::zeros(0, 5)),
        ("several blocks", uneven(&mut rng, 700, 70)),
        ("a mean far above the spread", far),
        ("a column that cancels", signs),
    ]
}
