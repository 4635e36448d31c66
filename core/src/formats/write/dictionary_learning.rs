//! Writes a dictionary_learning folder; the reader describes classes and layouts.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Precision, Target, reads_plainly, refused, with_b_dec};
use crate::dims::Matrix;
use crate::error::{Error, Notes, Result};
use crate::ids::Layer;
use crate::sae::{Gated, JumpRelu, Relu, Sae, Selection, TopK};
use crate::tensor_file::torch_zip::{self, Stored, Values};
use crate::whole_file;

const TARGET: Target = Target::DictionaryLearning;
/// Tolerance within which dictionary_learning takes a length for 1.
const NEAR: f32 = 1e-5;

/// Layout of a class's tensors.
struct Layout<'a> {
    class: &'static str,
    /// `encoder.weight [f, d]` and `decoder.weight [d, f]`, or `W_enc [d, f]` and `W_dec [f, d]`.
    modules: bool,
    encoder_bias: &'static str,
    decoder_bias: &'static str,
    /// `[f]` each.
    more: Vec<(&'static str, &'a [f32])>,
    k: Option<usize>,
}

pub(super) fn write(
    sae: &Sae,
    folder: &Path,
    precision: Precision,
    notes: &mut Notes,
) -> Result<()> {
    reads_plainly(sae, TARGET)?;
    if sae.role.transcodes() {
        return Err(refused(sae, "a transcoder", TARGET));
    }
    if precision != Precision::F32 {
        let what = "dictionary_learning computes in the precision of ae.pt, give f32";
        return Err(Error::setting("dtype", what));
    }
    // Only JumpReLU never subtracts; a plain dictionary has a class for either.
    let sae = &match &sae.selection {
        Selection::JumpRelu(_) => with_b_dec(sae, false, notes),
        Selection::TopK(_) | Selection::Gated(_) => with_b_dec(sae, true, notes),
        _ => sae.clone(),
    };
    let layout = layout(sae)?;
    if layout.class == "AutoEncoder" && sae.decoder_lengths().iter().any(|l| (l - 1.0).abs() > NEAR)
    {
        notes.add("Its loader normalises decoder rows by default: activations grow by their lengths, outputs stay the same");
    }
    let (f, d) = (sae.features(), sae.width());
    let (w_enc, w_dec): (Matrix, Matrix) = if layout.modules {
        (sae.w_enc.clone(), sae.w_dec.transposed())
    } else {
        (sae.w_enc.transposed(), sae.w_dec.clone())
    };
    let names = if layout.modules {
        ["encoder.weight", "decoder.weight"]
    } else {
        ["W_enc", "W_dec"]
    };
    let of = |name, shape: &[usize], values| Stored {
        name,
        shape: shape.to_vec(),
        values: Values::F32(values),
    };
    let unset = [-1.0];
    let mut tensors = vec![
        of(names[0], &[w_enc.rows(), w_enc.columns()], w_enc.values()),
        of(layout.encoder_bias, &[f], &sae.b_enc),
        of(names[1], &[w_dec.rows(), w_dec.columns()], w_dec.values()),
        of(layout.decoder_bias, &[d], &sae.b_dec),
    ];
    for (name, values) in &layout.more {
        tensors.push(of(name, &[f], values));
    }
    if let Some(k) = layout.k {
        tensors.push(Stored {
            name: "k",
            shape: Vec::new(),
            values: Values::I64(i64::try_from(k).unwrap_or(i64::MAX)),
        });
        tensors.push(of("threshold", &[], &unset));
    }
    let weights = torch_zip::bytes("ae", &tensors)?;
    let config = config(sae, &layout);
    whole_file::write_folder(folder, |to| {
        whole_file::write_bytes(&to.join("config.json"), format!("{config:#}\n").as_bytes())?;
        whole_file::write_bytes(&to.join("ae.pt"), &weights)
    })
}

fn layout(sae: &Sae) -> Result<Layout<'_>> {
    let plain = Layout {
        class: "AutoEncoder",
        modules: true,
        encoder_bias: "encoder.bias",
        decoder_bias: "bias",
        more: Vec::new(),
        k: None,
    };
    Ok(match &sae.selection {
        Selection::Relu(Relu) if sae.apply_b_dec_to_input => plain,
        Selection::Relu(Relu) => Layout {
            class: "AutoEncoderNew",
            decoder_bias: "decoder.bias",
            ..plain
        },
        Selection::TopK(TopK { k }) => Layout {
            class: "AutoEncoderTopK",
            decoder_bias: "b_dec",
            k: Some(*k),
            ..plain
        },
        Selection::JumpRelu(JumpRelu { thresholds }) => Layout {
            class: "JumpReluAutoEncoder",
            modules: false,
            encoder_bias: "b_enc",
            decoder_bias: "b_dec",
            more: vec![("threshold", thresholds)],
            k: None,
        },
        Selection::Gated(Gated { b_mag, r_mag }) => Layout {
            class: "GatedAutoEncoder",
            encoder_bias: "gate_bias",
            decoder_bias: "decoder_bias",
            more: vec![("mag_bias", b_mag), ("r_mag", r_mag)],
            ..plain
        },
        other => return Err(refused(sae, &format!("by {}", other.describe()), TARGET)),
    })
}

fn config(sae: &Sae, layout: &Layout<'_>) -> Value {
    let mut trainer = Map::new();
    for (key, value) in [
        ("activation_dim", json!(sae.width())),
        ("dict_class", json!(layout.class)),
        ("dict_size", json!(sae.features())),
        ("lm_name", json!(sae.provenance.model)),
    ] {
        trainer.insert(key.to_owned(), value);
    }
    if let Some(hook) = sae.provenance.hook {
        trainer.insert("submodule_name".to_owned(), json!(hook.to_string()));
        trainer.insert("layer".to_owned(), json!(hook.layer().map(Layer::index)));
    }
    if let Some(k) = layout.k {
        trainer.insert("k".to_owned(), json!(k));
    }
    json!({ "buffer": { "ctx_len": sae.provenance.context }, "trainer": trainer })
}
