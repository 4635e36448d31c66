//! Mean of a figure over seeds, with its interval.

use serde::{Deserialize, Serialize};

/// 97.5 % quantiles of Student's t distribution with 1 to 30 degrees of freedom.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

/// Mean of a figure over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// 95 % interval of the mean by Student's t over the seeds; none of one seed.
    pub interval: Option<[f64; 2]>,
    /// Number of seeds.
    pub seeds: usize,
}

impl Spread {
    /// Measures values, one a seed; NaN of none.
    pub fn new(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let interval = (values.len() > 1).then(|| {
            let deviation = (squares / (n - 1.0) / n).sqrt();
            // Beyond the table its last entry is a little too wide.
            let half = T[(values.len() - 2).min(T.len() - 1)] * deviation;
            [mean - half, mean + half]
        });
        Self {
            mean,
            interval,
            seeds: values.len(),
        }
    }

    /// Whether the whole interval lies above `level`.
    pub fn is_above(&self, level: f64) -> bool {
        self.interval.is_some_and(|[low, _]| low > level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_students_and_one_seed_has_none() {
        let spread = Spread::new(&[1.0, 2.0, 3.0]);
        let half = 4.303 / 3.0_f64.sqrt();
        let [low, high] = spread.interval.unwrap();
        assert!((low - (2.0 - half)).abs() < 1e-12 && (high - (2.0 + half)).abs() < 1e-12);
        assert!(!spread.is_above(0.0) && spread.is_above(-1.0));
        assert_eq!(Spread::new(&[5.0]).interval, None);
        assert!(!Spread::new(&[5.0]).is_above(0.0));
    }
}
