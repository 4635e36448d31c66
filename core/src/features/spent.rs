//! Time that building an index takes, by stage.

use std::time::{Duration, Instant};

use serde::Serialize;

/// Seconds that building indexes took, by stage.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Spent {
    /// Forward passes of the model.
    pub model: f64,
    /// Encoders of the dictionaries.
    pub dictionaries: f64,
    /// Counting of what is active where.
    pub counting: f64,
    /// Attribution of the strongest examples, where asked for.
    pub attribution: f64,
    /// Effects on the loss, where asked for.
    pub losses: f64,
    /// Effects and relations by weights alone: logits, neighbours, neurons.
    pub weights: f64,
    /// Writing the files.
    pub writing: f64,
    /// Checkpoints, from which an interrupted build resumes.
    pub checkpoints: f64,
    /// Rows that an earlier, interrupted build had read.
    #[serde(skip)]
    pub resumed_rows: usize,
}

impl Spent {
    /// Returns every stage with its name, in order.
    pub fn stages(&self) -> [(&'static str, f64); 8] {
        [
            ("model", self.model),
            ("dictionaries", self.dictionaries),
            ("counting", self.counting),
            ("attribution", self.attribution),
            ("losses", self.losses),
            ("weights", self.weights),
            ("writing", self.writing),
            ("checkpoints", self.checkpoints),
        ]
    }

    /// Returns the seconds of all stages.
    pub fn total(&self) -> f64 {
        self.stages().iter().map(|(_, seconds)| seconds).sum()
    }

    /// Says how long the stages took that took any time, as a phrase: `4.1 s: model 2.0 s, counting 1.2 s`.
    pub fn said(&self) -> String {
        let stages = self.stages();
        let some = stages.iter().filter(|(_, seconds)| *seconds >= 0.05);
        let each: Vec<String> = some
            .map(|(name, seconds)| format!("{name} {seconds:.1} s"))
            .collect();
        if each.is_empty() {
            format!("{:.1} s", self.total())
        } else {
            format!("{:.1} s: {}", self.total(), each.join(", "))
        }
    }
}

/// Adds the time that `work` takes to a stage.
pub(super) fn timed<T>(stage: &mut f64, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    add(stage, begun.elapsed());
    done
}

/// Adds a duration to a stage.
pub(super) fn add(stage: &mut f64, took: Duration) {
    *stage += took.as_secs_f64();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_that_took_time_are_named_and_sum_to_the_total() {
        let mut spent = Spent {
            model: 2.0,
            counting: 1.25,
            ..Spent::default()
        };
        assert_eq!(spent.said(), "3.2 s: model 2.0 s, counting 1.2 s");
        assert_eq!(timed(&mut spent.writing, || 7), 7);
        assert!(spent.total() >= 3.25 && spent.writing < 1.0);
        assert_eq!(Spent::default().said(), "0.0 s");
        let keys = serde_json::to_value(spent).unwrap();
        for (name, seconds) in spent.stages() {
            assert_eq!(keys[name], seconds, "{name}");
        }
    }
}
