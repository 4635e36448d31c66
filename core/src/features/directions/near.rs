//! Nearest neighbours of unit rows by cosine, exactly.

use rayon::prelude::*;

use crate::progress::Flow;

/// Rows between two calls of the observer.
const AT_ONCE: usize = 256;

/// A neighbour of a row: its index, and the distance √(2 − 2·cosine).
pub(super) type Near = (u32, f32);

/// Returns the `many` nearest other rows of each row, nearest first; of equal ones the first. None if the observer stops.
pub(super) fn neighbours(
    rows: &[Vec<f32>],
    many: usize,
    observe: &mut dyn FnMut(usize) -> Flow,
) -> Option<Vec<Vec<Near>>> {
    let mut all = Vec::with_capacity(rows.len());
    for from in (0..rows.len()).step_by(AT_ONCE) {
        if observe(from).is_break() {
            return None;
        }
        let to = rows.len().min(from + AT_ONCE);
        all.par_extend(
            (from..to)
                .into_par_iter()
                .map(|row| nearest(rows, row, many)),
        );
    }
    Some(all)
}

fn nearest(rows: &[Vec<f32>], own: usize, many: usize) -> Vec<Near> {
    let mut near: Vec<(f32, u32)> = (0..rows.len())
        .filter(|other| *other != own)
        .map(|other| (dot(&rows[own], &rows[other]), other as u32))
        .collect();
    let closer = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if many < near.len() {
        near.select_nth_unstable_by(many, closer);
        near.truncate(many);
    }
    near.sort_unstable_by(closer);
    let distance = |cosine: f32| (2.0 - 2.0 * cosine).max(0.0).sqrt();
    let near = near.into_iter();
    near.map(|(cosine, other)| (other, distance(cosine)))
        .collect()
}

/// Product in eight sums, whose order does not depend on anything else.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = (a_chunks.remainder().iter())
        .zip(b_chunks.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}
