//! Means of measured values with the interval of a bootstrap, as every figure of a benchmark gives them.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::corpus;

/// Draws of the bootstrap, by default.
pub const DRAWS: usize = 1_000;

/// Bootstrap of an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// Number of draws.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// Mean with a 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Mean of the values.
    pub value: f64,
    /// 2.5th and 97.5th percentile of the means of draws with replacement; none for fewer than two values.
    pub interval: Option<[f64; 2]>,
}

impl Estimate {
    /// Estimates the mean of `values`; none without values.
    pub fn from_values(values: &[f64], bootstrap: Bootstrap) -> Option<Self> {
        Self::from_groups(&[values], bootstrap)
    }

    /// Estimates the mean of the means of `groups`: each draw takes values with replacement within every group. None if a group is empty or there is none.
    pub fn from_groups(groups: &[&[f64]], bootstrap: Bootstrap) -> Option<Self> {
        if groups.is_empty() || groups.iter().any(|group| group.is_empty()) {
            return None;
        }
        let of_groups =
            |means: &mut dyn Iterator<Item = f64>| means.sum::<f64>() / groups.len() as f64;
        let value = of_groups(&mut groups.iter().map(|group| mean(group)));
        let mut chance = ChaCha8Rng::seed_from_u64(bootstrap.seed);
        let mut draw = || {
            let mut of = |group: &&[f64]| {
                let taken = (0..group.len()).map(|_| group[chance.random_range(0..group.len())]);
                taken.sum::<f64>() / group.len() as f64
            };
            of_groups(&mut groups.iter().map(&mut of))
        };
        let interval = if groups.iter().all(|group| group.len() < 2) {
            None
        } else {
            corpus::interval((0..bootstrap.draws).map(|_| draw()).collect())
        };
        Some(Self { value, interval })
    }

    /// Returns the estimate as JSON: `{value, interval}`.
    pub fn json(&self) -> Value {
        json!({"value": self.value, "interval": self.interval})
    }

    /// Returns the estimate for people, with its interval in brackets.
    pub fn words(&self) -> String {
        match self.interval {
            Some([low, high]) => format!("{:.3} [{low:.3}, {high:.3}]", self.value),
            None => format!("{:.3}", self.value),
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap {
        draws: 4_000,
        seed: 1,
    };

    #[test]
    fn an_interval_has_the_width_of_the_standard_error() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 4 == 0)).collect();
        let found = Estimate::from_values(&values, BOOTSTRAP).unwrap();
        assert_eq!(found.value, 0.25);
        let [low, high] = found.interval.unwrap();
        // 1.96 · √(0.25 · 0.75 / 400) = 0.0424 on each side.
        assert!((low - 0.2076).abs() < 0.005 && (high - 0.2924).abs() < 0.005);
        let again = Estimate::from_values(&values, BOOTSTRAP).unwrap();
        assert_eq!(again, found);
        let other = Bootstrap { seed: 2, draws: 50 };
        let other = Estimate::from_values(&values, other).unwrap();
        assert_ne!(other.interval, found.interval);
    }

    #[test]
    fn groups_count_alike_whatever_their_size() {
        let (small, large) = ([1.0, 0.0], [0.0; 8]);
        let found = Estimate::from_groups(&[&small, &large], BOOTSTRAP).unwrap();
        assert_eq!(found.value, 0.25);
        assert_eq!(found.interval, Some([0.0, 0.5]));
        assert_eq!(Estimate::from_groups(&[&small, &[]], BOOTSTRAP), None);
        let one = Estimate::from_values(&[0.3], BOOTSTRAP).unwrap();
        assert_eq!((one.value, one.interval), (0.3, None));
    }
}
