//! The shape that Llama gave to most families since: RMSNorm, rotary positions, grouped key/value heads, a gated MLP, weights stored `[out, in]`
//! under `model.layers.N.self_attn.q_proj` and so on. A family fills in [`Gated`] where it differs.

use std::fmt;

use candle_core::Tensor;

use super::parts;
use crate::error::Result;
use crate::kernels::attention::Rule;
use crate::models::blocks::{Activation, Attention, Block, Heads, Linear, Mlp, Norm, Order};
use crate::models::decoder::Decoder;
use crate::models::rope::Rope;
use crate::models::settings::Settings;
use crate::models::weights::Fetch;
use crate::models::{Config, NormKind};

/// Prefixes of the decoder's tensors: of a whole model, of one without its head's wrapper, or inside a model with images.
const PREFIXES: [&str; 4] = [
    "model.",
    "",
    "language_model.model.",
    "model.language_model.",
];
const HEADS: [&str; 2] = ["lm_head.weight", "language_model.lm_head.weight"];

/// Family of this shape.
pub(super) struct Gated {
    pub(super) config: Config,
    pub(super) activation: Activation,
    pub(super) biases: Biases,
    pub(super) norms: Norms,
    /// Number added to every norm's weight as stored.
    pub(super) norm_offset: f64,
    /// Whether query, key and value are one tensor, and gate and up.
    pub(super) fused: bool,
    /// Whether the unembedding is the embedding.
    pub(super) tied: bool,
    /// Attention settings of all layers; [`Place`] adds the window.
    pub(super) rule: Rule,
    pub(super) logit_cap: Option<f64>,
    pub(super) embed_scale: Option<f64>,
    pub(super) ropes: Vec<Rope>,
    /// Settings of a layer by its number.
    pub(super) place: Box<dyn Fn(usize) -> Place>,
}

/// Projections that have a bias.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Biases {
    /// Biases of query, key, value.
    pub(super) qkv: bool,
    /// Bias of attention's output.
    pub(super) output: bool,
    /// Biases of the MLP.
    pub(super) mlp: bool,
}

/// Norms beside those before attention and MLP.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Norms {
    /// Norms of each query and key head.
    pub(super) heads: bool,
    /// Norms behind attention and MLP.
    pub(super) behind: bool,
}

/// Settings in which a layer differs from its neighbours.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// Keys a query sees, itself included.
    pub(super) window: Option<usize>,
    /// Index of its rotation.
    pub(super) rope: usize,
}

