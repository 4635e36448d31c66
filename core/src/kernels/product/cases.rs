//! Inputs that can fail: sizes that are no multiple of a tile, a step or four; one row; outliers; more columns than a block of the sum; values below f32's
//! smallest normal number.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::dims::Matrix;
use crate::kernels::encode::cases::uneven;

/// One input of the operation.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) left: Matrix,
    pub(super) right: Matrix,
}

/// All cases.
pub(super) fn all() -> Vec<Case> {
    let random = |name, [n, d, f]: [usize; 3]| {
        let mut rng = ChaCha8Rng::seed_from_u64((n * 31 + d * 7 + f) as u64);
        Case {
            name,
            left: uneven(&mut rng, n, d),
            right: uneven(&mut rng, f, d),
        }
    };
    let mut tiny = random("values below the normal numbers", [3, 8, 9]);
    tiny.left.values_mut().iter_mut().for_each(|v| *v *= 1e-39);
    vec![
        random("tiny", [2, 3, 4]),
        random("ragged", [37, 19, 131]),
        random("one row", [1, 16, 64]),
        random("one of each", [1, 1, 1]),
        random("no row", [0, 8, 12]),
        random("no column", [5, 8, 0]),
        random("a block of the sum", [9, 128, 5]),
        random("blocks of the sum", [33, 300, 70]),
        random("several tiles", [150, 36, 270]),
        tiny,
    ]
}
