//! Two linear layers with ReLU between them: Goodfire's dictionaries of Llama and those of DeepSeek-R1-Distill-Llama-8B.
//!
//! **Files** one pickled state dict (`.pth`, `.pt`); its name or its folder's names the layer (`l19`).
//! **Orientation on disk** `encoder_linear.weight [f, d]`, `encoder_linear.bias [f]`, `decoder_linear.weight [d, f]`, `decoder_linear.bias [d]`; DeepSeek's
//! omit `_linear`.
//! **Forward pass** nothing is subtracted, ReLU, `+` the decoder's bias. **Represented** all of it, at the residual stream after the layer named.

use super::parts::{self, Parts};
use super::place;
use super::weights::WeightFile;
use super::{Format, Found};
use crate::error::{Notes, Result};
use crate::ids::{HookPoint, Site};
use crate::sae::{InputNorm, Relu, Role, Sae, Selection};

pub(super) fn read_goodfire(found: &Found) -> Result<(Sae, Notes)> {
    read(
        found,
        Format::Goodfire,
        ("encoder_linear", "decoder_linear"),
    )
}

pub(super) fn read_deepseek(found: &Found) -> Result<(Sae, Notes)> {
    read(found, Format::DeepSeekR1, ("encoder", "decoder"))
}

fn read(found: &Found, format: Format, (encoder, decoder): (&str, &str)) -> Result<(Sae, Notes)> {
    let mut notes = Notes::default();
    let file = WeightFile::open(&found.weights)?;
    let tensors = file.tensors()?;
    let (weight, out) = (format!("{encoder}.weight"), format!("{decoder}.weight"));
    let [f, d] = tensors.sizes(&weight)?;
    let parts = Parts {
        stored: None,
        w_enc: tensors.matrix(&weight, [f, d])?,
        b_enc: tensors.vector(&format!("{encoder}.bias"), f)?,
        w_dec: tensors.transposed(&out, [d, f])?,
        b_dec: tensors.vector(&format!("{decoder}.bias"), d)?,
        selection: Selection::Relu(Relu),
        input_norm: InputNorm::None,
        subtracts: false,
        role: Role::Autoencoder,
    };
    tensors.note_unused(&[], &mut notes);
    let path = place::parts(&found.weights);
    let layer = place::number_behind(&path, &["layer_", "layer", "l"]);
    let model = ["Llama-3.1-8B-Instruct", "Llama-3.3-70B-Instruct"]
        .into_iter()
        .find(|model| path.iter().any(|part| part.contains(model)));
    let model = match format {
        Format::DeepSeekR1 => Some("deepseek-ai/DeepSeek-R1-Distill-Llama-8B".to_owned()),
        _ => model.map(|model| format!("meta-llama/{model}")),
    };
    let hook = layer.map(|layer| HookPoint::block(layer, Site::ResidPost));
    parts::note_model(model.as_deref(), &mut notes);
    let provenance = parts::provenance(
        format,
        hook,
        model.as_deref(),
        serde_json::Map::new(),
        &mut notes,
    );
    let sae = parts.built(found.name(), provenance, &mut notes)?;
    Ok((sae, notes))
}
