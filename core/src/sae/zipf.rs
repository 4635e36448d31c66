//! Zipf law of densities by rank, `density(r) ∝ (r + β)^−α`, r from 1: its fit to a dictionary, and budgets by it.

/// Share of the ranks of living features that enter a fit: the low tail of a trained dictionary has too many under-used features to follow a law.
const FITTED: f64 = 0.8;
/// Share of the mean density from which a feature counts as living; a moving average at rate 0.01 falls that low after about 500 silent steps.
const LIVING: f64 = 0.01;
/// Number of offsets tried, from 0 to the number of features.
const OFFSETS: usize = 200;

/// Zipf law with exponent α and offset β.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Zipf {
    pub(crate) alpha: f64,
    pub(crate) beta: f64,
}

impl Zipf {
    /// Returns the density of a rank (from 0) up to a common factor.
    fn weight(self, rank: usize) -> f64 {
        (rank as f64 + 1.0 + self.beta).powf(-self.alpha)
    }

    /// Returns densities by rank that sum to `total`.
    pub(crate) fn densities(self, features: usize, total: f64) -> Vec<f64> {
        let weights: Vec<f64> = (0..features).map(|rank| self.weight(rank)).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|w| w * total / sum).collect()
    }

    /// Fits falling `densities` by least squares of their logarithms over the first ranks of the living, and returns the share of variance that is explained;
    /// none if fewer than three are positive.
    pub(crate) fn fit(densities: &[f64]) -> Option<(Self, f64)> {
        let mean = densities.iter().sum::<f64>() / densities.len().max(1) as f64;
        let living = densities.partition_point(|density| *density >= LIVING * mean);
        let ranks = (living as f64 * FITTED).ceil() as usize;
        let logs: Vec<(f64, f64)> = (densities.iter().take(ranks).enumerate())
            .filter(|(_, density)| **density > 0.0)
            .map(|(rank, density)| (rank as f64 + 1.0, density.ln()))
            .collect();
        if logs.len() < 3 {
            return None;
        }
        let most = (densities.len() as f64).ln_1p();
        let offsets = (0..=OFFSETS).map(|i| (most * i as f64 / OFFSETS as f64).exp_m1());
        offsets
            .map(|beta| line(&logs, beta))
            .min_by(|a, b| a.2.total_cmp(&b.2))
            .map(|(alpha, beta, unexplained)| (Self { alpha, beta }, 1.0 - unexplained))
    }

    /// Returns integer budgets by rank that sum to `budget`, each from 1 to `most`; the sum is exact if these bounds allow it.
    pub(crate) fn budgets(self, features: usize, budget: usize, most: usize) -> Vec<u32> {
        let weights: Vec<f64> = (0..features).map(|rank| self.weight(rank)).collect();
        allocate(&weights, budget, most)
    }
}

/// Fits a line through `logs` at offset β; returns α, β and the unexplained share of variance.
fn line(logs: &[(f64, f64)], beta: f64) -> (f64, f64, f64) {
    let n = logs.len() as f64;
    let x = |rank: f64| (rank + beta).ln();
    let mean_x = logs.iter().map(|(rank, _)| x(*rank)).sum::<f64>() / n;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / n;
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (rank, y) in logs {
        let (dx, dy) = (x(*rank) - mean_x, y - mean_y);
        xx += dx * dx;
        xy += dx * dy;
        yy += dy * dy;
    }
    let slope = if xx > 0.0 { xy / xx } else { 0.0 };
    let unexplained = if yy > 0.0 {
        ((yy - slope * xy) / yy).max(0.0)
    } else {
        0.0
    };
    (-slope, beta, unexplained)
}

/// Splits `budget` in proportion to falling `weights` into parts from 1 to `most`, with the largest fractions rounded up.
fn allocate(weights: &[f64], budget: usize, most: usize) -> Vec<u32> {
    let features = weights.len();
    let budget = budget.clamp(features.min(features * most), features * most);
    let mut parts = vec![0_usize; features];
    // Weights fall: those above `most` come first, those below 1 last.
    let (mut full, mut ones) = (0, features);
    loop {
        let middle: f64 = weights[full..ones].iter().sum();
        let left = budget.saturating_sub(full * most + (features - ones)) as f64;
        let share = |i: usize| weights[i] * left / middle;
        if full < ones && share(full) > most as f64 {
            full += 1;
        } else if full < ones && share(ones - 1) < 1.0 {
            ones -= 1;
        } else {
            for (i, part) in parts.iter_mut().enumerate() {
                *part = match i {
                    i if i < full => most,
                    i if i >= ones => 1,
                    i => share(i).floor() as usize,
                };
            }
            let mut fractions: Vec<usize> = (full..ones).collect();
            let fraction = |i: usize| share(i).fract();
            fractions.sort_by(|a, b| fraction(*b).total_cmp(&fraction(*a)).then(a.cmp(b)));
            settle(&mut parts, &fractions, budget, most);
            return parts.into_iter().map(|part| part as u32).collect();
        }
    }
}

