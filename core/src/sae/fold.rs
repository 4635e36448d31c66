//! Exact rewritings of a dictionary: folds the lengths of decoder rows, the scale of activations and their whitening into the weights, or takes them out again.
//! Formulas: SAELens 6.54.12 `saes/sae.py` (`fold_W_dec_norm`), `training/activation_scaler.py`.

use rayon::prelude::*;

use super::{InputNorm, Sae};
use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};

/// Least length of a row (SAELens).
const LEAST: f32 = 1e-8;
/// Relative difference of lengths up to which ranking by grown pre-activations chooses the same features.
pub(super) const SAME: f32 = 1e-6;

/// Whitening of activations, `y = (x − mean) · matrix`.
#[derive(Debug, Clone, PartialEq)]
pub struct Whitening {
    /// `[d]`.
    pub mean: Vec<f32>,
    /// `[d, d]`.
    pub matrix: Matrix,
    /// Inverse of `matrix`, `[d, d]`.
    pub inverse: Matrix,
}

impl Whitening {
    /// Returns the inverse map: `x = (y − mean') · inverse`, `mean' = −mean · matrix`.
    #[must_use]
    pub fn inverted(&self) -> Self {
        let mean = row_times(&self.mean, &self.matrix);
        Self {
            mean: mean.into_iter().map(|m| (-m) as f32).collect(),
            matrix: self.inverse.clone(),
            inverse: self.matrix.clone(),
        }
    }
}

impl Sae {
    /// Returns the lengths of the decoder rows, `[f]`.
    pub fn decoder_lengths(&self) -> Vec<f32> {
        let length = |row: &[f32]| {
            row.iter()
                .map(|w| f64::from(*w).powi(2))
                .sum::<f64>()
                .sqrt()
        };
        self.w_dec
            .iter_rows()
            .map(|row| length(row) as f32)
            .collect()
    }

    /// Scales decoder rows to length 1 and activations by the lengths, so that outputs stay. Returns the lengths, which [`Sae::unfold_decoder_norm`] takes.
    /// Rejected if features are chosen by unweighted rank and lengths differ, since other features would rank highest.
    pub fn fold_decoder_norm(&mut self) -> Result<Vec<f32>> {
        let lengths: Vec<f32> = (self.decoder_lengths().into_iter())
            .map(|length| length.max(LEAST))
            .collect();
        self.grow(&lengths)?;
        Ok(lengths)
    }

    /// Restores the lengths `[f]` of the decoder rows.
    pub fn unfold_decoder_norm(&mut self, lengths: &[f32]) -> Result<()> {
        if lengths.len() != self.features() {
            let what = format!("{} lengths for {} features", lengths.len(), self.features());
            return Err(Error::Shape { op: "unfold", what });
        }
        if let Some(length) = lengths.iter().find(|l| !(**l > 0.0 && l.is_finite())) {
            let what = format!("{length} is not a length, give positive numbers");
            return Err(Error::setting("unfold", what));
        }
        let inverse: Vec<f32> = lengths.iter().map(|length| 1.0 / length).collect();
        self.grow(&inverse)
    }

    /// Multiplies each feature's activation by its factor and divides its decoder row by it.
    fn grow(&mut self, factors: &[f32]) -> Result<()> {
        let (least, most) = factors
            .iter()
            .fold((f32::INFINITY, 0.0_f32), |(least, most), factor| {
                (least.min(*factor), most.max(*factor))
            });
        self.check_by_token()?;
        if !self.selection.follows_growth() && most > least * (1.0 + SAME) {
            return Err(Error::Unsupported {
                what: format!(
                    "folding decoder rows of length {least} to {most} into the encoder of {}, which keeps the largest pre-activations and would then keep others,",
                    self.name
                ),
                remedy: "leave it unfolded, or fold a dictionary that selects by thresholds"
                    .to_owned(),
            });
        }
        self.selection.check(factors.len())?;
        let (reads, writes) = (self.width().max(1), self.w_dec.columns().max(1));
        (self.w_enc.values_mut().par_chunks_exact_mut(reads))
            .zip(self.w_dec.values_mut().par_chunks_exact_mut(writes))
            .zip(self.b_enc.par_iter_mut())
            .zip(factors.par_iter())
            .with_min_len(64)
            .for_each(|(((w_enc, w_dec), b_enc), factor)| {
                for w in w_enc {
                    *w *= factor;
                }
                for w in w_dec {
                    *w /= factor;
                }
                *b_enc *= factor;
            });
        self.selection.grow(factors);
        Ok(())
    }

    /// Turns a dictionary for activations times `scale` into one for unscaled activations, with the same codes; `1 / scale` reverses it.
    pub fn fold_scale(&mut self, scale: f32) -> Result<()> {
        self.no_norm("a scale")?;
        if !(scale > 0.0 && scale.is_finite()) {
            let what = format!("{scale} is not a scale, give a positive number");
            return Err(Error::setting("fold", what));
        }
        self.w_enc.values_mut().iter_mut().for_each(|w| *w *= scale);
        self.w_dec.values_mut().iter_mut().for_each(|w| *w /= scale);
        self.b_dec.iter_mut().for_each(|b| *b /= scale);
        Ok(())
    }

