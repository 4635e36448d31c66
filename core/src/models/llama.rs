//! Llama: rotary positions, RMSNorm, grouped key/value heads, gated MLP. Weights are stored `[out, in]`. Both ages of `config.json` are read:
//! `rope_parameters` (transformers 5) and `rope_theta` with `rope_scaling` (transformers 4).

use std::f64::consts::TAU;

use candle_core::Tensor;
use serde_json::{Map, Value};

use super::blocks::{Activation, Attention, Block, Heads, Linear, Mlp, Norm, Rotary};
use super::decoder::Decoder;
use super::settings::Settings;
use super::weights::Fetch;
use super::{Config, NormKind};
use crate::error::{Error, Result};

/// Builds the decoder that `settings` describes.
pub(super) fn build(settings: &Settings, fetch: &Fetch<'_>) -> Result<(Config, Decoder)> {
    let mut config = config(settings)?;
    let (d, v) = (config.d_model, config.vocab);
    let prefix = if fetch.has("embed_tokens.weight") {
        ""
    } else {
        "model."
    };
    let name = |rest: &str| format!("{prefix}{rest}");
    let embed = fetch.get(&name("embed_tokens.weight"), &[v, d])?;
    let blocks = (0..config.layers)
        .map(|layer| block(settings, fetch, &config, &name(&format!("layers.{layer}"))))
        .collect::<Result<Vec<_>>>()?;
    let unembed = if settings.flag("tie_word_embeddings", false) {
        embed.t()?
    } else {
        fetch.get("lm_head.weight", &[v, d])?.t()?
    };
    let final_norm = fetch.get(&name("norm.weight"), &[d])?;
    let decoder = Decoder {
        positions: None,
        rotary: Some(slowed(rotary(settings, &config)?, fetch)?),
        final_norm: Norm::new(config.norm, final_norm, None, config.norm_eps)?,
        blocks,
        unembed: Linear::new(unembed, None)?,
        embed,
    };
    config.parameters = fetch.parameters();
    Ok((config, decoder))
}

fn config(settings: &Settings) -> Result<Config> {
    let d_model = settings.count("hidden_size")?;
    let heads = settings.count("num_attention_heads")?;
    let kv_heads = settings
        .count_if_any("num_key_value_heads")?
        .unwrap_or(heads);
    let d_head = settings
        .count_if_any("head_dim")?
        .unwrap_or(d_model / heads);
    if !heads.is_multiple_of(kv_heads) || !d_head.is_multiple_of(2) {
        return Err(Error::input(
            format!("{heads} heads of width {d_head} cannot share {kv_heads} key/value heads"),
            settings.path(),
        ));
    }
    Ok(Config {
        family: "llama",
        layers: settings.count("num_hidden_layers")?,
        d_model,
        heads,
        kv_heads,
        d_head,
        d_mlp: settings.count("intermediate_size")?,
        vocab: settings.count("vocab_size")?,
        context: settings.count("max_position_embeddings")?,
        norm: NormKind::RmsNorm,
        norm_eps: settings.number("rms_norm_eps")?.unwrap_or(1e-6),
        parameters: 0,
    })
}

fn block(settings: &Settings, fetch: &Fetch<'_>, config: &Config, prefix: &str) -> Result<Block> {
    let (d, m) = (config.d_model, config.d_mlp);
    let (q, kv) = (
        config.heads * config.d_head,
        config.kv_heads * config.d_head,
    );
    let attention_bias = settings.flag("attention_bias", false);
    let mlp_bias = settings.flag("mlp_bias", false);
    let weight = |rest: &str, inputs: usize, outputs: usize| {
        fetch.get(&format!("{prefix}.{rest}.weight"), &[outputs, inputs])
    };
    let bias = |there: bool, rest: &str, outputs: usize| {
        there
            .then(|| fetch.get(&format!("{prefix}.{rest}.bias"), &[outputs]))
            .transpose()
    };
    let linear = |rest: &str, inputs: usize, outputs: usize, biased: bool| -> Result<Linear> {
        let weight = weight(rest, inputs, outputs)?.t()?;
        Linear::new(weight, bias(biased, rest, outputs)?)
    };
    let norm = |rest: &str| -> Result<Norm> {
        let weight = fetch.get(&format!("{prefix}.{rest}.weight"), &[d])?;
        Norm::new(config.norm, weight, None, config.norm_eps)
    };
    let parts = [
        ("self_attn.q_proj", q),
        ("self_attn.k_proj", kv),
        ("self_attn.v_proj", kv),
    ];
    let weights = parts
        .map(|(rest, outputs)| weight(rest, d, outputs))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let biases = parts
        .map(|(rest, outputs)| bias(attention_bias, rest, outputs))
        .into_iter()
        .collect::<Result<Option<Vec<_>>>>()?;
    let qkv_bias = biases.map(|parts| Tensor::cat(&parts, 0)).transpose()?;
    Ok(Block {
        norm_attention: norm("input_layernorm")?,
        attention: Attention {
            heads: Heads {
                queries: config.heads,
                keys: config.kv_heads,
                width: config.d_head,
            },
            qkv: Linear::new(Tensor::cat(&weights, 0)?.t()?, qkv_bias)?,
            output: linear("self_attn.o_proj", q, d, attention_bias)?,
            scale: (config.d_head as f64).sqrt().recip(),
        },
        norm_mlp: norm("post_attention_layernorm")?,
        mlp: Mlp {
            gate: Some(linear("mlp.gate_proj", d, m, mlp_bias)?),
            up: linear("mlp.up_proj", d, m, mlp_bias)?,
            activation: Activation::from_name(settings.text("hidden_act").unwrap_or("silu"))?,
            down: linear("mlp.down_proj", m, d, mlp_bias)?,
        },
    })
}

