//! Long work seen from outside: what its observer answers ([`Flow`]), how far it is ([`Progress`]), how it ended ([`Ended`]) and how fast it goes ([`Pace`]).
//! Shows nothing and stops nothing itself.

mod pace;

use std::ops::ControlFlow;

pub use pace::Pace;

/// Answer of an observer: continue, or stop at the next safe point. Stopping is not an error.
pub type Flow = ControlFlow<()>;

/// How long work ended: with its result, or because its observer stopped it. `P` is what stopped work leaves: nothing by default, a value of the same type where
/// a part is worth having (a text so far, a dictionary as it stands).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Ended<T, P = ()> {
    /// All of it was done.
    Done(T),
    /// The observer stopped it.
    Stopped(P),
}

impl<T> Ended<T> {
    /// Stopped, with nothing left.
    pub const STOPPED: Self = Self::Stopped(());
}

impl<T, P> Ended<T, P> {
    /// Whether the observer stopped it.
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::Stopped(_))
    }

    /// The result of work that was done; none of work that was stopped.
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(value) => Some(value),
            Self::Stopped(_) => None,
        }
    }

    /// Turns the result of work that was done into another.
    pub fn map<U>(self, turn: impl FnOnce(T) -> U) -> Ended<U, P> {
        match self {
            Self::Done(value) => Ended::Done(turn(value)),
            Self::Stopped(left) => Ended::Stopped(left),
        }
    }
}

impl<V> Ended<V, V> {
    /// Wraps `value`: all of the work, or what there is of it because it was `stopped`.
    pub fn new(value: V, stopped: bool) -> Self {
        if stopped {
            Self::Stopped(value)
        } else {
            Self::Done(value)
        }
    }

    /// Borrows the value, whole or not.
    pub fn value(&self) -> &V {
        match self {
            Self::Done(value) | Self::Stopped(value) => value,
        }
    }

    /// Takes the value, whole or not.
    pub fn into_value(self) -> V {
        match self {
            Self::Done(value) | Self::Stopped(value) => value,
        }
    }
}

/// How far long work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub total: u64,
    /// Name of the unit, plural (`rows`, `tokens`).
    pub unit: &'static str,
}

impl Progress {
    /// Creates the progress of work that is counted in memory.
    pub fn new(done: usize, total: usize, unit: &'static str) -> Self {
        Self {
            done: done as u64,
            total: total as u64,
            unit,
        }
    }

    /// Creates the progress of a pass over rows.
    pub fn rows(done: usize, total: usize) -> Self {
        Self::new(done, total, "rows")
    }

    /// Share done, 0 to 1; none where there is nothing to do.
    pub fn share(&self) -> Option<f64> {
        (self.total > 0).then(|| self.done as f64 / self.total as f64)
    }

    /// Whole megabytes in place of bytes, rounded up.
    #[must_use]
    pub fn in_megabytes(self) -> Self {
        Self {
            done: self.done.div_ceil(1_000_000),
            total: self.total.div_ceil(1_000_000),
            unit: "MB",
        }
    }
}

/// Formats a span of time: `45 s`, `3 min 20 s`, `2 h 05 min`.
pub fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        let told = [0.4, 59.0, 200.0, 7_500.0].map(span);
        assert_eq!(told, ["0 s", "59 s", "3 min 20 s", "2 h 05 min"]);
    }

    #[test]
    fn stopped_work_leaves_its_part_and_no_result() {
        let done: Ended<u8> = Ended::Done(3);
        assert_eq!(
            (done.is_stopped(), done.map(|n| n + 1)),
            (false, Ended::Done(4))
        );
        let stopped: Ended<u8> = Ended::STOPPED;
        assert_eq!((stopped.is_stopped(), stopped.done()), (true, None));
        let part = Ended::new("half", true);
        assert_eq!((part.is_stopped(), *part.value()), (true, "half"));
        assert_eq!((part.done(), part.into_value()), (None, "half"));
        assert_eq!(Ended::new("whole", false).done(), Some("whole"));
    }

    #[test]
    fn a_share_needs_something_to_do() {
        assert_eq!(Progress::rows(3, 12).share(), Some(0.25));
        assert_eq!(Progress::rows(0, 0).share(), None);
        let bytes = Progress {
            done: 1,
            total: 2_500_000,
            unit: "bytes",
        };
        assert_eq!(bytes.in_megabytes(), Progress::new(1, 3, "MB"));
    }
}
