//! The graph in the form that circuit-tracer's viewer opens, and the ids that it gives to nodes.
//!
//! Source: circuit-tracer `frontend/graph_models.py` (`Metadata`, `QParams`, `Node`, `Link`, `Model`), `utils/create_graph_files.py`, `graph.py` (influence),
//! `frontend/assets/attribution_graph/util-cg.js` (what the viewer reads).
//!
//! The viewer has one layer for each block and four kinds of nodes. Here block l has two: 2l for features, errors and heads of attention, and 2l + 1 for those of the
//! residual stream and for MLPs. Features are of the kind `cross layer transcoder`, tokens of the kind `embedding`; everything else that has no feature (errors,
//! MLPs, heads, position embeddings) is of the kind `mlp reconstruction error`, whose label the viewer takes from `clerp`. A link's weight is the contribution.
//! `influence` is a cumulative share as in the viewer: nodes sorted by influence, the sum up to and including the node over the sum of all.

use std::path::Path;

use serde_json::{Value, json};

use super::graph::{Circuit, Kind, Listed, Node};
use crate::error::Result;
use crate::features::cantor;
use crate::ids::{FeatureId, Layer};
use crate::whole_file;

/// Version of the viewer's schema.
const SCHEMA_VERSION: u32 = 1;

/// Last layer that the viewer draws in a graph without output tokens.
const DRAWN: usize = 26;

/// Returns a feature's label, if a person gave one.
pub type Naming<'a> = &'a dyn Fn(&Listed, FeatureId) -> Option<String>;

/// Returns the node's place in the viewer: layer, number within the layer (negative for what has no feature), position.
fn place(dictionaries: &[Listed], kind: Kind) -> (String, i64) {
    let attention = |layer: Layer| (2 * layer.index()).to_string();
    let rest = |layer: Layer| (2 * layer.index() + 1).to_string();
    match kind {
        Kind::Feature(i, feature) => {
            let number = before(dictionaries, i).1 + feature.index();
            (dictionaries[i].viewer_layer().to_string(), number as i64)
        }
        Kind::Error(i) => {
            let number = match before(dictionaries, i).0 {
                0 => -1,
                others => -1000 - others as i64,
            };
            (dictionaries[i].viewer_layer().to_string(), number)
        }
        Kind::Mlp(layer) => (rest(layer), -2),
        Kind::Head(layer, head) => (attention(layer), -10 - i64::from(head.0)),
        Kind::Embedding(token) => ("E".to_owned(), i64::from(token.0)),
        Kind::Position => ("E".to_owned(), -1),
    }
}

/// Number of dictionaries before `index` that share its layer in the viewer, and of their features. Features of later ones are counted on from there.
fn before(dictionaries: &[Listed], index: usize) -> (usize, usize) {
    let layer = dictionaries[index].viewer_layer();
    let sharing = dictionaries[..index]
        .iter()
        .filter(|other| other.viewer_layer() == layer);
    (sharing.clone().count(), sharing.map(|d| d.features).sum())
}

/// Returns the id of a node at position `at`: `layer_feature_position`, with `E` for embeddings and negative numbers for what has no feature.
pub(super) fn id(dictionaries: &[Listed], kind: Kind, at: usize) -> String {
    let (layer, number) = place(dictionaries, kind);
    format!("{layer}_{number}_{at}")
}

/// Replaces line breaks and tabs by signs, as the viewer has tokens.
fn token(text: &str) -> String {
    text.replace('\n', "⏎")
        .replace('\t', "→")
        .replace('\r', "↵")
}

/// Computes each node's cumulative share of influence; 0 for the explained feature, which is always shown.
fn cumulative(circuit: &Circuit) -> Vec<f64> {
    let mut order: Vec<usize> = (1..circuit.nodes.len()).collect();
    let influence = |i: &usize| circuit.nodes[*i].influence;
    order.sort_by(|a, b| influence(b).total_cmp(&influence(a)).then(a.cmp(b)));
    let total: f64 = order.iter().map(influence).sum();
    let mut shares = vec![0.0; circuit.nodes.len()];
    let mut sum = 0.0;
    for i in order {
        sum += circuit.nodes[i].influence;
        shares[i] = if total > 0.0 { sum / total } else { 0.0 };
    }
    shares
}

