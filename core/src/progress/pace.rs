//! How fast work goes: one smoothing for everything that shows a speed or a time left. It shows nothing itself.
//!
//! Work often comes in bursts (a buffer is filled, then used up). The speed is therefore over the later half of the time so far, ten seconds at least, and
//! what comes before the first unit is done is no part of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Least time that the speed is over.
const LEAST: Duration = Duration::from_secs(10);
/// From a shorter time no speed is told.
const SHORTEST: Duration = Duration::from_millis(300);
/// Marks that are kept at most; beyond, every second is dropped.
const MARKS: usize = 512;

/// How far some work was at some moments.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    /// When it began to get further.
    begun: Option<Instant>,
    marks: VecDeque<(Instant, u64)>,
}

impl Pace {
    /// Takes that `done` units were done at `now`. Fewer than before begin anew.
    pub fn mark(&mut self, now: Instant, done: u64) {
        match (self.marks.front(), self.marks.back()) {
            (Some((_, first)), Some((_, last))) if done < *last || *first == done => {
                self.marks.clear();
                self.begun = Some(now);
            }
            (None, _) => self.begun = Some(now),
            _ => {}
        }
        self.marks.push_back((now, done));
        let so_far = self.begun.map(|begun| now.duration_since(begun));
        let window = so_far.map_or(LEAST, |so_far| LEAST.max(so_far / 2));
        while self.marks.len() > 2 && now.duration_since(self.marks[1].0) >= window {
            self.marks.pop_front();
        }
        if self.marks.len() > MARKS {
            let last = self.marks.pop_back();
            let mut keep = false;
            self.marks.retain(|_| {
                keep = !keep;
                keep
            });
            self.marks.extend(last);
        }
    }

    /// Units per second; none before it can be told.
    pub fn per_second(&self) -> Option<f64> {
        let ((begun, before), (end, after)) = (self.marks.front()?, self.marks.back()?);
        let passed = end.duration_since(*begun);
        (passed >= SHORTEST && after > before)
            .then(|| (after - before) as f64 / passed.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The speed after marks at so many milliseconds.
    fn speed(marks: impl IntoIterator<Item = (u64, u64)>) -> Option<f64> {
        let begun = Instant::now();
        let mut pace = Pace::default();
        for (after, done) in marks {
            pace.mark(begun + Duration::from_millis(after), done);
        }
        pace.per_second()
    }

    #[test]
    fn a_speed_is_told_once_there_is_one() {
        assert_eq!(speed([]), None);
        assert_eq!(speed([(0, 0)]), None);
        assert_eq!(speed([(0, 0), (200, 50)]), None);
        assert_eq!(speed([(0, 0), (500, 50)]), Some(100.0));
        // What comes before the first unit is no part of it.
        assert_eq!(speed([(0, 0), (30_000, 0), (31_000, 80)]), Some(80.0));
        // Work that begins anew is measured anew.
        assert_eq!(
            speed([(0, 0), (1_000, 90), (2_000, 5), (3_000, 25)]),
            Some(20.0)
        );
    }

    #[test]
    fn bursts_and_pauses_are_one_speed() {
        // A second of 1000 units, four of none: 200 a second.
        let at = |second: u64| (1_000 * second, 1_000 * second.div_ceil(5));
        let shown = speed((0..=100).map(at)).unwrap();
        assert!((shown - 200.0).abs() < 10.0, "{shown}");
        // Slower from the middle on: the later half alone counts.
        let slower = |second: u64| (1_000 * second, 10 * second + 90 * second.min(50));
        assert_eq!(speed((0..=100).map(slower)), Some(10.0));
    }

    #[test]
    fn marks_stay_bounded_and_the_speed_stays_what_it_is() {
        let begun = Instant::now();
        let mut pace = Pace::default();
        for i in 0..20_000_u64 {
            pace.mark(begun + Duration::from_millis(i), 3 * i);
        }
        assert!(pace.marks.len() <= MARKS, "{}", pace.marks.len());
        let speed = pace.per_second().unwrap();
        assert!((speed - 3_000.0).abs() < 1e-6, "{speed}");
    }
}
