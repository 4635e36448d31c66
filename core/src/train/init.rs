//! Where training starts: scale and centre of the activations, random decoder directions, the encoder as the decoder's transpose.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::Spec;
use crate::dims::Matrix;
use crate::error::{Error, Result};

/// Rows of the sample that the centre is taken from.
const SAMPLE: usize = 8_192;
/// Weiszfeld's iteration stops after this many rounds, or when the median moves less than `STILL` of the spread.
const ROUNDS: usize = 50;
const STILL: f64 = 1e-6;

/// Figures of a sample of activations, taken before the first step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statistics {
    /// Mean or geometric median, `[d]`.
    pub(super) centre: Vec<f64>,
    /// Mean of ‖x − mean‖²: fixes the denominator of the loss.
    pub(super) variance: f64,
}

impl Statistics {
    /// Measures the first rows of `sample`.
    pub(super) fn new(sample: &Matrix, geometric_median: bool) -> Result<Self> {
        let rows: Vec<&[f32]> = sample.iter_rows().take(SAMPLE).collect();
        let mean = weighted_mean(&rows, sample.columns(), |_| 1.0);
        let variance =
            rows.iter().map(|row| distance2(row, &mean)).sum::<f64>() / rows.len() as f64;
        if !variance.is_finite() || variance <= 0.0 {
            return Err(Error::Numeric {
                what: format!(
                    "the activations have a variance of {variance}: check the model's weights and that the corpus is varied text"
                ),
            });
        }
        let centre = if geometric_median {
            median(&rows, mean, variance)
        } else {
            mean
        };
        Ok(Self { centre, variance })
    }
}

/// The point with the least sum of distances, by Weiszfeld's iteration from the mean.
fn median(rows: &[&[f32]], mean: Vec<f64>, variance: f64) -> Vec<f64> {
    let mut at = mean;
    for _ in 0..ROUNDS {
        let nearest = 1e-9 * variance.sqrt();
        let next = weighted_mean(rows, at.len(), |row| {
            1.0 / distance2(row, &at).sqrt().max(nearest)
        });
        let moved: f64 = next.iter().zip(&at).map(|(a, b)| (a - b).powi(2)).sum();
        at = next;
        if moved <= STILL * STILL * variance {
            break;
        }
    }
    at
}

fn weighted_mean(rows: &[&[f32]], d: usize, weight: impl Fn(&[f32]) -> f64) -> Vec<f64> {
    let mut sum = vec![0.0; d];
    let mut weights = 0.0;
    for row in rows {
        let weight = weight(row);
        weights += weight;
        for (sum, value) in sum.iter_mut().zip(*row) {
            *sum += weight * f64::from(*value);
        }
    }
    for sum in &mut sum {
        *sum /= weights;
    }
    sum
}

fn distance2(row: &[f32], from: &[f64]) -> f64 {
    row.iter()
        .zip(from)
        .map(|(x, c)| (f64::from(*x) - c).powi(2))
        .sum()
}

/// Share of what a transcoder writes that its features' sum amounts to before the first step.
const NOISE: f64 = 0.1;

/// `[f, d]` directions of length 1, uniform on the sphere.
pub(super) fn directions(spec: &Spec, d: usize) -> Matrix {
    drawn(spec, d, 0)
}

/// `[f, d]` rows of a transcoder's encoder, other directions than its decoder's, so short that half of the features, all active, sum up to little beside the
/// `writes` columns of unit variance that they are to explain.
pub(super) fn readings(spec: &Spec, d: usize, writes: usize) -> Matrix {
    let length = (2.0 * NOISE * writes as f64 / spec.features as f64).sqrt();
    let mut all = drawn(spec, d, 1);
    let length = length.min(1.0) as f32;
    all.values_mut().iter_mut().for_each(|w| *w *= length);
    all
}

fn drawn(spec: &Spec, d: usize, stream: u64) -> Matrix {
    let mut rng = ChaCha8Rng::seed_from_u64(spec.seed);
    rng.set_stream(stream << 8);
    let mut all = Matrix::zeros(spec.features, d);
    for row in all.values_mut().chunks_exact_mut(d.max(1)) {
        for pair in row.chunks_mut(2) {
            // Box and Muller.
            let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
            let angle = std::f64::consts::TAU * rng.random::<f64>();
            for (value, part) in pair.iter_mut().zip([angle.cos(), angle.sin()]) {
                *value = (radius * part) as f32;
            }
        }
        let norm = distance2(row, &vec![0.0; d]).sqrt().max(f64::MIN_POSITIVE);
        for value in row {
            *value = (f64::from(*value) / norm) as f32;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{HookPoint, Site};

    #[test]
    fn the_median_ignores_an_outlier_that_moves_the_mean() {
        let mut values = vec![];
        for i in 0..100 {
            let angle = f64::from(i) / 100.0 * std::f64::consts::TAU;
            values.extend([(3.0 + angle.cos()) as f32, (-2.0 + angle.sin()) as f32]);
        }
        values.extend([1e4, 1e4]);
        let sample = Matrix::new(101, 2, values).unwrap();
        let mean = Statistics::new(&sample, false).unwrap();
        let median = Statistics::new(&sample, true).unwrap();
        assert!(mean.centre[0] > 90.0, "{mean:?}");
        let off = (median.centre[0] - 3.0).hypot(median.centre[1] + 2.0);
        assert!(off < 0.05, "{median:?}");
        assert_eq!(mean.variance, median.variance);
    }

    #[test]
    fn equal_activations_are_refused() {
        let refused = Statistics::new(&Matrix::zeros(5, 3), true).unwrap_err();
        assert!(refused.to_string().contains("variance of 0"), "{refused}");
    }

    #[test]
    fn directions_have_length_one_and_come_from_the_seed() {
        let mut spec = Spec::default_for(HookPoint::block(0, Site::Z));
        spec.features = 50;
        let first = directions(&spec, 33);
        for row in first.iter_rows() {
            assert!((distance2(row, &[0.0; 33]) - 1.0).abs() < 1e-6);
        }
        assert_eq!(first, directions(&spec, 33));
        spec.seed = 1;
        assert_ne!(first, directions(&spec, 33));
    }
}
