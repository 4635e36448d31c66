//! Cross-layer transcoders of circuit-tracer (and of Hanna and others) and of Gemma Scope 2.
//!
//! **Files** circuit-tracer: `W_enc_N.safetensors` (`W_enc_N [f, d]`, `b_enc_N [f]`, `b_dec_N [d]`, `threshold_N [f]` for JumpReLU) and `W_dec_N.safetensors`
//! (`W_dec_N [f, l − N, d]`) for each of `l` layers, beside `config.yaml` as for its per-layer transcoders. Gemma Scope 2: one file `…layer_N.safetensors` per
//! layer, with `w_enc [d, f]`, `w_dec [f, l, d]`, `b_enc`, `b_dec`, `threshold`, `affine_skip_connection [d, d]`.
//! **Forward pass** `ŷ_l = Σ_{s ≤ l} acts_s · w_dec_{s→l} + b_dec_l`, and `x_l · affine_skip_connection_l`; nothing is subtracted; ReLU, or `pre · [pre >
//! threshold]`.
//! **Represented** all of it: a folder as [`CrossLayer`], the file of one layer as a transcoder that writes several layers. Blocks of Gemma Scope 2's tensors
//! for layers before their own are skipped, as circuit-tracer skips them. SAELens sums the decoder over layers, so its codes are equal but its outputs are not
//! reconstructions.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::circuit_tracer;
use super::detect::{Found, layer_of_name};
use super::parts::{self, Parts};
use super::weights::{Tensors, WeightFile};
use super::{Format, gemma_scope_2, place};
use crate::dims::Matrix;
use crate::error::{Error, Notes, Result};
use crate::ids::{HookPoint, Site};
use crate::sae::{CrossLayer, InputNorm, Relu, Role, Sae, Selection, Transcoder};

/// Reads the cross-layer transcoder in the folder at `path`; none if the folder holds something else.
pub(super) fn read(path: &Path) -> Result<Option<(CrossLayer, Notes)>> {
    let Some(files) = files(path)? else {
        return Ok(None);
    };
    let mut notes = Notes::default();
    let mut layers = Vec::with_capacity(files.len());
    for (format, weights) in files {
        let found = Found {
            format,
            folder: path.to_path_buf(),
            weights,
        };
        let (sae, of_layer) = super::read(&found, None)?;
        // Most notes on one layer apply to all.
        for note in of_layer.iter() {
            if !notes.iter().any(|there| there == note) {
                notes.add(note);
            }
        }
        layers.push(sae);
    }
    Ok(Some((CrossLayer::new(layers)?, notes)))
}

/// Returns the files of the layers in order, if `folder` holds a cross-layer transcoder; an error if a layer is missing.
pub(super) fn files(folder: &Path) -> Result<Option<Vec<(Format, PathBuf)>>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut found: Vec<(usize, Format, PathBuf)> = Vec::new();
    for name in super::detect::weight_files(folder)? {
        if let Some(layer) = circuit_tracer_layer(&name) {
            let path = place::within(folder, &name)?;
            found.push((layer, Format::CircuitTracer, path));
        } else if name.ends_with(".safetensors")
            && let Some(layer) = layer_of_name(&name)
            && is_of_gemma(folder, &name)
        {
            found.push((layer, Format::GemmaScope2, folder.join(&name)));
        }
    }
    found.sort_by_key(|(layer, ..)| *layer);
    for (at, (layer, ..)) in found.iter().enumerate() {
        if *layer != at {
            let what = format!(
                "is a cross-layer transcoder whose layer {at} is missing or duplicated, download all of it"
            );
            return Err(Error::input(what, folder));
        }
    }
    let files: Vec<_> = found
        .into_iter()
        .map(|(_, format, path)| (format, path))
        .collect();
    Ok(Some(files).filter(|files| !files.is_empty()))
}

/// Returns whether the file holds a decoder to several layers; false for a file that cannot be read.
fn is_of_gemma(folder: &Path, name: &str) -> bool {
    let across = || -> Result<bool> {
        let file = WeightFile::open(&place::within(folder, name)?)?;
        Ok(file.tensors()?.shape("w_dec")?.len() == 3)
    };
    across().unwrap_or(false)
}

/// Returns the layer of a file that holds one layer's encoder.
pub(super) fn circuit_tracer_layer(name: &str) -> Option<usize> {
    let layer = name.strip_prefix("W_enc_")?.strip_suffix(".safetensors")?;
    layer.parse().ok().filter(|layer| place::is_layer(*layer))
}

