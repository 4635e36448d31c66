//! Writes a circuit-tracer set of transcoders, one per layer from 0 on, or the layers of a cross-layer transcoder; the readers describe the layouts.

use std::path::Path;

use super::{Precision, Target, reads_plainly, refused};
use crate::error::{Error, Notes, Result};
use crate::ids::HookPoint;
use crate::sae::{CrossLayer, Jump, JumpRelu, Relu, Role, Sae, Selection};
use crate::tensor_file::safe::{self, Tensor};
use crate::whole_file;

const TARGET: Target = Target::CircuitTracer;

pub(super) fn write(
    saes: &[Sae],
    folder: &Path,
    precision: Precision,
    notes: &mut Notes,
) -> Result<()> {
    let mut layers = Vec::with_capacity(saes.len());
    for sae in saes {
        reads_plainly(sae, TARGET)?;
        if !sae.role.transcodes() {
            return Err(refused(sae, "which is no transcoder", TARGET));
        }
        layers.push((ends(sae)?, sae));
    }
    layers.sort_by_key(|((layer, ..), _)| *layer);
    let Some(((_, reads, writes), first)) = layers.first().cloned() else {
        return Err(Error::setting(
            "dictionaries",
            "name the transcoder of each layer",
        ));
    };
    for (i, ((layer, input, output), sae)) in layers.iter().enumerate() {
        if (input, output) != (&reads, &writes) {
            let what = format!(
                "reads {input} and writes {output}, while another reads {reads} and writes {writes}: a set has one pair of hooks"
            );
            return Err(Error::hook(sae.reads()?, what));
        }
        if *layer != i {
            let what = format!(
                "circuit-tracer needs one transcoder per layer from 0 on, and layer {i} is missing or named twice: name each layer once"
            );
            return Err(Error::setting("dictionaries", what));
        }
    }
    let across = first.check_alone().is_err();
    let mut files: Vec<(String, Vec<u8>)> = Vec::with_capacity(layers.len());
    if across {
        // Each layer writes all later ones of the set.
        let all: Vec<&Sae> = layers.iter().map(|(_, sae)| *sae).collect();
        CrossLayer::check_layers(&all)?;
    }
    for (i, (_, sae)) in layers.iter().enumerate() {
        if across {
            let [encoder, decoder] = layer_across(sae, i, precision)?;
            files.push((format!("W_enc_{i}.safetensors"), encoder));
            files.push((format!("W_dec_{i}.safetensors"), decoder));
        } else {
            sae.check_alone()?;
            files.push((format!("layer_{i}.safetensors"), layer(sae, precision)?));
        }
    }
    let quoted = |text: &str| format!("{text:?}");
    let kind = if across {
        "cross_layer_transcoder"
    } else {
        "transcoder_set"
    };
    let mut config = vec![
        format!("model_kind: {kind}"),
        format!("model_name: {}", quoted(&first.provenance.model)),
        format!("feature_input_hook: {}", quoted(&reads)),
        format!("feature_output_hook: {}", quoted(&writes)),
        format!("scan: {}", quoted(&super::super::folder_name(folder))),
    ];
    if !across {
        config.push("transcoders:".to_owned());
        config.extend(files.iter().map(|(file, _)| format!("- {}", quoted(file))));
        notes.add("config.yaml gives bare file names: start circuit-tracer in their folder, or put hf:// addresses there");
    }
    whole_file::write_folder(folder, |to| {
        let text = format!("{}\n", config.join("\n"));
        whole_file::write_bytes(&to.join("config.yaml"), text.as_bytes())?;
        for (file, bytes) in &files {
            whole_file::write_bytes(&to.join(file), bytes)?;
        }
        Ok(())
    })
}

