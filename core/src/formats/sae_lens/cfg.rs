//! `cfg.json`: reading it, rejecting what is unsupported, and writing it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Number, Value, json};

use super::older::modern;
use super::{parent, refused};
use crate::error::{Error, Key, Notes, Result};
use crate::ids::{Head, HookPoint, Site};
use crate::sae::{AbsTopK, InputNorm, Provenance, Pursuit, Relu, Sae, Selection, TopK};
use crate::tensor_file::short;

/// Without a version SAELens takes the path for old files and loses nested metadata.
const SAE_LENS_VERSION: &str = "6.54.12";

/// `normalize_activations` values for inputs normalised token by token.
const NORMS: [(&str, InputNorm); 3] = [
    ("none", InputNorm::None),
    ("layer_norm", InputNorm::Layer),
    ("constant_norm_rescale", InputNorm::Constant),
];

/// `normalize_activations` values for inputs that training multiplied by one factor.
const AVERAGE: &str = "expected_average_only_in";
const WHITENING: &str = "covariance_whitening";
/// `normalize_activations` values of temporal dictionaries, whose configuration holds the factor.
const SCALAR: &str = "constant_scalar_rescale";

/// Supported architectures; those of training checkpoints are never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Architecture {
    Standard,
    TopK {
        k: usize,
    },
    AbsTopK {
        k: usize,
    },
    JumpRelu,
    Gated,
    /// A training checkpoint with a budget per batch, which has one threshold so far; also `matryoshka_batchtopk`.
    BatchTopK,
    MatchingPursuit,
    /// Encodes what is new in a token.
    Temporal(Temporal),
    /// Reads one hook and writes another.
    Transcoder {
        thresholds: bool,
        skip: bool,
    },
}

/// Settings of a temporal dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Temporal {
    pub(super) heads: usize,
    pub(super) layers: usize,
    /// Width of keys and queries, all heads together.
    pub(super) embedding: usize,
    /// Largest number of new codes per token; none: all positive ones.
    pub(super) k: Option<usize>,
    /// Whether encoder and decoder are tied.
    pub(super) tied: bool,
}

impl Architecture {
    pub(super) const NAMES: [&'static str; 13] = [
        "standard",
        "topk",
        "abstopk",
        "jumprelu",
        "gated",
        "transcoder",
        "skip_transcoder",
        "jumprelu_transcoder",
        "jumprelu_skip_transcoder",
        "batchtopk",
        "matryoshka_batchtopk",
        "matching_pursuit",
        "temporal",
    ];

    /// Chooses the architecture by its name and, where needed, by `k`.
    fn named(name: &str, k: impl FnOnce() -> Result<usize>) -> Result<Option<Self>> {
        Ok(Some(match name {
            "standard" => Self::Standard,
            "topk" => Self::TopK { k: k()? },
            "abstopk" => Self::AbsTopK { k: k()? },
            "jumprelu" => Self::JumpRelu,
            "gated" => Self::Gated,
            "batchtopk" | "matryoshka_batchtopk" => Self::BatchTopK,
            "matching_pursuit" => Self::MatchingPursuit,
            "transcoder"
            | "skip_transcoder"
            | "jumprelu_transcoder"
            | "jumprelu_skip_transcoder" => Self::Transcoder {
                thresholds: name.starts_with("jumprelu"),
                skip: name.ends_with("skip_transcoder"),
            },
            _ => return Ok(None),
        }))
    }

