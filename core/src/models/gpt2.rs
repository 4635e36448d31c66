//! GPT-2: learned positions, LayerNorm, fused query/key/value projection, tied unembedding. Weights are stored `[in, out]`.

use super::blocks::{Activation, Attention, Block, Heads, Linear, Mlp, Norm};
use super::decoder::Decoder;
use super::settings::Settings;
use super::weights::Fetch;
use super::{Config, NormKind};
use crate::error::{Error, Result};

/// Builds the decoder that `settings` describes.
pub(super) fn build(settings: &Settings, fetch: &Fetch<'_>) -> Result<(Config, Decoder)> {
    settings.refuse("add_cross_attention")?;
    let mut config = config(settings)?;
    let (d, v) = (config.d_model, config.vocab);
    let prefix = if fetch.has("wte.weight") {
        ""
    } else {
        "transformer."
    };
    let name = |rest: &str| format!("{prefix}{rest}");
    let embed = fetch.get(&name("wte.weight"), &[v, d])?;
    let blocks = (0..config.layers)
        .map(|layer| block(settings, fetch, &config, layer, prefix))
        .collect::<Result<Vec<_>>>()?;
    let unembed = if settings.flag("tie_word_embeddings", true) {
        embed.t()?
    } else {
        fetch.get("lm_head.weight", &[v, d])?.t()?
    };
    let decoder = Decoder {
        positions: Some(fetch.get(&name("wpe.weight"), &[config.context, d])?),
        rotary: None,
        final_norm: norm(fetch, &name("ln_f"), &config)?,
        blocks,
        unembed: Linear::new(unembed, None)?,
        embed,
    };
    config.parameters = fetch.parameters();
    Ok((config, decoder))
}

fn config(settings: &Settings) -> Result<Config> {
    let d_model = settings.count("n_embd")?;
    let heads = settings.count("n_head")?;
    if !d_model.is_multiple_of(heads) {
        return Err(Error::input(
            format!("n_embd {d_model} is not a multiple of n_head {heads}"),
            settings.path(),
        ));
    }
    Ok(Config {
        family: "gpt2",
        layers: settings.count("n_layer")?,
        d_model,
        heads,
        kv_heads: heads,
        d_head: d_model / heads,
        d_mlp: settings.count_if_any("n_inner")?.unwrap_or(4 * d_model),
        vocab: settings.count("vocab_size")?,
        context: settings.count("n_positions")?,
        norm: NormKind::LayerNorm,
        norm_eps: settings.number("layer_norm_epsilon")?.unwrap_or(1e-5),
        parameters: 0,
    })
}

fn block(
    settings: &Settings,
    fetch: &Fetch<'_>,
    config: &Config,
    layer: usize,
    prefix: &str,
) -> Result<Block> {
    let (d, m) = (config.d_model, config.d_mlp);
    let at = |rest: &str| format!("{prefix}h.{layer}.{rest}");
    let linear = |rest: &str, inputs: usize, outputs: usize| -> Result<Linear> {
        let weight = fetch.get(&at(&format!("{rest}.weight")), &[inputs, outputs])?;
        let bias = fetch.get(&at(&format!("{rest}.bias")), &[outputs])?;
        Linear::new(weight, Some(bias))
    };
    let mut scale = if settings.flag("scale_attn_weights", true) {
        (config.d_head as f64).sqrt().recip()
    } else {
        1.0
    };
    if settings.flag("scale_attn_by_inverse_layer_idx", false) {
        scale /= (layer + 1) as f64;
    }
    Ok(Block {
        norm_attention: norm(fetch, &at("ln_1"), config)?,
        attention: Attention {
            heads: Heads {
                queries: config.heads,
                keys: config.kv_heads,
                width: config.d_head,
            },
            qkv: linear("attn.c_attn", d, 3 * d)?,
            output: linear("attn.c_proj", d, d)?,
            scale,
        },
        norm_mlp: norm(fetch, &at("ln_2"), config)?,
        mlp: Mlp {
            gate: None,
            up: linear("mlp.c_fc", d, m)?,
            activation: Activation::from_name(
                settings.text("activation_function").unwrap_or("gelu_new"),
            )?,
            down: linear("mlp.c_proj", m, d)?,
        },
    })
}

fn norm(fetch: &Fetch<'_>, name: &str, config: &Config) -> Result<Norm> {
    let d = [config.d_model];
    let weight = fetch.get(&format!("{name}.weight"), &d)?;
    let bias = fetch.get(&format!("{name}.bias"), &d)?;
    Norm::new(config.norm, weight, Some(bias), config.norm_eps)
}
