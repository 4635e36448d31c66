//! State of a run that a checkpoint must hold so that the run resumes exactly. Each part lists its state once through [`Keep`]; writing and reading a
//! checkpoint are two implementations of that trait, so they cannot disagree.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::dims::Matrix;
use crate::error::Result;

/// Saves values under their names, or restores them.
pub(crate) trait Keep {
    /// Keeps a matrix of any shape.
    fn matrix(&mut self, name: &str, matrix: &mut Matrix) -> Result<()>;

    /// Keeps any number of integers.
    fn numbers(&mut self, name: &str, numbers: &mut Vec<u64>) -> Result<()>;

    /// Keeps one integer.
    fn number(&mut self, name: &str, number: &mut u64) -> Result<()> {
        let mut numbers = vec![*number];
        self.numbers(name, &mut numbers)?;
        *number = numbers.first().copied().unwrap_or_default();
        Ok(())
    }

    /// Keeps f64 numbers exactly.
    fn reals(&mut self, name: &str, reals: &mut Vec<f64>) -> Result<()> {
        let mut bits = reals.iter().map(|real| real.to_bits()).collect();
        self.numbers(name, &mut bits)?;
        *reals = bits.into_iter().map(f64::from_bits).collect();
        Ok(())
    }

    /// Keeps one f64 number exactly.
    fn real(&mut self, name: &str, real: &mut f64) -> Result<()> {
        let mut reals = vec![*real];
        self.reals(name, &mut reals)?;
        *real = reals.first().copied().unwrap_or_default();
        Ok(())
    }

    /// Keeps integers below 2³².
    fn small(&mut self, name: &str, numbers: &mut Vec<u32>) -> Result<()> {
        let mut wide = numbers.iter().map(|number| u64::from(*number)).collect();
        self.numbers(name, &mut wide)?;
        *numbers = wide.into_iter().map(|number| number as u32).collect();
        Ok(())
    }

    /// Keeps f32 numbers.
    fn floats(&mut self, name: &str, floats: &mut Vec<f32>) -> Result<()> {
        let mut matrix = Matrix::new(1, floats.len(), std::mem::take(floats))?;
        self.matrix(name, &mut matrix)?;
        *floats = matrix.into_values();
        Ok(())
    }

    /// Keeps a random generator with its position.
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

/// Adds a prefix to the names of a part.
pub(crate) struct Within<'a> {
    prefix: &'static str,
    keep: &'a mut dyn Keep,
}

impl<'a> Within<'a> {
    /// Creates it for the part called `prefix`.
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
