//! How long after a key press its new colours are on screen, over the latest of them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Key presses whose times are kept.
pub(crate) const PRESSES: usize = 50;

/// Times from a key press in the sentence to the frame that draws the reading of what was typed.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// The first key press whose colours are not there yet.
    waiting: Option<Instant>,
    latest: VecDeque<Duration>,
    answered: usize,
}

/// Figures of the latest key presses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Number of key presses.
    pub(crate) presses: usize,
    /// Median.
    pub(crate) median: Duration,
    /// The time that nine of ten stay below.
    pub(crate) ninety: Duration,
}

impl Latencies {
    /// Somebody pressed a key in the sentence.
    pub(crate) fn pressed(&mut self, at: Instant) {
        self.waiting.get_or_insert(at);
    }

    /// Another sentence took the place of what was typed.
    pub(crate) fn forget(&mut self) {
        self.waiting = None;
    }

    /// Whether colours are waited for.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// The colours are drawn; figures after every [`PRESSES`] of them.
    pub(crate) fn answered(&mut self, now: Instant) -> Option<Figures> {
        let began = self.waiting.take()?;
        if self.latest.len() == PRESSES {
            self.latest.pop_front();
        }
        self.latest.push_back(now.saturating_duration_since(began));
        self.answered += 1;
        let full = self.answered.is_multiple_of(PRESSES);
        self.figures().filter(|_| full)
    }

    /// Figures of the latest key presses; none before the first.
    pub(crate) fn figures(&self) -> Option<Figures> {
        let mut sorted: Vec<Duration> = self.latest.iter().copied().collect();
        sorted.sort_unstable();
        let at = |share: f64| sorted.get((sorted.len() as f64 * share) as usize).copied();
        Some(Figures {
            presses: sorted.len(),
            median: at(0.5)?,
            ninety: at(0.9)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_press_without_colours_counts_and_figures_come_by_fifties() {
        let mut latencies = Latencies::default();
        let began = Instant::now();
        let ms = Duration::from_millis;
        assert_eq!(
            (latencies.figures(), latencies.answered(began)),
            (None, None)
        );
        for i in 1..=50 {
            latencies.pressed(began);
            latencies.pressed(began + ms(i)); // one more before the colours
            let told = latencies.answered(began + ms(i));
            assert_eq!(told.is_some(), i == 50);
        }
        let figures = latencies.figures().unwrap();
        assert_eq!(
            (figures.presses, figures.median, figures.ninety),
            (50, ms(26), ms(46))
        );
        latencies.pressed(began);
        latencies.forget();
        assert!(!latencies.is_waiting());
        assert_eq!(latencies.answered(began), None);
    }
}