    /// Returns the architecture of a dictionary; SAELens has only ReLU and JumpReLU transcoders.
    pub(super) fn from_sae(sae: &Sae) -> Result<Self> {
        if let Some(transcoder) = sae.role.transcoder() {
            let thresholds = match sae.selection {
                Selection::Relu(Relu) => false,
                Selection::JumpRelu(_) => true,
                _ => {
                    return Err(Error::Unsupported {
                        what: format!("a transcoder by {}", sae.selection.describe()),
                        remedy: "SAELens has ReLU and JumpReLU transcoders, train one of those"
                            .to_owned(),
                    });
                }
            };
            let skip = transcoder.w_skip.is_some();
            return Ok(Self::Transcoder { thresholds, skip });
        }
        Ok(match &sae.selection {
            Selection::Relu(Relu) => Self::Standard,
            Selection::TopK(TopK { k }) => Self::TopK { k: *k },
            Selection::AbsTopK(AbsTopK { k }) => Self::AbsTopK { k: *k },
            Selection::JumpRelu(_) => Self::JumpRelu,
            Selection::Gated(_) => Self::Gated,
            Selection::MatchingPursuit(_) if is_pursuit_of_its_rows(sae) => Self::MatchingPursuit,
            Selection::GroupMax(_)
            | Selection::RawTopK(_)
            | Selection::WeightedTopK(_)
            | Selection::Jump(_)
            | Selection::MatchingPursuit(_) => {
                return Err(Error::Unsupported {
                    what: format!("saving {}, {},", sae.name, sae.selection.describe()),
                    remedy: "no SAELens architecture that Umbra writes computes the same, keep the original files".to_owned(),
                });
            }
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::TopK { .. } => "topk",
            Self::AbsTopK { .. } => "abstopk",
            Self::JumpRelu => "jumprelu",
            Self::Gated => "gated",
            Self::BatchTopK => "batchtopk",
            Self::MatchingPursuit => "matching_pursuit",
            Self::Temporal(_) => "temporal",
            Self::Transcoder { thresholds, skip } => match (thresholds, skip) {
                (false, false) => "transcoder",
                (false, true) => "skip_transcoder",
                (true, false) => "jumprelu_transcoder",
                (true, true) => "jumprelu_skip_transcoder",
            },
        }
    }

    fn k(self) -> Option<usize> {
        match self {
            Self::TopK { k } | Self::AbsTopK { k } => Some(k),
            Self::Standard
            | Self::JumpRelu
            | Self::Gated
            | Self::BatchTopK
            | Self::MatchingPursuit
            | Self::Temporal(_)
            | Self::Transcoder { .. } => None,
        }
    }

    /// Returns whether it reads one hook and writes another.
    pub(super) fn transcodes(self) -> bool {
        matches!(self, Self::Transcoder { .. })
    }
}

/// Whether `sae` pursues by its decoder rows alone, about `b_dec`, as files of matching pursuit do: they hold no encoder.
fn is_pursuit_of_its_rows(sae: &Sae) -> bool {
    sae.apply_b_dec_to_input && sae.w_enc == sae.w_dec && sae.b_enc.iter().all(|bias| *bias == 0.0)
}

/// Settings that `cfg.json` decides.
#[derive(Debug)]
pub(super) struct Cfg {
    pub(super) width: usize,
    /// Width of the output.
    pub(super) width_out: usize,
    /// Output hook of a transcoder, if the file names a known hook.
    pub(super) hook_out: Option<HookPoint>,
    pub(super) features: usize,
    pub(super) architecture: Architecture,
    pub(super) apply_b_dec_to_input: bool,
    pub(super) input_norm: InputNorm,
    /// Factor that training multiplied all inputs by, which is not applied at run time.
    pub(super) scale: Scale,
    /// Whether pre-activations are ranked, or compared, times the lengths of decoder rows.
    pub(super) by_decoder_norm: bool,
    /// Settings of matching pursuit.
    pub(super) pursuit: Pursuit,
    pub(super) provenance: Provenance,
}

/// Rescaling of all inputs in training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    None,
    /// One factor, from `activation_scaler.json` where that exists.
    Average,
    /// The given factor.
    Factor(f32),
    /// A mean and a matrix, in `activation_whitening.safetensors`.
    Whitening,
}

