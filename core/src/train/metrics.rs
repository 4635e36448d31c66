//! The figures of each step, and their mean over the last steps.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::event::Progress;
use super::step::Report;

/// Steps that the figures at the end are over, at most.
const LAST: usize = 100;
/// Time that the speed is over.
const LATELY: Duration = Duration::from_secs(5);

/// Gathers what steps report.
#[derive(Debug)]
pub(super) struct Metrics {
    steps: u64,
    reports: VecDeque<Report>,
    /// Activations seen at some moments of the last seconds.
    clock: VecDeque<(Instant, u64)>,
    now: Progress,
}

impl Metrics {
    /// For a run of `steps`.
    pub(super) fn new(steps: u64) -> Self {
        Self {
            steps,
            reports: VecDeque::new(),
            clock: VecDeque::from([(Instant::now(), 0)]),
            now: Progress {
                steps,
                ..Progress::default()
            },
        }
    }

    /// Takes a step's report; the point of the curves.
    pub(super) fn count(&mut self, report: &Report, learning_rate: f64) -> Progress {
        if self.reports.len() == LAST {
            self.reports.pop_front();
        }
        self.reports.push_back(report.clone());
        self.now.step += 1;
        self.now.tokens_seen += report.tokens as u64;
        self.now.learning_rate = learning_rate;
        self.clock.push_back((Instant::now(), self.now.tokens_seen));
        self.now.tokens_per_second = self.speed();
        self.now = figures(std::iter::once(report), self.now);
        self.now
    }

    /// The latest point.
    pub(super) fn now(&self) -> Progress {
        self.now
    }

    /// Loss, FVU and L0 over the last steps.
    pub(super) fn last(&self) -> Progress {
        figures(self.reports.iter(), self.now)
    }

    fn speed(&mut self) -> f64 {
        while self.clock.len() > 2 && self.clock[1].0.elapsed() > LATELY {
            self.clock.pop_front();
        }
        let (Some((begun, before)), Some((end, after))) = (self.clock.front(), self.clock.back())
        else {
            return 0.0;
        };
        let seconds = end.duration_since(*begun).as_secs_f64();
        (after - before) as f64 / seconds.max(1e-9)
    }

    /// Steps in all.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }
}

/// `base` with loss, FVU, L0 and dead share of `reports`, each token weighing the same.
fn figures<'a>(reports: impl Iterator<Item = &'a Report>, base: Progress) -> Progress {
    let (mut tokens, mut loss, mut squared, mut variance, mut active) = (0, 0.0, 0.0, 0.0, 0);
    let mut dead_fraction = base.dead_fraction;
    for report in reports {
        tokens += report.tokens;
        loss += report.loss * report.tokens as f64;
        squared += report.squared;
        variance += report.variance;
        active += report.active;
        dead_fraction = report.dead_fraction;
    }
    let tokens = tokens.max(1) as f64;
    Progress {
        loss: loss / tokens,
        // A batch of equal activations has no variance to explain.
        fvu: if variance > 0.0 {
            squared / variance
        } else {
            0.0
        },
        l0: active as f64 / tokens,
        dead_fraction,
        ..base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_at_the_end_are_over_the_last_hundred_steps() {
        let mut metrics = Metrics::new(150);
        for step in 0..150_u32 {
            let report = Report {
                tokens: 10,
                loss: f64::from(step),
                squared: 1.0,
                variance: if step < 50 { 1.0 } else { 4.0 },
                active: 30,
                dead_fraction: 0.5,
                ..Report::default()
            };
            metrics.count(&report, 0.1);
        }
        let last = metrics.last();
        assert_eq!(last.loss, 99.5);
        assert_eq!((last.fvu, last.l0, last.dead_fraction), (0.25, 3.0, 0.5));
        assert_eq!(metrics.now().loss, 149.0);
        assert_eq!((last.step, last.steps, last.tokens_seen), (150, 150, 1_500));
    }
}