impl fmt::Debug for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gated")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Gated {
    /// Reads the settings that all families of this shape share; `activation` is the key of the activation function.
    pub(super) fn read(
        settings: &Settings,
        family: &'static str,
        activation: &str,
    ) -> Result<Self> {
        let d_model = settings.count("hidden_size")?;
        let heads = settings.count("num_attention_heads")?;
        let d_head = match settings.count_if_any("head_dim")? {
            Some(width) => width,
            None => parts::shared_width(settings, d_model, heads)?,
        };
        let config = Config {
            family,
            layers: settings.count("num_hidden_layers")?,
            d_model,
            heads,
            kv_heads: settings
                .count_or_off("num_key_value_heads")?
                .unwrap_or(heads),
            d_head,
            d_mlp: settings.count("intermediate_size")?,
            vocab: settings.count("vocab_size")?,
            context: settings.count("max_position_embeddings")?,
            norm: NormKind::RmsNorm,
            norm_eps: settings.positive("rms_norm_eps")?,
            parameters: 0,
        };
        parts::check_heads(settings, &config)?;
        Ok(Self {
            activation: parts::activation(settings, activation)?,
            biases: Biases::default(),
            norms: Norms::default(),
            norm_offset: 0.0,
            fused: false,
            tied: settings.flag("tie_word_embeddings")?,
            rule: Rule {
                scale: (d_head as f64).sqrt().recip(),
                cap: None,
                window: None,
            },
            logit_cap: None,
            embed_scale: None,
            ropes: Vec::new(),
            place: Box::new(|_| Place::default()),
            config,
        })
    }

    /// Fetches the weights.
    pub(super) fn build(self, fetch: &Fetch<'_>) -> Result<(Config, Decoder)> {
        let config = &self.config;
        let prefix = parts::prefix(fetch, &PREFIXES, "embed_tokens.weight");
        let embed = parts::embed(fetch, &format!("{prefix}embed_tokens.weight"), config)?;
        let blocks = (0..config.layers)
            .map(|layer| self.block(fetch, &format!("{prefix}layers.{layer}"), layer))
            .collect::<Result<Vec<_>>>()?;
        let tables = self.ropes.iter().map(Rope::table);
        let mut rotaries = tables.collect::<Result<Vec<_>>>()?;
        // GGUF files of Llama 3 carry what slows its rotations as a tensor.
        if let [rotary] = rotaries.as_mut_slice()
            && fetch.has("rope_freqs.weight")
        {
            let factors = fetch.get("rope_freqs.weight", &[rotary.frequencies.len()])?;
            for (frequency, factor) in rotary.frequencies.iter_mut().zip(factors.to_vec1::<f32>()?)
            {
                *frequency /= factor;
            }
        }
        let decoder = Decoder {
            positions: None,
            embed_scale: self.embed_scale,
            rotaries,
            blocks,
            final_norm: self.norm(fetch, &format!("{prefix}norm"), config.d_model)?,
            unembed: parts::unembed(fetch, config, self.tied.then_some(&embed), &HEADS)?,
            logit_cap: self.logit_cap,
            embed,
        };
        Ok((self.config, decoder))
    }

    fn block(&self, fetch: &Fetch<'_>, name: &str, layer: usize) -> Result<Block> {
        let config = &self.config;
        let d = config.d_model;
        let place = (self.place)(layer);
        let norm = |rest: &str| self.norm(fetch, &format!("{name}.{rest}"), d);
        // With norms behind, the one before the MLP has a name of its own.
        let (before_mlp, behind_attention) = if self.norms.behind {
            (
                "pre_feedforward_layernorm",
                Some("post_attention_layernorm"),
            )
        } else {
            ("post_attention_layernorm", None)
        };
        let behind_mlp = self.norms.behind.then_some("post_feedforward_layernorm");
        Ok(Block {
            norm_attention: norm("input_layernorm")?,
            attention: Attention {
                heads: Heads {
                    queries: config.heads,
                    keys: config.kv_heads,
                    width: config.d_head,
                },
                qkv: self.qkv(fetch, name)?,
                output: parts::linear(
                    fetch,
                    &format!("{name}.self_attn.o_proj"),
                    (config.heads * config.d_head, d),
                    self.biases.output,
                )?,
                rule: Rule {
                    window: place.window,
                    ..self.rule
                },
                head_norms: self.head_norms(fetch, name)?,
                rotary: (place.rope < self.ropes.len()).then_some(place.rope),
            },
            post_attention: behind_attention.map(norm).transpose()?,
            norm_mlp: norm(before_mlp)?,
            mlp: self.mlp(fetch, name)?,
            post_mlp: behind_mlp.map(norm).transpose()?,
            order: Order::Serial,
        })
    }

    fn qkv(&self, fetch: &Fetch<'_>, name: &str) -> Result<Linear> {
        let config = &self.config;
        let queries = config.heads * config.d_head;
        let keys = config.kv_heads * config.d_head;
        let part = |rest: &str, outputs| (format!("{name}.self_attn.{rest}"), outputs);
        let parts = if self.fused {
            vec![part("qkv_proj", queries + 2 * keys)]
        } else {
            vec![
                part("q_proj", queries),
                part("k_proj", keys),
                part("v_proj", keys),
            ]
        };
        parts::stacked(fetch, &parts, config.d_model, self.biases.qkv)
    }

    fn mlp(&self, fetch: &Fetch<'_>, name: &str) -> Result<Mlp> {
        let (d, m) = (self.config.d_model, self.config.d_mlp);
        let part = |rest: &str, inputs, outputs| {
            let name = format!("{name}.mlp.{rest}");
            parts::linear(fetch, &name, (inputs, outputs), self.biases.mlp)
        };
        let (gate, up) = if self.fused {
            let both = fetch.get(&format!("{name}.mlp.gate_up_proj.weight"), &[2 * m, d])?;
            let half = |from| Linear::new(both.narrow(0, from, m)?.t()?, None);
            (half(0)?, half(m)?)
        } else {
            (part("gate_proj", d, m)?, part("up_proj", d, m)?)
        };
        Ok(Mlp {
            gate: Some(gate),
            up,
            activation: self.activation,
            down: part("down_proj", m, d)?,
        })
    }

    fn head_norms(&self, fetch: &Fetch<'_>, name: &str) -> Result<Option<(Norm, Norm)>> {
        let norm = |rest| {
            let name = format!("{name}.self_attn.{rest}");
            self.norm(fetch, &name, self.config.d_head)
        };
        if self.norms.heads {
            Ok(Some((norm("q_norm")?, norm("k_norm")?)))
        } else {
            Ok(None)
        }
    }

    fn norm(&self, fetch: &Fetch<'_>, name: &str, width: usize) -> Result<Norm> {
        let stored: Tensor = fetch.get(&format!("{name}.weight"), &[width])?;
        let weight = if self.norm_offset == 0.0 {
            stored
        } else {
            (stored + self.norm_offset)?
        };
        Norm::new(NormKind::RmsNorm, weight, None, self.config.norm_eps)
    }
}
