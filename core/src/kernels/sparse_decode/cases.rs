//! Inputs: ragged rows, empty rows, every feature active, one row, one crowded row, signed activations.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::dims::Matrix;
use crate::kernels::encode::cases::uneven;
use crate::latents::Latents;

/// One input of the operation.
#[derive(Debug, Clone)]
pub(in crate::kernels) struct Case {
    pub(in crate::kernels) name: &'static str,
    pub(in crate::kernels) latents: Latents,
    pub(in crate::kernels) w_dec: Matrix,
    pub(in crate::kernels) b_dec: Vec<f32>,
}

/// `share` of the features of each row active, with values up to 3.
fn random(name: &'static str, [n, d, f]: [usize; 3], share: f64) -> Case {
    let mut rng = ChaCha8Rng::seed_from_u64((n * 31 + d * 7 + f) as u64);
    let mut latents = Latents::with_capacity(n, f);
    for _ in 0..n {
        let features: Vec<u32> = (0..f as u32).filter(|_| rng.random_bool(share)).collect();
        let acts: Vec<f32> = features
            .iter()
            .map(|_| rng.random_range(0.0..3.0))
            .collect();
        latents.push_row(&features, &acts);
    }
    Case {
        name,
        latents,
        w_dec: uneven(&mut rng, f, d),
        b_dec: uneven(&mut rng, 1, d).into_values(),
    }
}

/// All cases.
pub(in crate::kernels) fn all() -> Vec<Case> {
    let mut signed = random("signed", [9, 40, 30], 0.4);
    let acts = signed.latents.acts.iter_mut();
    acts.step_by(2).for_each(|act| *act = -*act);
    let mut crowded = random("one crowded row", [1, 24, 90], 1.0);
    for _ in 0..4 {
        crowded.latents.push_row(&[], &[]);
    }
    vec![
        signed,
        crowded,
        random("several strips of columns", [3, 700, 40], 0.3),
        random("tiny", [2, 3, 4], 0.5),
        random("ragged", [131, 19, 37], 0.2),
        random("nothing active", [5, 8, 6], 0.0),
        random("everything active", [7, 33, 21], 1.0),
        random("one row", [1, 64, 100], 0.3),
        random("no row", [0, 4, 5], 0.5),
    ]
}
