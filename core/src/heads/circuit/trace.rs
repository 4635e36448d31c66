//! The search: writes out the sum of one feature after the other, from the last hook to the first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::graph::{BiasKind, Child, Circuit, Kind, Listed, Node, Settings, set_terminal_values};
use super::values::{Values, check_held};
use super::viewer;
use super::written::{self, Attention, Coded, Table, Term, add, dot};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::fit::Fit;
use crate::ids::{FeatureId, Head, HookPoint, Layer, Site, TokenId};
use crate::latents::Latents;
use crate::models::{AttentionPath, Model};
use crate::progress::{Ended, Flow, Progress};
use crate::prompt::{self, Input, NextToken};
use crate::sae::{Autoencoder, Sae};

/// Traces a feature for [`super::trace`].
pub(super) fn trace(
    model: &Model,
    dictionaries: &[Autoencoder<'_>],
    input: &Input,
    (feature, at): (FeatureId, usize),
    settings: &Settings,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Circuit>> {
    settings.check()?;
    let model = &*input.reader(model)?;
    let (tokens, _) = input.tokens(model)?;
    let listed = list(model, dictionaries)?;
    check_target(dictionaries, &tokens, (feature, at))?;
    let parts = Parts::read(model, (dictionaries, &listed), &tokens, at)?;
    let mut search = Search::new(parts, *settings);
    search.start(feature, at);
    while let Some(rank) = search.queue.pop_first() {
        let known = search.nodes.len();
        let done = search.expanded;
        if observe(Progress::new(done, known, "nodes")).is_break() {
            return Ok(Ended::STOPPED);
        }
        search.expand(&rank)?;
    }
    let nodes = search.into_nodes();
    let text = match input {
        Input::Text(text) => text.clone(),
        Input::Tokens { .. } => model.codec().decode(&tokens),
    };
    let next = next(model, input, (&listed[0], at))?;
    Ok(Ended::Done(Circuit {
        next,
        texts: tokens.iter().map(|id| model.codec().display(*id)).collect(),
        tokens,
        text,
        model: model.name().to_owned(),
        layers: model.config().layers,
        dictionaries: listed,
        settings: *settings,
        largest_residue: nodes
            .iter()
            .map(|node| node.residue().abs())
            .fold(0.0, f64::max),
        nodes,
    }))
}

/// Returns the likeliest token after `at` where the viewer needs it to draw a graph of this depth.
fn next(model: &Model, input: &Input, (top, at): (&Listed, usize)) -> Result<Option<NextToken>> {
    if !viewer::needs_output(top) {
        return Ok(None);
    }
    let mut reading = prompt::read_without(model, input, 1)?;
    Ok(reading.next[at].pop())
}

/// Hooks of a block whose dictionaries a trace follows.
const SITES: [Site; 6] = [
    Site::Z,
    Site::AttnOut,
    Site::MlpOut,
    Site::ResidPre,
    Site::ResidMid,
    Site::ResidPost,
];

/// Checks a dictionary for [`super::check`].
pub(super) fn check(model: &Model, sae: &Sae) -> Result<HookPoint> {
    let hook = sae.autoencoder()?.hook()?;
    Fit::judge(model, sae).check(false)?;
    if !hook.site().is_some_and(|site| SITES.contains(&site)) {
        let names = SITES.map(Site::name).join(", ");
        let what = format!(
            "{} reads it, and a trace follows dictionaries of {names}",
            sae.name
        );
        return Err(Error::hook(hook, what));
    }
    if let Some(head) = sae.provenance.head {
        let what = format!(
            "{} reads only head {head}: choose a dictionary of all heads",
            sae.name
        );
        return Err(Error::hook(hook, what));
    }
    Ok(hook)
}

/// Lists the dictionaries; an error if one cannot take part.
fn list(model: &Model, dictionaries: &[Autoencoder<'_>]) -> Result<Vec<Listed>> {
    let mut listed: Vec<Listed> = Vec::new();
    for sae in dictionaries {
        let hook = check(model, sae)?;
        if let Some(other) = listed.iter().find(|other| other.hook == hook) {
            let what = format!("{} and {} both read it: choose one", other.name, sae.name);
            return Err(Error::hook(hook, what));
        }
        listed.push(Listed {
            name: sae.name.clone(),
            hook,
            features: sae.features(),
        });
    }
    Ok(listed)
}

fn check_target(
    dictionaries: &[Autoencoder<'_>],
    tokens: &[TokenId],
    (feature, at): (FeatureId, usize),
) -> Result<()> {
    let Some(sae) = dictionaries.first() else {
        let what = "there is none, give the dictionary of the feature";
        return Err(Error::setting("sae", what));
    };
    if feature.index() >= sae.features() {
        let what = format!(
            "{feature} is not in dictionary {}, which has features 0 to {}",
            sae.name,
            sae.features().saturating_sub(1)
        );
        return Err(Error::setting("feature", what));
    }
    if at >= tokens.len() {
        let what = format!(
            "{at} is outside the text, which has {} tokens counted from 0",
            tokens.len()
        );
        return Err(Error::setting("position", what));
    }
    Ok(())
}

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
struct Parts<'a> {
    model: &'a Model,
    dictionaries: &'a [Autoencoder<'a>],
    listed: Vec<Listed>,
    hooks: Vec<HookPoint>,
    latents: Vec<Latents>,
    tokens: Vec<TokenId>,
    values: Values,
    tables: BTreeMap<Source, Table>,
    path: Option<(Layer, AttentionPath)>,
}

impl<'a> Parts<'a> {
    fn read(
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
    fn value(&self, index: usize, feature: FeatureId, at: usize) -> Result<f64> {
        let sae = self.dictionaries[index];
        let x = self.values.at(self.hooks[index])?.row(at).to_vec();
        let x = Matrix::new(1, sae.width(), x)?;
        Ok(f64::from(sae.pre_activations(&x, &[feature])?.row(0)[0]))
    }

    /// Writes out the pre-activation of `feature` of dictionary `index` at token `at`.
    fn sum(&mut self, index: usize, feature: FeatureId, at: usize) -> Result<Sum> {
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
struct Sum {
    terms: Vec<(Kind, usize, f64)>,
    biases: BTreeMap<BiasKind, f64>,
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

/// Order of expansion: last hook first, then later tokens, then smaller features. Every feature that reads a node comes before it.
type Rank = (Reverse<HookPoint>, Reverse<usize>, FeatureId, usize);

struct Search<'a> {
    parts: Parts<'a>,
    settings: Settings,
    nodes: Vec<Node>,
    known: BTreeMap<(Kind, usize), usize>,
    queue: BTreeSet<Rank>,
    expanded: usize,
}

impl<'a> Search<'a> {
    fn new(parts: Parts<'a>, settings: Settings) -> Self {
        Self {
            parts,
            settings,
            nodes: Vec::new(),
            known: BTreeMap::new(),
            queue: BTreeSet::new(),
            expanded: 0,
        }
    }

    fn start(&mut self, feature: FeatureId, at: usize) {
        let root = self.node((Kind::Feature(0, feature), at), 0);
        self.nodes[root].influence = 1.0;
    }

    /// Makes a node that is not known yet, and queues it if it is a feature.
    fn node(&mut self, (kind, at): (Kind, usize), depth: usize) -> usize {
        let index = self.nodes.len();
        self.known.insert((kind, at), index);
        let activation = match kind {
            Kind::Feature(i, feature) => {
                let rank = (Reverse(self.parts.hooks[i]), Reverse(at), feature, i);
                self.queue.insert(rank);
                Some(f64::from(self.parts.latents[i].get(at, feature)))
            }
            _ => None,
        };
        self.nodes.push(Node {
            id: viewer::id(&self.parts.listed, kind, at),
            kind,
            at,
            value: 0.0,
            activation,
            expanded: false,
            bias: 0.0,
            biases: Vec::new(),
            discarded: 0.0,
            discarded_terms: 0,
            mass: 0.0,
            children: Vec::new(),
            depth,
            influence: 0.0,
        });
        index
    }

    fn expand(&mut self, (_, Reverse(at), feature, dictionary): &Rank) -> Result<()> {
        let index = self.known[&(Kind::Feature(*dictionary, *feature), *at)];
        self.expanded += 1;
        let value = self.parts.value(*dictionary, *feature, *at)?;
        let node = &mut self.nodes[index];
        node.value = value;
        let (depth, influence) = (node.depth, node.influence);
        if depth >= self.settings.depth {
            node.discarded = value;
            return Ok(());
        }
        let mut sum = self.parts.sum(*dictionary, *feature, *at)?;
        sum.terms.sort_by(|a, b| {
            b.2.abs()
                .total_cmp(&a.2.abs())
                .then((a.0, a.1).cmp(&(b.0, b.1)))
        });
        let mass: f64 = sum.terms.iter().map(|(.., part)| part.abs()).sum();
        let (mut children, mut discarded, mut left_out) = (Vec::new(), 0.0, 0);
        for (kind, source, contribution) in sum.terms {
            let passed = influence * contribution.abs() / mass;
            let known = self.known.get(&(kind, source)).copied();
            let has_room = known.is_some() || self.nodes.len() < self.settings.most;
            if passed < self.settings.threshold || !has_room {
                discarded += contribution;
                left_out += 1;
                continue;
            }
            let node = match known {
                Some(node) => node,
                None => self.node((kind, source), depth + 1),
            };
            let child = &mut self.nodes[node];
            child.influence += passed;
            child.depth = child.depth.min(depth + 1);
            children.push(Child { node, contribution });
        }
        let node = &mut self.nodes[index];
        node.expanded = true;
        node.bias = sum.biases.values().sum();
        node.biases = sum.biases.into_iter().collect();
        (node.discarded, node.discarded_terms) = (discarded, left_out);
        (node.mass, node.children) = (mass, children);
        Ok(())
    }

    /// Returns the nodes, each before those that contribute to it: features in the order of expansion, then the rest by kind and token.
    fn into_nodes(self) -> Vec<Node> {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        let hooks = &self.parts.hooks;
        let rank = |i: &usize| {
            let node = &self.nodes[*i];
            match node.kind {
                Kind::Feature(d, _) => (0, Reverse(Some(hooks[d])), Reverse(node.at), node.kind),
                _ => (1, Reverse(None), Reverse(node.at), node.kind),
            }
        };
        order.sort_by_key(rank);
        let mut places = vec![0; order.len()];
        for (place, index) in order.iter().enumerate() {
            places[*index] = place;
        }
        let mut nodes: Vec<Option<Node>> = self.nodes.into_iter().map(Some).collect();
        let mut sorted: Vec<Node> = order.iter().filter_map(|i| nodes[*i].take()).collect();
        for node in &mut sorted {
            for child in &mut node.children {
                child.node = places[child.node];
            }
        }
        set_terminal_values(&mut sorted);
        sorted
    }
}
