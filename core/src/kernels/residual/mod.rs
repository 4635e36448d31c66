//! Residual of a sparse code, and the pull-back of a squared error to the code.
//!
//! `residual[n, d] = target[n, d] − Σ_j acts[n, j] · w_dec[features[n, j], d]`
//! `d_acts[n, j]  = scale · w_dec[features[n, j]] · residual[n]`
//!
//! With `target = x − b_dec` and `scale = −2/D` the second line is the gradient of `Σ residual² / D` for each selected activation; the gradient for
//! row `i` of `w_dec` is then `scale · Σ acts · residual` over the tokens where `i` is active. AuxK is the same with the first residual as target.
//!
//! | tensor | shape |
//! |---|---|
//! | `target`, `residual` | `[n, d]` |
//! | `latents` | `n` rows, `nnz` entries |
//! | `w_dec` | `[f, d]` |
//! | `d_acts` | `[nnz]` |
//! | `column_sums` | `[d]`, of the residual, f64 |
//!
//! Tolerance against the definition: 1e-5 relative to the sum of the magnitudes of the terms (f32 sums); the f64 sums likewise.

#[cfg(test)]
pub(super) mod cases;
pub(crate) mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
#[cfg(test)]
#[cfg(feature = "gpu")]
mod gpu_tests;
#[cfg(test)]
pub(super) mod reference;

use std::ops::Range;

use rayon::prelude::*;

use crate::dims::{Dims, Matrix};
use crate::error::Result;
use crate::kernels::sparse_decode::cpu::{Weighted, add_rows};
use crate::latents::Latents;

/// Rows of a chunk: one thread's unit of work.
const ROWS: usize = 512;
/// Bytes of `w_dec` taken at a time, where codes are crowded enough: what stays in the first-level cache, and in the second beside a chunk's rows.
const BLOCKS: [usize; 2] = [32 << 10, 1 << 20];
/// Mean entries of a token in a block from which blocks are worth further visits to the token.
const CROWDED: usize = 6;

/// Result, kept between calls so that its memory is reused.
#[derive(Debug, Clone, Default)]
pub struct Residual {
    /// `[n, d]`.
    pub residual: Matrix,
    /// `[nnz]`.
    pub d_acts: Vec<f32>,
    /// Σ residual².
    pub squared: f64,
    /// Σ over tokens, `[d]`.
    pub column_sums: Vec<f64>,
}

/// Computes the residual of `latents` and its pull-back into `out`. Latents come from a selection, so they are checked in debug builds only.
pub fn residual(
    out: &mut Residual,
    target: &Matrix,
    latents: &Latents,
    w_dec: &Matrix,
    scale: f32,
) -> Result<()> {
    Dims::new("residual")
        .bind("target", target, "n d")?
        .bind("w_dec", w_dec, "f d")?;
    debug_assert!(latents.check(w_dec.rows()).is_ok());
    let d = target.columns();
    if out.residual.rows() != target.rows() || out.residual.columns() != d {
        out.residual = Matrix::zeros(target.rows(), d);
    }
    out.d_acts.resize(latents.acts.len(), 0.0);
    let mut d_acts = out.d_acts.as_mut_slice();
    let mut chunks = Vec::new();
    for (chunk, rows) in out
        .residual
        .values_mut()
        .chunks_mut((ROWS * d).max(1))
        .enumerate()
    {
        let end = (chunk * ROWS + ROWS).min(latents.rows());
        let entries = latents.offsets[end] - latents.offsets[chunk * ROWS];
        let (mine, rest) = d_acts.split_at_mut(entries);
        d_acts = rest;
        chunks.push((chunk, rows, mine));
    }
    let sums: Vec<(f64, Vec<f64>)> = chunks
        .into_par_iter()
        .map(|(chunk, rows, d_acts)| {
            let first = chunk * ROWS;
            let target = &target.values()[first * d..][..rows.len()];
            one_chunk((rows, d_acts), (target, first), latents, w_dec, scale)
        })
        .collect();
    out.squared = 0.0;
    out.column_sums = vec![0.0; d];
    for (squared, columns) in sums {
        out.squared += squared;
        for (total, column) in out.column_sums.iter_mut().zip(columns) {
            *total += column;
        }
    }
    Ok(())
}

