//! The table of settings, each described once: the command line's flags, the window's form and the report are built from it.

use std::fmt::Display;
use std::str::FromStr;

use super::Spec;
use super::spec::{Adam, Decoder, GradientValues, Normalise, SparsityPenalty};
use crate::sae::Variant;

/// The text of a setting left to the program.
pub(super) const AUTO: &str = "auto";

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
    /// One of these words.
    Choice(&'static [&'static str]),
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
    /// The variants that it counts for; empty for all.
    pub only: &'static [Variant],
    pub(super) get: fn(&Spec) -> String,
    pub(super) set: fn(&mut Spec, &str) -> Option<()>,
}

impl Setting {
    /// Whether it decides anything for this variant.
    pub fn counts_for(&self, variant: Variant) -> bool {
        self.only.is_empty() || self.only.contains(&variant)
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
            Range::Switch => true,
            Range::Choice(words) => words.contains(&text),
        }
    }

    /// What it takes, in words.
    pub(super) fn takes(&self) -> String {
        let auto = if self.auto.is_some() {
            ", or `auto`"
        } else {
            ""
        };
        let range = match self.range {
            Range::Whole { least, most } => format!("a whole number from {least} to {most}"),
            Range::Real { least, most } => format!("a number from {least} to {most}"),
            Range::Switch => "`true` or `false`".to_owned(),
            Range::Choice(words) => words.join(", "),
        };
        format!("{range}{auto}")
    }
}

