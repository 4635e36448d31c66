//! Chunks of rows in parallel, by the widest form that this machine has. No form stores the table of pre-activations.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod candidates;
mod portable;

use rayon::prelude::*;

use candidates::{Candidates, NotFinite};

use crate::dims::Matrix;
#[cfg(target_arch = "x86_64")]
use crate::kernels::avx512_present;
use crate::sae::Latents;

/// Rows of a chunk: one thread's unit of work. Weights are read once for so many rows, which stay in the second-level cache.
const ROWS: usize = 512;
/// Rows are padded to this, for forms that take several at once.
const PADDING: usize = 32;

/// How the product is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kernels) enum Form {
    /// By `gemm`, tile by tile.
    Portable,
    /// In AVX-512 registers.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Form {
    /// Those that this machine has, the fastest last.
    #[cfg(test)]
    pub(in crate::kernels) fn present() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        if avx512_present() {
            return vec![Self::Portable, Self::Avx512];
        }
        vec![Self::Portable]
    }

    fn fastest() -> Self {
        #[cfg(target_arch = "x86_64")]
        if avx512_present() {
            return Self::Avx512;
        }
        Self::Portable
    }

    /// Latents of a chunk; entries must exceed their row's guess, and rows that then lack some of `k` are encoded again without.
    fn encode(
        self,
        x: &[f32],
        (w_enc, b_enc): (&Matrix, &[f32]),
        (k, guesses): (usize, Option<&[f32]>),
    ) -> Result<Latents, NotFinite> {
        let d = w_enc.columns();
        let rows = x.len() / d;
        let mut candidates = Candidates::new(rows.next_multiple_of(PADDING), k);
        if let Some(guesses) = guesses {
            candidates.thresholds[..rows].copy_from_slice(guesses);
        }
        match self {
            Self::Portable => portable::encode(x, w_enc, b_enc, &mut candidates)?,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::encode(x, w_enc, b_enc, &mut candidates)?,
        }
        let guessed = |row: &usize| guesses.is_some_and(|g| g[*row] > 0.0);
        let missed: Vec<usize> = (0..rows)
            .filter(|row| guessed(row) && candidates.lacks(*row))
            .collect();
        if missed.is_empty() {
            return Ok(candidates.finish(rows, &[], &Latents::empty(0)));
        }
        let again: Vec<f32> = (missed.iter().flat_map(|row| &x[row * d..(row + 1) * d]))
            .copied()
            .collect();
        let again = self
            .encode(&again, (w_enc, b_enc), (k, None))
            .map_err(|(row, feature)| (missed[row], feature))?;
        Ok(candidates.finish(rows, &missed, &again))
    }
}

/// Latents of each chunk of rows, in order, by the fastest form; the error names row and feature. `guesses` of the rows, if any, stand beside `k`.
pub(super) fn encode(
    centred: &Matrix,
    w_enc: &Matrix,
    b_enc: &[f32],
    selection: (usize, Option<&[f32]>),
) -> Vec<Result<Latents, NotFinite>> {
    encode_by(Form::fastest(), (centred, w_enc, b_enc), selection)
}

/// The same by a form of choice.
pub(super) fn encode_by(
    form: Form,
    (centred, w_enc, b_enc): (&Matrix, &Matrix, &[f32]),
    (k, guesses): (usize, Option<&[f32]>),
) -> Vec<Result<Latents, NotFinite>> {
    let d = centred.columns();
    if k == 0 || w_enc.rows() == 0 || d == 0 {
        return vec![Ok(Latents::empty(centred.rows()))];
    }
    let k = k.min(w_enc.rows());
    centred
        .values()
        .par_chunks(ROWS * d)
        .enumerate()
        .map(|(chunk, x)| {
            let first = chunk * ROWS;
            let guesses = guesses.map(|all| &all[first..first + x.len() / d]);
            form.encode(x, (w_enc, b_enc), (k, guesses))
                .map_err(|(row, f)| (first + row, f))
        })
        .collect()
}