    /// Turns a dictionary for whitened activations into one for plain activations, with the same codes; [`Whitening::inverted`] reverses it.
    pub fn fold_whitening(&mut self, whitening: &Whitening) -> Result<()> {
        self.autoencoder()?;
        self.no_norm("whitening")?;
        Dims::new("fold whitening")
            .bind("w_dec", &self.w_dec, "f d")?
            .bind("mean", &whitening.mean, "d")?
            .bind("matrix", &whitening.matrix, "d d")?
            .bind("inverse_matrix", &whitening.inverse, "d d")?;
        let d = self.width().max(1);
        let through = |rows: &mut Matrix, by: &(dyn Fn(&[f32]) -> Vec<f64> + Sync)| {
            rows.values_mut().par_chunks_exact_mut(d).for_each(|row| {
                let moved = by(row);
                row.iter_mut().zip(moved).for_each(|(w, m)| *w = m as f32);
            });
        };
        let (matrix, inverse) = (&whitening.matrix, &whitening.inverse);
        through(&mut self.w_enc, &|row| times_column(matrix, row));
        through(&mut self.w_dec, &|row| row_times(row, inverse));
        let b_dec = row_times(&self.b_dec, inverse);
        for ((b, moved), mean) in self.b_dec.iter_mut().zip(b_dec).zip(&whitening.mean) {
            *b = (moved + f64::from(*mean)) as f32;
        }
        Ok(())
    }

    fn no_norm(&self, what: &str) -> Result<()> {
        self.check_by_token()?;
        if !self.selection.has_encoder() {
            return Err(Error::Unsupported {
                what: format!("folding {what} into {}, which has no encoder,", self.name),
                remedy: "matching pursuit reads with its decoder, leave the fold out".to_owned(),
            });
        }
        if self.input_norm == InputNorm::None {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: format!(
                "folding {what} into {}, which normalises each token itself,",
                self.name
            ),
            remedy: "its inputs have no scale of their own, leave the fold out".to_owned(),
        })
    }
}

/// Computes `row · matrix` in f64.
fn row_times(row: &[f32], matrix: &Matrix) -> Vec<f64> {
    let mut out = vec![0.0; matrix.columns()];
    for (x, row) in row.iter().zip(matrix.iter_rows()) {
        for (out, m) in out.iter_mut().zip(row) {
            *out += f64::from(*x) * f64::from(*m);
        }
    }
    out
}

