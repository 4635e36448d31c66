//! `sae_weights.safetensors`: four tensors and those of the architecture, checked against `cfg.json` and for NaN.

use std::sync::Arc;

use super::cfg::{Architecture, Cfg, Temporal};
use crate::dims::Matrix;
use crate::error::{Notes, Result};
use crate::formats::Precision;
use crate::formats::weights::Tensors;
use crate::sae::{
    AbsTopK, CodeAttention, Gated, JumpRelu, Linear, Predictor, Relu, Sae, Selection, TopK,
};
use crate::tensor_file::safe::{self, Tensor};

/// Tensors of most architectures.
const PLAIN: &[&str] = &["W_enc", "b_enc", "W_dec", "b_dec"];

/// Tensor learnt by finetuning the decoder, under its two names.
const FINETUNED: [&str; 2] = ["finetuning_scaling_factor", "scaling_factor"];

/// Names of the tensors; the second is the encoder's bias, or the gate's where there is a gate.
fn names(architecture: Architecture) -> &'static [&'static str] {
    match architecture {
        Architecture::Gated => &["W_enc", "b_gate", "W_dec", "b_dec", "b_mag", "r_mag"],
        Architecture::JumpRelu => &["W_enc", "b_enc", "W_dec", "b_dec", "threshold"],
        Architecture::Transcoder { thresholds, skip } => match (thresholds, skip) {
            (false, false) => PLAIN,
            (false, true) => &["W_enc", "b_enc", "W_dec", "b_dec", "W_skip"],
            (true, false) => &["W_enc", "b_enc", "W_dec", "b_dec", "threshold"],
            (true, true) => &["W_enc", "b_enc", "W_dec", "b_dec", "threshold", "W_skip"],
        },
        Architecture::Standard
        | Architecture::TopK { .. }
        | Architecture::AbsTopK { .. }
        | Architecture::BatchTopK
        | Architecture::Temporal(_)
        | Architecture::MatchingPursuit => PLAIN,
    }
}

/// Tensors in Umbra's orientation.
#[derive(Debug)]
pub(super) struct Weights {
    /// `[f, d]`.
    pub(super) w_enc: Matrix,
    /// `[f]`.
    pub(super) b_enc: Vec<f32>,
    /// `[f, d]`; a transcoder's is as wide as its output.
    pub(super) w_dec: Matrix,
    /// `[d]`; a transcoder's is as wide as its output.
    pub(super) b_dec: Vec<f32>,
    /// `[d_out, d]`, where there is one.
    pub(super) w_skip: Option<Matrix>,
    pub(super) selection: Selection,
    /// Predictor of a temporal dictionary.
    pub(super) predictor: Option<Arc<Predictor>>,
}

pub(super) fn read(tensors: &Tensors<'_>, cfg: &Cfg, notes: &mut Notes) -> Result<Weights> {
    let (d, f, o) = (cfg.width, cfg.features, cfg.width_out);
    let names = names(cfg.architecture);
    let w_dec = tensors.matrix("W_dec", [f, o])?;
    let (w_enc, b_enc) = match cfg.architecture {
        Architecture::MatchingPursuit => (w_dec.clone(), vec![0.0; f]),
        Architecture::Temporal(temporal) => {
            let mut w_enc = if temporal.tied {
                w_dec.clone()
            } else {
                tensors.transposed("W_enc", [d, f])?
            };
            // λ, which multiplies every reading of the encoder.
            let lambda = 1.0 / (4 * d) as f32;
            w_enc.values_mut().iter_mut().for_each(|w| *w *= lambda);
            (w_enc, vec![0.0; f])
        }
        _ => (
            tensors.transposed("W_enc", [d, f])?,
            tensors.vector(names[1], f)?,
        ),
    };
    let b_dec = tensors.vector("b_dec", o)?;
    let w_skip = if names.contains(&"W_skip") {
        Some(tensors.matrix("W_skip", [o, d])?)
    } else {
        None
    };
    let selection = match cfg.architecture {
        Architecture::TopK { k } | Architecture::Temporal(Temporal { k: Some(k), .. }) => {
            Selection::TopK(TopK { k })
        }
        Architecture::AbsTopK { k } => Selection::AbsTopK(AbsTopK { k }),
        Architecture::Standard
        | Architecture::Temporal(_)
        | Architecture::Transcoder {
            thresholds: false, ..
        } => Selection::Relu(Relu),
        Architecture::JumpRelu | Architecture::Transcoder { .. } => Selection::JumpRelu(JumpRelu {
            thresholds: thresholds(tensors, f, notes)?,
        }),
        Architecture::BatchTopK => Selection::JumpRelu(JumpRelu {
            thresholds: vec![tensors.scalar("topk_threshold")? as f32; f],
        }),
        Architecture::MatchingPursuit => Selection::MatchingPursuit(cfg.pursuit),
        Architecture::Gated => Selection::Gated(Gated {
            b_mag: tensors.vector("b_mag", f)?,
            r_mag: tensors.vector("r_mag", f)?,
        }),
    };
    // Finetuned decoders (before version 6) decode codes times these.
    for name in FINETUNED {
        if tensors.has(name) && tensors.vector(name, f)?.iter().any(|s| *s != 1.0) {
            let what = format!("a `{name}` other than 1 (`finetuning_scaling_factor` true)");
            return Err(super::refused(&what, tensors.path()));
        }
    }
    let predictor = match cfg.architecture {
        Architecture::Temporal(temporal) => Some(Arc::new(predictor(tensors, temporal, f)?)),
        _ => None,
    };
    tensors.note_unused(&[], notes);
    Ok(Weights {
        w_enc,
        b_enc,
        w_dec,
        b_dec,
        w_skip,
        selection,
        predictor,
    })
}

