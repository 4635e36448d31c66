//! GPT-2: learned positions, LayerNorm, fused query/key/value projection, tied unembedding. Weights are stored `[in, out]`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Family, parts};
use crate::error::Result;
use crate::kernels::attention::Rule;
use crate::models::blocks::{Activation, Attention, Block, Heads, Linear, Mlp, Order};
use crate::models::decoder::Decoder;
use crate::models::settings::Settings;
use crate::models::weights::Fetch;
use crate::models::{Config, NormKind};

pub(super) const FAMILY: Family = Family {
    names: &["gpt2"],
    defaults,
    build,
};

fn defaults() -> Value {
    json!({
        "vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12,
        "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "scale_attn_weights": true,
        "scale_attn_by_inverse_layer_idx": false, "add_cross_attention": false, "tie_word_embeddings": true,
    })
}

fn build(settings: &Settings, fetch: &Fetch<'_>) -> Result<(Config, Decoder)> {
    settings.refuse(&["add_cross_attention"])?;
    let config = config(settings)?;
    let prefix = parts::prefix(fetch, &["transformer.", ""], "wte.weight");
    let embed = parts::embed(fetch, &format!("{prefix}wte.weight"), &config)?;
    let positions = fetch.get(
        &format!("{prefix}wpe.weight"),
        &[config.context, config.d_model],
    )?;
    let scaling = Scaling {
        by_width: settings.flag("scale_attn_weights")?,
        by_layer: settings.flag("scale_attn_by_inverse_layer_idx")?,
    };
    let activation = parts::activation(settings, "activation_function")?;
    let blocks = (0..config.layers)
        .map(|layer| {
            let name = format!("{prefix}h.{layer}");
            block(
                fetch,
                &config,
                &name,
                (scaling.factor(&config, layer), activation),
            )
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

/// Returns the factor of the scores.
#[derive(Debug, Clone, Copy)]
struct Scaling {
    by_width: bool,
    by_layer: bool,
}

impl Scaling {
    fn factor(self, config: &Config, layer: usize) -> f64 {
        let by_width = if self.by_width {
            (config.d_head as f64).sqrt().recip()
        } else {
            1.0
        };
        if self.by_layer {
            by_width / (layer + 1) as f64
        } else {
            by_width
        }
    }
}

fn config(settings: &Settings) -> Result<Config> {
    let d_model = settings.count("n_embd")?;
    let heads = settings.count("n_head")?;
    Ok(Config {
        family: "gpt2",
        layers: settings.count("n_layer")?,
        d_model,
        heads,
        kv_heads: heads,
        d_head: parts::shared_width(settings, d_model, heads)?,
        d_mlp: settings.count_if_any("n_inner")?.unwrap_or(4 * d_model),
        vocab: settings.count("vocab_size")?,
        context: settings.count("n_positions")?,
        norm: NormKind::LayerNorm,
        norm_eps: settings.positive("layer_norm_epsilon")?,
        parameters: 0,
    })
}

fn block(
    fetch: &Fetch<'_>,
    config: &Config,
    name: &str,
    (scale, activation): (f64, Activation),
) -> Result<Block> {
    let (d, m) = (config.d_model, config.d_mlp);
    let at = |rest: &str| format!("{name}.{rest}");
    let linear = |rest: &str, inputs: usize, outputs: usize| -> Result<Linear> {
        let name = at(&format!("{rest}.weight"));
        let bias = fetch.get(&at(&format!("{rest}.bias")), &[outputs])?;
        match fetch.kept(&name, (outputs, inputs))? {
            Some(rows) => Linear::stored(Arc::new(rows), Some(bias)),
            None => Linear::new(fetch.get(&name, &[inputs, outputs])?, Some(bias)),
        }
    };
    Ok(Block {
        norm_attention: parts::norm(fetch, &at("ln_1"), config)?,
        attention: Attention {
            heads: Heads {
                queries: config.heads,
                keys: config.kv_heads,
                width: config.d_head,
            },
            qkv: linear("attn.c_attn", d, 3 * d)?,
            output: linear("attn.c_proj", d, d)?,
            rule: Rule {
                scale,
                cap: None,
                window: None,
            },
            head_norms: None,
            rotary: None,
        },
        post_attention: None,
        norm_mlp: parts::norm(fetch, &at("ln_2"), config)?,
        mlp: Mlp {
            gate: None,
            up: linear("mlp.c_fc", d, m)?,
            activation,
            down: linear("mlp.c_proj", m, d)?,
        },
        post_mlp: None,
        order: Order::Serial,
    })
}
