//! World A: tokens made of known directions. The paper trains on GPT-2 alone, whose true features are unknown; here they are known, many and of very
//! unequal frequency, and tokens differ in how many of them they hold.
//!
//! `x = Σ c_i · direction_i + noise` over the active i. Token j has a rate `λ_j = exp(s·z − s²/2)`, z normal, and direction r is active with probability
//! `min(1, λ_j · p_r)`, `p_r ∝ (r + 5)^−0.8`, Σ p = 4.5. Directions and the held-out tokens are the same for every seed, which decides the tokens of training and
//! the start.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::dims::Matrix;
use crate::error::Result;
use crate::train::Source;

/// Number of directions.
pub(super) const DIRECTIONS: usize = 256;
/// Width of a token.
pub(super) const WIDTH: usize = 64;
/// Exponent and offset of the law of frequencies.
pub(super) const ALPHA: f64 = 0.8;
pub(super) const OFFSET: f64 = 5.0;
/// Mean number of active directions.
pub(super) const ACTIVE: f64 = 4.5;
/// Spread s of the logarithm of a token's rate: with it the number of active directions has a standard deviation near its mean.
pub(super) const SPREAD: f64 = 0.7;
/// Coefficients are uniform between these: an active direction is never small, so that every one counts.
pub(super) const COEFFICIENTS: [f64; 2] = [0.5, 1.5];
/// Standard deviation of the noise of each coordinate: 3 % of the variance in all.
pub(super) const NOISE: f64 = 0.05;
/// Tokens that dictionaries are measured on.
pub(super) const HELD_OUT: usize = 16_384;

/// Seeds of the directions, of the held-out tokens and of the first run's tokens: no two streams of random numbers are the same.
const DIRECTION_SEED: u64 = 1 << 40;
const HELD_OUT_SEED: u64 = 1 << 41;
const TRAINING_SEED: u64 = 1 << 42;

/// Tokens drawn by one stream of random numbers: one thread's work.
const CHUNK: usize = 64;
/// Chunks of one piece of a source.
const PIECE: usize = 16;

/// World A.
#[derive(Debug)]
pub(super) struct World {
    /// Directions, `[DIRECTIONS, WIDTH]`, rows of length 1.
    pub(super) directions: Matrix,
    /// Probability of each at a rate of 1, falling.
    pub(super) frequencies: Vec<f64>,
}

impl World {
    pub(super) fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(DIRECTION_SEED);
        let mut directions = Matrix::zeros(DIRECTIONS, WIDTH);
        for row in directions.values_mut().chunks_exact_mut(WIDTH) {
            let drawn: Vec<f64> = (0..WIDTH).map(|_| normal(&mut rng)).collect();
            let length = drawn.iter().map(|x| x * x).sum::<f64>().sqrt();
            for (value, x) in row.iter_mut().zip(drawn) {
                *value = (x / length) as f32;
            }
        }
        let law = |rank: usize| (rank as f64 + OFFSET).powf(-ALPHA);
        let sum: f64 = (1..=DIRECTIONS).map(law).sum();
        Self {
            directions,
            frequencies: (1..=DIRECTIONS).map(|r| ACTIVE * law(r) / sum).collect(),
        }
    }

    /// The tokens of `chunks` chunks from chunk `first` on, `[chunks · CHUNK, WIDTH]`.
    fn tokens(&self, seed: u64, first: u64, chunks: usize) -> Matrix {
        let mut all = Matrix::zeros(chunks * CHUNK, WIDTH);
        let each = all.values_mut().par_chunks_mut(CHUNK * WIDTH).enumerate();
        each.for_each(|(chunk, rows)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(first + chunk as u64);
            for row in rows.chunks_exact_mut(WIDTH) {
                self.draw(&mut rng, row);
            }
        });
        all
    }

    /// Writes one token into `row` and returns its directions.
    pub(super) fn draw(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) -> Vec<usize> {
        let rate = (SPREAD * normal(rng) - SPREAD * SPREAD / 2.0).exp();
        let mut active = Vec::new();
        for (i, frequency) in self.frequencies.iter().enumerate() {
            if f64::from(rng.random::<f32>()) < rate * frequency {
                active.push(i);
            }
        }
        for value in row.iter_mut() {
            *value = (NOISE * normal(rng)) as f32;
        }
        for i in &active {
            let coefficient = rng.random_range(COEFFICIENTS[0]..COEFFICIENTS[1]) as f32;
            for (value, direction) in row.iter_mut().zip(self.directions.row(*i)) {
                *value += coefficient * direction;
            }
        }
        active
    }

    /// Returns the tokens that every dictionary is measured on, `[HELD_OUT, WIDTH]`.
    pub(super) fn held_out(&self) -> Matrix {
        self.tokens(HELD_OUT_SEED, 0, HELD_OUT / CHUNK)
    }

    /// Returns a source of training tokens.
    pub(super) fn source(&self, seed: u64) -> Endless<'_> {
        Endless {
            world: self,
            seed: TRAINING_SEED.wrapping_add(seed),
            next: 0,
        }
    }

    /// Share of the directions that a row of `w_dec [f, WIDTH]`, rows of length 1, meets with a cosine above 0.9.
    pub(super) fn recovered(&self, w_dec: &Matrix) -> f64 {
        let met = |direction: &&[f32]| {
            let along = |row: &[f32]| row.iter().zip(*direction).map(|(a, b)| a * b).sum::<f32>();
            w_dec.iter_rows().any(|row| along(row) > 0.9)
        };
        self.directions.iter_rows().filter(met).count() as f64 / DIRECTIONS as f64
    }
}