impl Cfg {
    /// Reads `cfg`, which comes from `path`.
    pub(super) fn from_json(
        cfg: Map<String, Value>,
        path: &Path,
        notes: &mut Notes,
    ) -> Result<Self> {
        let wrong =
            |cause: String| Error::input(format!("{cause}, save the dictionary again"), path);
        let (cfg, metadata) = modern(cfg, path, notes)?;
        refuse_what_cannot_be_represented(&cfg, path)?;
        let count = |key: &str| {
            let count = cfg.get(key).and_then(Value::as_u64);
            count
                .and_then(|count| usize::try_from(count).ok())
                .filter(|count| *count > 0)
                .ok_or_else(|| wrong(format!("`{key}` is not a positive whole number")))
        };
        let (width, features) = (count("d_in")?, count("d_sae")?);
        let name = cfg.get("architecture").and_then(Value::as_str);
        let name = name.unwrap_or("standard");
        let architecture = match name {
            "temporal" => Some(Architecture::Temporal(temporal(&cfg, features, &wrong)?)),
            name => Architecture::named(name, || count("k"))?,
        };
        let architecture = architecture
            .ok_or_else(|| refused(&format!("`architecture` {}", short(name)), path))?;
        if let Some(k) = architecture.k().filter(|k| *k > features) {
            return Err(wrong(format!("`k` is {k}, but `d_sae` only {features}")));
        }
        let width_out = if architecture.transcodes() {
            count("d_out")?
        } else {
            width
        };
        let mut metadata = metadata;
        let head = head(&mut metadata, architecture.transcodes(), path)?;
        let mut provenance = provenance(metadata, notes);
        provenance.head = head;
        if let Some(head) = head {
            notes.add(format!("It reads and writes only the slice of head {head}"));
        }
        let hook_out = if architecture.transcodes() {
            hook_out(&mut provenance.other, notes)
        } else {
            None
        };
        let flattened = cfg.get("reshape_activations").and_then(Value::as_str) == Some("hook_z");
        if let Some(hook) = provenance.hook.filter(|hook| flattened && !by_head(*hook)) {
            return Err(wrong(format!(
                "`reshape_activations` hook_z contradicts the hook {hook}"
            )));
        }
        Ok(Self {
            width,
            width_out,
            hook_out,
            features,
            architecture,
            input_norm: input_norm(&cfg),
            scale: match cfg.get("normalize_activations").and_then(Value::as_str) {
                Some(AVERAGE) => Scale::Average,
                Some(WHITENING) => Scale::Whitening,
                Some(SCALAR) => Scale::Factor(factor(&cfg, &wrong)?),
                _ => Scale::None,
            },
            // In training the default is true, for use it is false.
            by_decoder_norm: match cfg.get("rescale_acts_by_decoder_norm") {
                Some(Value::Bool(on)) => *on,
                _ => architecture == Architecture::BatchTopK,
            },
            pursuit: pursuit(&cfg, width),
            apply_b_dec_to_input: cfg.get("apply_b_dec_to_input") != Some(&Value::Bool(false)),
            provenance,
        })
    }
}

fn factor(cfg: &Map<String, Value>, wrong: &dyn Fn(String) -> Error) -> Result<f32> {
    let factor = cfg.get("activation_normalization_factor");
    let factor = factor.map_or(Some(1.0), Value::as_f64).map(|f| f as f32);
    factor
        .filter(|factor| *factor > 0.0 && factor.is_finite())
        .ok_or_else(|| {
            wrong("`activation_normalization_factor` is not a positive number".to_owned())
        })
}

fn temporal(
    cfg: &Map<String, Value>,
    features: usize,
    wrong: &dyn Fn(String) -> Error,
) -> Result<Temporal> {
    let count = |key: &str, usual: usize| match cfg.get(key) {
        None | Some(Value::Null) => Ok(usual),
        Some(value) => value
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| (1..=features).contains(n))
            .ok_or_else(|| wrong(format!("`{key}` is not a number from 1 to {features}"))),
    };
    let heads = count("n_heads", 8)?;
    let bottleneck = count("bottleneck_factor", 64)?;
    let topk = cfg.get("sae_diff_type").and_then(Value::as_str) != Some("relu");
    let k = match cfg.get("kval_topk") {
        Some(Value::Number(_)) if topk => Some(count("kval_topk", 1)?),
        _ => None,
    };
    if !features.is_multiple_of(bottleneck.saturating_mul(heads)) {
        return Err(wrong(format!(
            "`d_sae` {features} is not a multiple of `n_heads` {heads} times `bottleneck_factor` {bottleneck}"
        )));
    }
    Ok(Temporal {
        heads,
        layers: count("n_attn_layers", 1)?,
        embedding: features / bottleneck,
        k,
        tied: cfg.get("tied_weights") != Some(&Value::Bool(false)),
    })
}

