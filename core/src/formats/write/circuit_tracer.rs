//! A circuit-tracer set of transcoders, one for each layer from 0 on; see the reader for its layout.

use std::path::Path;

use super::{Precision, Target, reads_plainly, refused};
use crate::error::{Error, Notes, Result};
use crate::ids::HookPoint;
use crate::sae::{Sae, Selection};
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
        if sae.transcoder.is_none() {
            return Err(refused(sae, "which is no transcoder", TARGET));
        }
        layers.push((ends(sae)?, sae));
    }
    layers.sort_by_key(|((layer, ..), _)| *layer);
    let Some(((_, reads, writes), first)) = layers.first().cloned() else {
        return Err(Error::setting("IN", "name the transcoder of each layer"));
    };
    for (i, ((layer, input, output), sae)) in layers.iter().enumerate() {
        if (input, output) != (&reads, &writes) {
            let what = format!(
                "reads {input} and writes {output} where another reads {reads} and writes {writes}: a set has one pair of hooks"
            );
            return Err(Error::hook(sae.reads()?, what));
        }
        if *layer != i {
            let what = format!(
                "circuit-tracer needs one transcoder for each layer from 0 on and layer {i} is missing or named twice, name all of them"
            );
            return Err(Error::setting("IN", what));
        }
    }
    let files: Vec<String> = (0..layers.len())
        .map(|i| format!("layer_{i}.safetensors"))
        .collect();
    let mut weights = Vec::with_capacity(layers.len());
    for (_, sae) in &layers {
        weights.push(layer(sae, precision)?);
    }
    let quoted = |text: &str| format!("{text:?}");
    let mut config = vec![
        "model_kind: transcoder_set".to_owned(),
        format!("model_name: {}", quoted(&first.provenance.model)),
        format!("feature_input_hook: {}", quoted(&reads)),
        format!("feature_output_hook: {}", quoted(&writes)),
        format!("scan: {}", quoted(&super::super::folder_name(folder))),
        "transcoders:".to_owned(),
    ];
    config.extend(files.iter().map(|file| format!("- {}", quoted(file))));
    notes.add("config.yaml names its files by themselves: circuit-tracer looks for them where it is started, or put hf:// addresses there");
    whole_file::write_folder(folder, |to| {
        let text = format!("{}\n", config.join("\n"));
        whole_file::write_bytes(&to.join("config.yaml"), text.as_bytes())?;
        for (file, bytes) in files.iter().zip(&weights) {
            whole_file::write_bytes(&to.join(file), bytes)?;
        }
        Ok(())
    })
}

/// Its layer, and the hooks that it reads and writes there without the block's name.
fn ends(sae: &Sae) -> Result<(usize, String, String)> {
    let (reads, writes) = (sae.reads()?, sae.writes()?);
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
    match &sae.selection {
        Selection::Relu => {}
        Selection::JumpRelu { thresholds } => {
            // It does not take ReLU: a threshold below 0 would let negative codes through.
            if let Some(bar) = thresholds.iter().find(|bar| **bar < 0.0) {
                let what = format!("with a threshold of {bar} and ReLU");
                return Err(refused(sae, &what, TARGET));
            }
            tensors.push(Tensor::new(
                "activation_function.threshold",
                &[f],
                thresholds,
            ));
        }
        other => return Err(refused(sae, &format!("by {}", other.describe()), TARGET)),
    }
    if let Some(skip) = sae.transcoder.as_ref().and_then(|to| to.w_skip.as_ref()) {
        tensors.push(Tensor::new("W_skip", &[o, d], skip.values()));
    }
    safe::bytes(&tensors, precision.float())
}
