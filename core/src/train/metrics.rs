//! The figures of each step, and their mean over the last steps.

use std::collections::VecDeque;
use std::time::Instant;

use super::event::Point;
use super::report::Report;
use crate::error::{Error, Result};
use crate::progress::Pace;
use crate::sae::state::Keep;

/// Steps that the figures at the end are over, at most.
const LAST: usize = 100;
/// Steps that decide at the end whether the dictionary is worth keeping.
const FINAL: usize = 10;
/// So many times the variance to be explained, or the error of the first step, is what no training leaves: the mean alone leaves 1.
const BEYOND: f64 = 1.5;
/// A start may leave so many times the variance and be mended.
const STARTS: f64 = 100.0;
/// Remedy for a run that diverges.
pub(super) const REMEDY: &str = "lower the learning rate or use a larger batch";

/// Gathers what steps report.
#[derive(Debug)]
pub(super) struct Metrics {
    steps: u64,
    reports: VecDeque<Report>,
    /// Error that the first step left, unless the run was resumed; see [`left`].
    first: Option<f64>,
    pace: Pace,
    now: Point,
}

impl Metrics {
    /// For a run of `steps`.
    pub(super) fn new(steps: u64) -> Self {
        Self {
            steps,
            reports: VecDeque::new(),
            first: None,
            pace: Pace::default(),
            now: Point {
                steps,
                ..Point::default()
            },
        }
    }

    /// Takes a step's report; the point of the curves.
    pub(super) fn count(&mut self, report: &Report, learning_rate: f64) -> Point {
        if self.reports.len() == LAST {
            self.reports.pop_front();
        }
        self.reports.push_back(report.clone());
        self.now.step += 1;
        self.now.tokens_seen += report.tokens as u64;
        self.now.learning_rate = learning_rate;
        self.pace.mark(Instant::now(), self.now.tokens_seen);
        self.now.tokens_per_second = self.pace.per_second().unwrap_or_default();
        self.now = figures(std::iter::once(report), self.now);
        if self.now.step == 1 {
            self.first = Some(left(report));
        }
        self.now
    }

    /// Checks that the run does not diverge. It diverges if the reconstruction is worse than none, and than at the start, in most of the kept steps, or at the
    /// last step in most of the last few. Single steps may be bad, since an activation may be long or a loss may leap and recover. A run that ends worse than
    /// none after mostly bad steps, or after leaps that no start explains, has not recovered.
    pub(super) fn check(&self) -> Result<()> {
        let ends = self.now.step == self.steps;
        if !ends && self.reports.len() < LAST {
            return Ok(());
        }
        let most = BEYOND * self.first.unwrap_or_default().clamp(1.0, STARTS);
        let (kept, few) = (self.reports.len(), self.reports.len().min(FINAL));
        let (whole, end) = (self.middle(kept), self.middle(few));
        let mean = self.reports.iter().map(left).sum::<f64>() / kept.max(1) as f64;
        let (error, over) = match ends {
            false if whole > most => (whole, kept),
            true if end > most => (end, few),
            true if end > 1.0 && whole > most => (whole, kept),
            true if end > 1.0 && mean > most.max(STARTS) => (mean, kept),
            _ => return Ok(()),
        };
        let error = if error < 1e3 {
            format!("{error:.1}")
        } else {
            format!("{error:.1e}")
        };
        Err(Error::Numeric {
            what: format!(
                "the run diverges: at step {} the error over the last {over} steps is {error} times the variance of the activations; {REMEDY}",
                self.now.step
            ),
        })
    }

    /// The median of what the last `over` steps left; see [`left`].
    fn middle(&self, over: usize) -> f64 {
        let mut errors: Vec<f64> = self.reports.iter().rev().take(over).map(left).collect();
        errors.sort_unstable_by(f64::total_cmp);
        errors.get(errors.len() / 2).copied().unwrap_or_default()
    }

    /// Returns the latest point.
    pub(super) fn now(&self) -> Point {
        self.now
    }

    /// Returns loss, FVU and L0 over the last steps.
    pub(super) fn last(&self) -> Point {
        figures(self.reports.iter(), self.now)
    }

