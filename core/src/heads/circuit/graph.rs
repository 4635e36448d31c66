//! The graph as plain data: nodes, contributions, and the same graph at a higher threshold.

use crate::error::{Error, Result};
use crate::ids::{FeatureId, Head, HookPoint, Layer, Site, TokenId};
use crate::prompt::NextToken;

/// Limits on a trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Least share of the explained feature's influence that a contribution must carry to be kept, 0 to 1.
    pub threshold: f64,
    /// Number of steps from the explained feature that are expanded; 1 shows its own children alone.
    pub depth: usize,
    /// Most nodes.
    pub most: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threshold: 0.005,
            depth: 4,
            most: 300,
        }
    }
}

impl Settings {
    /// Checks that the threshold is a share and that there is room for one step.
    pub(super) fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.threshold) {
            let what = format!("{} is no share, choose 0 to 1", self.threshold);
            return Err(Error::setting("threshold", what));
        }
        if self.depth == 0 || self.most < 2 {
            let what = "a trace needs at least one step and two nodes";
            return Err(Error::setting(
                if self.depth == 0 { "depth" } else { "most" },
                what,
            ));
        }
        Ok(())
    }
}

/// Dictionary of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Displayed name.
    pub name: String,
    /// Hook that it reads and reconstructs.
    pub hook: HookPoint,
    /// Number of features.
    pub features: usize,
}

impl Listed {
    /// Returns the layer of its features in circuit-tracer's viewer: 2l for what attention computes, 2l + 1 for the residual stream and MLPs.
    pub fn viewer_layer(&self) -> usize {
        match self.hook {
            HookPoint::Block(layer, Site::Z | Site::AttnOut) => 2 * layer.index(),
            HookPoint::Block(layer, _) => 2 * layer.index() + 1,
            _ => 0,
        }
    }
}

/// Kind of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Feature of the dictionary with this index.
    Feature(usize, FeatureId),
    /// Part of a value that the dictionary with this index does not reconstruct.
    Error(usize),
    /// Output of an MLP.
    Mlp(Layer),
    /// Output of a head where its layer has no dictionary.
    Head(Layer, Head),
    /// Embedding of a token.
    Embedding(TokenId),
    /// Position embedding.
    Position,
}

impl Kind {
    /// Returns one word for the kind, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Feature(..) => "feature",
            Self::Error(_) => "error",
            Self::Mlp(_) => "mlp",
            Self::Head(..) => "head",
            Self::Embedding(_) => "embedding",
            Self::Position => "position",
        }
    }
}

/// Origin of a part of a node's bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BiasKind {
    /// `b_enc − w_enc · b_dec` of the node's own dictionary.
    Encoder,
    /// Values' bias, `b_V`, of a layer.
    Value(Layer),
    /// β of a norm before attention or behind it.
    Norm(Layer),
    /// Output bias of attention, `b_O`, of a layer.
    Output(Layer),
    /// `b_dec` of the dictionary with this index, where it splits a value.
    Dictionary(usize),
}

/// Contribution of a node to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Child {
    /// Index of the contributing node in [`Circuit::nodes`].
    pub node: usize,
    /// Part of the parent's value.
    pub contribution: f64,
}

/// Node of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// `layer_feature_position` as in circuit-tracer's viewer; unique in the graph.
    pub id: String,
    /// Kind.
    pub kind: Kind,
    /// Position of its token.
    pub at: usize,
    /// Pre-activation of a feature; for other kinds the sum of contributions to the nodes shown.
    pub value: f64,
    /// Activation of a feature.
    pub activation: Option<f64>,
    /// Whether its sum was written out. A feature that was not expanded has all of its value in `discarded`.
    pub expanded: bool,
    /// Sum of the parts that come from biases; the value of a node that has no sum.
    pub bias: f64,
    /// These parts by origin, for an expanded feature.
    pub biases: Vec<(BiasKind, f64)>,
    /// Sum of the contributions that are not among the children.
    pub discarded: f64,
    /// Number of these contributions.
    pub discarded_terms: usize,
    /// Sum of the sizes of all contributions, kept or not.
    pub mass: f64,
    /// Contributions that were kept, largest in size first.
    pub children: Vec<Child>,
    /// Fewest steps from the explained feature.
    pub depth: usize,
    /// Share of the explained feature that passes through it; 1 for that feature itself.
    pub influence: f64,
}

impl Node {
    /// Sums the contributions of its children.
    pub fn explained(&self) -> f64 {
        self.children.iter().map(|child| child.contribution).sum()
    }

    /// Computes children + bias + discarded − value: 0 up to rounding.
    pub fn residue(&self) -> f64 {
        self.explained() + self.bias + self.discarded - self.value
    }

    /// Bound on [`Node::residue`] by rounding: model and dictionary compute in f32, with sums of up to a few thousand terms, hence 1e-5 of the sum of sizes.
    pub fn tolerance(&self) -> f64 {
        let biases: f64 = self.biases.iter().map(|(_, part)| part.abs()).sum();
        1e-5 * (self.mass + biases + self.value.abs())
    }

    /// Whether its parts sum to its value.
    pub fn sums_up(&self) -> bool {
        self.residue().abs() <= self.tolerance()
    }

    /// Share of the sizes of its contributions that is not among its children, 0 to 1.
    pub fn discarded_share(&self) -> f64 {
        if !self.expanded && matches!(self.kind, Kind::Feature(..)) {
            return 1.0;
        }
        let kept: f64 = self.children.iter().map(|c| c.contribution.abs()).sum();
        if self.mass > 0.0 {
            (1.0 - kept / self.mass).max(0.0)
        } else {
            0.0
        }
    }
}