fn pursuit(cfg: &Map<String, Value>, width: usize) -> Pursuit {
    let least = cfg.get("residual_threshold").and_then(Value::as_f64);
    let rounds = cfg.get("max_iterations").and_then(Value::as_u64);
    Pursuit {
        residual_threshold: least.unwrap_or(0.01) as f32,
        // More rounds than dimensions have no effect, but they may be requested.
        max_iterations: rounds
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(width)
            .min(width.saturating_mul(16)),
        stop_on_duplicate_support: cfg.get("stop_on_duplicate_support")
            != Some(&Value::Bool(false)),
    }
}

fn input_norm(cfg: &Map<String, Value>) -> InputNorm {
    let named = cfg.get("normalize_activations").and_then(Value::as_str);
    let norm = NORMS.iter().find(|(name, _)| named == Some(name));
    norm.map_or(InputNorm::None, |(_, norm)| *norm)
}

fn refuse_what_cannot_be_represented(cfg: &Map<String, Value>, path: &Path) -> Result<()> {
    let named = |key: &str, default: &str| {
        let value = cfg.get(key).filter(|value| !value.is_null());
        value.map_or_else(
            || default.to_owned(),
            |value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            },
        )
    };
    for (key, default, readable) in [
        ("architecture", "standard", Architecture::NAMES.as_slice()),
        (
            "normalize_activations",
            "none",
            &[
                NORMS[0].0, NORMS[1].0, NORMS[2].0, AVERAGE, WHITENING, SCALAR,
            ],
        ),
        ("rescale_acts_by_decoder_norm", "false", &["false", "true"]),
        ("reshape_activations", "none", &["none", "hook_z"]),
    ] {
        let found = named(key, default);
        if !readable.contains(&found.as_str()) {
            return Err(refused(&format!("`{key}` {}", short(&found)), path));
        }
    }
    // Only temporal dictionaries have a scale of their own in `cfg.json`.
    if named("normalize_activations", "none") == SCALAR
        && named("architecture", "standard") != "temporal"
    {
        return Err(refused(&format!("`normalize_activations` {SCALAR}"), path));
    }
    Ok(())
}

/// Takes the head of a one-head dictionary out of the metadata.
fn head(metadata: &mut Map<String, Value>, transcodes: bool, path: &Path) -> Result<Option<Head>> {
    let number = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok());
    match metadata.remove("hook_head_index") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match number(&value).filter(|_| !transcodes) {
            Some(head) => Ok(Some(Head(head))),
            None => Err(refused(
                &format!("`hook_head_index` {}", short(&value.to_string())),
                path,
            )),
        },
    }
}

fn provenance(mut metadata: Map<String, Value>, notes: &mut Notes) -> Provenance {
    metadata.remove("sae_lens_version");
    let hook_name = metadata.remove("hook_name").unwrap_or_default();
    let hook = match hook_name.as_str().map(str::parse::<HookPoint>) {
        Some(Ok(hook)) => Some(hook),
        Some(Err(_)) => {
            notes.add(format!(
                "The hook {hook_name} is not supported, name one by {}",
                Key::Hook
            ));
            metadata.insert("hook_name".to_owned(), hook_name);
            None
        }
        None => None,
    };
    let model = metadata.remove("model_name").unwrap_or_default();
    let prepend_bos = metadata.remove("prepend_bos").unwrap_or_default();
    let context = metadata.remove("context_size").unwrap_or_default();
    Provenance {
        hook,
        model: model.as_str().unwrap_or_default().to_owned(),
        prepend_bos: prepend_bos.as_bool(),
        context: context.as_u64().and_then(|t| usize::try_from(t).ok()),
        head: None,
        other: metadata.into_iter().collect::<BTreeMap<_, _>>(),
    }
}

