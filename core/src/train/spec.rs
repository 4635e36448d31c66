//! Everything that decides a run, each setting described once: the command line's flags, the window's form and the report are built from `SETTINGS`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::ids::HookPoint;

/// The text of a setting left to the program.
const AUTO: &str = "auto";

/// Everything that decides a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Hook to read.
    pub hook: HookPoint,
    /// Features, `f`.
    pub features: usize,
    /// Active per token, `k`.
    pub k: usize,
    /// Activations to train on.
    pub tokens: u64,
    /// Seeds initialisation, order and shuffling.
    pub seed: u64,
    /// Activations per step.
    pub batch: usize,
    /// Peak learning rate; none: see [`Spec::peak_learning_rate`].
    pub learning_rate: Option<f64>,
    /// Share of the steps spent warming up linearly.
    pub warmup: f64,
    /// Share of the steps at the end over which the rate falls linearly to 0.
    pub decay: f64,
    /// Features AuxK may use per token; none: half the activation's width.
    pub k_aux: Option<usize>,
    /// Weight of AuxK's loss.
    pub aux_coefficient: f64,
    /// Activations after which a silent feature counts as dead; none: min(10 M, 5 % of the run).
    pub dead_after: Option<u64>,
    /// Start `b_dec` at the geometric median instead of the mean.
    pub geometric_median: bool,
    /// Activations held in the shuffle buffer.
    pub buffer: usize,
    /// Extra facts for the saved metadata (corpus, split), as JSON.
    pub facts: BTreeMap<String, Value>,
}

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// A whole number.
    Whole {
        /// Least value.
        least: u64,
        /// Greatest value.
        most: u64,
    },
    /// A number.
    Real {
        /// Least value.
        least: f64,
        /// Greatest value.
        most: f64,
    },
    /// `true` or `false`.
    Switch,
}

/// One setting: how it is named, explained, bounded, read and written.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Name in files and reports.
    pub key: &'static str,
    /// Its flag without the two dashes: the key with `-` for `_`.
    pub flag: &'static str,
    /// Name in the form, sentence case.
    pub label: &'static str,
    /// What it does, one phrase.
    pub help: &'static str,
    /// Unit of its value; empty for a pure number.
    pub unit: &'static str,
    /// What values it takes.
    pub range: Range,
    /// What `auto` stands for, where the program may choose.
    pub auto: Option<&'static str>,
    get: fn(&Spec) -> String,
    set: fn(&mut Spec, &str) -> Option<()>,
}

fn parse<T: FromStr>(into: &mut T, text: &str) -> Option<()> {
    *into = text.parse().ok()?;
    Some(())
}

fn parse_auto<T: FromStr>(into: &mut Option<T>, text: &str) -> Option<()> {
    *into = match text {
        AUTO => None,
        text => Some(text.parse().ok()?),
    };
    Some(())
}

fn or_auto<T: Display>(value: Option<&T>) -> String {
    value.map_or_else(|| AUTO.to_owned(), T::to_string)
}

