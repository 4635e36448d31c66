//! Preparation of activations on their way into the shuffle buffer: outliers are dropped, tokens are normalised.

use super::buffer::Source;
use crate::dims::Matrix;
use crate::error::Result;
use crate::sae::InputNorm;

/// Settings of the preparation, and the number of activations it dropped.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Preparation {
    /// Times the median length beyond which an activation is left out; 0: never (dictionary_learning `buffer.py`).
    pub(super) outliers: f64,
    /// Normalisation of each token.
    pub(super) norm: InputNorm,
    /// Activations left out so far, of those that came.
    pub(super) left_out: u64,
    pub(super) came: u64,
}

/// A source whose pieces are prepared.
pub(super) struct Prepared<'a> {
    pub(super) of: &'a mut dyn Source,
    pub(super) preparation: &'a mut Preparation,
}

impl Source for Prepared<'_> {
    fn width(&self) -> usize {
        self.of.width()
    }

    fn paired(&self) -> bool {
        self.of.paired()
    }

    fn target(&self) -> Option<usize> {
        self.of.target()
    }

    fn next(&mut self, note: &mut dyn FnMut(String)) -> Result<Matrix> {
        let piece = self.of.next(note)?;
        let beside = match self.of.target() {
            Some(target) => target,
            None if self.of.paired() => piece.columns() / 2,
            None => 0,
        };
        let d = piece.columns() - beside;
        let mut piece = self.preparation.without_outliers(piece, d);
        if self.preparation.norm != InputNorm::None {
            let columns = piece.columns();
            let by = self
                .preparation
                .norm
                .apply_to_rows(piece.values_mut(), (d, columns));
            if self.of.paired() {
                // The loss's gradient with respect to what is read, the token's own numbers taken as given.
                for (row, by) in piece.values_mut().chunks_exact_mut(columns).zip(by) {
                    row[d..]
                        .iter_mut()
                        .for_each(|g| *g = (f64::from(*g) / by) as f32);
                }
            }
        }
        Ok(piece)
    }

    fn skip(&mut self) {
        self.of.skip();
    }
}

impl Preparation {
    /// Says how many activations were dropped, if outliers are.
    pub(super) fn note(&self) -> Option<String> {
        let share = 100.0 * self.left_out as f64 / self.came.max(1) as f64;
        (self.outliers > 0.0).then(|| {
            format!(
                "Left out {} of {} activations ({share:.2} %) longer than {} times the median",
                self.left_out, self.came, self.outliers
            )
        })
    }

    /// `piece` without rows whose first `d` values are too long beside the median of them; at least half stay, since the multiple is 1 at least.
    fn without_outliers(&mut self, piece: Matrix, d: usize) -> Matrix {
        self.came += piece.rows() as u64;
        if self.outliers == 0.0 {
            return piece;
        }
        let length2 = |row: &[f32]| row[..d].iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        let lengths: Vec<f64> = piece.iter_rows().map(length2).collect();
        let mut sorted = lengths.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        let longest = self.outliers * self.outliers * median;
        let kept: Vec<u32> = (0_u32..)
            .zip(&lengths)
            .filter(|(_, length)| **length <= longest || length.is_nan())
            .map(|(row, _)| row)
            .collect();
        if kept.len() == piece.rows() {
            return piece;
        }
        self.left_out += (piece.rows() - kept.len()) as u64;
        piece.rows_of(&kept)
    }
}
