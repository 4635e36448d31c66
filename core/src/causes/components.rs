//! Parts of the model as causes: what each head, MLP, embedding and bias writes to the last position's residual stream, read through the final norm with its scale
//! held and through W_U (direct logit attribution).
//!
//! A component u contributes `((u − mean u) ∘ γ / σ) · (W_U[A] − W_U[B])`, σ of the untouched run; under RMSNorm no mean is removed. Where a norm stands behind
//! attention (Gemma), a head's part is scaled by that norm's γ and its scale in the untouched run. The parts sum to the target; where the model caps its logits
//! softly, to the target before the cap.

#[cfg(test)]
mod tests;

use std::fmt;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::Target;
use super::features::parts::Parts;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, Head, HookPoint, Layer, Site, TokenId};
use crate::models::{AttentionPath, CleanRun, LogitPath, Model};
use crate::sae::ByToken;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "components",
        "direct parts of the target at the last position: ((u − mean u)∘γ/σ)·(W_U[A] − W_U[B]) for each u that is written to the residual stream, σ of the untouched run, no mean removed under RMSNorm; `L{l}.H{h}` is z_h W_O^h without bias, `L{l}.mlp` has its bias; norms behind attention with their untouched scale; null for the loss",
    ),
    ("components_sum", "sum of the components"),
    (
        "components_target",
        "number that the components sum to: the target, before the soft cap where the model has one",
    ),
    (
        "direct",
        "the same for what each active feature adds at the last position, where the dictionary's hook is written to the residual stream",
    ),
];

/// Part of a model that writes to the logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Part {
    /// Token embedding.
    Embed,
    /// Learned positions.
    PosEmbed,
    /// Head, without the output bias.
    Head(Layer, Head),
    /// Output bias of attention.
    AttnBias(Layer),
    /// MLP with its bias.
    Mlp(Layer),
    /// Bias of the final norm.
    FinalNormBias,
    /// Bias of the unembedding.
    UnembedBias,
}

impl Part {
    /// Returns the block that it belongs to, if any.
    pub fn layer(self) -> Option<Layer> {
        match self {
            Self::Head(layer, _) | Self::AttnBias(layer) | Self::Mlp(layer) => Some(layer),
            Self::Embed | Self::PosEmbed | Self::FinalNormBias | Self::UnembedBias => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embed => f.write_str("embed"),
            Self::PosEmbed => f.write_str("pos_embed"),
            Self::Head(layer, head) => write!(f, "L{layer}.H{head}"),
            Self::AttnBias(layer) => write!(f, "L{layer}.attn_bias"),
            Self::Mlp(layer) => write!(f, "L{layer}.mlp"),
            Self::FinalNormBias => f.write_str("final_norm_bias"),
            Self::UnembedBias => f.write_str("unembed_bias"),
        }
    }
}

/// A part and what it gives to the target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Component {
    /// Part.
    pub part: Part,
    /// Its direct contribution.
    pub value: f64,
}

/// Direct part of a dictionary's hook at the last position, by feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Direct {
    /// Name of the dictionary.
    pub dictionary: String,
    /// Its hook.
    pub hook: HookPoint,
    /// Active features with what each gives, the largest in size first.
    pub features: Vec<(FeatureId, f32, f64)>,
    /// Part of the decoder bias, and of the mean that a normalising dictionary puts back.
    pub b_dec: f64,
    /// Part of the error.
    pub error: f64,
    /// Part of what the dictionary reads: the sum of all of them.
    pub whole: f64,
}

/// Direct contributions to a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Components {
    /// Contributions in the order of a pass; terms that the model lacks are left out.
    pub parts: Vec<Component>,
    /// Number that they sum to: the target, before a soft cap.
    pub target: f64,
    /// Whether the model caps its logits softly.
    pub is_before_cap: bool,
    /// Contributions by feature of a dictionary, where one is given and its hook writes to the residual stream.
    pub direct: Option<Direct>,
}

