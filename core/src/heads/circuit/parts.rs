//! Material of a search: the values of a text, and the sum of one feature's pre-activation over what was written before it.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::graph::{BiasKind, Kind, Listed};
use super::values::{Values, check_held};
use super::written::{self, Attention, Coded, Table, Term, add, dot};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, Head, HookPoint, Layer, Site, TokenId};
use crate::latents::Latents;
use crate::models::{AttentionPath, Model};
use crate::sae::Autoencoder;

/// Source of terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// Residual stream, split by the dictionary with this index.
    Stream(usize),
    /// Token embedding.
    Embedding,
    /// Position embedding.
    Position,
    /// Output of attention; `true` if its own dictionary reads it, which cannot split it then.
    Attention(Layer, bool),
    /// Output of an MLP, likewise.
    Mlp(Layer, bool),
}

/// Material of a trace: the model, the dictionaries, their values on the text, and tables of written vectors made so far.
pub(super) struct Parts<'a> {
    model: &'a Model,
    dictionaries: &'a [Autoencoder<'a>],
    pub(super) listed: Vec<Listed>,
    pub(super) hooks: Vec<HookPoint>,
    pub(super) latents: Vec<Latents>,
    tokens: Vec<TokenId>,
    values: Values,
    tables: BTreeMap<Source, Table>,
    path: Option<(Layer, AttentionPath)>,
}