/// All settings but the hook, in the order of the form.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "features",
        flag: "features",
        label: "Features",
        help: "Size of the dictionary",
        unit: "features",
        range: Range::Whole {
            least: 1,
            most: 1 << 24,
        },
        auto: None,
        get: |spec| spec.features.to_string(),
        set: |spec, text| parse(&mut spec.features, text),
    },
    Setting {
        key: "k",
        flag: "k",
        label: "Active per token",
        help: "Features that may be active on one token (TopK)",
        unit: "features",
        range: Range::Whole {
            least: 1,
            most: 4_096,
        },
        auto: None,
        get: |spec| spec.k.to_string(),
        set: |spec, text| parse(&mut spec.k, text),
    },
    Setting {
        key: "tokens",
        flag: "tokens",
        label: "Length",
        help: "Activations to train on; a used-up corpus is shuffled and read again",
        unit: "activations",
        range: Range::Whole {
            least: 1,
            most: 1 << 40,
        },
        auto: None,
        get: |spec| spec.tokens.to_string(),
        set: |spec, text| parse(&mut spec.tokens, text),
    },
    Setting {
        key: "seed",
        flag: "seed",
        label: "Seed",
        help: "Decides initialisation, order and shuffling",
        unit: "",
        range: Range::Whole {
            least: 0,
            most: u64::MAX,
        },
        auto: None,
        get: |spec| spec.seed.to_string(),
        set: |spec, text| parse(&mut spec.seed, text),
    },
    Setting {
        key: "batch",
        flag: "batch",
        label: "Batch",
        help: "Activations per step",
        unit: "activations",
        range: Range::Whole {
            least: 1,
            most: 1 << 20,
        },
        auto: None,
        get: |spec| spec.batch.to_string(),
        set: |spec, text| parse(&mut spec.batch, text),
    },
    Setting {
        key: "learning_rate",
        flag: "learning-rate",
        label: "Learning rate",
        help: "Peak rate of Adam, on activations scaled to unit variance",
        unit: "",
        range: Range::Real {
            least: 1e-8,
            most: 1.0,
        },
        auto: Some("4e-4 · √(16,384 / features), 0.002 at most"),
        get: |spec| or_auto(spec.learning_rate.as_ref()),
        set: |spec, text| parse_auto(&mut spec.learning_rate, text),
    },
    Setting {
        key: "warmup",
        flag: "warmup",
        label: "Warm-up",
        help: "Share of the steps over which the learning rate rises linearly",
        unit: "of the run",
        range: Range::Real {
            least: 0.0,
            most: 1.0,
        },
        auto: None,
        get: |spec| spec.warmup.to_string(),
        set: |spec, text| parse(&mut spec.warmup, text),
    },
    Setting {
        key: "decay",
        flag: "decay",
        label: "Decay",
        help: "Share of the steps at the end over which the learning rate falls linearly to 0",
        unit: "of the run",
        range: Range::Real {
            least: 0.0,
            most: 1.0,
        },
        auto: None,
        get: |spec| spec.decay.to_string(),
        set: |spec, text| parse(&mut spec.decay, text),
    },
    Setting {
        key: "k_aux",
        flag: "k-aux",
        label: "AuxK features",
        help: "Dead features per token that AuxK lets explain the error",
        unit: "features",
        range: Range::Whole {
            least: 1,
            most: 1 << 20,
        },
        auto: Some("half the activation's width"),
        get: |spec| or_auto(spec.k_aux.as_ref()),
        set: |spec, text| parse_auto(&mut spec.k_aux, text),
    },
    Setting {
        key: "aux_coefficient",
        flag: "aux-coefficient",
        label: "AuxK weight",
        help: "Weight of AuxK's loss; 0 leaves it out",
        unit: "",
        range: Range::Real {
            least: 0.0,
            most: 10.0,
        },
        auto: None,
        get: |spec| spec.aux_coefficient.to_string(),
        set: |spec, text| parse(&mut spec.aux_coefficient, text),
    },
    Setting {
        key: "dead_after",
        flag: "dead-after",
        label: "Dead after",
        help: "Activations after which a silent feature counts as dead",
        unit: "activations",
        range: Range::Whole {
            least: 1,
            most: 1 << 40,
        },
        auto: Some("10 million or 5 % of the run, whichever is less"),
        get: |spec| or_auto(spec.dead_after.as_ref()),
        set: |spec, text| parse_auto(&mut spec.dead_after, text),
    },
    Setting {
        key: "geometric_median",
        flag: "geometric-median",
        label: "Geometric median",
        help: "Start the decoder's bias at the geometric median of the activations instead of their mean",
        unit: "",
        range: Range::Switch,
        auto: None,
        get: |spec| spec.geometric_median.to_string(),
        set: |spec, text| parse(&mut spec.geometric_median, text),
    },
    Setting {
        key: "buffer",
        flag: "buffer",
        label: "Shuffle buffer",
        help: "Activations held in memory and drawn from at random; half is read anew at a time",
        unit: "activations",
        range: Range::Whole {
            least: 1,
            most: 1 << 26,
        },
        auto: None,
        get: |spec| spec.buffer.to_string(),
        set: |spec, text| parse(&mut spec.buffer, text),
    },
];

impl Spec {
    /// Sensible settings for `hook`.
    pub fn default_for(hook: HookPoint) -> Self {
        Self {
            hook,
            features: if hook.is_z() { 1_024 } else { 2_048 },
            k: if hook.is_z() { 24 } else { 32 },
            tokens: 2_000_000,
            seed: 0,
            batch: 2_048,
            learning_rate: None,
            warmup: 0.02,
            decay: 0.2,
            k_aux: None,
            aux_coefficient: 1.0 / 32.0,
            dead_after: None,
            geometric_median: true,
            buffer: 65_536,
            facts: BTreeMap::new(),
        }
    }

    /// The value of a setting as text; `auto` where the program chooses.
    pub fn get(&self, key: &str) -> Result<String> {
        Ok((setting(key)?.get)(self))
    }

    /// Sets a setting from text; an error names it and its range.
    pub fn set(&mut self, key: &str, text: &str) -> Result<()> {
        let setting = setting(key)?;
        let text = text.trim();
        let mut changed = self.clone();
        let parsed = (setting.set)(&mut changed, text).is_some();
        if parsed && (text == AUTO || within(&setting.range, &(setting.get)(&changed))) {
            *self = changed;
            return Ok(());
        }
        let auto = if setting.auto.is_some() {
            ", or `auto`"
        } else {
            ""
        };
        let range = match setting.range {
            Range::Whole { least, most } => format!("a whole number from {least} to {most}"),
            Range::Real { least, most } => format!("a number from {least} to {most}"),
            Range::Switch => "`true` or `false`".to_owned(),
        };
        let what = format!("`{text}` cannot be used, give {range}{auto}");
        Err(Error::setting(key, what))
    }