impl Components {
    /// Sums the contributions.
    pub fn sum(&self) -> f64 {
        self.parts.iter().map(|one| one.value).sum()
    }

    /// Returns the contribution of a part, if the model has it.
    pub fn of(&self, part: Part) -> Option<f64> {
        let found = self.parts.iter().find(|one| one.part == part);
        found.map(|one| one.value)
    }

    /// Says in one sentence which part writes most of the target.
    pub fn conclusion(&self, target: &str) -> String {
        let by_size = |a: &&Component, b: &&Component| a.value.abs().total_cmp(&b.value.abs());
        let Some(first) = self.parts.iter().max_by(by_size) else {
            return format!("Nothing writes {target}");
        };
        let second = self
            .parts
            .iter()
            .filter(|one| one.part != first.part)
            .max_by(by_size);
        let second = second.map_or(String::new(), |one| {
            format!(", then {} ({:+.3})", one.part, one.value)
        });
        let against = if first.value * self.target < 0.0 {
            " against it"
        } else {
            ""
        };
        format!(
            "{} writes most{against} ({:+.3}){second}; all {} parts sum to {:.3}{}",
            first.part,
            first.value,
            self.parts.len(),
            self.sum(),
            if self.is_before_cap {
                ", the target before the soft cap"
            } else {
                ""
            }
        )
    }
}

/// Computes the direct contributions to `target` on `tokens`, and those of the features of `sae` where its hook writes to the residual stream. None for the loss.
pub fn components(
    model: &Model,
    sae: Option<ByToken<'_>>,
    tokens: &[TokenId],
    target: Target,
) -> Result<Option<Components>> {
    let terms = target.tokens();
    if terms.is_empty() {
        return Ok(None);
    }
    target.check(tokens.len())?;
    let run = model.clean_run(tokens, &hooks(model, sae)?)?;
    let reader = Reader::new(model, &run, &terms)?;
    let mut parts = Vec::new();
    let mut add = |part, value| parts.push(Component { part, value });
    let embed = last(&run, HookPoint::Embed)?;
    add(Part::Embed, reader.read(&embed));
    if model.position_embeddings().is_some() {
        let with = last(&run, HookPoint::block(0, Site::ResidPre))?;
        let own: Vec<f64> = with
            .iter()
            .zip(&embed)
            .map(|(with, embed)| with - embed)
            .collect();
        add(Part::PosEmbed, reader.read(&own));
    }
    for layer in (0..model.config().layers).map(Layer::from) {
        let attention = Attention::new(model, &run, layer)?;
        for head in (0..model.config().heads).map(Head::from) {
            add(
                Part::Head(layer, head),
                reader.read(&attention.written(head)),
            );
        }
        if let Some(bias) = attention.bias() {
            add(Part::AttnBias(layer), reader.read(&bias));
        }
        let mlp = last(&run, HookPoint::Block(layer, Site::MlpOut))?;
        add(Part::Mlp(layer), reader.read(&mlp));
    }
    if let Some(value) = reader.norm_bias() {
        add(Part::FinalNormBias, value);
    }
    if let Some(value) = reader.bias {
        add(Part::UnembedBias, value);
    }
    Ok(Some(Components {
        parts,
        target: reader.before_cap(&run, &terms)?,
        is_before_cap: reader.path.cap.is_some(),
        direct: sae
            .map(|sae| direct(model, sae, &run, &reader))
            .transpose()?
            .flatten(),
    }))
}

/// Returns the hooks whose clean values are read.
fn hooks(model: &Model, sae: Option<ByToken<'_>>) -> Result<Vec<HookPoint>> {
    let layers = model.config().layers;
    let mut hooks = vec![
        HookPoint::Embed,
        HookPoint::block(0, Site::ResidPre),
        HookPoint::block(layers - 1, Site::ResidPost),
    ];
    for layer in 0..layers {
        hooks.extend([Site::Z, Site::MlpOut].map(|site| HookPoint::block(layer, site)));
    }
    if let Some(sae) = sae {
        crate::formats::check_hooks(&sae, model)?;
        hooks.extend([sae.reads()?, sae.writes()?]);
    }
    Ok(hooks)
}

