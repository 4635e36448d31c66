//! GPT-Neo: learned positions, LayerNorm, scores that are not scaled, a window in every other layer. Weights are stored `[out, in]`, without bias on
//! query, key and value.

use serde_json::{Value, json};

use super::{Family, parts};
use crate::error::{Error, Result};
use crate::kernels::attention::Rule;
use crate::models::blocks::{Activation, Attention, Block, Heads, Mlp, Order};
use crate::models::decoder::Decoder;
use crate::models::settings::Settings;
use crate::models::weights::Fetch;
use crate::models::{Config, NormKind};

pub(super) const FAMILY: Family = Family {
    names: &["gpt_neo"],
    defaults,
    build,
};

/// Most layers; more than any model has: the list of their kinds is built before a tensor is read.
const MOST_LAYERS: usize = 1 << 16;

fn defaults() -> Value {
    json!({
        "vocab_size": 50257, "max_position_embeddings": 2048, "hidden_size": 2048, "num_layers": 24, "num_heads": 16,
        "attention_types": [[["global", "local"], 12]], "window_size": 256, "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5, "tie_word_embeddings": true,
    })
}

fn build(settings: &Settings, fetch: &Fetch<'_>) -> Result<(Config, Decoder)> {
    let config = config(settings)?;
    let d = config.d_model;
    let local = local_layers(settings, config.layers)?;
    let window = settings.count("window_size")?;
    let activation = parts::activation(settings, "activation_function")?;
    let prefix = parts::prefix(fetch, &["transformer.", ""], "wte.weight");
    let embed = parts::embed(fetch, &format!("{prefix}wte.weight"), &config)?;
    let positions = fetch.get(&format!("{prefix}wpe.weight"), &[config.context, d])?;
    let blocks = local
        .into_iter()
        .enumerate()
        .map(|(layer, local)| {
            let name = format!("{prefix}h.{layer}");
            block(fetch, &config, &name, (local.then_some(window), activation))
        })
        .collect::<Result<Vec<_>>>()?;
    let tied = settings.flag("tie_word_embeddings")?.then_some(&embed);
    let decoder = Decoder {
        positions: Some(positions),
        embed_scale: None,
        rotaries: Vec::new(),
        final_norm: parts::norm(fetch, &format!("{prefix}ln_f"), &config)?,
        blocks,
        unembed: parts::unembed(fetch, &config, tied, &["lm_head.weight"])?,
        logit_cap: None,
        embed,
    };
    Ok((config, decoder))
}

fn config(settings: &Settings) -> Result<Config> {
    let d_model = settings.count("hidden_size")?;
    let heads = settings.count("num_heads")?;
    let inner = settings.count_if_any("intermediate_size")?;
    Ok(Config {
        family: "gpt_neo",
        layers: settings.count("num_layers")?,
        d_model,
        heads,
        kv_heads: heads,
        d_head: parts::shared_width(settings, d_model, heads)?,
        d_mlp: inner.unwrap_or(4 * d_model),
        vocab: settings.count("vocab_size")?,
        context: settings.count("max_position_embeddings")?,
        norm: NormKind::LayerNorm,
        norm_eps: settings.positive("layer_norm_epsilon")?,
        parameters: 0,
    })
}

/// Returns which layers see only the window: `attention_types` written out (HuggingFace rebuilds `attention_layers` from it).
fn local_layers(settings: &Settings, layers: usize) -> Result<Vec<bool>> {
    let key = "attention_types";
    let found = settings.get(key).unwrap_or(&Value::Null);
    let wrong = || settings.wrong(key, "a list of [[kinds of layers], times]", found);
    if layers > MOST_LAYERS {
        let layers = &Value::from(layers);
        return Err(settings.wrong("num_layers", "a number of layers", layers));
    }
    let mut local = Vec::new();
    for item in found.as_array().ok_or_else(wrong)? {
        let kinds = item.get(0).and_then(Value::as_array).ok_or_else(wrong)?;
        let times = item.get(1).and_then(Value::as_u64).ok_or_else(wrong)?;
        for _ in 0..times.min(layers as u64 + 1) {
            for kind in kinds {
                local.push(match kind.as_str().ok_or_else(wrong)? {
                    "global" => false,
                    "local" => true,
                    other => {
                        return Err(settings.unsupported(&format!("the layer type `{other}`")));
                    }
                });
            }
            // A list that is too long is rejected below.
            if kinds.is_empty() || local.len() > layers {
                break;
            }
        }
    }
    if local.len() != layers {
        let what = format!("`{key}` does not name the kinds of its {layers} layers");
        return Err(Error::input(what, settings.path()));
    }
    Ok(local)
}

fn block(
    fetch: &Fetch<'_>,
    config: &Config,
    name: &str,
    (window, activation): (Option<usize>, Activation),
) -> Result<Block> {
    let (d, m) = (config.d_model, config.d_mlp);
    let at = |rest: &str| format!("{name}.{rest}");
    let attention = |rest: &str| (at(&format!("attn.attention.{rest}")), d);
    let linear = |rest: &str, shape| parts::linear(fetch, &at(rest), shape, true);
    let qkv = ["q_proj", "k_proj", "v_proj"].map(attention);
    Ok(Block {
        norm_attention: parts::norm(fetch, &at("ln_1"), config)?,
        attention: Attention {
            heads: Heads {
                queries: config.heads,
                keys: config.kv_heads,
                width: config.d_head,
            },
            qkv: parts::stacked(fetch, &qkv, d, false)?,
            output: linear("attn.attention.out_proj", (d, d))?,
            rule: Rule {
                scale: 1.0,
                cap: None,
                window,
            },
            head_norms: None,
            rotary: None,
        },
        post_attention: None,
        norm_mlp: parts::norm(fetch, &at("ln_2"), config)?,
        mlp: Mlp {
            gate: None,
            up: linear("mlp.c_fc", (d, m))?,
            activation,
            down: linear("mlp.c_proj", (m, d))?,
        },
        post_mlp: None,
        order: Order::Serial,
    })
}