    /// Saves or restores the state for the figures at the end; see [`Keep`].
    pub(super) fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        let now = self.now;
        let inference = [now.inference_l0, now.inference_fvu].map(|x| x.unwrap_or(f64::NAN));
        let mut counts = vec![now.step, now.tokens_seen];
        keep.numbers("counts", &mut counts)?;
        let mut figures = vec![
            now.loss,
            now.fvu,
            now.l0,
            inference[0],
            inference[1],
            now.dead_fraction,
            now.gradient_norm.unwrap_or(f64::NAN),
            now.clipped_fraction,
        ];
        keep.reals("figures", &mut figures)?;
        let mut reports: Vec<f64> = self.reports.iter().flat_map(numbers).collect();
        keep.reals("reports", &mut reports)?;
        self.reports = reports.as_chunks().0.iter().map(report).collect();
        let known = |x: f64| Some(x).filter(|x| !x.is_nan());
        if let (
            [step, tokens_seen],
            [
                loss,
                fvu,
                l0,
                inference_l0,
                inference_fvu,
                dead,
                gradient_norm,
                clipped,
            ],
        ) = (counts.as_slice(), figures.as_slice())
        {
            self.now = Point {
                step: *step,
                tokens_seen: *tokens_seen,
                loss: *loss,
                fvu: *fvu,
                l0: *l0,
                inference_l0: known(*inference_l0),
                inference_fvu: known(*inference_fvu),
                dead_fraction: *dead,
                gradient_norm: known(*gradient_norm),
                clipped_fraction: *clipped,
                ..now
            };
        }
        self.pace = Pace::default();
        Ok(())
    }

    /// How many steps [`Self::last`] is over.
    pub(super) fn kept(&self) -> u64 {
        self.reports.len() as u64
    }

    /// Steps in all.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }
}

/// The error of a step over the variance to be explained: that of its batch, or what the sample lets expect of as many activations where that is more, since a few
/// may happen to be alike.
fn left(report: &Report) -> f64 {
    let variance = report.variance.max(report.expected);
    if variance > 0.0 {
        report.squared / variance
    } else {
        0.0
    }
}

/// Inputs of figures.
fn numbers(report: &Report) -> [f64; 10] {
    let (kept, left) = report.inference.unwrap_or((usize::MAX, 0.0));
    [
        report.tokens as f64,
        report.loss,
        report.squared,
        report.variance,
        report.active as f64,
        report.dead_fraction,
        kept as f64,
        left,
        report.gradient_norm.unwrap_or(f64::NAN),
        f64::from(u8::from(report.clipped)),
    ]
}

/// Converts them back.
fn report(numbers: &[f64; 10]) -> Report {
    let [
        tokens,
        loss,
        squared,
        variance,
        active,
        dead_fraction,
        kept,
        left,
        gradient_norm,
        clipped,
    ] = *numbers;
    Report {
        tokens: tokens as usize,
        loss,
        squared,
        variance,
        active: active as usize,
        dead_fraction,
        inference: (kept < usize::MAX as f64).then_some((kept as usize, left)),
        gradient_norm: Some(gradient_norm).filter(|norm| !norm.is_nan()),
        clipped: clipped > 0.0,
        // It is not kept: steps from before the checkpoint decide nothing.
        expected: f64::INFINITY,
        ..Report::default()
    }
}

