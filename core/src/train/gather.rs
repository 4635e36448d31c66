//! The batch of a step: rows gathered, scaled and centred, with what stands beside each of them.

use rayon::prelude::*;

use super::step::{Batch, Sums, Trainer};
use crate::dims::{Dims, Matrix};
use crate::error::Result;

/// Rows centred by one task.
const ROWS: usize = 64;

impl Trainer {
    /// Gathers activations, and the gradients or the activations of another hook that stand beside them; Σ‖y‖² and Σy of `y = scale · x − b_dec`, what is reconstructed.
    pub(super) fn gather(&mut self, batch: Batch<'_>) -> Result<Sums> {
        let d = self.features.w_enc.value.columns();
        let n = batch.rows.len();
        let beside = self.beside();
        Dims::new("train")
            .bind("w_enc", &self.features.w_enc.value, "f d")?
            .bind_len(
                "an activation",
                batch.from.columns().saturating_sub(beside),
                "d",
            )?;
        if self.centred.rows() != n || self.centred.columns() != d {
            self.centred = Matrix::zeros(n, d);
        }
        self.lengths.resize(n, 0.0);
        if self.paired {
            if self.gradients.rows() != n || self.gradients.columns() != d {
                self.gradients = Matrix::zeros(n, d);
            }
            for (i, row) in batch.rows.iter().enumerate() {
                let gradient = &batch.from.row(*row as usize)[d..];
                self.gradients.row_mut(i).copy_from_slice(gradient);
            }
        }
        let (squared, columns) = match &mut self.mapping {
            None => self.centre(batch),
            Some(mapping) => {
                let b_dec = (self.b_dec.value.values(), self.scale);
                mapping.gather(batch, b_dec, (&mut self.centred, &mut self.lengths))
            }
        };
        Ok(Sums { squared, columns })
    }

    /// Gathers `scale · x − b_dec`; the sum of its squares, and its sum by column.
    fn centre(&mut self, batch: Batch<'_>) -> (f64, Vec<f64>) {
        let d = self.b_dec.value.columns();
        let (scale, b_dec) = (self.scale, self.b_dec.value.values());
        let sums: Vec<(f64, Vec<f64>)> = self
            .centred
            .values_mut()
            .par_chunks_mut(ROWS * d)
            .zip(self.lengths.par_chunks_mut(ROWS))
            .zip(batch.rows.par_chunks(ROWS))
            .map(|((into, lengths), rows)| {
                let mut columns = vec![0.0; d];
                let mut squared = 0.0;
                let into = into.chunks_exact_mut(d).zip(lengths);
                for ((into, length), row) in into.zip(rows) {
                    let x = batch.from.row(*row as usize);
                    for ((into, x), b) in into.iter_mut().zip(x).zip(b_dec) {
                        *into = scale * x - b;
                    }
                    let of_row = crate::kernels::residual::cpu::tally(into, &mut columns);
                    *length = of_row.sqrt() as f32;
                    squared += of_row;
                }
                (squared, columns)
            })
            .collect();
        let mut total = 0.0;
        let mut columns = vec![0.0; d];
        for (squared, part) in &sums {
            total += squared;
            columns
                .iter_mut()
                .zip(part)
                .for_each(|(sum, part)| *sum += part);
        }
        (total, columns)
    }
}
