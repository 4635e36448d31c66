//! Which features have been silent for so long that AuxK takes them up.

use super::Spec;

/// A limit of Gao et al. 2024, for long runs.
const LIMIT: u64 = 10_000_000;

/// Activations after which a silent feature counts as dead: the setting, else min(10 M, 5 % of the run).
pub(super) fn limit(spec: &Spec) -> u64 {
    spec.dead_after
        .unwrap_or_else(|| LIMIT.min(spec.tokens / 20))
        .max(1)
}

/// When each feature was last active.
#[derive(Debug, Clone)]
pub(super) struct Dead {
    limit: u64,
    seen: u64,
    last: Vec<u64>,
}

impl Dead {
    /// All features counted as just active.
    pub(super) fn new(features: usize, limit: u64) -> Self {
        Self {
            limit,
            seen: 0,
            last: vec![0; features],
        }
    }

    /// Counts a batch of `tokens` in which `active` features fired.
    pub(super) fn count(&mut self, tokens: usize, active: &[u32]) {
        self.seen += tokens as u64;
        for feature in active {
            self.last[*feature as usize] = self.seen;
        }
    }

    /// Silent for longer than the limit, ascending.
    pub(super) fn features(&self) -> Vec<u32> {
        let silent = |last: &u64| self.seen - last > self.limit;
        (0..)
            .zip(&self.last)
            .filter_map(|(feature, last)| silent(last).then_some(feature))
            .collect()
    }

    /// Activations counted.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_dead_when_silent_for_more_than_the_limit() {
        let mut dead = Dead::new(3, 20);
        dead.count(10, &[0, 1]);
        dead.count(10, &[1]);
        assert_eq!(dead.features(), Vec::<u32>::new());
        dead.count(10, &[1]);
        assert_eq!(dead.features(), [2]);
        dead.count(10, &[2, 1]);
        assert_eq!(dead.features(), [0]);
        assert_eq!(dead.seen(), 40);
    }
}