/// Endless source of new tokens.
#[derive(Debug)]
pub(super) struct Endless<'a> {
    world: &'a World,
    seed: u64,
    next: u64,
}

impl Source for Endless<'_> {
    fn width(&self) -> usize {
        WIDTH
    }

    fn next(&mut self, _: &mut dyn FnMut(String)) -> Result<Matrix> {
        let piece = self.world.tokens(self.seed, self.next, PIECE);
        self.skip();
        Ok(piece)
    }

    fn skip(&mut self) {
        self.next += PIECE as u64;
    }
}

/// Draws a standard normal number (Box and Muller).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_active_by_their_law_and_tokens_differ() {
        let world = World::new();
        let tokens = 40_000;
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (mut counts, mut sizes) = (vec![0_u32; DIRECTIONS], Vec::new());
        let mut row = vec![0.0; WIDTH];
        for _ in 0..tokens {
            let active = world.draw(&mut rng, &mut row);
            sizes.push(active.len() as f64);
            for i in active {
                counts[i] += 1;
            }
        }
        for (rank, (count, frequency)) in counts.iter().zip(&world.frequencies).enumerate() {
            let want = f64::from(tokens) * frequency;
            // A rate's spread adds to the binomial's: λ² has mean exp(s²).
            let sd = (want + want * frequency * (SPREAD * SPREAD).exp_m1()).sqrt();
            let off = (f64::from(*count) - want).abs();
            assert!(off < 5.0 * sd, "rank {rank}: {count}, {want} expected");
        }
        let law = |rank: f64| (rank + OFFSET).powf(-ALPHA);
        let ratio = world.frequencies[0] / world.frequencies[DIRECTIONS - 1];
        assert!((ratio - law(1.0) / law(DIRECTIONS as f64)).abs() < 1e-9);
        let mean = sizes.iter().sum::<f64>() / sizes.len() as f64;
        let variance = sizes.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / sizes.len() as f64;
        assert!((mean - ACTIVE).abs() < 0.1, "{mean}");
        // Poisson's variance and that of the rates: 4.5 + 4.5² · (exp(0.49) − 1).
        assert!((variance.sqrt() - 4.1).abs() < 0.2, "{}", variance.sqrt());
    }

    #[test]
    fn tokens_come_from_the_seed_and_held_out_ones_are_never_trained_on() {
        let world = World::new();
        let piece = |seed| world.source(seed).next(&mut |_| {}).unwrap();
        assert_eq!(piece(3), piece(3));
        assert_ne!(piece(3), piece(4));
        let mut source = world.source(3);
        source.skip();
        assert_ne!(source.next(&mut |_| {}).unwrap(), piece(3));
        let held_out = world.held_out();
        assert_eq!(held_out.rows(), HELD_OUT);
        assert_ne!(held_out.row(0), piece(0).row(0));
    }
}
