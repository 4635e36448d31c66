//! A world whose errors are known: the truth, what the reconstruction lacks, a linear map of the truth, and noises.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::dims::Matrix;
use crate::error::Result;
use crate::latents::Latents;
use crate::sae::Autoencoder;

/// Activations of one text and their codes.
pub(super) struct Read {
    /// Activations `[n, d]`.
    pub(super) x: Matrix,
    /// Codes.
    pub(super) latents: Latents,
    /// Reconstructions `[n, d]`, taken for the truth.
    pub(super) truth: Matrix,
}

impl Read {
    /// Encodes and reconstructs activations.
    pub(super) fn new(sae: Autoencoder<'_>, x: Matrix) -> Result<Self> {
        let latents = sae.encode(&x)?;
        let truth = sae.decode(&latents, &x)?;
        Ok(Self { x, latents, truth })
    }

    /// Returns the reconstruction `[n, d]` without the features for which `is_absent` holds.
    pub(super) fn without(&self, sae: Autoencoder<'_>, is_absent: &[bool]) -> Result<Matrix> {
        let mut kept = Latents::with_capacity(self.latents.rows(), 0);
        for i in 0..self.latents.rows() {
            let row = self.latents.row(i).filter(|(f, _)| !is_absent[f.index()]);
            let (features, acts): (Vec<u32>, Vec<f32>) = row.map(|(f, act)| (f.0, act)).unzip();
            kept.push_row(&features, &acts);
        }
        sae.decode(&kept, &self.x)
    }
}

/// Returns the features in ascending order of their mean activation over a text.
pub(super) fn weakest_first(latents: &Latents, features: usize) -> Vec<usize> {
    let mut sums = vec![0.0_f64; features];
    for (feature, act) in latents.features.iter().zip(&latents.acts) {
        sums[*feature as usize] += f64::from(act.abs());
    }
    let mut order: Vec<usize> = (0..features).collect();
    order.sort_by(|a, b| sums[*a].total_cmp(&sums[*b]).then(a.cmp(b)));
    order
}

/// Marks the first `count` features of `order` as absent.
pub(super) fn first_of(order: &[usize], count: usize) -> Vec<bool> {
    let mut is_absent = vec![false; order.len()];
    for feature in &order[..count.min(order.len())] {
        is_absent[*feature] = true;
    }
    is_absent
}

/// Draws standard normal values `[rows, columns]` from one stream of a seed.
pub(super) fn normal(rows: usize, columns: usize, (seed, stream): (u64, u64)) -> Result<Matrix> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let mut values = Vec::with_capacity(rows * columns + 1);
    while values.len() < rows * columns {
        // Box and Muller: two normal values from two uniform ones.
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let angle = std::f64::consts::TAU * rng.random::<f64>();
        values.push((radius * angle.cos()) as f32);
        values.push((radius * angle.sin()) as f32);
    }
    values.truncate(rows * columns);
    Matrix::new(rows, columns, values)
}

/// Returns `a + scale · b`.
pub(super) fn plus(a: &Matrix, scale: f64, b: &Matrix) -> Matrix {
    let mut sum = a.clone();
    if scale != 0.0 {
        let scale = scale as f32;
        for (sum, b) in sum.values_mut().iter_mut().zip(b.values()) {
            *sum += scale * b;
        }
    }
    sum
}

/// Computes the mean of each column.
pub(super) fn mean(of: &Matrix) -> Vec<f64> {
    let mut sum = vec![0.0; of.columns()];
    for row in of.iter_rows() {
        for (sum, value) in sum.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    sum.iter().map(|sum| sum / of.rows() as f64).collect()
}

/// Computes Σ‖v − mean v‖².
pub(super) fn spread(of: &Matrix) -> f64 {
    let mean = mean(of);
    let about = |row: &[f32]| -> f64 {
        let pairs = row.iter().zip(&mean);
        pairs
            .map(|(value, mean)| (f64::from(*value) - mean).powi(2))
            .sum()
    };
    of.iter_rows().map(about).sum()
}

/// Computes Σ‖v‖².
pub(super) fn square(of: &Matrix) -> f64 {
    of.values()
        .iter()
        .map(|v| f64::from(*v) * f64::from(*v))
        .sum()
}