/// Takes a transcoder's output hook out of its metadata; a name that is no known hook stays there.
fn hook_out(metadata: &mut BTreeMap<String, Value>, notes: &mut Notes) -> Option<HookPoint> {
    let name = metadata.remove("hook_name_out")?;
    let hook = name.as_str().and_then(|name| name.parse().ok());
    if hook.is_none() && !name.is_null() {
        notes.add(format!("It writes the hook {name}, which is not supported"));
        metadata.insert("hook_name_out".to_owned(), name);
    }
    hook
}

/// Returns the file for `sae` in `folder`. Device and `dtype` are those that SAELens computes in, whatever the precision of the weights.
pub(super) fn text(sae: &Sae, architecture: Architecture, folder: &Path) -> String {
    let from = &sae.provenance;
    let flattened = from.hook.is_some_and(by_head) && from.head.is_none();
    let mut metadata = Map::new();
    for (key, value) in [
        ("sae_lens_version", json!(SAE_LENS_VERSION)),
        ("hook_name", json!(from.hook.map(|hook| hook.to_string()))),
        ("model_name", json!(from.model)),
        ("prepend_bos", json!(from.prepend_bos)),
        ("context_size", json!(from.context)),
    ] {
        metadata.insert(key.to_owned(), value);
    }
    for (key, value) in &from.other {
        metadata.insert(key.clone(), value.clone());
    }
    if let Some(hook) = sae.role.transcoder().and_then(|to| to.hook_out) {
        metadata.insert("hook_name_out".to_owned(), json!(hook.to_string()));
    }
    if let Some(head) = from.head {
        metadata.insert("hook_head_index".to_owned(), json!(head.0));
    }
    parent::name_in(&mut metadata, sae, folder);
    let mut metadata = Value::Object(metadata);
    shorten(&mut metadata);
    let norm = NORMS.iter().find(|(_, norm)| *norm == sae.input_norm);
    let norm = norm.map_or("none", |(name, _)| name);
    let mut cfg = json!({
        "d_in": sae.width(),
        "d_sae": sae.features(),
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": sae.apply_b_dec_to_input && !architecture.transcodes(),
        "normalize_activations": norm,
        "reshape_activations": if flattened { "hook_z" } else { "none" },
        "metadata": metadata,
    });
    if let Some(k) = architecture.k() {
        cfg["k"] = k.into();
        cfg["rescale_acts_by_decoder_norm"] = false.into();
    }
    if let Selection::MatchingPursuit(pursuit) = &sae.selection {
        cfg["residual_threshold"] = json!(f64::from(pursuit.residual_threshold));
        cfg["max_iterations"] = pursuit.max_iterations.into();
        cfg["stop_on_duplicate_support"] = pursuit.stop_on_duplicate_support.into();
    }
    if architecture.transcodes() {
        cfg["d_out"] = sae.w_dec.columns().into();
    }
    cfg["architecture"] = architecture.name().into();
    format!("{cfg:#}\n")
}

/// Returns whether activations at this hook have a dimension of heads, which are concatenated for a dictionary.
fn by_head(hook: HookPoint) -> bool {
    matches!(
        hook,
        HookPoint::Block(
            _,
            Site::Z | Site::Q | Site::K | Site::V | Site::RotQ | Site::RotK | Site::Result
        )
    )
}

/// Cuts fractions to 9 digits, which any parser reads back exactly, so that a file read and written again keeps its bytes.
fn shorten(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(values) => values.values_mut().for_each(shorten),
        Value::Number(number) if number.is_f64() => {
            let short = number
                .as_f64()
                .and_then(|n| format!("{n:.8e}").parse().ok());
            if let Some(short) = short.and_then(Number::from_f64) {
                *number = short;
            }
        }
        _ => {}
    }
}