/// Returns the clean value of a hook at the last position, heads side by side.
fn last(run: &CleanRun<'_>, hook: HookPoint) -> Result<Vec<f64>> {
    let value = run.value(hook)?;
    let last = value.narrow(1, value.dim(1)? - 1, 1)?.flatten_all()?;
    Ok(last.to_vec1::<f32>()?.into_iter().map(f64::from).collect())
}

/// Reads what is written to the last position's residual stream as a part of the target.
struct Reader {
    path: LogitPath,
    /// Scale of the final norm in the untouched run.
    scale: f64,
    /// Signed sum of columns of W_U, `[d]`.
    along: Vec<f64>,
    /// Signed sum of biases, where there are any.
    bias: Option<f64>,
}

impl Reader {
    fn new(model: &Model, run: &CleanRun<'_>, terms: &[(TokenId, f64)]) -> Result<Self> {
        let ids: Vec<TokenId> = terms.iter().map(|(token, _)| *token).collect();
        let path = model.logit_path(&ids)?;
        let mut along = vec![0.0; model.config().d_model];
        for ((_, sign), column) in terms.iter().zip(path.columns.iter_rows()) {
            for (along, w) in along.iter_mut().zip(column) {
                *along += sign * f64::from(*w);
            }
        }
        let bias = path.biases.as_ref().map(|biases| {
            let pairs = terms.iter().zip(biases);
            pairs.map(|((_, sign), bias)| sign * f64::from(*bias)).sum()
        });
        let end = HookPoint::block(model.config().layers - 1, Site::ResidPost);
        let scale = path.norm.scale(&last(run, end)?);
        Ok(Self {
            path,
            scale,
            along,
            bias,
        })
    }

    /// Computes what `written [d]` gives to the target.
    fn read(&self, written: &[f64]) -> f64 {
        let mut written = written.to_vec();
        self.path.norm.apply(&mut written, self.scale);
        written.iter().zip(&self.along).map(|(w, a)| w * a).sum()
    }

    fn norm_bias(&self) -> Option<f64> {
        let bias = self.path.norm.bias.as_ref()?;
        let pairs = bias.iter().zip(&self.along);
        Some(pairs.map(|(b, a)| f64::from(*b) * a).sum())
    }

    /// Computes the target before the soft cap from the model's logits.
    fn before_cap(&self, run: &CleanRun<'_>, terms: &[(TokenId, f64)]) -> Result<f64> {
        let t = run.tokens().len();
        let logits = run.logits().narrow(1, t - 1, 1)?.flatten_all()?;
        let logits = logits.to_vec1::<f32>()?;
        let uncapped = |logit: f64| match self.path.cap {
            Some(cap) => cap * (logit / cap).atanh(),
            None => logit,
        };
        let terms = terms.iter();
        let sum: f64 = terms
            .map(|(token, sign)| sign * uncapped(f64::from(logits[token.index()])))
            .sum();
        if sum.is_finite() {
            return Ok(sum);
        }
        Err(Error::Numeric {
            what: "the logit is at its soft cap, so its value before the cap is lost: choose another target".to_owned(),
        })
    }
}

/// Attention of one block at the last position, with the scale of the norm behind it.
struct Attention {
    path: AttentionPath,
    /// Values of all heads, `[h·e]`.
    z: Vec<f64>,
    e: usize,
    /// Scale of the norm behind attention in the untouched run.
    scale: f64,
}

impl Attention {
    fn new(model: &Model, run: &CleanRun<'_>, layer: Layer) -> Result<Self> {
        let mut one = Self {
            path: model.attention_path(layer)?,
            z: last(run, HookPoint::Block(layer, Site::Z))?,
            e: model.config().d_head,
            scale: 1.0,
        };
        if let Some(post) = &one.path.post {
            let mut out = one.through(0..one.z.len());
            let bias = one.path.b_o.iter().flatten();
            out.iter_mut()
                .zip(bias)
                .for_each(|(out, bias)| *out += f64::from(*bias));
            one.scale = post.scale(&out);
        }
        Ok(one)
    }