/// `base` with loss, FVU, L0 and dead share of `reports`, each token weighing the same.
fn figures<'a>(reports: impl Iterator<Item = &'a Report>, base: Point) -> Point {
    let (mut tokens, mut loss, mut squared, mut variance, mut active) = (0, 0.0, 0.0, 0.0, 0);
    let mut dead_fraction = base.dead_fraction;
    let mut inference = (0, 0, 0.0, 0.0);
    let mut gradient_norm = base.gradient_norm;
    let (mut steps, mut clipped) = (0_u32, 0_u32);
    for report in reports {
        gradient_norm = report.gradient_norm.or(gradient_norm);
        steps += 1;
        clipped += u32::from(report.clipped);
        if let Some((active, squared)) = report.inference {
            inference.0 += report.tokens;
            inference.1 += active;
            inference.2 += squared;
            inference.3 += report.variance;
        }
        tokens += report.tokens;
        loss += report.loss * report.tokens as f64;
        squared += report.squared;
        variance += report.variance;
        active += report.active;
        dead_fraction = report.dead_fraction;
    }
    let tokens = tokens.max(1) as f64;
    let (measured, kept, left, spread) = inference;
    Point {
        inference_l0: if measured > 0 {
            Some(kept as f64 / measured as f64)
        } else {
            base.inference_l0
        },
        inference_fvu: if spread > 0.0 {
            Some(left / spread)
        } else {
            base.inference_fvu
        },
        loss: loss / tokens,
        // A batch of equal activations has no variance to explain.
        fvu: if variance > 0.0 {
            squared / variance
        } else {
            0.0
        },
        l0: active as f64 / tokens,
        dead_fraction,
        gradient_norm,
        clipped_fraction: f64::from(clipped) / f64::from(steps.max(1)),
        ..base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of `steps` whose steps leave the given shares of the variance; the first step that is refused, with the sentence.
    fn refused(steps: u64, fvus: impl IntoIterator<Item = f64>) -> Option<(u64, String)> {
        let mut metrics = Metrics::new(steps);
        for fvu in fvus {
            let report = Report {
                tokens: 4,
                squared: 3.0 * fvu,
                variance: 3.0,
                ..Report::default()
            };
            let at = metrics.count(&report, 0.1).step;
            if let Err(error) = metrics.check() {
                return Some((at, error.to_string()));
            }
        }
        None
    }

    #[test]
    fn a_run_that_diverges_is_stopped_and_one_that_leaps_is_not() {
        // Bad from step 201 on: half of the last hundred at step 250.
        let bad = (0..1_000).map(|step| if step < 200 { 0.5 } else { 11.0 });
        let (at, said) = refused(1_000, bad).unwrap();
        assert_eq!(at, 250);
        assert!(
            said.contains("step 250") && said.contains("is 11.0 times"),
            "{said}"
        );
        assert!(
            said.contains("learning rate") && said.contains("batch"),
            "{said}"
        );
        // The last steps of a run decide about what is kept.
        let late = (0..100).map(|step| if step < 94 { 0.5 } else { 8e14 });
        assert_eq!(refused(100, late).unwrap().0, 100);
        // One long activation, a start that is far off, an error that is no better than none.
        let leap = (0..300).map(|step| if step % 100 == 7 { 1e9 } else { 0.4 });
        assert_eq!(refused(300, leap), None);
        let rough = (0..300).map(|step| 40.0 / f64::from(step + 1));
        assert_eq!(refused(300, rough), None);
        let poor = (0..300).map(|step| if step == 0 { 0.9 } else { 1.4 });
        assert_eq!(refused(300, poor), None);
        assert_eq!(refused(1, [50.0]), None);
        // The rate falls to nothing at the end, and what was ruined before stays worse than none; or comes back.
        let ruined = |end| (0..60).map(move |step| if step < 45 { 9e3 } else { end });
        let (at, said) = refused(60, ruined(1.2)).unwrap();
        assert_eq!(at, 60);
        assert!(said.contains("is 9.0e3 times") && said.contains("last 60 steps"));
        assert_eq!(refused(60, ruined(0.9)), None);
        // As does what one leap has killed.
        let leapt = |end| (0..60).map(move |step| if step == 5 { 6e7 } else { end });
        let said = refused(60, leapt(9.0)).unwrap().1;
        assert!(said.contains("is 1.0e6 times"), "{said}");
        assert_eq!(refused(60, leapt(0.9)), None);
        // No start excuses everything.
        assert!(refused(100, (0..100).map(|_| 8e14)).is_some());
        let said = refused(50, (0..50).map(|step| if step == 0 { 1.0 } else { 8e14 }));
        assert!(said.unwrap().1.contains("is 8.0e14 times"));
    }

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