const PENALISED: &[Variant] = &[Variant::Relu, Variant::JumpRelu, Variant::Gated];
const LAWFUL: &[Variant] = &[Variant::MutualChoice, Variant::FeatureChoice];
const COUNTED: &[Variant] = &[
    Variant::TopK,
    Variant::BatchTopK,
    Variant::MutualChoice,
    Variant::FeatureChoice,
    Variant::Gradient,
    Variant::JumpRelu,
    Variant::Matryoshka,
    Variant::SignedTopK,
];
const SCREENED: &[Variant] = &[
    Variant::TopK,
    Variant::BatchTopK,
    Variant::MutualChoice,
    Variant::FeatureChoice,
    Variant::Matryoshka,
];

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
        key: "variant",
        flag: "variant",
        label: "Variant",
        help: "How it is decided which features are active",
        unit: "",
        range: Range::Choice(&[
            "relu",
            "topk",
            "batch-topk",
            "mutual-choice",
            "feature-choice",
            "gradient",
            "jump-relu",
            "gated",
            "matryoshka",
            "signed-topk",
        ]),
        auto: None,
        only: &[],
        get: |spec| spec.variant.to_string(),
        set: |spec, text| parse(&mut spec.variant, text),
    },
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
        only: &[],
        get: |spec| spec.features.to_string(),
        set: |spec, text| parse(&mut spec.features, text),
    },
    Setting {
        key: "k",
        flag: "k",
        label: "Active per token",
        help: "Features active on one token: at most (topk, gradient, signed-topk), on average (batch rules), aimed at (jump-relu with penalty target)",
        unit: "features",
        range: Range::Whole {
            least: 1,
            most: 4_096,
        },
        auto: None,
        only: COUNTED,
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
        only: &[],
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
        only: &[],
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
        only: &[],
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
        only: &[],
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
        only: &[],
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
        only: &[],
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
        only: Variant::BUDGETED,
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
        only: Variant::BUDGETED,
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
        only: &[],
        get: |spec| or_auto(spec.dead_after.as_ref()),
        set: |spec, text| parse_auto(&mut spec.dead_after, text),
    },
    Setting {
        key: "sparsity_coefficient",
        flag: "sparsity-coefficient",
        label: "Sparsity weight",
        help: "Weight of the penalty on activations (relu, gated) or on their number (jump-relu)",
        unit: "",
        range: Range::Real {
            least: 0.0,
            most: 1000.0,
        },
        auto: Some("0.1 for relu and gated; for jump-relu 0.01 with penalty target, else 0.001"),
        only: PENALISED,
        get: |spec| or_auto(spec.sparsity_coefficient.as_ref()),
        set: |spec, text| parse_auto(&mut spec.sparsity_coefficient, text),
    },
    Setting {
        key: "sparsity_warmup",
        flag: "sparsity-warmup",
        label: "Sparsity warm-up",
        help: "Share of the steps over which the penalty rises linearly",
        unit: "of the run",
        range: Range::Real {
            least: 0.0,
            most: 1.0,
        },
        auto: None,
        only: PENALISED,
        get: |spec| spec.sparsity_warmup.to_string(),
        set: |spec, text| parse(&mut spec.sparsity_warmup, text),
    },
    Setting {
        key: "sparsity_penalty",
        flag: "sparsity-penalty",
        label: "Penalty",
        help: "What is charged: the number of active features, tanh(4 · act), or (2/k)(L0 − k)²",
        unit: "",
        range: Range::Choice(&["step", "tanh", "target"]),
        auto: None,
        only: &[Variant::JumpRelu],
        get: |spec| spec.sparsity_penalty.to_string(),
        set: |spec, text| parse(&mut spec.sparsity_penalty, text),
    },
    Setting {
        key: "bandwidth",
        flag: "bandwidth",
        label: "Bandwidth",
        help: "Width of the rectangle through which thresholds learn, in root mean squares of a coordinate",
        unit: "",
        range: Range::Real {
            least: 1e-6,
            most: 10.0,
        },
        auto: None,
        only: &[Variant::JumpRelu],
        get: |spec| spec.bandwidth.to_string(),
        set: |spec, text| parse(&mut spec.bandwidth, text),
    },
    Setting {
        key: "initial_threshold",
        flag: "initial-threshold",
        label: "First threshold",
        help: "Threshold of every feature at the start, in root mean squares of a coordinate",
        unit: "",
        range: Range::Real {
            least: 0.0,
            most: 100.0,
        },
        auto: None,
        only: &[Variant::JumpRelu],
        get: |spec| spec.initial_threshold.to_string(),
        set: |spec, text| parse(&mut spec.initial_threshold, text),
    },
    Setting {
        key: "beta",
        flag: "beta",
        label: "Gradient weight",
        help: "Weight of |g| in z · (1 + β·|g|), over the mean of |g|; 0 is TopK",
        unit: "",
        range: Range::Real {
            least: 0.0,
            most: 1e6,
        },
        auto: None,
        only: &[Variant::Gradient],
        get: |spec| spec.beta.to_string(),
        set: |spec, text| parse(&mut spec.beta, text),
    },
    Setting {
        key: "gradient_values",
        flag: "gradient-values",
        label: "Values",
        help: "What the decoder gets: the pre-activations, or the scores themselves as the figure of the paper has it",
        unit: "",
        range: Range::Choice(&["pre-activations", "scores"]),
        auto: None,
        only: &[Variant::Gradient],
        get: |spec| spec.gradient_values.to_string(),
        set: |spec, text| parse(&mut spec.gradient_values, text),
    },
    Setting {
        key: "zipf_alpha",
        flag: "zipf-alpha",
        label: "Zipf exponent",
        help: "α of density(rank) ∝ (rank + β)^−α",
        unit: "",
        range: Range::Real {
            least: 0.0,
            most: 10.0,
        },
        auto: Some("fitted to the densities"),
        only: LAWFUL,
        get: |spec| or_auto(spec.zipf_alpha.as_ref()),
        set: |spec, text| parse_auto(&mut spec.zipf_alpha, text),
    },
    Setting {
        key: "zipf_beta",
        flag: "zipf-beta",
        label: "Zipf offset",
        help: "β of density(rank) ∝ (rank + β)^−α",
        unit: "",
        range: Range::Real {
            least: 0.0,
            most: 1e9,
        },
        auto: Some("fitted to the densities"),
        only: LAWFUL,
        get: |spec| or_auto(spec.zipf_beta.as_ref()),
        set: |spec, text| parse_auto(&mut spec.zipf_beta, text),
    },
    Setting {
        key: "zipf_tau",
        flag: "zipf-tau",
        label: "Under-used below",
        help: "Share of its law's density below which a feature is helped to explain the error",
        unit: "",
        range: Range::Real {
            least: 0.0,
            most: 1.0,
        },
        auto: None,
        only: LAWFUL,
        get: |spec| spec.zipf_tau.to_string(),
        set: |spec, text| parse(&mut spec.zipf_tau, text),
    },
    Setting {
        key: "phase",
        flag: "phase",
        label: "Mutual part",
        help: "Share of the steps before features choose",
        unit: "of the run",
        range: Range::Real {
            least: 0.0,
            most: 1.0,
        },
        auto: None,
        only: &[Variant::FeatureChoice],
        get: |spec| spec.phase.to_string(),
        set: |spec, text| parse(&mut spec.phase, text),
    },
    Setting {
        key: "levels",
        flag: "levels",
        label: "Levels",
        help: "Nested dictionaries, each half as large as the next",
        unit: "",
        range: Range::Whole { least: 1, most: 16 },
        auto: None,
        only: &[Variant::Matryoshka],
        get: |spec| spec.levels.to_string(),
        set: |spec, text| parse(&mut spec.levels, text),
    },
    Setting {
        key: "decoder",
        flag: "decoder",
        label: "Decoder norm",
        help: "Rows of length 1, or free; free rows are ranked and charged by activation · length, and saved with the length folded in",
        unit: "",
        range: Range::Choice(&["unit", "free"]),
        auto: None,
        only: &[],
        get: |spec| spec.decoder.to_string(),
        set: |spec, text| parse(&mut spec.decoder, text),
    },
    Setting {
        key: "adam",
        flag: "adam",
        label: "Adam",
        help: "Moves all rows in every step, or lazily those of features that have a gradient",
        unit: "",
        range: Range::Choice(&["exact", "lazy"]),
        auto: None,
        only: &[],
        get: |spec| spec.adam.to_string(),
        set: |spec, text| parse(&mut spec.adam, text),
    },
    Setting {
        key: "screened",
        flag: "screened",
        label: "Screened selection",
        help: "Find candidates by a product of 16-bit integers with a proven margin, and compute in f32 the candidates alone",
        unit: "",
        range: Range::Switch,
        auto: None,
        only: SCREENED,
        get: |spec| spec.screened.to_string(),
        set: |spec, text| parse(&mut spec.screened, text),
    },
    Setting {
        key: "normalise",
        flag: "normalise",
        label: "Input scale",
        help: "Scale activations by their spread over a sample, or take them as they come; taken out again when saved",
        unit: "",
        range: Range::Choice(&["dataset", "none"]),
        auto: None,
        only: &[],
        get: |spec| spec.normalise.to_string(),
        set: |spec, text| parse(&mut spec.normalise, text),
    },
    Setting {
        key: "geometric_median",
        flag: "geometric-median",
        label: "Geometric median",
        help: "Start the decoder's bias at the geometric median of the activations instead of their mean",
        unit: "",
        range: Range::Switch,
        auto: None,
        only: &[],
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
        only: &[],
        get: |spec| spec.buffer.to_string(),
        set: |spec, text| parse(&mut spec.buffer, text),
    },
];

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
named!(Normalise: Dataset = "dataset", None = "none");
