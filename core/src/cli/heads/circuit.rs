//! `umbra heads circuit`: the features, embeddings, MLPs and errors that make up a feature at one token, and the graph file for circuit-tracer's viewer.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::last;
use crate::cli::{Console, Exit, ModelArgs, ParentArg, SaeArgs, open_both};
use crate::error::Result;
use crate::heads::circuit::{Circuit, DEFINITIONS, Kind, Node, Settings};
use crate::ids::FeatureId;
use crate::progress::Ended;
use crate::prompt::Input;
use crate::sae::Sae;
use crate::whole_file;
use crate::workbench::circuit::Tracer;

/// Flags of `umbra heads circuit`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Dictionary of the feature; repeat for dictionaries of earlier hooks (attn.hook_z, hook_attn_out, hook_mlp_out, hook_resid_pre, hook_resid_mid,
    /// hook_resid_post), in whose features the trace goes on. Each is a folder, a file or a name on the hub, as for other commands
    #[arg(long, value_name = "PATH|NAME", required = true)]
    sae: Vec<PathBuf>,
    /// Text in which to trace the feature
    #[arg(long, value_name = "TEXT")]
    text: String,
    /// Feature of the first dictionary, counted from 0
    #[arg(long, value_name = "I")]
    feature: u32,
    /// Position of the token at which to trace, counted from 0 (BOS) [default: the last]
    #[arg(long, value_name = "P")]
    at: Option<usize>,
    /// Write the graph to this file in circuit-tracer's schema; its viewer finds it under the file's name without the extension
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Keep a contribution if it carries at least this share of the explained feature: the product of |contribution| / Σ |contributions| along its paths, 0 to 1
    #[arg(long, value_name = "X", default_value_t = Settings::default().threshold)]
    threshold: f64,
    /// Expand nodes fewer than this many steps from the feature
    #[arg(long, value_name = "N", default_value_t = Settings::default().depth)]
    depth: usize,
    /// Keep at most this many nodes
    #[arg(long, value_name = "N", default_value_t = Settings::default().most)]
    most: usize,
}

/// Runs `umbra heads circuit`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    if let Some(out) = &args.out {
        whole_file::check_regular(out)?;
    }
    let mut asked = args.sae.iter().map(|sae| SaeArgs {
        sae: sae.clone(),
        hook: None,
        parent: ParentArg::default(),
    });
    let Some(first) = asked.next() else {
        return Ok(Exit::Done);
    };
    let pair = open_both(&args.model, &first, console)?;
    let others = asked.map(|sae| sae.read(args.model.offline, console).map(Arc::new));
    let others: Vec<Arc<Sae>> = others.collect::<Result<_>>()?;
    let (tracer, notes) = Tracer::new(&pair, &others)?;
    console.notes(&notes);
    console.begun(pair.model.codec(), &args.text)?;
    let at = args.at.map_or_else(|| last(&pair.model, &args.text), Ok)?;
    let settings = Settings {
        threshold: args.threshold,
        depth: args.depth,
        most: args.most,
    };
    let input = Input::Text(args.text.clone());
    let target = (FeatureId(args.feature), at);
    let mut bar = console.bar("Tracing");
    let traced = tracer.trace(&input, target, &settings, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(circuit) = traced else {
        return Ok(Exit::Stopped);
    };
    if let Some(out) = &args.out {
        circuit.save(out, &|_, _| None)?;
    }
    console.answer(&object(&circuit, args), || table(&circuit, args))?;
    Ok(Exit::Done)
}

fn object(circuit: &Circuit, args: &Args) -> Value {
    let definitions = DEFINITIONS.iter();
    let definitions: Map<String, Value> = definitions
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    let dictionaries = circuit.dictionaries.iter();
    json!({
        "feature": args.feature,
        "at": circuit.root().at,
        "tokens": circuit.texts,
        "dictionaries": dictionaries.map(|listed| json!({
            "name": listed.name,
            "hook": listed.hook.to_string(),
            "viewer_layer": listed.viewer_layer(),
        })).collect::<Vec<_>>(),
        "threshold": circuit.settings.threshold,
        "depth": circuit.settings.depth,
        "most": circuit.settings.most,
        "out": args.out.as_ref().map(|out| out.display().to_string()),
        "nodes": circuit.nodes.iter().map(|node| of_node(circuit, node)).collect::<Vec<_>>(),
        "largest_residue": circuit.largest_residue,
        "sums_up": circuit.sums_up(),
        "definitions": definitions,
    })
}

fn of_node(circuit: &Circuit, node: &Node) -> Value {
    let children = node.children.iter().map(
        |child| json!({"id": circuit.nodes[child.node].id, "contribution": child.contribution}),
    );
    let biases = node.biases.iter();
    let biases: Map<String, Value> = biases
        .map(|(kind, part)| (circuit.bias_name(*kind), json!(part)))
        .collect();
    let (dictionary, feature) = match node.kind {
        Kind::Feature(i, feature) => (Some(i), Some(feature.0)),
        Kind::Error(i) => (Some(i), None),
        _ => (None, None),
    };
    json!({
        "id": node.id,
        "kind": node.kind.name(),
        "name": circuit.name(node),
        "dictionary": dictionary.map(|i| circuit.dictionaries[i].name.as_str()),
        "feature": feature,
        "at": node.at,
        "value": node.value,
        "activation": node.activation,
        "bias": node.bias,
        "biases": biases,
        "discarded": node.discarded,
        "discarded_terms": node.discarded_terms,
        "discarded_share": node.discarded_share(),
        "children": children.collect::<Vec<_>>(),
        "expanded": node.expanded,
        "depth": node.depth,
        "influence": node.influence,
        "residue": node.residue(),
        "tolerance": node.tolerance(),
    })
}

/// Lists nodes by influence, each with the parts of its sum.
fn table(circuit: &Circuit, args: &Args) -> String {
    let root = circuit.root();
    let mut lines = vec![
        format!(
            "{} at token {} {:?}: pre-activation {:.4}, {} nodes",
            circuit.name(root),
            root.at,
            circuit.texts[root.at],
            root.value,
            circuit.nodes.len()
        ),
        format!(
            "{:>9} {:>9} {:>9} {:>9}  node",
            "influence", "value", "bias", "discarded"
        ),
    ];
    let mut order: Vec<&Node> = circuit.nodes.iter().collect();
    order.sort_by(|a, b| b.influence.total_cmp(&a.influence));
    for node in order {
        lines.push(format!(
            "{:>9.4} {:>9.4} {:>9.4} {:>9.4}  {} {:?}: {}",
            node.influence,
            node.value,
            node.bias,
            node.discarded,
            node.id,
            circuit.texts[node.at],
            circuit.name(node)
        ));
    }
    lines.push(format!(
        "children + bias + discarded − value: {:.1e} at most",
        circuit.largest_residue
    ));
    if let Some(out) = &args.out {
        lines.push(format!("Written to {}", out.display()));
    }
    lines.join("\n")
}