fn predictor(tensors: &Tensors<'_>, temporal: Temporal, f: usize) -> Result<Predictor> {
    let linear = |layer: usize, name: &str, out: usize| -> Result<Linear> {
        let of = |part: &str| format!("attn_layers.{layer}.{name}.{part}");
        Ok(Linear {
            weight: tensors.matrix(&of("weight"), [out, f])?,
            bias: tensors.vector(&of("bias"), out)?,
        })
    };
    let layers = (0..temporal.layers).map(|layer| {
        Ok(CodeAttention {
            key: linear(layer, "k_ctx", temporal.embedding)?,
            query: linear(layer, "q_target", temporal.embedding)?,
            value: linear(layer, "v_ctx", f)?,
            output: linear(layer, "c_proj", f)?,
        })
    });
    Ok(Predictor {
        heads: temporal.heads,
        layers: layers.collect::<Result<_>>()?,
    })
}

/// Returns the thresholds, or the exponentials of the logarithms that older training checkpoints hold.
fn thresholds(tensors: &Tensors<'_>, f: usize, notes: &mut Notes) -> Result<Vec<f32>> {
    if tensors.has("threshold") || !tensors.has("log_threshold") {
        return tensors.vector("threshold", f);
    }
    notes.add("It is a training checkpoint; its thresholds are exp(log_threshold)");
    let logs = tensors.vector("log_threshold", f)?;
    Ok(logs.iter().map(|log| log.exp()).collect())
}

/// Returns the whole file for `sae`.
pub(super) fn bytes(
    sae: &Sae,
    architecture: Architecture,
    precision: Precision,
) -> Result<Vec<u8>> {
    let (f, d, o) = (sae.features(), sae.width(), sae.w_dec.columns());
    if architecture == Architecture::MatchingPursuit {
        let tensors = [
            Tensor::new("W_dec", &[f, o], sae.w_dec.values()),
            Tensor::new("b_dec", &[o], &sae.b_dec),
        ];
        return safe::bytes(&tensors, precision.float());
    }
    let w_enc = sae.w_enc.transposed();
    let b_enc = names(architecture)[1];
    let mut tensors = vec![
        Tensor::new("W_enc", &[d, f], w_enc.values()),
        Tensor::new(b_enc, &[f], &sae.b_enc),
        Tensor::new("W_dec", &[f, o], sae.w_dec.values()),
        Tensor::new("b_dec", &[o], &sae.b_dec),
    ];
    if let Some(w_skip) = sae.role.transcoder().and_then(|to| to.w_skip.as_ref()) {
        tensors.push(Tensor::new("W_skip", &[o, d], w_skip.values()));
    }
    match &sae.selection {
        Selection::JumpRelu(JumpRelu { thresholds }) => {
            tensors.push(Tensor::new("threshold", &[f], thresholds));
        }
        Selection::Gated(Gated { b_mag, r_mag }) => {
            tensors.push(Tensor::new("b_mag", &[f], b_mag));
            tensors.push(Tensor::new("r_mag", &[f], r_mag));
        }
        // Selections without an architecture were rejected with it.
        _ => {}
    }
    safe::bytes(&tensors, precision.float())
}
