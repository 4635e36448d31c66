//! Recursive attribution: traces a feature at one token back through attention and the residual stream to the features, embeddings, MLPs and errors that make it up.
//!
//! Direct attribution (Kissane et al. 2024, arXiv 2406.17759) writes the pre-activation of an attention feature as a sum over heads and source tokens. With
//! patterns held fixed the map from the residual stream of a source to the feature is affine, so that the sum goes on: each source's stream is a sum of
//! features or of what earlier blocks wrote, and each of these features has such a sum of its own.
//!
//! # What is held fixed
//! Attention patterns; the scale σ of every norm on the way (before attention, and behind it in Gemma); the scale of a dictionary that normalises its input; and
//! which features of each dictionary are active. Nothing else is approximated, so that at each expanded node
//!
//! `value = Σ contributions of children + bias + discarded`,
//!
//! where `value` is the pre-activation `(x − b_dec) · w_enc + b_enc` as the dictionary computes it. The identity holds up to rounding ([`Node::tolerance`]).
//!
//! # What a node is made of
//! | node reads | its children |
//! |---|---|
//! | `attn.hook_z` of layer l | the residual stream that enters l, at every source token, through the pattern and `W_V` of each head |
//! | `hook_attn_out` of layer l | what attention of layer l writes at its token |
//! | `hook_mlp_out` of layer l | the MLP of layer l at its token, which ends the trace |
//! | `hook_resid_pre`, `hook_resid_mid`, `hook_resid_post` | embedding, position embedding, and attention and MLP of every block before, at its token |
//!
//! A residual stream that is read through `W_V` is split by a dictionary of that very place if one is given, otherwise like the last row. What attention
//! writes is split by the layer's dictionary of `attn.hook_z`, else of `hook_attn_out`, else by head; what an MLP writes by a dictionary of `hook_mlp_out`, else it
//! is one node. A dictionary splits a value into its active features (activation times decoder row), its bias and its error. MLPs, heads, errors, embeddings and
//! position embeddings have no children; biases of dictionaries, values, outputs and norms are summed in `bias` and listed by kind.
//!
//! # What is kept
//! The feature that is explained has influence 1. A node hands its influence on in proportion to the size of contributions: a child gets
//! `|contribution| / Σ |contributions|` of it, where the sum runs over all contributions, biases not counted. A contribution is kept if its part of the influence
//! is at least [`Settings::threshold`], so that a path counts by the product of its shares. The rest is summed in `discarded`. Nodes are expanded from the last hook
//! to the first, later tokens first, so that everything that leads to a node is known before it is expanded; a node reached in two ways is one node.

mod graph;
mod parts;
#[cfg(test)]
mod tests;
mod trace;
mod values;
mod viewer;
mod written;

pub use self::graph::{BiasKind, Child, Circuit, Kind, Listed, Node, Settings};
pub use self::viewer::{Naming, viewer_graph};

use crate::error::Result;
use crate::ids::{FeatureId, HookPoint};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::prompt::Input;
use crate::sae::{Autoencoder, Sae};

/// Definitions of a node's figures, by key.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "value",
        "pre-activation of the feature as its dictionary computes it; for a node without children the sum of its contributions to the nodes shown",
    ),
    (
        "activation",
        "activation of the feature after selection; 0 where it is not active",
    ),
    (
        "contribution",
        "part of the parent's value: activation of the child times its decoder row, along the parent's direction; attention patterns and norm scales are held fixed",
    ),
    (
        "bias",
        "part of the value that comes from biases of dictionaries, values, outputs and norms; a node without children is its own source, so its bias is its value",
    ),
    (
        "discarded",
        "sum of the contributions that are not shown because they are below the threshold or beyond the limit on nodes; all of the value where a feature is not expanded",
    ),
    (
        "influence",
        "share of the explained feature that passes through the node: products of |contribution| / Σ |contributions| along paths, summed over paths",
    ),
];

/// Checks that a trace in `model` can follow the features of `sae`, and returns the hook that it reads.
///
/// # Errors
/// A dictionary that does not fit the model, is no autoencoder, reads another hook than those of the table above, or reads a single head.
pub fn check(model: &Model, sae: &Sae) -> Result<HookPoint> {
    trace::check(model, sae)
}

/// Traces `feature` of the first of `dictionaries` at position `at` of a text (BOS first, if the model has one) or of tokens, cut to the model's context.
///
/// Dictionaries of later hooks are not used. `observe` is asked before each expansion whether to go on, and hears the nodes expanded of the nodes known.
///
/// # Errors
/// A dictionary that [`check`] rejects; two dictionaries of one hook; a feature or position that does not exist; a text whose terms need more than 1 GiB.
pub fn trace(
    model: &Model,
    dictionaries: &[Autoencoder<'_>],
    input: &Input,
    (feature, at): (FeatureId, usize),
    settings: &Settings,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Circuit>> {
    trace::trace(model, dictionaries, input, (feature, at), settings, observe)
}