/// Divided by the factors that GGUF files of Llama 3 carry as a tensor.
fn slowed(mut rotary: Rotary, fetch: &Fetch<'_>) -> Result<Rotary> {
    if fetch.has("rope_freqs.weight") {
        let factors = fetch.get("rope_freqs.weight", &[rotary.frequencies.len()])?;
        for (frequency, factor) in rotary.frequencies.iter_mut().zip(factors.to_vec1::<f32>()?) {
            *frequency /= factor;
        }
    }
    Ok(rotary)
}

/// Rotary frequencies from either age of configuration.
fn rotary(settings: &Settings, config: &Config) -> Result<Rotary> {
    let none = Map::new();
    let object = |key: &str| settings.get(key).and_then(Value::as_object);
    let scaling = object("rope_parameters")
        .or_else(|| object("rope_scaling"))
        .unwrap_or(&none);
    let number = |key: &str| scaling.get(key).and_then(Value::as_f64);
    let needed = |key: &str| {
        number(key).filter(|n| *n > 0.0).ok_or_else(|| {
            Error::input(
                format!("its rope settings lack a positive `{key}`"),
                settings.path(),
            )
        })
    };
    let partial = number("partial_rotary_factor").or(settings.number("partial_rotary_factor")?);
    if partial.is_some_and(|share| share != 1.0) {
        return Err(settings.unsupported("`partial_rotary_factor`"));
    }
    let base = match number("rope_theta") {
        Some(base) => base,
        None => settings.number("rope_theta")?.unwrap_or(10_000.0),
    };
    let mut rotary = Rotary::new(base, config.d_head);
    let kind = scaling.get("rope_type").or_else(|| scaling.get("type"));
    match kind.and_then(Value::as_str).unwrap_or("default") {
        "default" => {}
        "linear" => {
            let factor = needed("factor")? as f32;
            for frequency in &mut rotary.frequencies {
                *frequency /= factor;
            }
        }
        "llama3" => {
            let stretch = Stretch {
                factor: needed("factor")?,
                low: needed("low_freq_factor")?,
                high: needed("high_freq_factor")?,
                context: needed("original_max_position_embeddings")?,
            };
            for frequency in &mut rotary.frequencies {
                *frequency = stretch.apply(f64::from(*frequency)) as f32;
            }
        }
        other => return Err(settings.unsupported(&format!("the rope type `{other}`"))),
    }
    Ok(rotary)
}

/// Llama 3.1's way to a longer context: slow rotations are slowed further, fast ones kept, those between blended.
struct Stretch {
    factor: f64,
    low: f64,
    high: f64,
    context: f64,
}

impl Stretch {
    fn apply(&self, frequency: f64) -> f64 {
        let wavelength = TAU / frequency;
        if wavelength > self.context / self.low {
            frequency / self.factor
        } else if wavelength < self.context / self.high {
            frequency
        } else {
            let keep = (self.context / wavelength - self.low) / (self.high - self.low);
            (1.0 - keep) * frequency / self.factor + keep * frequency
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn tiny(extra: &Value) -> Settings {
        let mut values = json!({
            "hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 3, "intermediate_size": 64,
            "vocab_size": 512, "max_position_embeddings": 64
        });
        for (key, value) in extra.as_object().unwrap() {
            values[key] = value.clone();
        }
        Settings::new(values, Path::new("config.json"))
    }

    fn frequencies(extra: &Value) -> Result<Vec<f32>> {
        let settings = tiny(extra);
        Ok(rotary(&settings, &config(&settings)?)?.frequencies)
    }

    #[test]
    fn both_ages_of_rope_settings_give_the_same_frequencies() {
        let linear = json!({"rope_type": "linear", "factor": 4.0, "rope_theta": 500.0});
        let new = frequencies(&json!({ "rope_parameters": linear })).unwrap();
        let old = json!({"rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 4.0}});
        assert_eq!(new, frequencies(&old).unwrap());
        assert_eq!(new[0], 0.25);
        assert_eq!(frequencies(&json!({})).unwrap()[1], 0.1);
    }

    #[test]
    fn llama3_keeps_fast_rotations_and_slows_slow_ones() {
        let stretched = frequencies(&json!({"rope_theta": 10000.0, "rope_scaling": {
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 128
        }}))
        .unwrap();
        assert_eq!(stretched[0], 1.0);
        assert!(
            (stretched[1] - 0.042_751_2).abs() < 1e-7,
            "{}",
            stretched[1]
        );
        assert_eq!(stretched[2], 0.01 / 8.0);
        assert_eq!(stretched[3], 0.001 / 8.0);
    }

    #[test]
    fn what_is_not_honoured_is_refused_by_name() {
        for (extra, name) in [
            (
                json!({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}),
                "`yarn`",
            ),
            (
                json!({"partial_rotary_factor": 0.5}),
                "`partial_rotary_factor`",
            ),
            (json!({"rope_scaling": {"rope_type": "linear"}}), "`factor`"),
            (json!({"num_key_value_heads": 3}), "3 key/value heads"),
            (json!({"hidden_size": "wide"}), "`hidden_size`"),
        ] {
            let refused = frequencies(&extra).unwrap_err().to_string();
            assert!(refused.contains(name), "{refused}");
        }
    }
}