/// Reads one layer from circuit-tracer's files.
pub(super) fn read_circuit_tracer(found: &Found) -> Result<(Sae, Notes)> {
    let name = found.file();
    let Some(layer) = circuit_tracer_layer(&name) else {
        let what = "is not a layer's encoder; encoders are named W_enc_0.safetensors and so on";
        return Err(Error::input(what, &found.weights));
    };
    let mut notes = Notes::default();
    let cfg = circuit_tracer::config(&found.folder)?;
    let file = WeightFile::open(&found.weights)?;
    let tensors = file.tensors()?;
    let decoder = format!("W_dec_{layer}.safetensors");
    if !found.folder.join(&decoder).is_file() {
        let what = format!("has no {decoder} beside it, download the whole transcoder");
        return Err(Error::input(what, &found.weights));
    }
    let decoder = WeightFile::open(&place::within(&found.folder, &decoder)?)?;
    let decoder = decoder.tensors()?;
    let of = |name: &str| format!("{name}_{layer}");
    let [f, d] = tensors.sizes(&of("W_enc"))?;
    let w_dec = w_dec(&decoder, &of("W_dec"), f, 0)?;
    let threshold = of("threshold");
    let selection = if tensors.has(&threshold) {
        circuit_tracer::jumping(tensors.vector(&threshold, f)?)
    } else {
        Selection::Relu(Relu)
    };
    let hooks = circuit_tracer::hooks(&cfg, Some(layer), circuit_tracer::ACROSS, &mut notes);
    let parts = Parts {
        stored: None,
        w_enc: tensors.matrix(&of("W_enc"), [f, d])?,
        b_enc: tensors.vector(&of("b_enc"), f)?,
        b_dec: tensors.vector(&of("b_dec"), w_dec.out)?,
        w_dec: w_dec.matrix,
        selection,
        input_norm: InputNorm::None,
        subtracts: false,
        role: Role::CrossLayer {
            transcoder: Transcoder {
                hook_out: hooks[1],
                w_skip: None,
            },
            later: w_dec.layers - 1,
        },
    };
    tensors.note_unused(&[], &mut notes);
    decoder.note_unused(&[], &mut notes);
    let model = cfg
        .get("model_name")
        .and_then(Value::as_str)
        .map(str::to_owned);
    parts::note_model(model.as_deref(), &mut notes);
    let provenance = parts::provenance(found.format, hooks[0], model.as_deref(), cfg, &mut notes);
    Ok((
        padded(parts, &mut notes).built(found.name(), provenance, &mut notes)?,
        notes,
    ))
}

/// Reads one layer from Gemma Scope 2's files.
pub(super) fn read_gemma_scope_2(found: &Found, tensors: &Tensors<'_>) -> Result<(Sae, Notes)> {
    let mut notes = Notes::default();
    let name = found.file();
    let Some(layer) = layer_of_name(&name) else {
        let what = "is one layer of a cross-layer transcoder, and its name does not say which: restore the name it was published under (…layer_N.safetensors)";
        return Err(Error::input(what, &found.weights));
    };
    let cfg = gemma_scope_2::config(&found.folder, &mut notes)?;
    let [d, f] = tensors.sizes("w_enc")?;
    let w_dec = w_dec(tensors, "w_dec", f, layer)?;
    let skip = "affine_skip_connection";
    let w_skip = if tensors.has(skip) {
        Some(tensors.transposed(skip, [d, w_dec.out])?)
    } else {
        None
    };
    let parts = Parts {
        stored: None,
        w_enc: tensors.transposed("w_enc", [d, f])?,
        b_enc: tensors.vector("b_enc", f)?,
        b_dec: tensors.vector("b_dec", w_dec.out)?,
        w_dec: w_dec.matrix,
        selection: circuit_tracer::jumping(tensors.vector("threshold", f)?),
        input_norm: InputNorm::None,
        subtracts: false,
        role: Role::CrossLayer {
            transcoder: Transcoder {
                hook_out: Some(HookPoint::block(layer, Site::MlpOut)),
                w_skip,
            },
            later: w_dec.layers - 1,
        },
    };
    tensors.note_unused(&[], &mut notes);
    let model = gemma_scope_2::model(&place::parts(&found.folder), &cfg);
    parts::note_model(model.as_deref(), &mut notes);
    let reads = HookPoint::block(layer, Site::MlpIn);
    let mut provenance =
        parts::provenance(found.format, Some(reads), model.as_deref(), cfg, &mut notes);
    provenance.prepend_bos = model.is_some().then_some(true);
    Ok((
        padded(parts, &mut notes).built(found.name(), provenance, &mut notes)?,
        notes,
    ))
}

/// Puts a decoder's blocks side by side, one for each layer that it writes, each `out` wide.
struct Blocks {
    matrix: Matrix,
    layers: usize,
    out: usize,
}

/// Reads the blocks of `name [f, layers, d]` from `first` on.
fn w_dec(tensors: &Tensors<'_>, name: &str, f: usize, first: usize) -> Result<Blocks> {
    let shape = tensors.shape(name)?.to_vec();
    match shape[..] {
        [rows, layers, out] if rows == f && layers > first && out > 0 => Ok(Blocks {
            matrix: tensors.side_by_side(name, [rows, layers, out], first)?,
            layers: layers - first,
            out,
        }),
        _ => {
            let what = format!(
                "tensor `{name}` is {shape:?} where a decoder to more than {first} layers is [{f}, layers, d], download the transcoder again"
            );
            Err(Error::input(what, tensors.path()))
        }
    }
}

/// Returns `b_dec` followed by zeros for the later layers, which have biases of their own.
fn padded(mut parts: Parts, notes: &mut Notes) -> Parts {
    parts.b_dec.resize(parts.w_dec.columns(), 0.0);
    notes.add("A feature of a cross-layer transcoder writes to its own and all later layers: one layer gives only a part of each output, the folder of all layers reconstructs");
    parts
}
