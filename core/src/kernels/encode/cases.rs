//! Inputs that can fail: ragged sizes, one row, k ≥ f, ties, nothing positive, outliers.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::dims::Matrix;

/// One input of the operation.
#[derive(Debug, Clone)]
pub(in crate::kernels) struct Case {
    pub(in crate::kernels) name: &'static str,
    pub(in crate::kernels) centred: Matrix,
    pub(in crate::kernels) w_enc: Matrix,
    pub(in crate::kernels) b_enc: Vec<f32>,
    pub(in crate::kernels) k: usize,
}

/// Values in −1..1 with every 17th eight times as large.
pub(crate) fn uneven(rng: &mut ChaCha8Rng, rows: usize, columns: usize) -> Matrix {
    let values = (0..rows * columns)
        .map(|i| rng.random_range(-1.0..1.0) * if i % 17 == 0 { 8.0 } else { 1.0 })
        .collect();
    Matrix::new(rows, columns, values).unwrap()
}

fn random(name: &'static str, [n, d, f, k]: [usize; 4]) -> Case {
    let mut rng = ChaCha8Rng::seed_from_u64((n * 31 + d * 7 + f + k) as u64);
    Case {
        name,
        centred: uneven(&mut rng, n, d),
        w_enc: uneven(&mut rng, f, d),
        b_enc: uneven(&mut rng, 1, f).into_values(),
        k,
    }
}

/// Small whole numbers, so that sums are exact and equal pre-activations abound.
fn ties() -> Case {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut whole = |rows: usize, columns: usize| {
        let values = (0..rows * columns)
            .map(|_| f32::from(rng.random_range(-2_i8..3)))
            .collect();
        Matrix::new(rows, columns, values).unwrap()
    };
    Case {
        name: "ties",
        centred: whole(50, 6),
        w_enc: whole(700, 6),
        b_enc: whole(1, 700).into_values(),
        k: 9,
    }
}

/// All cases.
pub(in crate::kernels) fn all() -> Vec<Case> {
    let mut negative = random("nothing positive", [5, 8, 40, 4]);
    negative.b_enc = vec![-1e4; 40];
    let mut rising = random("every feature beats the one before", [3, 4, 900, 7]);
    rising.centred = Matrix::zeros(3, 4);
    rising.b_enc = (0..900_u16).map(f32::from).collect();
    vec![
        random("tiny", [2, 3, 4, 2]),
        random("ragged", [37, 19, 131, 5]),
        random("one row", [1, 16, 64, 8]),
        random("k = f", [9, 8, 12, 12]),
        random("k > f", [9, 8, 12, 40]),
        random("no row", [0, 8, 12, 4]),
        random("several tiles", [300, 33, 1_500, 32]),
        random("several chunks", [1_100, 16, 100, 6]),
        ties(),
        negative,
        rising,
    ]
}