/// Returns the layer, and the hooks that it reads and writes there without the block's name.
fn ends(sae: &Sae) -> Result<(usize, String, String)> {
    let reads = sae.reads()?;
    let writes = match &sae.role {
        // One layer of several has its own.
        Role::CrossLayer { transcoder, .. } => transcoder
            .hook_out
            .ok_or_else(|| refused(sae, "which does not say which hook it writes", TARGET))?,
        _ => sae.writes()?,
    };
    let (Some(layer), Some(other)) = (reads.layer(), writes.layer()) else {
        return Err(refused(sae, "whose hooks belong to no layer", TARGET));
    };
    if layer != other {
        let what = format!("which reads layer {layer} and writes layer {other}");
        return Err(refused(sae, &what, TARGET));
    }
    let site = |hook: HookPoint| {
        let name = hook.to_string();
        let site = name.strip_prefix(&format!("blocks.{layer}."));
        site.unwrap_or(&name).to_owned()
    };
    Ok((layer.index(), site(reads), site(writes)))
}

fn layer(sae: &Sae, precision: Precision) -> Result<Vec<u8>> {
    let (f, d, o) = (sae.features(), sae.width(), sae.w_dec.columns());
    let mut tensors = vec![
        Tensor::new("W_enc", &[f, d], sae.w_enc.values()),
        Tensor::new("W_dec", &[f, o], sae.w_dec.values()),
        Tensor::new("b_enc", &[f], &sae.b_enc),
        Tensor::new("b_dec", &[o], &sae.b_dec),
    ];
    if let Some(thresholds) = thresholds(sae)? {
        let name = "activation_function.threshold";
        tensors.push(Tensor::new(name, &[f], thresholds));
    }
    if let Some(skip) = sae.role.transcoder().and_then(|to| to.w_skip.as_ref()) {
        tensors.push(Tensor::new("W_skip", &[o, d], skip.values()));
    }
    safe::bytes(&tensors, precision.float())
}

/// Writes layer `i` of a cross-layer transcoder: its encoder's file and its decoder's.
fn layer_across(sae: &Sae, i: usize, precision: Precision) -> Result<[Vec<u8>; 2]> {
    if (sae.role.transcoder()).is_some_and(|to| to.w_skip.is_some()) {
        let what = "across layers with a skip connection";
        return Err(refused(sae, what, TARGET));
    }
    let (f, d) = (sae.features(), sae.width());
    let blocks = sae.role.writes_layers();
    let out = sae.w_dec.columns() / blocks;
    let (own, later) = sae.b_dec.split_at(out);
    if later.iter().any(|bias| *bias != 0.0) {
        let what = "with biases for later layers than its own";
        return Err(refused(sae, what, TARGET));
    }
    let named = |name: &str| format!("{name}_{i}");
    let names = ["W_enc", "b_enc", "b_dec", "threshold", "W_dec"].map(named);
    let mut tensors = vec![
        Tensor::new(&names[0], &[f, d], sae.w_enc.values()),
        Tensor::new(&names[1], &[f], &sae.b_enc),
        Tensor::new(&names[2], &[out], own),
    ];
    if let Some(thresholds) = thresholds(sae)? {
        tensors.push(Tensor::new(&names[3], &[f], thresholds));
    }
    let decoder = Tensor::new(&names[4], &[f, blocks, out], sae.w_dec.values());
    Ok([
        safe::bytes(&tensors, precision.float())?,
        safe::bytes(&[decoder], precision.float())?,
    ])
}

/// Returns the thresholds to write; none for ReLU.
fn thresholds(sae: &Sae) -> Result<Option<&[f32]>> {
    match &sae.selection {
        Selection::Relu(Relu) => Ok(None),
        Selection::Jump(Jump { thresholds }) => Ok(Some(thresholds)),
        Selection::JumpRelu(JumpRelu { thresholds }) => {
            // circuit-tracer applies no ReLU: a threshold below 0 would let negative codes through.
            match thresholds.iter().find(|bar| **bar < 0.0) {
                None => Ok(Some(thresholds)),
                Some(bar) => {
                    let what = format!("with a threshold of {bar} and ReLU");
                    Err(refused(sae, &what, TARGET))
                }
            }
        }
        other => Err(refused(sae, &format!("by {}", other.describe()), TARGET)),
    }
}
