//! Gemma 3, the text model: Gemma 2 with norms on each query and key head instead of the cap on scores, and two rotations, one for layers with a
//! sliding window and one for those without. Files that also see nest its settings under `text_config`; what sees is left aside.

use serde_json::{Value, json};

use super::gated::Place;
use super::{Family, gemma2, parts};
use crate::error::Result;
use crate::models::Config;
use crate::models::decoder::Decoder;
use crate::models::rope::Keys;
use crate::models::settings::Settings;
use crate::models::weights::Fetch;

pub(super) const FAMILY: Family = Family {
    names: &["gemma3", "gemma3_text"],
    defaults,
    build,
};

const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

fn defaults() -> Value {
    json!({
        "vocab_size": 262_208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh",
        "max_position_embeddings": 131_072, "rms_norm_eps": 1e-6, "tie_word_embeddings": true, "attention_bias": false,
        "query_pre_attn_scalar": 256, "sliding_window": 4096, "sliding_window_pattern": 6,
        "rope_theta": 1_000_000.0, "rope_local_base_freq": 10000.0,
    })
}

fn build(settings: &Settings, fetch: &Fetch<'_>) -> Result<(Config, Decoder)> {
    match settings.inside("text_config") {
        Some(text) => {
            if let (true, outside) = (
                settings.has("tie_word_embeddings"),
                settings.flag("tie_word_embeddings")?,
            ) && outside != text.flag("tie_word_embeddings")?
            {
                return Err(
                    settings.unsupported("`tie_word_embeddings` against that of `text_config`")
                );
            }
            text_model(&text, fetch)
        }
        None => text_model(settings, fetch),
    }
}

fn text_model(settings: &Settings, fetch: &Fetch<'_>) -> Result<(Config, Decoder)> {
    settings.refuse(&["attn_logit_softcapping"])?;
    let mut gated = gemma2::gemma(settings, "gemma3")?;
    gated.norms.heads = true;
    let (layers, d_head, context) = (
        gated.config.layers,
        gated.config.d_head,
        gated.config.context,
    );
    let listed = parts::layer_types(settings, layers)?;
    let pattern = settings.count("sliding_window_pattern")?;
    let named = settings.count_if_any("_sliding_window_pattern")?;
    if listed.is_none() && named.is_some_and(|named| named != pattern) {
        return Err(
            settings.unsupported("`_sliding_window_pattern` against `sliding_window_pattern`")
        );
    }
    let slides = move |layer: usize| match &listed {
        Some(listed) => listed[layer],
        None => !(layer + 1).is_multiple_of(pattern),
    };
    let window = parts::window(settings)?;
    gated.place = Box::new(move |layer| {
        let sliding = slides(layer);
        Place {
            window: sliding.then_some(window),
            rope: usize::from(sliding),
        }
    });
    check_kinds(settings)?;
    let full = Keys::of_layers(settings, FULL, "rope_theta")?.overridden("rope_scaling")?;
    let sliding = Keys::of_layers(settings, SLIDING, "rope_local_base_freq")?;
    gated.ropes = vec![
        full.whole()?.rope(d_head, context)?,
        sliding.whole()?.rope(d_head, context)?,
    ];
    gated.build(fetch)
}

/// Rejects rope parameters that are not those of the two kinds of layers.
fn check_kinds(settings: &Settings) -> Result<()> {
    let parameters = settings.get("rope_parameters").and_then(Value::as_object);
    let mut keys = parameters.into_iter().flat_map(|values| values.keys());
    match keys.find(|key| *key != FULL && *key != SLIDING) {
        Some(key) => Err(settings.unsupported(&format!("`rope_parameters.{key}` of all layers"))),
        None => Ok(()),
    }
}
