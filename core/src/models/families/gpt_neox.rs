//! GPT-NeoX (Pythia): LayerNorm, attention and MLP side by side (or one after the other), heads that turn in part. Query, key and value lie head by
//! head in one tensor, stored `[out, in]`.

use candle_core::Tensor;
use serde_json::{Value, json};

use super::{Family, parts};
use crate::error::Result;
use crate::kernels::attention::Rule;
use crate::models::blocks::{Activation, Attention, Block, Heads, Linear, Mlp, Order};
use crate::models::decoder::Decoder;
use crate::models::rope::{Keys, Rope};
use crate::models::settings::Settings;
use crate::models::weights::Fetch;
use crate::models::{Config, NormKind};

pub(super) const FAMILY: Family = Family {
    names: &["gpt_neox"],
    defaults,
    build,
};

fn defaults() -> Value {
    json!({
        "vocab_size": 50432, "hidden_size": 6144, "num_hidden_layers": 44, "num_attention_heads": 64,
        "intermediate_size": 24576, "hidden_act": "gelu", "max_position_embeddings": 2048, "layer_norm_eps": 1e-5,
        "tie_word_embeddings": false, "use_parallel_residual": true, "attention_bias": true,
        "rotary_emb_base": 10000.0, "rotary_pct": 0.25,
    })
}

/// Settings of its blocks.
#[derive(Debug, Clone, Copy)]
struct Plan {
    activation: Activation,
    attention_bias: bool,
    order: Order,
}

fn build(settings: &Settings, fetch: &Fetch<'_>) -> Result<(Config, Decoder)> {
    let config = config(settings)?;
    let rope = rope(settings, &config)?;
    let plan = Plan {
        activation: parts::activation(settings, "hidden_act")?,
        attention_bias: settings.flag("attention_bias")?,
        order: if settings.flag("use_parallel_residual")? {
            Order::Parallel
        } else {
            Order::Serial
        },
    };
    let prefix = parts::prefix(fetch, &["gpt_neox.", ""], "embed_in.weight");
    let embed = parts::embed(fetch, &format!("{prefix}embed_in.weight"), &config)?;
    let blocks = (0..config.layers)
        .map(|layer| block(fetch, &config, &format!("{prefix}layers.{layer}"), plan))
        .collect::<Result<Vec<_>>>()?;
    let tied = settings.flag("tie_word_embeddings")?.then_some(&embed);
    let heads = ["embed_out.weight", "lm_head.weight"];
    let decoder = Decoder {
        positions: None,
        embed_scale: None,
        rotaries: vec![rope.table()?],
        final_norm: parts::norm(fetch, &format!("{prefix}final_layer_norm"), &config)?,
        blocks,
        unembed: parts::unembed(fetch, &config, tied, &heads)?,
        logit_cap: None,
        embed,
    };
    Ok((config, decoder))
}

fn config(settings: &Settings) -> Result<Config> {
    let d_model = settings.count("hidden_size")?;
    let heads = settings.count("num_attention_heads")?;
    let d_head = parts::shared_width(settings, d_model, heads)?;
    if settings
        .count_if_any("head_dim")?
        .is_some_and(|width| width != d_head)
    {
        return Err(settings.unsupported("`head_dim`"));
    }
    Ok(Config {
        family: "gpt_neox",
        layers: settings.count("num_hidden_layers")?,
        d_model,
        heads,
        kv_heads: heads,
        d_head,
        d_mlp: settings.count("intermediate_size")?,
        vocab: settings.count("vocab_size")?,
        context: settings.count("max_position_embeddings")?,
        norm: NormKind::LayerNorm,
        norm_eps: settings.positive("layer_norm_eps")?,
        parameters: 0,
    })
}

/// Reads its rotation, whose keys once had names of their own; the later names may stand beside them if they agree.
fn rope(settings: &Settings, config: &Config) -> Result<Rope> {
    for (ours, other) in [
        ("rotary_emb_base", "rope_theta"),
        ("rotary_pct", "partial_rotary_factor"),
    ] {
        if let Some(number) = settings.number(other)?
            && settings.number(ours)? != Some(number)
        {
            return Err(settings.unsupported(&format!("`{other}` against `{ours}`")));
        }
    }
    let mut keys = Keys::read(settings, "rotary_emb_base")?;
    keys.fill("partial_rotary_factor", "rotary_pct");
    keys.rope(config.d_head, config.context)
}

fn block(fetch: &Fetch<'_>, config: &Config, name: &str, plan: Plan) -> Result<Block> {
    let (d, m) = (config.d_model, config.d_mlp);
    let at = |rest: &str| format!("{name}.{rest}");
    let linear = |rest: &str, shape, biased| parts::linear(fetch, &at(rest), shape, biased);
    Ok(Block {
        norm_attention: parts::norm(fetch, &at("input_layernorm"), config)?,
        attention: Attention {
            heads: Heads {
                queries: config.heads,
                keys: config.kv_heads,
                width: config.d_head,
            },
            qkv: qkv(fetch, config, &at("attention.query_key_value"), plan)?,
            output: linear("attention.dense", (d, d), plan.attention_bias)?,
            rule: Rule {
                scale: (config.d_head as f64).sqrt().recip(),
                cap: None,
                window: None,
            },
            head_norms: None,
            rotary: Some(0),
        },
        post_attention: None,
        norm_mlp: parts::norm(fetch, &at("post_attention_layernorm"), config)?,
        mlp: Mlp {
            gate: None,
            up: linear("mlp.dense_h_to_4h", (d, m), true)?,
            activation: plan.activation,
            down: linear("mlp.dense_4h_to_h", (m, d), true)?,
        },
        post_mlp: None,
        order: plan.order,
    })
}

/// Reorders query, key and value of each head to all queries, all keys, all values.
fn qkv(fetch: &Fetch<'_>, config: &Config, name: &str, plan: Plan) -> Result<Linear> {
    let (h, e, d) = (config.heads, config.d_head, config.d_model);
    let apart = |stored: Tensor, inputs: usize| -> Result<Tensor> {
        let heads = stored.reshape((h, 3, e, inputs))?.transpose(0, 1)?; // [3, h, e, inputs]
        Ok(heads.contiguous()?.reshape((3 * h * e, inputs))?)
    };
    let weight = apart(fetch.get(&format!("{name}.weight"), &[3 * d, d])?, d)?;
    let bias = if plan.attention_bias {
        let stored = fetch.get(&format!("{name}.bias"), &[3 * d])?;
        Some(apart(stored, 1)?.flatten_all()?)
    } else {
        None
    };
    Linear::new(weight.t()?, bias)
}