/// Returns `circuit` in the viewer's schema, under the name `slug`.
pub fn viewer_graph(circuit: &Circuit, slug: &str, naming: Naming<'_>) -> Value {
    let shares = cumulative(circuit);
    let nodes = circuit.nodes.iter().zip(&shares);
    let mut nodes: Vec<Value> = nodes
        .map(|(node, share)| of_node(circuit, node, *share, naming))
        .collect();
    nodes.extend(output(circuit));
    let links = circuit.links().map(|(parent, child)| {
        json!({
            "source": circuit.nodes[child.node].id,
            "target": circuit.nodes[parent].id,
            "weight": child.contribution,
        })
    });
    json!({
        "metadata": {
            "slug": slug,
            "scan": format!("custom-{slug}"),
            "transcoder_list": transcoders(circuit),
            "prompt_tokens": circuit.texts.iter().map(|text| token(text)).collect::<Vec<_>>(),
            "prompt": circuit.text,
            "node_threshold": circuit.settings.threshold,
            "schema_version": SCHEMA_VERSION,
        },
        "qParams": {
            "linkType": "both",
            "pinnedIds": [circuit.root().id],
            "clickedId": circuit.root().id,
            "supernodes": [],
            "sg_pos": "",
        },
        "nodes": nodes,
        "links": links.collect::<Vec<_>>(),
    })
}

/// Names the dictionary of each of the viewer's layers; empty where there is none.
fn transcoders(circuit: &Circuit) -> Vec<String> {
    let name = |layer: usize| {
        let of_layer = |listed: &&Listed| listed.viewer_layer() == layer;
        let listed = circuit.dictionaries.iter().find(of_layer);
        listed.map_or_else(String::new, |listed| listed.name.clone())
    };
    (0..2 * circuit.layers).map(name).collect()
}

fn of_node(circuit: &Circuit, node: &Node, share: f64, naming: Naming<'_>) -> Value {
    let (layer, number) = place(&circuit.dictionaries, node.kind);
    let (feature, kind, last) = match node.kind {
        Kind::Feature(i, _) => {
            let layer = circuit.dictionaries[i].viewer_layer() as u32;
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            (json!(cantor(layer, number)), "cross layer transcoder", 0)
        }
        Kind::Embedding(_) => (json!(node.at), "embedding", node.at),
        _ => (json!(number), "mlp reconstruction error", node.at),
    };
    let label = match node.kind {
        Kind::Feature(i, feature) => naming(&circuit.dictionaries[i], feature),
        _ => None,
    };
    json!({
        "node_id": node.id,
        "feature": feature,
        "layer": layer,
        "ctx_idx": node.at,
        "feature_type": kind,
        "token_prob": 0.0,
        "is_target_logit": false,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": format!("{layer}_{number}-{last}"),
        "clerp": label.unwrap_or_else(|| circuit.name(node)),
        "influence": share,
        "activation": node.activation,
    })
}

/// Returns the likeliest next token as an output without links, where the graph reaches layers that the viewer draws only below an output.
fn output(circuit: &Circuit) -> Option<Value> {
    let next = circuit.next.as_ref()?;
    let top = circuit.dictionaries[0].viewer_layer();
    if top <= DRAWN {
        return None;
    }
    let (id, at, layer) = (next.id, circuit.root().at, top + 1);
    Some(json!({
        "node_id": format!("{layer}_{id}_{at}"),
        "feature": id.0,
        "layer": layer.to_string(),
        "ctx_idx": at,
        "feature_type": "logit",
        "token_prob": next.probability,
        "is_target_logit": false,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": format!("L_{id}-{at}"),
        "clerp": format!("Output \"{}\" (p={:.3})", token(&next.text), next.probability),
        "influence": null,
        "activation": null,
    }))
}

/// Whether the viewer draws nodes of `listed` only below an output token.
pub(super) fn needs_output(listed: &Listed) -> bool {
    listed.viewer_layer() > DRAWN
}

impl Circuit {
    /// Writes the graph in the viewer's schema to `path`, whole or not at all. The viewer finds it under the file's name without its extension.
    pub fn save(&self, path: &Path, naming: Naming<'_>) -> Result<()> {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy());
        let slug = stem.as_deref().unwrap_or("graph");
        let graph = viewer_graph(self, slug, naming);
        let mut text = format!("{graph:#}");
        text.push('\n');
        whole_file::write_bytes(path, text.as_bytes())
    }
}
