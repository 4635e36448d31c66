//! Densities of a run's features, prepared for drawing by the run's job, never in a frame.

use umbra_core::sae::RankDensity;
use umbra_core::train::Firing;

use crate::widgets::density_histogram::DensityHistogram;
use crate::widgets::rank_plot::RankPoint;

/// Ranks that are all drawn; beyond, only ranks that are a hundredth apart.
const ALL: usize = 200;

/// Densities by rank and by size.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ranking {
    /// Features that fire, by rank, thinned where marks would overlap.
    pub(crate) points: Vec<RankPoint>,
    /// The law's α, β and R².
    pub(crate) law: Option<(f64, f64, f64)>,
    /// τ of the run: share of the law below which its training counts a feature as under-used.
    pub(crate) tau: f64,
    /// Each feature's density as a share of the law's, ascending; empty without a law.
    shares: Vec<f64>,
    /// Features that never fired and do not count as dead yet.
    pub(crate) silent: usize,
    /// Features in all.
    pub(crate) features: usize,
    /// Histogram by density; dead features are counted apart.
    pub(crate) histogram: DensityHistogram,
}

impl Ranking {
    /// Ranks what a run reported.
    pub(crate) fn new(firing: &Firing, tau: f64) -> Self {
        let ranked = RankDensity::new(&firing.densities);
        let firing_ranks = ranked.densities.partition_point(|density| *density > 0.0);
        let law_at = |rank: usize| ranked.law.as_ref().map(|law| law.densities[rank]);
        let point = |rank: usize| RankPoint {
            rank: rank + 1,
            feature: ranked.features[rank].0,
            density: ranked.densities[rank],
            law: law_at(rank),
        };
        let mut dead = vec![false; firing.densities.len()];
        for feature in &firing.dead {
            dead[feature.index()] = true;
        }
        let alive = || {
            firing
                .densities
                .iter()
                .zip(&dead)
                .filter(|(_, dead)| !**dead)
        };
        let densities: Vec<f64> = alive().map(|(d, _)| *d).filter(|d| *d > 0.0).collect();
        let ranks = 0..ranked.densities.len();
        let mut shares: Vec<f64> = ranks.filter_map(|rank| ranked.share_of_law(rank)).collect();
        shares.sort_by(f64::total_cmp);
        Self {
            points: thinned(firing_ranks).map(point).collect(),
            law: (ranked.law.as_ref()).map(|law| (law.alpha, law.beta, law.r_squared)),
            tau,
            shares,
            silent: alive().count() - densities.len(),
            features: firing.densities.len(),
            histogram: DensityHistogram::new(&densities, firing.dead.len() as u64),
        }
    }

    /// Returns the number of features whose density is below `tau` times the law's.
    pub(crate) fn below(&self, tau: f64) -> usize {
        self.shares.partition_point(|share| *share < tau)
    }
}

/// Ranks from 0 below `ranks`, the last included.
fn thinned(ranks: usize) -> impl Iterator<Item = usize> {
    let next = move |rank: &usize| {
        let step = if *rank < ALL { 1 } else { rank / 100 };
        let after = rank + step.max(1);
        let last = ranks.saturating_sub(1);
        (*rank < last).then(|| after.min(last))
    };
    std::iter::successors((ranks > 0).then_some(0), next)
}

#[cfg(test)]
mod tests {
    use umbra_core::ids::FeatureId;

    use super::*;

    #[test]
    fn what_is_drawn_is_thinned_and_what_is_dead_stands_apart() {
        let mut densities: Vec<f64> = (1..=20_000).map(|rank| 0.5 / f64::from(rank)).collect();
        densities[19_990..].fill(0.0);
        densities[19_000..19_990].fill(1e-7);
        let dead = (19_500..19_995).map(FeatureId::from).collect();
        let ranking = Ranking::new(&Firing { densities, dead }, 0.5);
        assert!(ranking.points.len() < 800, "{}", ranking.points.len());
        let (first, last) = (ranking.points[0], *ranking.points.last().unwrap());
        assert_eq!((first.rank, first.feature, last.rank), (1, 0, 19_990));
        assert!(!first.is_below(0.5) && last.is_below(0.5));
        assert_eq!((ranking.silent, ranking.below(0.5)), (5, 1_000));
        assert_eq!((ranking.below(0.0), ranking.below(f64::MAX)), (0, 20_000));
        assert_eq!(ranking.features, 20_000);
    }

    #[test]
    fn nothing_that_fires_gives_no_points() {
        let firing = Firing {
            densities: vec![0.0; 4],
            dead: vec![],
        };
        let ranking = Ranking::new(&firing, 0.5);
        assert!(ranking.points.is_empty() && ranking.law.is_none());
        assert_eq!((ranking.silent, ranking.below(1.0)), (4, 0));
        assert_eq!(thinned(1).collect::<Vec<_>>(), [0]);
    }
}
