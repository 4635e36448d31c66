//! The table of settings, each described once: the command line's flags, the window's form and the report are built from it.

use std::fmt::Display;
use std::str::FromStr;

use super::{AUTO, Counts, Range, Setting, TRANSCODER};
use crate::kernels::encode::Product;
use crate::sae::{Uses, Variant};

const BUDGETED: Counts = Counts::Uses(Uses::Budget);
const PENALISED: Counts = Counts::Uses(Uses::Penalty);
const LAWFUL: Counts = Counts::Uses(Uses::Law);

/// Variants, and the transcoder.
const KINDS: [&str; Variant::NAMES.len() + 1] = {
    let mut kinds = [TRANSCODER; Variant::NAMES.len() + 1];
    let mut i = 0;
    while i < Variant::NAMES.len() {
        kinds[i] = Variant::NAMES[i];
        i += 1;
    }
    kinds
};

const SHARE: Range = real(0.0, 1.0);
/// A setting without a unit that counts for every variant and is not left to the program; what it is called and does is each one's own.
const PLAIN: Setting = Setting {
    key: "",
    flag: "",
    label: "",
    help: "",
    unit: "",
    range: Range::Switch,
    auto: None,
    counts: Counts::Always,
    get: |_| String::new(),
    set: |_, _| None,
};

const fn whole(least: u64, most: u64) -> Range {
    Range::Whole { least, most }
}