/// Computes `matrix · column` in f64.
fn times_column(matrix: &Matrix, column: &[f32]) -> Vec<f64> {
    let product = |row: &[f32]| {
        let pairs = row.iter().zip(column);
        pairs.map(|(m, x)| f64::from(*m) * f64::from(*x)).sum()
    };
    matrix.iter_rows().map(product).collect()
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::sae::{Gated, JumpRelu, Relu, Selection, TopK};

    const D: usize = 5;
    const F: usize = 12;

    fn drawn(rng: &mut ChaCha8Rng, rows: usize, columns: usize) -> Matrix {
        let values = (0..rows * columns).map(|_| rng.random_range(-1.0..1.0));
        Matrix::new(rows, columns, values.collect()).unwrap()
    }

    fn sae(selection: Selection) -> Sae {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        Sae::new(
            "drawn",
            (drawn(&mut rng, F, D), drawn(&mut rng, 1, F).into_values()),
            (drawn(&mut rng, F, D), drawn(&mut rng, 1, D).into_values()),
            selection,
        )
    }

    fn selections() -> [Selection; 4] {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut values = |least, most| (0..F).map(|_| rng.random_range(least..most)).collect();
        [
            Selection::Relu(Relu),
            Selection::JumpRelu(JumpRelu {
                thresholds: values(0.0, 0.6),
            }),
            Selection::Gated(Gated {
                b_mag: values(-0.5, 0.5),
                r_mag: values(-0.5, 0.5),
            }),
            Selection::TopK(TopK { k: 3 }),
        ]
    }

    fn near(a: &Matrix, b: &Matrix) {
        for (a, b) in a.values().iter().zip(b.values()) {
            assert!((a - b).abs() < 2e-5, "{a} {b}");
        }
    }

    /// Codes `[n, f]` and outputs.
    fn outputs(sae: &Sae, x: &Matrix) -> (Matrix, Matrix) {
        let latents = sae.encode(x).unwrap();
        let mut codes = Matrix::zeros(x.rows(), F);
        for i in 0..x.rows() {
            for (feature, act) in latents.row(i) {
                codes.row_mut(i)[feature.index()] = act;
            }
        }
        (codes, sae.decode(&latents, x).unwrap())
    }

    #[test]
    fn decoder_rows_of_length_one_write_the_same() {
        let x = drawn(&mut ChaCha8Rng::seed_from_u64(5), 40, D);
        for selection in selections().into_iter().take(3) {
            let before = sae(selection);
            let mut folded = before.clone();
            let lengths = folded.fold_decoder_norm().unwrap();
            for length in folded.decoder_lengths() {
                assert!((length - 1.0).abs() < 1e-6);
            }
            let (mut codes, out) = outputs(&before, &x);
            let (grown, same) = outputs(&folded, &x);
            assert!(codes.values().iter().any(|act| *act > 0.0));
            for row in codes.values_mut().chunks_exact_mut(F) {
                row.iter_mut().zip(&lengths).for_each(|(act, l)| *act *= l);
            }
            near(&codes, &grown);
            near(&out, &same);
            folded.unfold_decoder_norm(&lengths).unwrap();
            near(&folded.w_enc, &before.w_enc);
            near(&folded.w_dec, &before.w_dec);
            assert_eq!(outputs(&folded, &x).0.values().len(), codes.values().len());
            near(&outputs(&folded, &x).0, &outputs(&before, &x).0);
        }
        let mut ranked = sae(Selection::TopK(TopK { k: 3 }));
        let said = ranked.fold_decoder_norm().unwrap_err().to_string();
        assert!(said.contains("drawn, which keeps the largest"), "{said}");
    }

    #[test]
    fn a_scale_and_a_whitening_are_folded_and_taken_out_again() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let x = drawn(&mut rng, 40, D);
        // A matrix near the identity and its inverse by Gauss–Jordan in f64.
        let mut matrix = drawn(&mut rng, D, D);
        for i in 0..D {
            matrix.row_mut(i)[i] += 2.0;
        }
        let whitening = Whitening {
            mean: drawn(&mut rng, 1, D).into_values(),
            inverse: inverse(&matrix),
            matrix,
        };
        for selection in selections() {
            let before = sae(selection);
            let mut scaled = x.clone();
            scaled.values_mut().iter_mut().for_each(|x| *x *= 3.5);
            let (codes, mut out) = outputs(&before, &scaled);
            out.values_mut().iter_mut().for_each(|y| *y /= 3.5);
            let mut folded = before.clone();
            folded.fold_scale(3.5).unwrap();
            let (same, back) = outputs(&folded, &x);
            near(&codes, &same);
            near(&out, &back);
            folded.fold_scale(1.0 / 3.5).unwrap();
            near(&folded.w_enc, &before.w_enc);

            let mut white = Matrix::zeros(40, D);
            for i in 0..40 {
                let about: Vec<f32> = (x.row(i).iter().zip(&whitening.mean))
                    .map(|(x, m)| x - m)
                    .collect();
                for (y, value) in white
                    .row_mut(i)
                    .iter_mut()
                    .zip(row_times(&about, &whitening.matrix))
                {
                    *y = value as f32;
                }
            }
            let (codes, out) = outputs(&before, &white);
            let mut folded = before.clone();
            folded.fold_whitening(&whitening).unwrap();
            let (same, back) = outputs(&folded, &x);
            near(&codes, &same);
            for i in 0..40 {
                let want = row_times(out.row(i), &whitening.inverse);
                for ((want, m), got) in want.iter().zip(&whitening.mean).zip(back.row(i)) {
                    assert!((want + f64::from(*m) - f64::from(*got)).abs() < 2e-5);
                }
            }
            folded.fold_whitening(&whitening.inverted()).unwrap();
            near(&folded.w_enc, &before.w_enc);
            near(&folded.w_dec, &before.w_dec);
        }
        let mut normed = sae(Selection::Relu(Relu));
        normed.input_norm = InputNorm::Layer;
        assert!(normed.fold_scale(2.0).is_err() && normed.fold_whitening(&whitening).is_err());
        normed.input_norm = InputNorm::None;
        assert!(normed.fold_scale(0.0).is_err() && normed.fold_scale(f32::NAN).is_err());
    }

    fn inverse(matrix: &Matrix) -> Matrix {
        let mut rows: Vec<Vec<f64>> = (0..D)
            .map(|i| {
                let left = matrix.row(i).iter().map(|x| f64::from(*x));
                left.chain((0..D).map(|j| if i == j { 1.0 } else { 0.0 }))
                    .collect()
            })
            .collect();
        for i in 0..D {
            let pivot = rows[i][i];
            rows[i].iter_mut().for_each(|x| *x /= pivot);
            for j in (0..D).filter(|j| *j != i) {
                let by = rows[j][i];
                let from = rows[i].clone();
                rows[j].iter_mut().zip(from).for_each(|(x, f)| *x -= by * f);
            }
        }
        let values = rows
            .iter()
            .flat_map(|row| row[D..].iter().map(|x| *x as f32));
        Matrix::new(D, D, values.collect()).unwrap()
    }
}