/// `[nnz]`: `scale · w_dec[feature] · table[token]` for each entry, where the table is the first of `tables` whose end lies beyond the feature.
pub(crate) fn pull_back(
    tables: &[(usize, &Matrix)],
    latents: &Latents,
    w_dec: &Matrix,
    scale: f32,
) -> Vec<f32> {
    let row = |i: usize| {
        let mut entries = latents.range(i);
        let mut d_acts = vec![0.0; entries.len()];
        let mut done = 0;
        for (end, table) in tables {
            let features = &latents.features[entries.clone()];
            let some = features.partition_point(|feature| (*feature as usize) < *end);
            let into = &mut d_acts[done..done + some];
            cpu::products(into, table.row(i), &features[..some], scale, w_dec.values());
            entries.start += some;
            done += some;
        }
        d_acts
    };
    let rows: Vec<Vec<f32>> = (0..latents.rows())
        .into_par_iter()
        .with_min_len(64)
        .map(row)
        .collect();
    rows.concat()
}

fn one_chunk(
    (rows, d_acts): (&mut [f32], &mut [f32]),
    (target, first): (&[f32], usize),
    latents: &Latents,
    w_dec: &Matrix,
    scale: f32,
) -> (f64, Vec<f64>) {
    let d = w_dec.columns();
    rows.copy_from_slice(target);
    let before = latents.offsets[first];
    let visits = visits(first..first + rows.len() / d, latents, w_dec);
    for (i, entries) in &visits {
        let code = Weighted {
            rows: &latents.features[entries.clone()],
            weights: &latents.acts[entries.clone()],
            scale: -1.0,
            table: w_dec.values(),
        };
        add_rows(&mut rows[i * d..(i + 1) * d], code);
    }
    for (i, entries) in visits {
        let features = &latents.features[entries.clone()];
        let d_acts = &mut d_acts[entries.start - before..entries.end - before];
        let row = &rows[i * d..(i + 1) * d];
        cpu::products(d_acts, row, features, scale, w_dec.values());
    }
    let mut squared = 0.0;
    let mut columns = vec![0.0; d];
    for row in rows.chunks_exact(d) {
        squared += cpu::tally(row, &mut columns);
    }
    (squared, columns)
}

/// Returns the number of rows of `w_dec` that are processed at a time.
fn block(latents: &Latents, w_dec: &Matrix) -> usize {
    let features = w_dec.rows();
    let mean = |rows: usize| latents.acts.len() * rows / (latents.rows() * features).max(1);
    BLOCKS
        .map(|bytes| bytes / (size_of::<f32>() * w_dec.columns().max(1)))
        .into_iter()
        .find(|rows| *rows < features && mean(*rows) >= CROWDED)
        .unwrap_or(features)
}

/// Rows of the chunk with some of their entries: block after block of features, row after row, the entries of a row in their order.
fn visits(rows: Range<usize>, latents: &Latents, w_dec: &Matrix) -> Vec<(usize, Range<usize>)> {
    let (block, features) = (block(latents, w_dec), w_dec.rows());
    let mut left: Vec<_> = rows.map(|row| latents.range(row)).collect();
    if block >= features {
        return left.into_iter().enumerate().collect();
    }
    let mut visits = Vec::with_capacity(left.len() * features.div_ceil(block));
    for end in (block..features + block).step_by(block) {
        for (i, left) in left.iter_mut().enumerate() {
            let entries = &latents.features[left.start..left.end.min(left.start + block)];
            let within = entries.partition_point(|feature| (*feature as usize) < end);
            visits.push((i, left.start..left.start + within));
            left.start += within;
        }
    }
    visits
}