impl<'a> Parts<'a> {
    pub(super) fn read(
        model: &'a Model,
        (dictionaries, listed): (&'a [Autoencoder<'a>], &[Listed]),
        tokens: &[TokenId],
        at: usize,
    ) -> Result<Self> {
        let hooks: Vec<HookPoint> = listed.iter().map(|listed| listed.hook).collect();
        let top = hooks[0];
        let is_below = |hook: &HookPoint| *hook <= top;
        let parts = [Site::Z, Site::AttnOut, Site::MlpOut];
        let layers = 0..model.config().layers;
        let written = layers.flat_map(|l| parts.map(|site| HookPoint::block(l, site)));
        let z: Vec<Layer> = hooks
            .iter()
            .copied()
            .filter(is_below)
            .filter(|h| h.is_z())
            .filter_map(HookPoint::layer)
            .collect();
        let scales = z.iter().map(|l| HookPoint::Block(*l, Site::Ln1Scale));
        let first = [HookPoint::Embed, HookPoint::block(0, Site::ResidPre)];
        let wanted: BTreeSet<HookPoint> = written
            .chain(hooks.iter().copied())
            .filter(is_below)
            .chain(scales)
            .chain(first)
            .collect();
        let wanted: Vec<HookPoint> = wanted.into_iter().collect();
        let values = Values::read(model, (tokens, at + 1), &wanted, &z)?;
        let latents = hooks.iter().zip(dictionaries).map(|(hook, sae)| {
            if is_below(hook) {
                sae.encode(values.at(*hook)?)
            } else {
                Ok(Latents::empty(at + 1))
            }
        });
        Ok(Self {
            latents: latents.collect::<Result<_>>()?,
            model,
            dictionaries,
            listed: listed.to_vec(),
            hooks,
            tokens: tokens[..=at].to_vec(),
            values,
            tables: BTreeMap::new(),
            path: None,
        })
    }

    fn coded(&self, index: usize) -> Coded<'_> {
        Coded {
            index,
            sae: self.dictionaries[index],
            latents: &self.latents[index],
        }
    }

    /// Index of the dictionary that reads one of `hooks`, if it lies below the explained feature.
    fn dictionary_at(&self, hooks: &[HookPoint]) -> Option<usize> {
        let is_read = |hook: &HookPoint| hooks.contains(hook) && *hook <= self.hooks[0];
        self.hooks.iter().position(is_read)
    }

    /// Reads the weights of attention in `layer`.
    fn path(&mut self, layer: Layer) -> Result<&AttentionPath> {
        let path = match self.path.take() {
            Some((of, path)) if of == layer => path,
            _ => self.model.attention_path(layer)?,
        };
        Ok(&self.path.insert((layer, path)).1)
    }

    /// Lists the sources of the residual stream that enters attention of `layer`: its dictionary, or all parts below.
    fn entering(&self, layer: Layer) -> Vec<Source> {
        let mut hooks = vec![HookPoint::Block(layer, Site::ResidPre)];
        if let Some(before) = layer.index().checked_sub(1) {
            hooks.push(HookPoint::block(before, Site::ResidPost));
        }
        match self.dictionary_at(&hooks) {
            Some(dictionary) => vec![Source::Stream(dictionary)],
            None => self.parts_before(HookPoint::Block(layer, Site::ResidPre)),
        }
    }

    /// Lists what writes into the residual stream before `hook`.
    fn parts_before(&self, hook: HookPoint) -> Vec<Source> {
        let mut sources = vec![Source::Embedding];
        if self.model.check_hook(HookPoint::PosEmbed).is_ok() {
            sources.push(Source::Position);
        }
        for layer in (0..self.model.config().layers).map(Layer::from) {
            if HookPoint::Block(layer, Site::AttnOut) < hook {
                sources.push(Source::Attention(layer, false));
            }
            if HookPoint::Block(layer, Site::MlpOut) < hook {
                sources.push(Source::Mlp(layer, false));
            }
        }
        sources
    }

    /// Makes the tables of `sources` that are missing.
    fn prepare(&mut self, sources: &[Source]) -> Result<()> {
        for source in sources {
            if !self.tables.contains_key(source) {
                let table = self.table(*source)?;
                let held: usize = self.tables.values().map(Table::bytes).sum();
                check_held(held + table.bytes())?;
                self.tables.insert(*source, table);
            }
        }
        Ok(())
    }

    fn table(&mut self, source: Source) -> Result<Table> {
        match source {
            Source::Embedding => written::embeddings(&self.values, &self.tokens),
            Source::Position => written::positions(&self.values),
            Source::Stream(i) => self.coded(i).table(self.values.at(self.hooks[i])?),
            Source::Mlp(layer, is_own) => {
                let hook = HookPoint::Block(layer, Site::MlpOut);
                let out = self.values.at(hook)?;
                match self.dictionary_at(&[hook]).filter(|_| !is_own) {
                    Some(i) => self.coded(i).table(out),
                    None => Ok(Table::of_one(out, |_| Kind::Mlp(layer))),
                }
            }
            Source::Attention(layer, is_own) => self.attention(layer, is_own),
        }
    }

    fn attention(&mut self, layer: Layer, is_own: bool) -> Result<Table> {
        let [z, out] = [Site::Z, Site::AttnOut].map(|site| HookPoint::Block(layer, site));
        self.path(layer)?;
        let Some((_, path)) = &self.path else {
            return Err(Error::hook(z, "its weights were not read"));
        };
        let attention = Attention {
            layer,
            path,
            z: self.values.at(z)?,
            out: self.values.at(out)?,
            heads: self.model.config().heads,
        };
        if let Some(i) = self.dictionary_at(&[z]) {
            return attention.by_feature(self.coded(i));
        }
        match self.dictionary_at(&[out]).filter(|_| !is_own) {
            Some(i) => self.coded(i).table(attention.out),
            None => attention.by_head(),
        }
    }

    /// Computes the pre-activation of `feature` of dictionary `index` at token `at` as the dictionary does.
    pub(super) fn value(&self, index: usize, feature: FeatureId, at: usize) -> Result<f64> {
        let sae = self.dictionaries[index];
        let x = self.values.at(self.hooks[index])?.row(at).to_vec();
        let x = Matrix::new(1, sae.width(), x)?;
        Ok(f64::from(sae.pre_activations(&x, &[feature])?.row(0)[0]))
    }

    /// Writes out the pre-activation of `feature` of dictionary `index` at token `at`.
    pub(super) fn sum(&mut self, index: usize, feature: FeatureId, at: usize) -> Result<Sum> {
        let (hook, sae) = (self.hooks[index], self.dictionaries[index]);
        let x = self.values.at(hook)?.row(at);
        let along = sae.input_norm.direction(x, sae.w_enc.row(feature.index()));
        let along: Vec<f64> = along.iter().map(|w| f64::from(*w)).collect();
        let (decoder, encoder) = sae.bias_terms(feature);
        let mut sum = Sum::default();
        sum.bias(BiasKind::Encoder, encoder - decoder);
        let (Some(layer), Some(site)) = (hook.layer(), hook.site()) else {
            return Ok(sum);
        };
        match site {
            Site::Z => self.through_values(layer, &along, at, &mut sum)?,
            Site::AttnOut => self.here(&[Source::Attention(layer, true)], &along, at, &mut sum)?,
            Site::MlpOut => self.here(&[Source::Mlp(layer, true)], &along, at, &mut sum)?,
            _ => {
                let sources = self.parts_before(hook);
                self.here(&sources, &along, at, &mut sum)?;
            }
        }
        Ok(sum)
    }

    /// Adds the terms of `sources` at the token itself.
    fn here(&mut self, sources: &[Source], along: &[f64], at: usize, sum: &mut Sum) -> Result<()> {
        self.prepare(sources)?;
        for source in sources {
            sum.add(at, self.tables[source].products(at, along));
        }
        Ok(())
    }

    /// Adds the terms of every source token's residual stream, read through values and pattern: `Σ_h A_h[at, s] · W_V^h · w_h`, then the norm before attention.
    fn through_values(
        &mut self,
        layer: Layer,
        along: &[f64],
        at: usize,
        sum: &mut Sum,
    ) -> Result<()> {
        let sources = self.entering(layer);
        self.prepare(&sources)?;
        self.path(layer)?;
        let Some((_, path)) = &self.path else {
            return Ok(());
        };
        let config = self.model.config();
        let readers = readers(path, along, (config.heads, config.kv_heads));
        let scales = self.values.at(HookPoint::Block(layer, Site::Ln1Scale))?;
        let patterns: Vec<&[f32]> = (0..config.heads)
            .map(|head| self.values.pattern(layer, Head::from(head), at))
            .collect::<Result<_>>()?;
        let by_source = (0..=at).into_par_iter().map(|source| {
            let mut direction = vec![0.0; config.d_model];
            let mut value_bias = 0.0;
            for (reader, pattern) in readers.iter().zip(&patterns) {
                let weight = f64::from(pattern[source]);
                for (d, r) in direction.iter_mut().zip(&reader.direction) {
                    *d += weight * r;
                }
                value_bias += weight * reader.bias;
            }
            let scale = f64::from(scales.row(source)[0]);
            let norm_bias = path.norm.pull_back(&mut direction, scale);
            let products = sources.iter().flat_map(|from| {
                let table = &self.tables[from];
                table.products(source, &direction)
            });
            (products.collect::<Vec<_>>(), value_bias, norm_bias)
        });
        let by_source: Vec<_> = by_source.collect();
        for (source, (products, value_bias, norm_bias)) in by_source.into_iter().enumerate() {
            sum.add(source, products.into_iter());
            sum.bias(BiasKind::Value(layer), value_bias);
            sum.bias(BiasKind::Norm(layer), norm_bias);
        }
        Ok(())
    }
}

