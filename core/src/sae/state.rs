//! What must survive a stop for a run to go on as if it had never stopped. Each part of a run lists its state once, in [`Keep`]'s words; writing and reading
//! a checkpoint are two implementations of it, so the two cannot disagree.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::dims::Matrix;
use crate::error::Result;

/// Takes values down, or puts back what was taken down under the same names.
pub(crate) trait Keep {
    /// A matrix of any shape.
    fn matrix(&mut self, name: &str, matrix: &mut Matrix) -> Result<()>;

    /// Whole numbers, any number of them.
    fn numbers(&mut self, name: &str, numbers: &mut Vec<u64>) -> Result<()>;

    /// One whole number.
    fn number(&mut self, name: &str, number: &mut u64) -> Result<()> {
        let mut numbers = vec![*number];
        self.numbers(name, &mut numbers)?;
        *number = numbers.first().copied().unwrap_or_default();
        Ok(())
    }

    /// Numbers of f64, to the bit.
    fn reals(&mut self, name: &str, reals: &mut Vec<f64>) -> Result<()> {
        let mut bits = reals.iter().map(|real| real.to_bits()).collect();
        self.numbers(name, &mut bits)?;
        *reals = bits.into_iter().map(f64::from_bits).collect();
        Ok(())
    }

    /// One number of f64, to the bit.
    fn real(&mut self, name: &str, real: &mut f64) -> Result<()> {
        let mut reals = vec![*real];
        self.reals(name, &mut reals)?;
        *real = reals.first().copied().unwrap_or_default();
        Ok(())
    }

    /// Numbers below 2³².
    fn small(&mut self, name: &str, numbers: &mut Vec<u32>) -> Result<()> {
        let mut wide = numbers.iter().map(|number| u64::from(*number)).collect();
        self.numbers(name, &mut wide)?;
        *numbers = wide.into_iter().map(|number| number as u32).collect();
        Ok(())
    }

    /// Numbers of f32.
    fn floats(&mut self, name: &str, floats: &mut Vec<f32>) -> Result<()> {
        let mut matrix = Matrix::new(1, floats.len(), std::mem::take(floats))?;
        self.matrix(name, &mut matrix)?;
        *floats = matrix.into_values();
        Ok(())
    }

    /// A random generator at its place.
    fn random(&mut self, name: &str, rng: &mut ChaCha8Rng) -> Result<()> {
        let mut numbers: Vec<u64> = (rng.get_seed().as_chunks::<8>().0.iter())
            .map(|bytes| u64::from_le_bytes(*bytes))
            .collect();
        let place = rng.get_word_pos();
        numbers.extend([rng.get_stream(), place as u64, (place >> 64) as u64]);
        self.numbers(name, &mut numbers)?;
        if let [a, b, c, d, stream, low, high] = numbers.as_slice() {
            let mut seed = [0; 32];
            for (bytes, number) in seed.as_chunks_mut::<8>().0.iter_mut().zip([a, b, c, d]) {
                *bytes = number.to_le_bytes();
            }
            *rng = ChaCha8Rng::from_seed(seed);
            rng.set_stream(*stream);
            rng.set_word_pos(u128::from(*low) | (u128::from(*high) << 64));
        }
        Ok(())
    }
}

/// Puts a prefix before the names of a part.
pub(crate) struct Within<'a> {
    prefix: &'static str,
    keep: &'a mut dyn Keep,
}

impl<'a> Within<'a> {
    /// Names of a part called `prefix`.
    pub(crate) fn new(prefix: &'static str, keep: &'a mut dyn Keep) -> Self {
        Self { prefix, keep }
    }
}

impl Keep for Within<'_> {
    fn matrix(&mut self, name: &str, matrix: &mut Matrix) -> Result<()> {
        self.keep.matrix(&format!("{}.{name}", self.prefix), matrix)
    }

    fn numbers(&mut self, name: &str, numbers: &mut Vec<u64>) -> Result<()> {
        self.keep
            .numbers(&format!("{}.{name}", self.prefix), numbers)
    }
}