/// A traced feature: a graph without circles whose first node is the feature itself, each node before those that contribute to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Circuit {
    /// Tokens of the text, BOS included.
    pub tokens: Vec<TokenId>,
    /// Their display forms.
    pub texts: Vec<String>,
    /// Text, as it was given or as the tokens spell it.
    pub text: String,
    /// Name of the model.
    pub model: String,
    /// Blocks of the model.
    pub layers: usize,
    /// Dictionaries, that of the explained feature first.
    pub dictionaries: Vec<Listed>,
    /// Limits that it was traced with.
    pub settings: Settings,
    /// Nodes; the first is the explained feature.
    pub nodes: Vec<Node>,
    /// Likeliest next token at the explained token, where circuit-tracer's viewer needs an output to draw a model of this depth.
    pub next: Option<NextToken>,
    /// Largest [`Node::residue`] in size over all nodes.
    pub largest_residue: f64,
}

impl Circuit {
    /// Returns the explained feature's node.
    pub fn root(&self) -> &Node {
        &self.nodes[0]
    }

    /// Whether the parts of every node sum to its value.
    pub fn sums_up(&self) -> bool {
        self.nodes.iter().all(Node::sums_up)
    }

    /// Lists pairs of parent and child with their contributions, by parent.
    pub fn links(&self) -> impl Iterator<Item = (usize, Child)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.flat_map(|(parent, node)| node.children.iter().map(move |child| (parent, *child)))
    }

    /// Returns the graph that a higher threshold would have kept: contributions below it go to `discarded`, and nodes that nothing leads to any more are left out.
    #[must_use]
    pub fn pruned(&self, threshold: f64) -> Self {
        let mut influence = vec![0.0; self.nodes.len()];
        let mut depth = vec![usize::MAX; self.nodes.len()];
        let mut kept = self.nodes.clone();
        (influence[0], depth[0]) = (1.0, 0);
        for (i, node) in kept.iter_mut().enumerate() {
            (node.influence, node.depth) = (influence[i], depth[i]);
            let is_reached = depth[i] != usize::MAX;
            let mass = if node.mass > 0.0 { node.mass } else { 1.0 };
            let (mut dropped, mut terms) = (0.0, 0);
            node.children.retain(|child| {
                let passed = influence[i] * child.contribution.abs() / mass;
                let stays = is_reached && passed >= threshold;
                if stays {
                    influence[child.node] += passed;
                    depth[child.node] = depth[child.node].min(depth[i] + 1);
                } else {
                    dropped += child.contribution;
                    terms += 1;
                }
                stays
            });
            node.discarded += dropped;
            node.discarded_terms += terms;
        }
        let mut at = 0;
        let places: Vec<usize> = depth
            .iter()
            .map(|depth| {
                let place = at;
                at += usize::from(*depth != usize::MAX);
                place
            })
            .collect();
        let mut number = 0;
        kept.retain(|_| {
            number += 1;
            depth[number - 1] != usize::MAX
        });
        for node in &mut kept {
            for child in &mut node.children {
                child.node = places[child.node];
            }
        }
        set_terminal_values(&mut kept);
        Self {
            nodes: kept,
            settings: Settings {
                threshold: threshold.max(self.settings.threshold),
                ..self.settings
            },
            ..self.clone_without_nodes()
        }
    }

    fn clone_without_nodes(&self) -> Self {
        Self {
            tokens: self.tokens.clone(),
            texts: self.texts.clone(),
            text: self.text.clone(),
            model: self.model.clone(),
            dictionaries: self.dictionaries.clone(),
            nodes: Vec::new(),
            next: self.next.clone(),
            ..*self
        }
    }

    /// Describes a node in one phrase, with the dictionary's name for features and errors.
    pub fn name(&self, node: &Node) -> String {
        let dictionary = |i: usize| self.dictionaries[i].name.as_str();
        match node.kind {
            Kind::Feature(i, feature) => format!("{} {feature}", dictionary(i)),
            Kind::Error(i) => format!("Error of {}", dictionary(i)),
            Kind::Mlp(layer) => format!("MLP {layer}"),
            Kind::Head(layer, head) => format!("L{layer}H{head}"),
            Kind::Embedding(_) => format!("Embedding of {:?}", self.texts[node.at]),
            Kind::Position => format!("Position {}", node.at),
        }
    }

    /// Describes the origin of a part of a bias.
    pub fn bias_name(&self, kind: BiasKind) -> String {
        match kind {
            BiasKind::Encoder => "Encoder's bias".to_owned(),
            BiasKind::Value(layer) => format!("Value bias of layer {layer}"),
            BiasKind::Norm(layer) => format!("Norm bias of layer {layer}"),
            BiasKind::Output(layer) => format!("Output bias of layer {layer}"),
            BiasKind::Dictionary(i) => format!("Decoder bias of {}", self.dictionaries[i].name),
        }
    }
}

/// Sets value and bias of nodes that have no sum to what they contribute to the nodes shown.
pub(super) fn set_terminal_values(nodes: &mut [Node]) {
    let mut sums = vec![0.0; nodes.len()];
    for node in nodes.iter() {
        for child in &node.children {
            sums[child.node] += child.contribution;
        }
    }
    for (node, sum) in nodes.iter_mut().zip(sums) {
        if !matches!(node.kind, Kind::Feature(..)) {
            (node.value, node.bias) = (sum, sum);
        }
    }
}
