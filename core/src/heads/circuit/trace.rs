//! The search: writes out the sum of one feature after the other, from the last hook to the first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Child, Circuit, Kind, Listed, Node, Settings, set_terminal_values};
use super::parts::Parts;
use super::viewer;
use crate::error::{Error, Result};
use crate::fit::Fit;
use crate::ids::{FeatureId, HookPoint, Site, TokenId};
use crate::models::Model;
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
        Input::Tokens { .. } | Input::Chat(_) => model.codec().decode(&tokens),
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
    sae.check_reads_activations()?;
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
