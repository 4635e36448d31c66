//! Chooses the ridge by cross-validation over documents, from one set of normal equations per fold.

use rayon::prelude::*;

use super::normal::NormalEquations;
use super::{FOLDS, RIDGES};
use crate::corpus::Rows;
use crate::error::Result;

/// Assigns each token to a fold: whole documents, in order, each to the fold with the fewest counted tokens so far; where there are fewer documents than folds,
/// runs of rows that follow each other.
pub(super) fn folds(rows: &Rows) -> Vec<u16> {
    let documents = rows.document_numbers();
    let most = documents.iter().max().map_or(0, |last| *last as usize + 1);
    let mut counted = vec![0_u64; most];
    let all: Vec<usize> = (0..rows.len()).collect();
    for (document, counts) in documents.iter().zip(rows.counts_of(&all)) {
        counted[*document as usize] += u64::from(counts);
    }
    if counted.iter().filter(|tokens| **tokens > 0).count() < FOLDS {
        let of_row = |row: usize| (row * FOLDS / rows.len().max(1)) as u16;
        let tokens = 0..rows.len() * rows.context();
        return tokens.map(|token| of_row(token / rows.context())).collect();
    }
    let mut held = [0_u64; FOLDS];
    let fold_of: Vec<u16> = counted
        .iter()
        .map(|tokens| {
            let least = (0..FOLDS).min_by_key(|fold| held[*fold]).unwrap_or(0);
            held[least] += tokens;
            least as u16
        })
        .collect();
    let each = documents.iter();
    each.map(|document| fold_of[*document as usize]).collect()
}

/// Computes, for each λ of [`RIDGES`], R² of the first `count` targets by cross-validation: 1 − Σ‖y − prediction‖² / Σ‖y − mean y‖², each fold predicted from the
/// others. `all` holds the sums of all folds.
pub(super) fn curve(
    all: &NormalEquations,
    folds: &[NormalEquations],
    count: usize,
) -> Result<Vec<(f64, f64)>> {
    let spread: f64 = all.spreads().iter().take(count).sum();
    let used: Vec<&NormalEquations> = folds.iter().filter(|fold| fold.tokens > 0).collect();
    let of = |lambda: f64| -> Result<(f64, f64)> {
        let errors = used.par_iter().map(|fold| {
            let solution = all.clone().with(fold, -1.0).solve(lambda)?;
            Ok(fold.errors(&solution).iter().take(count).sum::<f64>())
        });
        let errors: Vec<f64> = errors.collect::<Result<_>>()?;
        let r2 = 1.0 - errors.iter().sum::<f64>() / spread;
        Ok((lambda, r2))
    };
    RIDGES.into_iter().map(of).collect()
}

/// Returns the λ with the largest R², the smaller one of equals.
pub(super) fn best(curve: &[(f64, f64)]) -> f64 {
    let larger = |best: (f64, f64), next: &(f64, f64)| if next.1 > best.1 { *next } else { best };
    let first = curve.first().copied().unwrap_or_default();
    curve.iter().fold(first, larger).0
}