/// Direction in the normed residual stream that a head's slice of the encoder reads through `W_V`, and what it reads of the value bias.
struct HeadReader {
    direction: Vec<f64>,
    bias: f64,
}

/// Takes the slices of `along [h·e]` through the values. Head `h` reads the values of key/value head `h / (heads / kv_heads)`.
fn readers(
    path: &AttentionPath,
    along: &[f64],
    (heads, kv_heads): (usize, usize),
) -> Vec<HeadReader> {
    let e = along.len() / heads;
    let group = heads / kv_heads;
    let reader = |head: usize| {
        let first = head / group * e;
        let slice = &along[head * e..(head + 1) * e];
        let mut direction = vec![0.0; path.w_v.columns()];
        for (i, w) in slice.iter().enumerate() {
            add(&mut direction, *w, path.w_v.row(first + i));
        }
        let bias = path.b_v.as_ref();
        let bias = bias.map_or(0.0, |bias| dot(slice, &bias[first..first + e]));
        HeadReader { direction, bias }
    };
    (0..heads).into_par_iter().map(reader).collect()
}

/// Sum of one feature's pre-activation.
#[derive(Debug, Default)]
pub(super) struct Sum {
    pub(super) terms: Vec<(Kind, usize, f64)>,
    pub(super) biases: BTreeMap<BiasKind, f64>,
}

impl Sum {
    fn add(&mut self, at: usize, products: impl Iterator<Item = (Term, f64)>) {
        for (term, product) in products {
            match term {
                Term::Bias(kind) => self.bias(kind, product),
                Term::Node(kind) if product != 0.0 => self.terms.push((kind, at, product)),
                Term::Node(_) => {}
            }
        }
    }

    fn bias(&mut self, kind: BiasKind, part: f64) {
        if part != 0.0 {
            *self.biases.entry(kind).or_insert(0.0) += part;
        }
    }
}
