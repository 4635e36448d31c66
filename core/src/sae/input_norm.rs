//! What is done to each token before a dictionary reads it, and undone in what the dictionary makes of it.
//!
//! A scale that is the same for all tokens is folded into weights instead (SAELens `expected_average_only_in`); these two differ from token to token and
//! have to be computed. Definitions: SAELens 6.54.12 `saes/sae.py`, openai/sparse_autoencoder `model.py`.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::dims::Matrix;

/// What is added to a standard deviation that is divided by, outside its root.
const EPSILON: f64 = 1e-5;
/// Rows brought to norm by one task at least.
const ROWS: usize = 64;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputNorm {
    /// Tokens as they are.
    #[default]
    None,
    /// Less the token's mean, over its standard deviation σ (of N − 1) + 1e-5; outputs times σ, plus the mean. SAELens `layer_norm`, OpenAI.
    Layer,
    /// Times √d / ‖x‖, outputs over it. SAELens `constant_norm_rescale`.
    Constant,
}

/// A token's own numbers: `(x − shift) · by` is read, outputs are multiplied by `back` and shifted back.
#[derive(Debug, Clone, Copy)]
struct Token {
    shift: f64,
    by: f64,
    back: f64,
}

impl InputNorm {
    /// What it does, one phrase; none where it does nothing.
    pub fn describe(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Layer => Some("each token less its mean and over its standard deviation"),
            Self::Constant => Some("each token brought to length √d"),
        }
    }

    /// How many decoder rows one unit of an activation moves a token: a letter and its meaning; none where it is one row for every token.
    pub fn unit(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::None => None,
            Self::Layer => Some(("σ", "the token's standard deviation")),
            Self::Constant => Some(("s", "the token's length over √d")),
        }
    }

    /// `x [n, d]` as it is read.
    pub fn apply(self, x: &Matrix) -> Cow<'_, Matrix> {
        if self == Self::None {
            return Cow::Borrowed(x);
        }
        let mut read = x.clone();
        let d = x.columns();
        self.apply_to_rows(read.values_mut(), (d, d));
        Cow::Owned(read)
    }

    /// Brings the first `d` of every `columns` values to norm; what follows them is left as it is. What each was multiplied by.
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

    /// Brings `out [n, d]`, made of what was read of `x [n, d]`, back to the scale of `x`.
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

    /// The direction in whose product with `x` the token's reading along `w` is: `x · direction = read(x) · w`.
    pub(crate) fn direction<'a>(self, x: &[f32], w: &'a [f32]) -> Cow<'a, [f32]> {
        if self == Self::None {
            return Cow::Borrowed(w);
        }
        let token = self.of(x);
        // The mean is one too that each coordinate of x has a part in.
        let mean = match self {
            Self::Layer => mean(w),
            Self::None | Self::Constant => 0.0,
        };
        let along = w.iter().map(|w| ((f64::from(*w) - mean) * token.by) as f32);
        Cow::Owned(along.collect())
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
