//! Memory, disk space, steps, data and time of training before it begins: the window's form and `umbra train` show them.

use crate::ids::HookPoint;
use crate::runs::Record;
use crate::train::{Disk, Spec, bytes_together, disk_together};

/// Needs of dictionaries that are trained together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Bytes of memory in addition to the model's; none where the width of a hook is unknown.
    pub memory: Option<u64>,
    /// Bytes that are written; none where the width of a hook is unknown.
    pub disk: Option<Disk>,
    /// Training steps of each dictionary.
    pub steps: u64,
    /// Activations that each dictionary sees.
    pub tokens: u64,
    /// Activations that one reading of the source gives; none before they are counted.
    pub there: Option<u64>,
}

impl Needs {
    /// Counts the needs of `specs`, one at least, on a source that gives `there` activations out of that many rows; `width` tells the width of a hook.
    pub fn new(
        specs: &[&Spec],
        width: impl Fn(HookPoint) -> Option<usize>,
        there: Option<(u64, usize)>,
    ) -> Self {
        let sized = specs.iter().map(|spec| {
            let widths = (width(spec.hook)?, width(spec.writes())?);
            Some((*spec, widths))
        });
        let sized: Option<Vec<_>> = sized.collect();
        let held = there.map_or((usize::MAX, 0), |(there, rows)| (there as usize, rows));
        let first = specs.first();
        Self {
            memory: sized.as_ref().map(|sized| bytes_together(sized, held.0)),
            disk: sized.map(|sized| disk_together(&sized, held)),
            steps: first.map_or(0, |spec| spec.steps()),
            tokens: first.map_or(0, |spec| spec.tokens),
            there: there.map(|(there, _)| there),
        }
    }

    /// Returns how often the source is read, where that is more than once.
    pub fn readings(&self) -> Option<f64> {
        let readings = self.tokens as f64 / self.there?.max(1) as f64;
        Some(readings).filter(|readings| *readings > 1.0)
    }

    /// Returns the needs as a sentence, for people.
    pub fn note(&self) -> String {
        let steps = format!("Training takes {} steps", self.steps);
        let mega = |bytes: u64| bytes as f64 / 1e6;
        match (self.memory, self.disk) {
            (Some(bytes), Some(disk)) => format!(
                "{steps} and about {:.1} MB of memory in addition to the model's, and writes about {:.1} MB, with checkpoints {:.1} MB while it runs",
                mega(bytes),
                mega(disk.dictionaries),
                mega(disk.dictionaries.saturating_add(disk.checkpoints))
            ),
            _ => steps,
        }
    }
}

/// Known speeds of dictionaries to train, activations per second.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Speeds {
    /// Speed of a run that trains the same dictionaries together.
    pub together: Option<f64>,
    /// Speed of the last run like each dictionary, trained alone.
    pub alone: Vec<Option<f64>>,
    /// Speed of the training step only, without the model or the store.
    pub step: Option<f64>,
}

/// Duration of training, estimated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Time {
    /// Seconds by the speed of a run that trains the same dictionaries together.
    Alike(f64),
    /// Seconds by the speed of the last run like the only dictionary.
    Past(f64),
    /// Most seconds: the sum of what the dictionaries took alone. Together they share the pass of the model.
    AtMost(f64),
    /// Least seconds: those of the training step only.
    AtLeast(f64),
}

impl Time {
    /// Estimates the time that dictionaries take to see `tokens` activations each, by the closest of the known speeds.
    pub fn new(tokens: u64, speeds: &Speeds) -> Option<Self> {
        let seconds = |speed: f64| tokens as f64 / speed;
        if let Some(speed) = speeds.together {
            return Some(Self::Alike(seconds(speed)));
        }
        match speeds.alone.as_slice() {
            [Some(speed)] => Some(Self::Past(seconds(*speed))),
            [None] => speeds.step.map(|speed| Self::AtLeast(seconds(speed))),
            several => {
                let each = several.iter().map(|speed| Some(seconds((*speed)?)));
                let sum: Option<f64> = each.sum();
                sum.filter(|_| !several.is_empty()).map(Self::AtMost)
            }
        }
    }
}

/// Returns the activations per second of the first of `records` that is like `spec`: the same hook, variant, width and batch, the same model, read from it or
/// from a store alike.
pub fn speed_of<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    spec: &Spec,
    (model, is_stored): (&str, bool),
) -> Option<f64> {
    let is_like = |record: &&Record| {
        record.hook == spec.hook.to_string()
            && record.model == model
            && record.data.contains_key("store_dtype") == is_stored
            && ["variant", "features", "batch"]
                .iter()
                .all(|key| spec.get(key).ok() == Some(record.setting(key)))
    };
    let speed = |record: &Record| record.tokens_seen as f64 / record.seconds;
    let like = records.into_iter().filter(is_like).map(speed);
    like.into_iter()
        .find(|speed| speed.is_finite() && *speed > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Site;

    fn spec() -> Spec {
        let mut spec = Spec::default_for(HookPoint::block(0, Site::Z));
        (spec.tokens, spec.batch, spec.features) = (10_000, 1_000, 64);
        spec
    }

    #[test]
    fn needs_are_those_that_a_run_is_refused_by() {
        let spec = spec();
        let needs = Needs::new(&[&spec], |_| Some(16), Some((4_000, 80)));
        let bytes = bytes_together(&[(&spec, (16, 16))], 4_000);
        assert_eq!((needs.memory, needs.steps), (Some(bytes), 10));
        assert_eq!(needs.readings(), Some(2.5));
        let words = needs.note();
        assert!(
            words.starts_with("Training takes 10 steps and about "),
            "{words}"
        );
        let disk = disk_together(&[(&spec, (16, 16))], (4_000, 80));
        assert_eq!(needs.disk, Some(disk));
        assert!(words.contains(" MB, with checkpoints "), "{words}");
        let unknown = Needs::new(&[&spec], |_| None, None);
        assert_eq!((unknown.memory, unknown.readings()), (None, None));
        assert_eq!(unknown.note(), "Training takes 10 steps");
        let long = Needs::new(&[&spec], |_| Some(16), Some((20_000, 400)));
        assert_eq!(long.readings(), None);
    }

    #[test]
    fn time_is_told_by_the_closest_speed() {
        let time = |together, alone: &[Option<f64>], step| {
            let alone = alone.to_vec();
            let speeds = Speeds {
                together,
                alone,
                step,
            };
            Time::new(1_000, &speeds)
        };
        let (fast, slow) = (Some(100.0), Some(50.0));
        assert_eq!(time(fast, &[slow], slow), Some(Time::Alike(10.0)));
        assert_eq!(time(None, &[slow], fast), Some(Time::Past(20.0)));
        assert_eq!(time(None, &[None], fast), Some(Time::AtLeast(10.0)));
        assert_eq!(time(None, &[fast, slow], None), Some(Time::AtMost(30.0)));
        assert_eq!(time(None, &[fast, None], fast), None);
        assert_eq!(time(None, &[None], None), None);
        assert_eq!(time(None, &[], None), None);
    }
}
