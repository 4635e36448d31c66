//! Sets of a class and of equally many others, and what a probe made of them.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::{Draws, LEAST_DRAWN};
use crate::benchmarks::estimate::Estimate;
use crate::benchmarks::labelled::Split;
use crate::corpus;

/// Texts of a class, and as many others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Balanced {
    /// Texts: those of the class, then the others.
    pub(super) texts: Vec<usize>,
    /// Whether each is of the class.
    pub(super) is_of: Vec<bool>,
}

impl Balanced {
    /// Puts together texts of a class and others; the longer list is cut.
    pub(super) fn new(of: &[usize], others: &[usize]) -> Self {
        let each = of.len().min(others.len());
        Self {
            texts: [&of[..each], &others[..each]].concat(),
            is_of: [vec![true; each], vec![false; each]].concat(),
        }
    }

    /// Draws a set of `class` among `texts`, the others from the other classes in turn, as equally as they allow.
    pub(super) fn of_class(
        (labels, classes): (&[usize], usize),
        texts: &[usize],
        (class, seed): (usize, u64),
    ) -> Self {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        chance.set_stream(class as u64);
        let mut of_each: Vec<Vec<usize>> = (0..classes)
            .map(|of| {
                texts
                    .iter()
                    .copied()
                    .filter(|text| labels[*text] == of)
                    .collect()
            })
            .collect();
        for texts in &mut of_each {
            texts.shuffle(&mut chance);
        }
        let of = std::mem::take(&mut of_each[class]);
        let longest = of_each.iter().map(Vec::len).max().unwrap_or_default();
        let in_turn =
            (0..longest).flat_map(|turn| of_each.iter().filter_map(move |texts| texts.get(turn)));
        let others: Vec<usize> = in_turn.copied().collect();
        Self::new(&of, &others)
    }

    /// Returns one set for every class, of the texts that train and of those that test.
    pub(super) fn of_classes(
        labels: &[usize],
        classes: usize,
        split: &Split,
        seed: u64,
    ) -> Vec<[Self; 2]> {
        let set = |texts: &[usize], class| Self::of_class((labels, classes), texts, (class, seed));
        (0..classes)
            .map(|class| [set(&split.train, class), set(&split.test, class)])
            .collect()
    }

    /// Returns whether a score is right on each text: above 0 for those of the class.
    pub(super) fn judged(&self, score: impl Fn(usize) -> f64) -> Judged {
        let each = self.texts.iter().zip(&self.is_of);
        Judged(
            each.map(|(text, is_of)| (*text, (score(*text) > 0.0) == *is_of))
                .collect(),
        )
    }
}

/// Texts that test, and whether a probe is right on each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judged(pub(super) Vec<(usize, bool)>);

impl Judged {
    /// Number of right ones, and of all.
    pub(super) fn counts(&self) -> [usize; 2] {
        let right = self.0.iter().filter(|(_, right)| *right).count();
        [right, self.0.len()]
    }

    /// Share of right ones, each text counted `weights` times; 0.5 where no text is left.
    pub(super) fn share(&self, weights: Option<&[u32]>) -> f64 {
        let weight = |text: usize| weights.map_or(1.0, |weights| f64::from(weights[text]));
        let all: f64 = self.0.iter().map(|(text, _)| weight(*text)).sum();
        let right = self.0.iter().filter(|(_, right)| *right);
        let right: f64 = right.map(|(text, _)| weight(*text)).sum();
        // The sum of nothing is −0.
        if all > 0.0 { (right + 0.0) / all } else { 0.5 }
    }
}

/// Draws of test texts with replacement within every group, shared by all figures.
pub(super) struct Resampled {
    /// How often each text is in each draw, `[draws][n]`.
    weights: Vec<Vec<u32>>,
    /// Whether every group has texts enough.
    is_enough: bool,
}

impl Resampled {
    /// Draws as many texts of each group of `test` as it has.
    pub(super) fn new(groups: &[usize], test: &[usize], draws: Draws) -> Self {
        let mut weights = vec![vec![0; groups.len()]; draws.draws];
        let mut is_enough = true;
        let last = groups.iter().copied().max().unwrap_or_default();
        for group in 0..=last {
            let texts: Vec<usize> = test
                .iter()
                .copied()
                .filter(|text| groups[*text] == group)
                .collect();
            if texts.is_empty() {
                continue;
            }
            is_enough &= texts.len() >= LEAST_DRAWN;
            let seed = draws.seed ^ ((group as u64 + 1) << 32);
            let drawn = corpus::Resampled::new(texts.len(), draws.draws, seed);
            for (draw, weights) in weights.iter_mut().enumerate() {
                for (text, weight) in texts.iter().zip(drawn.weights(draw)) {
                    weights[*text] = weight;
                }
            }
        }
        Self { weights, is_enough }
    }

    /// Returns the mean share of `judged` with its interval: where no draw differs from another, which says nothing of other texts, that of Wilson for as many
    /// texts as there are.
    pub(super) fn shares(&self, judged: &[Judged]) -> Estimate {
        let mean = |weights: Option<&[u32]>| {
            judged.iter().map(|one| one.share(weights)).sum::<f64>() / judged.len() as f64
        };
        let mut found = self.estimate(&mean);
        if found.interval.is_some_and(|[low, high]| low == high) {
            let mut texts: Vec<usize> = judged
                .iter()
                .flat_map(|one| one.0.iter().map(|(text, _)| *text))
                .collect();
            texts.sort_unstable();
            texts.dedup();
            let right = (found.value * texts.len() as f64).round() as usize;
            found.interval = wilson([right, texts.len()]);
        }
        found
    }

    /// Returns a figure of all texts with its percentile interval over the draws; none where a group has too few texts for one.
    pub(super) fn estimate(&self, figure: &dyn Fn(Option<&[u32]>) -> f64) -> Estimate {
        let drawn = self.weights.iter().map(|weights| figure(Some(weights)));
        Estimate {
            value: figure(None),
            interval: if self.is_enough {
                corpus::interval(drawn.collect())
            } else {
                None
            },
        }
    }
}

/// 97.5th percentile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Returns the 95 % interval of Wilson of a share.
pub(super) fn wilson([right, all]: [usize; 2]) -> Option<[f64; 2]> {
    if all == 0 {
        return None;
    }
    let (n, p) = (all as f64, right as f64 / all as f64);
    let scale = 1.0 + Z * Z / n;
    let middle = (p + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    Some([(middle - half).max(0.0), (middle + half).min(1.0)])
}
