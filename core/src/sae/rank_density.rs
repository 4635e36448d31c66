//! Data of a rank–density plot: features by density, with the Zipf law of their densities, `density(r) ∝ (r + β)^−α` (Ayonrinde 2024).

use super::Zipf;
use super::parts::Densities;
use crate::ids::FeatureId;

/// Features by falling density.
#[derive(Debug, Clone, PartialEq)]
pub struct RankDensity {
    /// Feature of each rank, `[f]`; ties by feature.
    pub features: Vec<FeatureId>,
    /// Density of each rank, a share of tokens, `[f]`, falling.
    pub densities: Vec<f64>,
    /// Fitted law; none if fewer than three features fire.
    pub law: Option<FittedLaw>,
}

/// Zipf law fitted to densities by rank, by least squares of their logarithms over the first 80 % of the ranks.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedLaw {
    /// Exponent.
    pub alpha: f64,
    /// Offset of the ranks.
    pub beta: f64,
    /// Share of the variance of the logarithms that it explains.
    pub r_squared: f64,
    /// Density that it gives each rank, `[f]`; the sum equals that of the densities, as in the training of Mutual Choice.
    pub densities: Vec<f64>,
}

impl RankDensity {
    /// Ranks `densities [f]`, shares of tokens by feature.
    pub fn new(densities: &[f64]) -> Self {
        let all = Densities(densities.to_vec());
        let order = all.ranking();
        let falling: Vec<f64> = order.iter().map(|f| all.0[*f as usize]).collect();
        let law = Zipf::fit(&falling).map(|(law, r_squared)| FittedLaw {
            alpha: law.alpha,
            beta: law.beta,
            r_squared,
            densities: law.densities(falling.len(), falling.iter().sum()),
        });
        Self {
            features: order.into_iter().map(FeatureId).collect(),
            densities: falling,
            law,
        }
    }

    /// Returns the density of `rank` (from 0) over that of the law; below τ the feature is under-used.
    pub fn share_of_law(&self, rank: usize) -> Option<f64> {
        let law = self.law.as_ref()?.densities.get(rank)?;
        Some(self.densities.get(rank)? / law)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_ranked_and_those_below_the_law_are_found() {
        let law = Zipf {
            alpha: 1.0,
            beta: 2.0,
        };
        let mut densities = law.densities(100, 8.0);
        densities[95..].fill(1e-6);
        densities.reverse();
        let ranked = RankDensity::new(&densities);
        assert_eq!(ranked.features[0], FeatureId(99));
        assert!(ranked.densities.is_sorted_by(|a, b| a >= b));
        let found = ranked.law.as_ref().unwrap();
        assert!((found.alpha - 1.0).abs() < 0.05 && found.r_squared > 0.999);
        let total: f64 = densities.iter().sum();
        assert!((found.densities.iter().sum::<f64>() - total).abs() < 1e-9);
        let under = (0..100).filter(|rank| ranked.share_of_law(*rank) < Some(0.5));
        assert_eq!(under.collect::<Vec<_>>(), [95, 96, 97, 98, 99]);
        // Ties keep the order of features.
        assert_eq!(ranked.features[95..], [0, 1, 2, 3, 4].map(FeatureId));
    }

    #[test]
    fn what_never_fires_has_no_law() {
        let ranked = RankDensity::new(&[0.0, 0.0, 0.5, 0.0]);
        assert_eq!(
            (ranked.law.clone(), ranked.features[0]),
            (None, FeatureId(2))
        );
        assert_eq!(ranked.share_of_law(3), None);
    }
}