const fn real(least: f64, most: f64) -> Range {
    Range::Real { least, most }
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
        key: "variant",
        flag: "variant",
        label: "Variant",
        help: "Rule that selects the active features",
        range: Range::Choice(&KINDS),
        get: |spec| spec.kind().to_owned(),
        set: |spec, text| {
            spec.rule = None;
            spec.transcodes = text == TRANSCODER;
            spec.variant = if spec.transcodes {
                spec.transcoder_rule
            } else {
                text.parse().ok()?
            };
            Some(())
        },
        ..PLAIN
    },
    Setting {
        key: "hook_out",
        flag: "hook-out",
        label: "Output hook",
        help: "Hook whose activations a transcoder reconstructs from those of the hook that it reads",
        range: Range::Hook,
        auto: Some("hook_mlp_out of the hook's block"),
        counts: Counts::Transcoder,
        get: |spec| or_auto(spec.hook_out.as_ref()),
        set: |spec, text| parse_auto(&mut spec.hook_out, text),
        ..PLAIN
    },
    Setting {
        key: "transcoder_rule",
        flag: "transcoder-rule",
        label: "Transcoder rule",
        help: "Rule that selects a transcoder's active features: every positive pre-activation, with a penalty (relu), or k per token on average over the batch (batch-topk)",
        range: Range::Choice(&["relu", "batch-topk"]),
        counts: Counts::Transcoder,
        get: |spec| {
            let rule = if spec.transcodes {
                spec.variant
            } else {
                spec.transcoder_rule
            };
            rule.to_string()
        },
        set: |spec, text| {
            parse(&mut spec.transcoder_rule, text)?;
            if spec.transcodes {
                spec.variant = spec.transcoder_rule;
            }
            Some(())
        },
        ..PLAIN
    },
    Setting {
        key: "skip",
        flag: "skip",
        label: "Skip connection",
        help: "Add a linear map from the hook that is read to the hook that is written",
        range: Range::Switch,
        counts: Counts::Transcoder,
        get: |spec| spec.skip.to_string(),
        set: |spec, text| parse(&mut spec.skip, text),
        ..PLAIN
    },
    Setting {
        key: "features",
        flag: "features",
        label: "Features",
        help: "Size of the dictionary",
        unit: "features",
        range: whole(1, 1 << 24),
        get: |spec| spec.features.to_string(),
        set: |spec, text| parse(&mut spec.features, text),
        ..PLAIN
    },
    Setting {
        key: "k",
        flag: "k",
        label: "k",
        help: "Active features per token: the most (topk, gradient, signed-topk), the average (batch rules), or the target (jump-relu with penalty target)",
        unit: "features",
        range: whole(1, 4_096),
        counts: Counts::Uses(Uses::K),
        get: |spec| spec.k.to_string(),
        set: |spec, text| parse(&mut spec.k, text),
        ..PLAIN
    },
    Setting {
        key: "k_warmup",
        flag: "k-warmup",
        label: "k warmup",
        help: "Share of the steps over which the number of active features per token falls to its target",
        unit: "of the run",
        range: SHARE,
        counts: BUDGETED,
        get: |spec| spec.k_warmup.to_string(),
        set: |spec, text| parse(&mut spec.k_warmup, text),
        ..PLAIN
    },
    Setting {
        key: "k_start",
        flag: "k-start",
        label: "k at start",
        help: "Active features per token where the warmup begins",
        unit: "features",
        range: whole(1, 1 << 20),
        auto: Some("the activation's width"),
        counts: BUDGETED,
        get: |spec| or_auto(spec.k_start.as_ref()),
        set: |spec, text| parse_auto(&mut spec.k_start, text),
    },
    Setting {
        key: "tokens",
        flag: "tokens",
        label: "Training tokens",
        help: "Activations to train on, one per token; a corpus that runs out is shuffled and read again",
        unit: "activations",
        range: whole(1, 1 << 40),
        get: |spec| spec.tokens.to_string(),
        set: |spec, text| parse(&mut spec.tokens, text),
        ..PLAIN
    },
    Setting {
        key: "seed",
        flag: "seed",
        label: "Seed",
        help: "Seed of initialisation, order and shuffling",
        range: whole(0, u64::MAX),
        get: |spec| spec.seed.to_string(),
        set: |spec, text| parse(&mut spec.seed, text),
        ..PLAIN
    },
    Setting {
        key: "batch",
        flag: "batch",
        label: "Batch size",
        help: "Activations per step",
        unit: "activations",
        range: whole(1, 1 << 20),
        get: |spec| spec.batch.to_string(),
        set: |spec, text| parse(&mut spec.batch, text),
        ..PLAIN
    },
    Setting {
        key: "learning_rate",
        flag: "learning-rate",
        label: "Learning rate",
        help: "Peak rate of Adam, on activations scaled to unit variance",
        range: real(1e-8, 1.0),
        auto: Some("4e-4 · √(16,384 / features), 0.002 at most"),
        get: |spec| or_auto(spec.learning_rate.as_ref()),
        set: |spec, text| parse_auto(&mut spec.learning_rate, text),
        ..PLAIN
    },
    Setting {
        key: "warmup",
        flag: "warmup",
        label: "Warmup",
        help: "Share of the steps over which the learning rate rises linearly",
        unit: "of the run",
        range: SHARE,
        get: |spec| spec.warmup.to_string(),
        set: |spec, text| parse(&mut spec.warmup, text),
        ..PLAIN
    },
    Setting {
        key: "decay",
        flag: "decay",
        label: "Decay",
        help: "Share of the steps at the end over which the learning rate falls linearly to 0",
        unit: "of the run",
        range: SHARE,
        get: |spec| spec.decay.to_string(),
        set: |spec, text| parse(&mut spec.decay, text),
        ..PLAIN
    },
    Setting {
        key: "clip",
        flag: "clip",
        label: "Gradient clip",
        help: "Gradient clip: largest norm of the gradient over all parameters; longer gradients are scaled down to it; 0 turns clipping off",
        range: real(0.0, 1e9),
        get: |spec| spec.clip.to_string(),
        set: |spec, text| parse(&mut spec.clip, text),
        ..PLAIN
    },
    Setting {
        key: "ema",
        flag: "ema",
        label: "EMA",
        help: "Rate of an exponential moving average (EMA) of the weights, which is saved in their place (0.999 averages about the last thousand steps); 0 saves the weights themselves",
        range: real(0.0, 0.999_999),
        get: |spec| spec.ema.to_string(),
        set: |spec, text| parse(&mut spec.ema, text),
        ..PLAIN
    },
    Setting {
        key: "resample_every",
        flag: "resample-every",
        label: "Resample every",
        help: "Steps between resamplings of dead features: each restarts at a badly reconstructed input and the learning rate warms up again, at most four times; 0 never resamples",
        unit: "steps",
        range: whole(0, 1 << 40),
        auto: Some("a sixth of the run, so that the last comes well before its end"),
        get: |spec| or_auto(spec.resample_every.as_ref()),
        set: |spec, text| parse_auto(&mut spec.resample_every, text),
        ..PLAIN
    },
    Setting {
        key: "k_aux",
        flag: "k-aux",
        label: "AuxK features",
        help: "Dead features per token that AuxK trains on the reconstruction error",
        unit: "features",
        range: whole(1, 1 << 20),
        auto: Some("half the activation's width"),
        counts: BUDGETED,
        get: |spec| or_auto(spec.k_aux.as_ref()),
        set: |spec, text| parse_auto(&mut spec.k_aux, text),
    },
    Setting {
        key: "aux_coefficient",
        flag: "aux-coefficient",
        label: "AuxK coefficient",
        help: "Coefficient of the AuxK loss; 0 turns it off",
        range: real(0.0, 10.0),
        counts: BUDGETED,
        get: |spec| spec.aux_coefficient.to_string(),
        set: |spec, text| parse(&mut spec.aux_coefficient, text),
        ..PLAIN
    },
    Setting {
        key: "dead_after",
        flag: "dead-after",
        label: "Dead after",
        help: "Activations after which a silent feature counts as dead",
        unit: "activations",
        range: whole(1, 1 << 40),
        auto: Some("10 million or 5 % of the run, whichever is less"),
        get: |spec| or_auto(spec.dead_after.as_ref()),
        set: |spec, text| parse_auto(&mut spec.dead_after, text),
        ..PLAIN
    },
    Setting {
        key: "sparsity_coefficient",
        flag: "sparsity-coefficient",
        label: "Sparsity coefficient",
        help: "Coefficient of the penalty on activations (relu, gated, a relu transcoder) or on their number (jump-relu)",
        range: real(0.0, 1000.0),
        auto: Some(
            "0.1 for relu, gated and transcoders; for jump-relu 0.01 with penalty target, else 0.001",
        ),
        counts: PENALISED,
        get: |spec| or_auto(spec.sparsity_coefficient.as_ref()),
        set: |spec, text| parse_auto(&mut spec.sparsity_coefficient, text),
        ..PLAIN
    },
    Setting {
        key: "sparsity_warmup",
        flag: "sparsity-warmup",
        label: "Sparsity warmup",
        help: "Share of the steps over which the penalty rises linearly",
        unit: "of the run",
        range: SHARE,
        counts: PENALISED,
        get: |spec| spec.sparsity_warmup.to_string(),
        set: |spec, text| parse(&mut spec.sparsity_warmup, text),
        ..PLAIN
    },
    Setting {
        key: "sparsity_penalty",
        flag: "sparsity-penalty",
        label: "Sparsity penalty",
        help: "Quantity that the penalty sums: active features (step), tanh(4 · act), or (2/k)(L0 − k)² (target)",
        range: Range::Choice(&["step", "tanh", "target"]),
        counts: Counts::Only(Variant::JumpRelu),
        get: |spec| spec.sparsity_penalty.to_string(),
        set: |spec, text| parse(&mut spec.sparsity_penalty, text),
        ..PLAIN
    },
    Setting {
        key: "bandwidth",
        flag: "bandwidth",
        label: "Bandwidth",
        help: "Width of the rectangle through which thresholds learn, in root mean squares of a coordinate",
        range: real(1e-6, 10.0),
        counts: Counts::Only(Variant::JumpRelu),
        get: |spec| spec.bandwidth.to_string(),
        set: |spec, text| parse(&mut spec.bandwidth, text),
        ..PLAIN
    },
    Setting {
        key: "initial_threshold",
        flag: "initial-threshold",
        label: "Initial threshold",
        help: "Threshold of every feature at the start, in root mean squares of a coordinate",
        range: real(0.0, 100.0),
        counts: Counts::Only(Variant::JumpRelu),
        get: |spec| spec.initial_threshold.to_string(),
        set: |spec, text| parse(&mut spec.initial_threshold, text),
        ..PLAIN
    },
    Setting {
        key: "multi_topk",
        flag: "multi-topk",
        label: "Multi-TopK",
        help: "Add an eighth of the loss at 4·k active features, so that reconstructions stay good at another k",
        range: Range::Switch,
        counts: Counts::Only(Variant::TopK),
        get: |spec| spec.multi_topk.to_string(),
        set: |spec, text| parse(&mut spec.multi_topk, text),
        ..PLAIN
    },
    Setting {
        key: "beta",
        flag: "beta",
        label: "Gradient β",
        help: "β, the weight of |g| in z · (1 + β·|g|), over the mean of |g|; 0 is TopK",
        range: real(0.0, 1e6),
        counts: Counts::Only(Variant::Gradient),
        get: |spec| spec.beta.to_string(),
        set: |spec, text| parse(&mut spec.beta, text),
        ..PLAIN
    },
    Setting {
        key: "gradient_values",
        flag: "gradient-values",
        label: "Decoder input",
        help: "Input of the decoder: the pre-activations, or the scores, as in the paper's figure",
        range: Range::Choice(&["pre-activations", "scores"]),
        counts: Counts::Only(Variant::Gradient),
        get: |spec| spec.gradient_values.to_string(),
        set: |spec, text| parse(&mut spec.gradient_values, text),
        ..PLAIN
    },
    Setting {
        key: "zipf_alpha",
        flag: "zipf-alpha",
        label: "Zipf α",
        help: "α in density(rank) = C (rank + β)^−α",
        range: real(0.0, 10.0),
        auto: Some("fitted to the densities"),
        counts: LAWFUL,
        get: |spec| or_auto(spec.zipf_alpha.as_ref()),
        set: |spec, text| parse_auto(&mut spec.zipf_alpha, text),
        ..PLAIN
    },
    Setting {
        key: "zipf_beta",
        flag: "zipf-beta",
        label: "Zipf β",
        help: "β in density(rank) = C (rank + β)^−α",
        range: real(0.0, 1e9),
        auto: Some("fitted to the densities"),
        counts: LAWFUL,
        get: |spec| or_auto(spec.zipf_beta.as_ref()),
        set: |spec, text| parse_auto(&mut spec.zipf_beta, text),
        ..PLAIN
    },
    Setting {
        key: "zipf_tau",
        flag: "zipf-tau",
        label: "Zipf τ",
        help: "τ: share of its Zipf density below which a feature counts as under-used and is trained on the error",
        range: SHARE,
        counts: LAWFUL,
        get: |spec| spec.zipf_tau.to_string(),
        set: |spec, text| parse(&mut spec.zipf_tau, text),
        ..PLAIN
    },
    Setting {
        key: "phase",
        flag: "phase",
        label: "Mutual Choice phase",
        help: "Share of the steps trained by Mutual Choice, before Feature Choice",
        unit: "of the run",
        range: SHARE,
        counts: Counts::Only(Variant::FeatureChoice),
        get: |spec| spec.phase.to_string(),
        set: |spec, text| parse(&mut spec.phase, text),
        ..PLAIN
    },
    Setting {
        key: "levels",
        flag: "levels",
        label: "Nested levels",
        help: "Nested dictionaries, each half as large as the next",
        range: Range::Whole { least: 1, most: 16 },
        counts: Counts::Only(Variant::Matryoshka),
        get: |spec| spec.levels.to_string(),
        set: |spec, text| parse(&mut spec.levels, text),
        ..PLAIN
    },
    Setting {
        key: "decoder",
        flag: "decoder",
        label: "Decoder norm",
        help: "Rows of length 1, or free; free rows are ranked and charged by activation · length, and saved with the length folded in",
        range: Range::Choice(&["unit", "free"]),
        get: |spec| spec.decoder.to_string(),
        set: |spec, text| parse(&mut spec.decoder, text),
        ..PLAIN
    },
    Setting {
        key: "adam",
        flag: "adam",
        label: "Adam",
        help: "Whether Adam moves all rows in every step (exact), or only those of features with a gradient (lazy)",
        range: Range::Choice(&["exact", "lazy"]),
        get: |spec| spec.adam.to_string(),
        set: |spec, text| parse(&mut spec.adam, text),
        ..PLAIN
    },
    Setting {
        key: "screened",
        flag: "screened",
        label: "Screened selection",
        help: "Find candidates by a product of 16-bit integers with a proven margin, and compute only those in f32",
        range: Range::Switch,
        counts: Counts::Uses(Uses::Screen),
        get: |spec| (spec.product == Product::Screened).to_string(),
        set: |spec, text| {
            let mut screened = false;
            parse(&mut screened, text)?;
            spec.product = if screened {
                Product::Screened
            } else {
                Product::Exact
            };
            Some(())
        },
        ..PLAIN
    },
    Setting {
        key: "normalise",
        flag: "normalise",
        label: "Normalisation",
        help: "Scale of the activations: by their spread over a sample, undone when saved (dataset), unchanged (none), or each token normalised, as the saved dictionary then does too (layer-norm, constant-norm)",
        range: Range::Choice(&["dataset", "none", "layer-norm", "constant-norm"]),
        get: |spec| spec.normalise.to_string(),
        set: |spec, text| parse(&mut spec.normalise, text),
        ..PLAIN
    },
    Setting {
        key: "geometric_median",
        flag: "geometric-median",
        label: "Geometric median",
        help: "Start the decoder's bias at the geometric median of the activations instead of their mean",
        range: Range::Switch,
        get: |spec| spec.geometric_median.to_string(),
        set: |spec, text| parse(&mut spec.geometric_median, text),
        ..PLAIN
    },
    Setting {
        key: "micro_batch",
        flag: "micro-batch",
        label: "Micro-batch",
        help: "Activations of a batch encoded at a time; early in a run half of all features may be active. Smaller values take less memory and change results only by rounding",
        unit: "activations",
        range: whole(1, 1 << 20),
        auto: Some("all that fit into memory"),
        counts: PENALISED,
        get: |spec| or_auto(spec.micro_batch.as_ref()),
        set: |spec, text| parse_auto(&mut spec.micro_batch, text),
    },
    Setting {
        key: "buffer",
        flag: "buffer",
        label: "Shuffle buffer",
        help: "Activations held in memory and drawn at random; half are replaced at a time",
        unit: "activations",
        range: whole(1, 1 << 26),
        get: |spec| spec.buffer.to_string(),
        set: |spec, text| parse(&mut spec.buffer, text),
        ..PLAIN
    },
    Setting {
        key: "buffer_dtype",
        flag: "buffer-dtype",
        label: "Buffer dtype",
        help: "Type in which the shuffle buffer stores activations; f16 and bf16 halve its memory, and all computation is in f32",
        range: Range::Choice(&["f32", "f16", "bf16"]),
        get: |spec| spec.buffer_dtype.to_string(),
        set: |spec, text| {
            spec.buffer_dtype = text.parse().ok()?;
            Some(())
        },
        ..PLAIN
    },
    Setting {
        key: "positions",
        flag: "positions",
        label: "Positions",
        help: "Positions of rows to train on: text leaves out row starts and special tokens (BOS, EOS, padding), first leaves out the first of each row, sae-lens leaves out special tokens, all leaves out none. A store's own rule wins",
        range: Range::Choice(&["text", "first", "sae-lens", "all"]),
        get: |spec| spec.positions.to_string(),
        set: |spec, text| {
            spec.positions = text.parse().ok()?;
            Some(())
        },
        ..PLAIN
    },
    Setting {
        key: "separate_documents",
        flag: "separate-documents",
        label: "Separate documents",
        help: "Keep documents that are packed in one row apart: attention stops at the last BOS, and positions count from it. Otherwise attention runs across them, as in SAELens. A store's own setting wins",
        range: Range::Switch,
        get: |spec| spec.separate_documents.to_string(),
        set: |spec, text| parse(&mut spec.separate_documents, text),
        ..PLAIN
    },
    Setting {
        key: "outliers",
        flag: "outliers",
        label: "Outlier limit",
        help: "Leave out activations longer than this many times the median of those read with them, such as attention sinks; 0 keeps all",
        unit: "medians",
        range: real(0.0, 1e9),
        get: |spec| spec.outliers.to_string(),
        set: |spec, text| parse(&mut spec.outliers, text),
        ..PLAIN
    },
];