    /// Computes z[rows] · W_O[rows], `[d]`.
    fn through(&self, rows: std::ops::Range<usize>) -> Vec<f64> {
        self.map(&self.z[rows.clone()], rows.start)
    }

    /// Computes `z · W_O[from..]`, `[d]`.
    fn map(&self, z: &[f64], from: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.path.w_o.columns()];
        for (i, z) in z.iter().enumerate() {
            for (out, w) in out.iter_mut().zip(self.path.w_o.row(from + i)) {
                *out += z * f64::from(*w);
            }
        }
        out
    }

    /// Applies the linear part of the norm behind attention, where there is one.
    fn behind(&self, mut out: Vec<f64>) -> Vec<f64> {
        if let Some(post) = &self.path.post {
            post.apply(&mut out, self.scale);
        }
        out
    }

    /// Returns what a head writes to the residual stream, `[d]`.
    fn written(&self, head: Head) -> Vec<f64> {
        let from = head.index() * self.e;
        self.behind(self.through(from..from + self.e))
    }

    /// Returns what the output bias writes, with the bias of the norm behind attention, if there is one.
    fn bias(&self) -> Option<Vec<f64>> {
        let own = self.path.b_o.as_ref();
        let of_norm = self.path.post.as_ref().and_then(|post| post.bias.as_ref());
        if own.is_none() && of_norm.is_none() {
            return None;
        }
        let out = match own {
            Some(own) => own.iter().map(|b| f64::from(*b)).collect(),
            None => vec![0.0; self.path.w_o.columns()],
        };
        let mut out = self.behind(out);
        let of_norm = of_norm.into_iter().flatten();
        out.iter_mut()
            .zip(of_norm)
            .for_each(|(out, b)| *out += f64::from(*b));
        Some(out)
    }
}

/// Computes the direct contributions of what a dictionary takes apart at the last position; none where its hook is not written to the residual stream.
fn direct(
    model: &Model,
    sae: ByToken<'_>,
    run: &CleanRun<'_>,
    reader: &Reader,
) -> Result<Option<Direct>> {
    let (reads, hook) = (sae.reads()?, sae.writes()?);
    let attention = match hook {
        HookPoint::Block(layer, Site::Z) => Some(Attention::new(model, run, layer)?),
        HookPoint::Embed
        | HookPoint::Block(
            _,
            Site::ResidPre | Site::AttnOut | Site::ResidMid | Site::MlpOut | Site::ResidPost,
        ) => None,
        _ => return Ok(None),
    };
    let at_end = |hook| {
        let value = run.value(hook)?;
        let value: Tensor = value.narrow(1, value.dim(1)? - 1, 1)?;
        Matrix::from_tensor(&value, model.width(hook)?)
    };
    let parts = Parts::new(sae, &at_end(hook)?, &at_end(reads)?)?;
    let read = |part: &[f32]| {
        let part: Vec<f64> = part.iter().map(|x| f64::from(*x)).collect();
        match &attention {
            Some(attention) => {
                let out = attention.map(&part, parts.columns.start);
                reader.read(&attention.behind(out))
            }
            None => reader.read(&part),
        }
    };
    let mut features = Vec::new();
    for (feature, activation) in parts.code.row(0) {
        features.push((
            feature,
            activation,
            read(&parts.added(0, feature, activation)?),
        ));
    }
    features.sort_by(|a, b| b.2.abs().total_cmp(&a.2.abs()).then(a.0.cmp(&b.0)));
    Ok(Some(Direct {
        dictionary: sae.name.clone(),
        hook,
        features,
        b_dec: read(&parts.constant(0)?),
        error: read(parts.error.row(0)),
        whole: read(parts.own.row(0)),
    }))
}
