//! Figures of a dictionary on activations in memory, and their spread over seeds.

use crate::dims::Matrix;
use crate::error::Result;
use crate::latents::Latents;
use crate::sae::Sae;

/// Figures of a dictionary on activations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    /// Mean active features per token.
    pub(super) l0: f64,
    /// Standard deviation of the number of active features over tokens.
    pub(super) l0_sd: f64,
    /// Σ‖x − x̂‖² / Σ‖x − mean‖².
    pub(super) fvu: f64,
    /// Mean over tokens of ‖x − x̂‖² / ‖x‖².
    pub(super) nmse: f64,
    /// Share of features never active.
    pub(super) dead: f64,
}

impl Measured {
    /// Measures `latents`, the code of activations `x [n, d]`.
    pub(super) fn new(sae: &Sae, x: &Matrix, latents: &Latents) -> Result<Self> {
        let back = sae.decode(latents, x)?;
        let n = x.rows().max(1) as f64;
        let mut mean = vec![0.0_f64; x.columns()];
        for row in x.iter_rows() {
            for (sum, x) in mean.iter_mut().zip(row) {
                *sum += f64::from(*x) / n;
            }
        }
        let (mut left, mut variance, mut nmse) = (0.0, 0.0, 0.0);
        for (x, back) in x.iter_rows().zip(back.iter_rows()) {
            let pairs = x.iter().zip(back);
            let error: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum();
            let length: f64 = x.iter().map(|x| f64::from(*x).powi(2)).sum();
            left += error;
            nmse += error / length.max(f64::MIN_POSITIVE) / n;
            let about = x.iter().zip(&mean);
            variance += about.map(|(x, m)| (f64::from(*x) - m).powi(2)).sum::<f64>();
        }
        let sizes: Vec<f64> = (0..x.rows())
            .map(|i| latents.range(i).len() as f64)
            .collect();
        let l0 = sizes.iter().sum::<f64>() / n;
        let l0_sd = (sizes.iter().map(|size| (size - l0).powi(2)).sum::<f64>() / n).sqrt();
        let silent = densities(latents, sae.features());
        let silent = silent.iter().filter(|density| **density == 0.0).count();
        Ok(Self {
            l0,
            l0_sd,
            fvu: left / variance,
            nmse,
            dead: silent as f64 / sae.features().max(1) as f64,
        })
    }
}

/// Share of the tokens on which each feature is active, `[f]`.
pub(super) fn densities(latents: &Latents, features: usize) -> Vec<f64> {
    let mut densities = vec![0.0; features];
    let share = 1.0 / latents.rows().max(1) as f64;
    for feature in &latents.features {
        densities[*feature as usize] += share;
    }
    densities
}

/// One figure over several seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// Values by seed.
    pub values: Vec<f64>,
}

impl Spread {
    /// Creates it from one value per seed.
    pub fn new(values: Vec<f64>) -> Self {
        Self { values }
    }

    /// Returns the mean.
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len().max(1) as f64
    }

    /// Returns the standard deviation with n − 1; 0 for one seed.
    pub fn sd(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.values.iter().map(|x| (x - mean).powi(2)).sum();
        (squares / self.values.len().saturating_sub(1).max(1) as f64).sqrt()
    }

    pub(super) fn least(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(super) fn most(&self) -> f64 {
        let values = self.values.iter().copied();
        values.fold(f64::NEG_INFINITY, f64::max)
    }

    /// Writes `mean ± standard deviation`, or the value alone for one seed.
    pub fn show(&self, digits: usize) -> String {
        let mean = self.mean();
        if self.values.len() < 2 {
            return format!("{mean:.digits$}");
        }
        format!("{mean:.digits$} ± {:.digits$}", self.sd())
    }

    /// Writes shares as `mean ± standard deviation` in per cent.
    pub fn show_percent(&self) -> String {
        let hundred = Self::new(self.values.iter().map(|x| 100.0 * x).collect());
        format!("{} %", hundred.show(1))
    }
}

/// Returns the median.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

/// Returns Pearson's correlation of two lists of equal length; 0 if one of them does not vary.
pub(super) fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().max(1) as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    if aa * bb > 0.0 {
        ab / (aa * bb).sqrt()
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sae::TopK;

    #[test]
    fn figures_are_their_definitions() {
        let unit = Matrix::new(3, 2, vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0]).unwrap();
        let sae = Sae::new(
            "",
            (unit.clone(), vec![0.0; 3]),
            (unit, vec![0.0; 2]),
            TopK { k: 1 },
        );
        let x = Matrix::new(2, 2, vec![2.0, 1.0, 0.0, 3.0]).unwrap();
        let latents = sae.encode(&x).unwrap();
        let measured = Measured::new(&sae, &x, &latents).unwrap();
        // Left: (0, 1) and nothing; the mean is (1, 2), 1 + 1 away from each.
        assert_eq!((measured.l0, measured.l0_sd), (1.0, 0.0));
        assert!((measured.fvu - 0.25).abs() < 1e-6 && (measured.nmse - 0.1).abs() < 1e-6);
        assert!((measured.dead - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(densities(&latents, 3), [0.5, 0.5, 0.0]);
    }

    #[test]
    fn spreads_medians_and_correlations() {
        let spread = Spread::new(vec![0.1, 0.2, 0.3]);
        assert_eq!(spread.show(2), "0.20 ± 0.10");
        assert_eq!(spread.show_percent(), "20.0 ± 10.0 %");
        assert_eq!(Spread::new(vec![0.25]).show(1), "0.2");
        assert_eq!((spread.least(), spread.most()), (0.1, 0.3));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!((correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]) - 1.0).abs() < 1e-12);
        assert_eq!(correlation(&[1.0, 2.0], &[5.0, 5.0]), 0.0);
    }
}