/// Adds missing units to the first of `order`, then to any part with room; removes excess units from the last parts above 1.
fn settle(parts: &mut [usize], order: &[usize], budget: usize, most: usize) {
    let mut total: usize = parts.iter().sum();
    let everybody: Vec<usize> = (0..parts.len()).collect();
    let mut rounds = order.iter().chain(everybody.iter().cycle());
    while total < budget {
        let Some(i) = rounds.next() else { break };
        if parts[*i] < most {
            parts[*i] += 1;
            total += 1;
        }
    }
    let mut back = everybody.iter().rev().cycle();
    while total > budget {
        let Some(i) = back.next() else { break };
        if parts[*i] > 1 {
            parts[*i] -= 1;
            total -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dying_features_do_not_bend_the_law() {
        let law = Zipf {
            alpha: 0.8,
            beta: 5.0,
        };
        let mut densities = law.densities(300, 8.0);
        // Two fifths of all die away, as moving averages do.
        densities.extend((1..=200).map(|i| 1e-3 * 0.95_f64.powi(i)));
        let (found, explained) = Zipf::fit(&densities).unwrap();
        assert!((found.alpha - 0.8).abs() < 0.02, "{found:?}");
        assert!(explained > 0.999, "{explained}");
        // The control: over four fifths of all ranks the best line is far from the law.
        let all: Vec<(f64, f64)> = (densities[..400].iter().enumerate())
            .map(|(rank, density)| (rank as f64 + 1.0, density.ln()))
            .collect();
        assert!(line(&all, 5.0).0 > 1.5);
    }

    #[test]
    fn a_law_is_found_again() {
        for (alpha, beta) in [(0.8, 5.0), (1.2, 2.0), (1.0, 0.0)] {
            let law = Zipf { alpha, beta };
            let densities = law.densities(500, 8.0);
            assert!((densities.iter().sum::<f64>() - 8.0).abs() < 1e-9);
            let (found, explained) = Zipf::fit(&densities).unwrap();
            assert!((found.alpha - alpha).abs() < 0.03, "{found:?}");
            assert!(explained > 0.9999, "{explained}");
        }
        assert_eq!(Zipf::fit(&[0.5, 0.1, 0.0, 0.0]), None);
    }

    #[test]
    fn the_tail_does_not_bend_the_fit() {
        let law = Zipf {
            alpha: 0.9,
            beta: 3.0,
        };
        let mut densities = law.densities(400, 5.0);
        densities[330..].fill(1e-9);
        let (found, _) = Zipf::fit(&densities).unwrap();
        assert!((found.alpha - 0.9).abs() < 0.05, "{found:?}");
    }

    #[test]
    fn budgets_add_up_exactly_and_keep_to_their_bounds() {
        for (alpha, beta) in [(0.0, 0.0), (0.8, 5.0), (1.2, 2.0), (3.0, 0.0)] {
            let law = Zipf { alpha, beta };
            for (features, budget, most) in [
                (512, 5_120, 1_024),
                (512, 513, 1_024),
                (100, 990, 10),
                (7, 30, 100),
                (1, 5, 9),
            ] {
                let budgets = law.budgets(features, budget, most);
                let total: u32 = budgets.iter().sum();
                assert_eq!(total as usize, budget, "{law:?} {features} {most}");
                assert!(budgets.iter().all(|b| (1..=most as u32).contains(b)));
                let falls = budgets.windows(2).filter(|pair| pair[0] + 1 < pair[1]);
                assert_eq!(falls.count(), 0, "{budgets:?}");
            }
            // Too small a budget: one each; too large: all there is.
            assert_eq!(law.budgets(5, 2, 9), [1; 5]);
            assert_eq!(law.budgets(3, 100, 9), [9; 3]);
        }
        let law = Zipf {
            alpha: 1.0,
            beta: 0.0,
        };
        assert_eq!(law.budgets(4, 25, 100), [12, 6, 4, 3]);
    }
}
