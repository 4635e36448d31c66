//! Normalisation of each token before a dictionary reads it, and its inverse for the output.
//!
//! A scale that all tokens share is folded into the weights instead (SAELens `expected_average_only_in`); these two differ per token and are computed.
//! Definitions: SAELens 6.54.12 `saes/sae.py`, openai/sparse_autoencoder `model.py`.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::dims::Matrix;

/// Added to a standard deviation, outside its root, before a division.
const EPSILON: f64 = 1e-5;
/// Least number of rows per task.
const ROWS: usize = 64;

/// Normalisation of each token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputNorm {
    /// No normalisation.
    #[default]
    None,
    /// Subtracts the token's mean and divides by its standard deviation σ (of N − 1) + 1e-5; outputs are multiplied by σ and shifted back. SAELens `layer_norm`, OpenAI.
    Layer,
    /// Multiplies by √d / ‖x‖ and divides outputs by it. SAELens `constant_norm_rescale`.
    Constant,
}

/// Numbers of one token: the dictionary reads `(x − shift) · by`; outputs are multiplied by `back` and shifted back.
#[derive(Debug, Clone, Copy)]
struct Token {
    shift: f64,
    by: f64,
    back: f64,
}

impl InputNorm {
    /// Describes it in one phrase; none if it does nothing.
    pub fn describe(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Layer => Some("each token less its mean, divided by its standard deviation"),
            Self::Constant => Some("each token scaled to length √d"),
        }
    }

    /// Unit of an activation in decoder rows, as a letter and its meaning; none where a unit moves every token by one row.
    pub fn unit(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::None => None,
            Self::Layer => Some(("σ", "the token's standard deviation")),
            Self::Constant => Some(("s", "the token's length over √d")),
        }
    }

    /// Normalises `x [n, d]`.
    pub fn apply(self, x: &Matrix) -> Cow<'_, Matrix> {
        if self == Self::None {
            return Cow::Borrowed(x);
        }
        let mut read = x.clone();
        let d = x.columns();
        self.apply_to_rows(read.values_mut(), (d, d));
        Cow::Owned(read)
    }

    /// Normalises the first `d` of every `columns` values in place and returns the factor of each row.
    pub(crate) fn apply_to_rows(
        self,
        values: &mut [f32],
        (d, columns): (usize, usize),
    ) -> Vec<f64> {
        let rows = values
            .par_chunks_exact_mut(columns.max(1))
            .with_min_len(ROWS);
        rows.map(|row| {
            let token = self.of(&row[..d]);
            for x in &mut row[..d] {
                *x = ((f64::from(*x) - token.shift) * token.by) as f32;
            }
            token.by
        })
        .collect()
    }

    /// Brings `out [n, d]`, computed from the normalised `x [n, d]`, back to the scale of `x`.
    pub(crate) fn undo(self, x: &Matrix, out: &mut Matrix) {
        if self == Self::None {
            return;
        }
        let d = out.columns().max(1);
        let rows = out.values_mut().par_chunks_exact_mut(d).with_min_len(ROWS);
        rows.zip(x.values().par_chunks_exact(x.columns().max(1)))
            .for_each(|(out, x)| {
                let token = self.of(x);
                for y in out {
                    *y = (f64::from(*y) * token.back + token.shift) as f32;
                }
            });
    }

    /// Returns the direction for which `x · direction = normalised(x) · w`.
    pub(crate) fn direction<'a>(self, x: &[f32], w: &'a [f32]) -> Cow<'a, [f32]> {
        if self == Self::None {
            return Cow::Borrowed(w);
        }
        let token = self.of(x);
        // Every coordinate of x contributes to the mean.
        let mean = match self {
            Self::Layer => mean(w),
            Self::None | Self::Constant => 0.0,
        };
        let along = w.iter().map(|w| ((f64::from(*w) - mean) * token.by) as f32);
        Cow::Owned(along.collect())
    }

    /// Returns the factor and the shift by which what is decoded for the token `x` becomes its reconstruction: `x̂ = decoded · factor + shift`.
    pub(crate) fn back(self, x: &[f32]) -> (f64, f64) {
        let token = self.of(x);
        (token.back, token.shift)
    }

    fn of(self, x: &[f32]) -> Token {
        match self {
            Self::None => Token {
                shift: 0.0,
                by: 1.0,
                back: 1.0,
            },
            Self::Layer => {
                let shift = mean(x);
                let about = x.iter().map(|x| (f64::from(*x) - shift).powi(2));
                let deviation =
                    (about.sum::<f64>() / x.len().saturating_sub(1).max(1) as f64).sqrt();
                Token {
                    shift,
                    by: 1.0 / (deviation + EPSILON),
                    back: deviation,
                }
            }
            Self::Constant => {
                let length = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
                let by = if length > 0.0 {
                    (x.len() as f64).sqrt() / length
                } else {
                    1.0
                };
                Token {
                    shift: 0.0,
                    by,
                    back: 1.0 / by,
                }
            }
        }
    }
}

fn mean(x: &[f32]) -> f64 {
    x.iter().map(|x| f64::from(*x)).sum::<f64>() / x.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_its_definition_and_is_undone() {
        let x = Matrix::new(2, 3, vec![1.0, 2.0, 6.0, 0.0, 3.0, -3.0]).unwrap();
        let layer = InputNorm::Layer.apply(&x).into_owned();
        // Means 3 and 0; squares about them 14 and 18, over N − 1 = 2.
        let (a, b) = (7.0_f64.sqrt() + 1e-5, 3.0 + 1e-5);
        let want = [-2.0 / a, -1.0 / a, 3.0 / a, 0.0, 3.0 / b, -3.0 / b];
        for (got, want) in layer.values().iter().zip(want) {
            assert!((f64::from(*got) - want).abs() < 1e-6, "{got} {want}");
        }
        let constant = InputNorm::Constant.apply(&x).into_owned();
        for row in constant.iter_rows() {
            let squared: f32 = row.iter().map(|x| x * x).sum();
            assert!((squared - 3.0).abs() < 1e-5);
        }
        for norm in [InputNorm::None, InputNorm::Layer, InputNorm::Constant] {
            let mut back = norm.apply(&x).into_owned();
            norm.undo(&x, &mut back);
            for (back, x) in back.values().iter().zip(x.values()) {
                // The epsilon is divided by and not multiplied back.
                assert!((back - x).abs() < 1e-4, "{norm:?}");
            }
            let w = [0.5, -2.0, 1.0];
            let read = norm.apply(&x).into_owned();
            for i in 0..2 {
                let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
                let direct = dot(x.row(i), &norm.direction(x.row(i), &w));
                assert!((direct - dot(read.row(i), &w)).abs() < 1e-5, "{norm:?}");
            }
        }
    }
}
