//! Settings of a run: their types, and the words of those that are choices. [`table`] lists them.

mod table;

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use super::Spec;
use super::spec::{Adam, Decoder, Normalise};
use crate::count;
use crate::error::{Error, Result};
use crate::sae::{GradientValues, SparsityPenalty, Uses, Variant};

pub use table::SETTINGS;

/// Text of the setting `variant` for a transcoder.
pub(super) const TRANSCODER: &str = "transcoder";

/// Variants that a transcoder can be trained by.
pub(super) const TRANSCODER_RULES: [Variant; 2] = [Variant::Relu, Variant::BatchTopK];

/// The text of a setting left to the program.
pub(super) const AUTO: &str = "auto";

/// Values that a setting takes.
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
    /// Name of a hook.
    Hook,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// Runs that a setting counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// All.
    Always,
    /// Those whose variant works with this.
    Uses(Uses),
    /// Those of one variant.
    Only(Variant),
    /// Those of transcoders.
    Transcoder,
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
    /// Help, one phrase.
    pub help: &'static str,
    /// Unit of its value; empty for a pure number.
    pub unit: &'static str,
    /// Values that it takes.
    pub range: Range,
    /// Meaning of `auto`, if the program may choose.
    pub auto: Option<&'static str>,
    /// Runs that the setting counts for.
    pub counts: Counts,
    pub(super) get: fn(&Spec) -> String,
    pub(super) set: fn(&mut Spec, &str) -> Option<()>,
}

impl Setting {
    /// Returns whether the setting has an effect in this run; for a transcoder, whether it has under any rule that a transcoder can have.
    pub fn counts_for(&self, spec: &Spec) -> bool {
        match self.counts {
            Counts::Always => true,
            // Screening changes no result, and records of transcoders have never named it.
            Counts::Uses(Uses::Screen) if spec.transcodes => false,
            Counts::Uses(what) if spec.transcodes => {
                TRANSCODER_RULES.iter().any(|rule| rule.uses(what))
            }
            Counts::Uses(what) => spec.variant.uses(what),
            Counts::Only(variant) => spec.variant == variant,
            Counts::Transcoder => spec.transcodes,
        }
    }

    /// Names of the variants that it counts for; none where it counts for all.
    pub fn only(&self) -> Vec<&'static str> {
        match self.counts {
            Counts::Always => Vec::new(),
            Counts::Uses(what) => {
                let using = Variant::ALL.iter().filter(|variant| variant.uses(what));
                using.map(|variant| variant.name()).collect()
            }
            Counts::Only(variant) => vec![variant.name()],
            Counts::Transcoder => vec![TRANSCODER],
        }
    }

    /// `text` as its setter takes it: a whole number in digits alone, however it was written.
    pub(super) fn plain<'a>(&self, text: &'a str) -> Result<Cow<'a, str>> {
        if !matches!(self.range, Range::Whole { .. }) || text == AUTO {
            return Ok(text.into());
        }
        match count::read(text) {
            Ok(number) => Ok(number.to_string().into()),
            Err(why) => {
                let what = format!("{why}, give {}", self.takes());
                Err(Error::setting(self.key, what))
            }
        }
    }

    /// Whether `text`, which its setter took, is within its range.
    pub(super) fn allows(&self, text: &str) -> bool {
        match self.range {
            Range::Whole { least, most } => text
                .parse()
                .is_ok_and(|value: u64| (least..=most).contains(&value)),
            Range::Real { least, most } => text
                .parse()
                .is_ok_and(|value: f64| (least..=most).contains(&value)),
            Range::Switch | Range::Hook => true,
            Range::Choice(words) => words.contains(&text),
        }
    }

    /// Describes the values it takes.
    pub(super) fn takes(&self) -> String {
        let auto = if self.auto.is_some() {
            ", or `auto`"
        } else {
            ""
        };
        let range = match self.range {
            Range::Whole { least, most } => {
                format!("a whole number from {least} to {most} (as 2048, 2_048, 20k or 1e6)")
            }
            Range::Real { least, most } => format!("a number from {least} to {most}"),
            Range::Switch => "`true` or `false`".to_owned(),
            Range::Hook => "the name of a hook, as blocks.0.hook_mlp_out".to_owned(),
            Range::Choice(words) => words.join(", "),
        };
        format!("{range}{auto}")
    }
}

/// A choice between named things: the words of a setting.
macro_rules! named {
    ($type:ident: $($variant:ident = $word:literal),*) => {
        impl Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $word),*
                })
            }
        }

        impl FromStr for $type {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(()),
                }
            }
        }
    };
}

named!(SparsityPenalty: Step = "step", Tanh = "tanh", Target = "target");
named!(GradientValues: PreActivations = "pre-activations", Scores = "scores");
named!(Adam: Exact = "exact", Lazy = "lazy");
named!(Decoder: Unit = "unit", Free = "free");
named!(Normalise: Dataset = "dataset", None = "none", LayerNorm = "layer-norm", ConstantNorm = "constant-norm");
