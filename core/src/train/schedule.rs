//! The learning rate of each step: linear warm-up, constant, linear decay to 0.

/// Rate by step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Schedule {
    peak: f64,
    steps: u64,
    warmup: u64,
    decay: u64,
}

impl Schedule {
    /// Of a run of `steps`; `warmup` and `decay` are shares of it.
    pub(super) fn new(peak: f64, steps: u64, warmup: f64, decay: f64) -> Self {
        let share = |share: f64| (share * steps as f64).round() as u64;
        Self {
            peak,
            steps,
            warmup: share(warmup),
            decay: share(decay),
        }
    }

    /// Rate of step `step`, counted from 0; `anew`: the steps that were done when it began to warm up again, if it did.
    pub(super) fn rate(&self, step: u64, anew: Option<u64>) -> f64 {
        let ramp = |done: u64, of: u64| (done as f64 / of.max(1) as f64).min(1.0);
        let up = if self.warmup == 0 {
            1.0
        } else {
            ramp(step + 1 - anew.unwrap_or(0).min(step), self.warmup)
        };
        let down = if self.decay == 0 {
            1.0
        } else {
            ramp(self.steps.saturating_sub(step), self.decay)
        };
        self.peak * up.min(down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_stays_and_falls() {
        let schedule = Schedule::new(2.0, 100, 0.1, 0.2);
        let rates: Vec<f64> = (0..100).map(|step| schedule.rate(step, None)).collect();
        assert_eq!(rates[0], 0.2);
        assert_eq!(rates[4], 1.0);
        assert!(rates[9..=80].iter().all(|rate| *rate == 2.0));
        assert_eq!(rates[90], 1.0);
        assert!((rates[99] - 0.1).abs() < 1e-12);
        let flat = Schedule::new(2.0, 10, 0.0, 0.0);
        assert!((0..10).all(|step| flat.rate(step, Some(4)) == 2.0));
        assert_eq!(schedule.rate(50, Some(50)), 0.2);
        assert_eq!(schedule.rate(54, Some(50)), 1.0);
    }
}
