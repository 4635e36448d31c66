//! Parts of a transcoder in training beside encoder and decoder: the statistics of the hook that it reads, and its skip connection.

use rayon::prelude::*;

use super::optim::Parameter;
use super::step::Batch;
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::linear::{outer_sum, rows_times};
use crate::kernels::residual::cpu::tally;
use crate::sae::state::Keep;

/// Rows gathered by one task.
const ROWS: usize = 64;

/// Parts of a transcoder in training.
#[derive(Debug, Clone, Default)]
pub(super) struct Mapping {
    /// `[d]`: the inputs' mean, scaled, which training takes from them: a large mean would be most of every row, and every step of the encoder would move all
    /// pre-activations by it. The saved biases take it back.
    pub(super) origin: Vec<f32>,
    /// Factor on the inputs.
    pub(super) scale: f32,
    /// `[d_out, d]`.
    pub(super) skip: Option<Parameter>,
    /// `[n, d_out]`: what features are to sum up to, `scale · y − b_dec − skip · x`.
    pub(super) target: Matrix,
}

impl Mapping {
    /// Gathers inputs into `centred` and `lengths`, and the target of `outputs`, their bias and scale; Σ‖scale · y − batch mean‖² is that of the sums handed
    /// back: Σ‖y − b_dec‖² and Σ(y − b_dec), scaled.
    pub(super) fn gather(
        &mut self,
        batch: Batch<'_>,
        (b_dec, scale): (&[f32], f32),
        (centred, lengths): (&mut Matrix, &mut [f32]),
    ) -> (f64, Vec<f64>) {
        let (d, d_out, n) = (self.origin.len(), b_dec.len(), batch.rows.len());
        if self.target.rows() != n || self.target.columns() != d_out {
            self.target = Matrix::zeros(n, d_out);
        }
        let (origin, input_scale) = (&self.origin, self.scale);
        let sums: Vec<(f64, Vec<f64>)> = (centred.values_mut().par_chunks_mut(ROWS * d))
            .zip(self.target.values_mut().par_chunks_mut(ROWS * d_out))
            .zip(lengths.par_chunks_mut(ROWS))
            .zip(batch.rows.par_chunks(ROWS))
            .map(|(((inputs, targets), lengths), rows)| {
                let (mut columns, mut ignored) = (vec![0.0; d_out], vec![0.0; d]);
                let mut squared = 0.0;
                let inputs = inputs.chunks_exact_mut(d).zip(lengths);
                let places = inputs.zip(targets.chunks_exact_mut(d_out));
                for (((input, length), target), row) in places.zip(rows) {
                    let (x, y) = batch.from.row(*row as usize).split_at(d);
                    for ((into, x), o) in input.iter_mut().zip(x).zip(origin) {
                        *into = input_scale * x - o;
                    }
                    for ((into, y), b) in target.iter_mut().zip(y).zip(b_dec) {
                        *into = scale * y - b;
                    }
                    *length = tally(input, &mut ignored).sqrt() as f32;
                    squared += tally(target, &mut columns);
                }
                (squared, columns)
            })
            .collect();
        let mut total = (0.0, vec![0.0; d_out]);
        for (squared, columns) in sums {
            total.0 += squared;
            for (sum, column) in total.1.iter_mut().zip(columns) {
                *sum += column;
            }
        }
        if let Some(skip) = &self.skip {
            add(&mut self.target, &rows_times(centred, &skip.value), -1.0);
        }
        total
    }

    /// Gradient of the skip connection, `[d_out, d]`, from what the code leaves.
    pub(super) fn gradient(&self, left: &Matrix, centred: &Matrix, scale: f32) -> Option<Matrix> {
        self.skip.as_ref()?;
        let mut gradient = outer_sum(left, centred);
        gradient.values_mut().iter_mut().for_each(|g| *g *= scale);
        Some(gradient)
    }

    /// See [`Keep`].
    pub(super) fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        keep.floats("origin", &mut self.origin)?;
        let mut scale = vec![self.scale];
        keep.floats("scale", &mut scale)?;
        self.scale = scale.first().copied().unwrap_or(1.0);
        match &mut self.skip {
            Some(skip) => skip.state("skip", keep),
            None => Ok(()),
        }
    }
}

/// `into += factor · from`.
pub(super) fn add(into: &mut Matrix, from: &Matrix, factor: f32) {
    let pairs = into.values_mut().par_iter_mut().zip(from.values());
    pairs
        .with_min_len(4_096)
        .for_each(|(into, from)| *into += factor * from);
}

/// `matrix [p, q] · vector [q]`, in f64.
pub(super) fn times(matrix: &Matrix, vector: &[f32]) -> Vec<f64> {
    let dot = |row: &[f32]| {
        let products = row.iter().zip(vector);
        products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    matrix.iter_rows().map(dot).collect()
}