    /// The peak rate: the setting, else 4e-4 · √(2¹⁴ / f), 0.002 at most.
    pub fn peak_learning_rate(&self) -> f64 {
        self.learning_rate
            .unwrap_or_else(|| (4e-4 * (16_384.0 / self.features as f64).sqrt()).min(2e-3))
    }

    /// Steps of the run; the last one may be shorter than a batch.
    pub fn steps(&self) -> u64 {
        self.tokens.div_ceil(self.batch.max(1) as u64)
    }

    /// That each setting is within its range and that they agree.
    pub fn validate(&self) -> Result<()> {
        for setting in SETTINGS {
            let text = (setting.get)(self);
            self.clone().set(setting.key, &text)?;
        }
        if self.k > self.features {
            let what = format!(
                "{} active features per token are more than the {} features there are, give less",
                self.k, self.features
            );
            return Err(Error::setting("k", what));
        }
        if self.warmup + self.decay > 1.0 {
            let what = "warm-up and decay are longer than the run together, give less of one";
            return Err(Error::setting("decay", what));
        }
        Ok(())
    }
}

fn setting(key: &str) -> Result<&'static Setting> {
    SETTINGS.iter().find(|s| s.key == key).ok_or_else(|| {
        let keys: Vec<_> = SETTINGS.iter().map(|s| s.key).collect();
        Error::setting(
            key,
            format!("no such setting, there are {}", keys.join(", ")),
        )
    })
}

fn within(range: &Range, text: &str) -> bool {
    match *range {
        Range::Whole { least, most } => text
            .parse()
            .is_ok_and(|value: u64| (least..=most).contains(&value)),
        Range::Real { least, most } => text
            .parse()
            .is_ok_and(|value: f64| (least..=most).contains(&value)),
        Range::Switch => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Site;

    fn spec() -> Spec {
        Spec::default_for(HookPoint::block(2, Site::ResidPost))
    }

    #[test]
    fn every_setting_is_described_once_and_is_set_to_what_it_gets() {
        for (i, setting) in SETTINGS.iter().enumerate() {
            assert!(SETTINGS[..i].iter().all(|s| s.key != setting.key));
            assert_eq!(setting.flag, setting.key.replace('_', "-"));
            let mut spec = spec();
            let text = spec.get(setting.key).unwrap();
            spec.set(setting.key, &text).unwrap();
            assert_eq!(spec, self::spec(), "{}", setting.key);
            assert_eq!(spec.set(setting.key, AUTO).is_ok(), setting.auto.is_some());
        }
        spec().validate().unwrap();
    }

    #[test]
    fn setting_changes_its_own_field() {
        let mut spec = spec();
        spec.set("learning_rate", "0.003").unwrap();
        spec.set("k", " 7 ").unwrap();
        spec.set("geometric_median", "false").unwrap();
        assert_eq!(spec.peak_learning_rate(), 0.003);
        assert_eq!((spec.k, spec.geometric_median), (7, false));
        spec.set("learning_rate", "auto").unwrap();
        spec.features = 4_096;
        assert_eq!(spec.peak_learning_rate(), 8e-4);
    }

    #[track_caller]
    fn refused(key: &str, text: &str, phrase: &str) {
        let before = spec();
        let mut after = before.clone();
        let what = after.set(key, text).unwrap_err().to_string();
        assert!(what.contains(key) && what.contains(phrase), "{what}");
        assert_eq!(before, after);
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_the_range() {
        refused("k", "0", "from 1 to 4096");
        refused("k", "many", "whole number");
        refused("warmup", "1.5", "from 0 to 1");
        refused("warmup", "NaN", "from 0 to 1");
        refused("learning_rate", "-1", "or `auto`");
        refused("geometric_median", "maybe", "`true` or `false`");
        refused("sparsity", "1", "no such setting");
    }

    #[test]
    fn settings_that_disagree_are_refused() {
        let mut spec = spec();
        spec.features = 8;
        assert!(spec.validate().unwrap_err().to_string().starts_with("k: "));
        spec = self::spec();
        (spec.warmup, spec.decay) = (0.6, 0.6);
        assert!(spec.validate().is_err());
        spec = self::spec();
        spec.batch = 0;
        assert!(
            spec.validate()
                .unwrap_err()
                .to_string()
                .starts_with("batch: ")
        );
    }
}
