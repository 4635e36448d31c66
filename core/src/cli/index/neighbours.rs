//! `umbra index neighbours`: features near one feature, by decoder direction and by the tokens on which both are active.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::{Console, Exit, ParentArg, SaeArgs, say_fit};
use super::labels::{LabelArgs, LabelsRead};
use crate::error::{Error, Result};
use crate::features::{Coactive, Index, Neighbour, Relations};
use crate::fit::Fit;
use crate::ids::FeatureId;

/// Flags of `umbra index neighbours`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Index file
    #[arg(value_name = "FILE")]
    index: PathBuf,
    /// Feature, counted from 0
    #[arg(long, value_name = "I")]
    feature: u32,
    /// Most features to list by each measure; an index holds the nearest few [default: all that are known]
    #[arg(long, value_name = "N")]
    most: Option<usize>,
    /// Dictionary from whose decoder the nearest directions are computed, for older indexes and longer lists
    #[arg(long, value_name = "PATH")]
    sae: Option<PathBuf>,
    /// Never use the network
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    labels: LabelArgs,
}

/// Runs `umbra index neighbours`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let index = Index::open(&args.index)?;
    let feature = FeatureId(args.feature);
    let mut relations = index.detail(feature)?.relations;
    if let Some(path) = &args.sae {
        let named = SaeArgs {
            sae: path.clone(),
            hook: None,
            parent: ParentArg::default(),
        };
        let sae = named.read(args.offline, console)?;
        say_fit(
            &Fit::of_index(index.about(), None, Some(&sae)),
            false,
            console,
        )?;
        index.check_features(&sae)?;
        let kept = relations.get_or_insert_default();
        let most = args.most.unwrap_or_else(|| kept.neighbours.len().max(10));
        let nearest = sae.nearest(feature, most).into_iter();
        let near = nearest.map(|(feature, cosine)| Neighbour { feature, cosine });
        kept.neighbours = near.collect();
    } else {
        say_fit(&Fit::of_index(index.about(), None, None), false, console)?;
    }
    let Some(mut relations) = relations else {
        let what = "the index is an older version without neighbours: build it again, or name the dictionary with --sae to compare its decoder rows";
        return Err(Error::input(what, &args.index));
    };
    if let Some(most) = args.most {
        relations.neighbours.truncate(most);
        relations.coactive.truncate(most);
        relations.neurons.truncate(most);
    }
    let labels = args.labels.read(&index, console)?;
    let (tokens, facts) = (index.top_tokens()?, index.facts()?);
    let named = |feature: FeatureId| labels.name(feature, (&tokens, facts.as_ref()));
    console.answer(&object(feature, &relations, &labels), || {
        text(feature, &relations, named)
    })?;
    Ok(Exit::Done)
}

fn object(feature: FeatureId, relations: &Relations, labels: &LabelsRead) -> Value {
    let labelled = |of: FeatureId, mut object: Value| {
        if let Some(label) = labels.of(of) {
            object["label"] = json!(label);
        }
        object
    };
    let near = |near: &Neighbour| {
        let object = json!({"feature": near.feature.0, "cosine": near.cosine});
        labelled(near.feature, object)
    };
    let coactive = |other: &Coactive| {
        let object = json!({
            "feature": other.feature.0,
            "jaccard": other.jaccard,
            "both": other.both,
        });
        labelled(other.feature, object)
    };
    let neurons = relations.neurons.iter();
    let neurons = neurons.map(|n| json!({"neuron": n.neuron, "cosine": n.cosine}));
    json!({
        "feature": feature.0,
        "neighbours": relations.neighbours.iter().map(near).collect::<Vec<_>>(),
        "coactive": relations.coactive.iter().map(coactive).collect::<Vec<_>>(),
        "counting": relations.counting.to_string(),
        "neurons": neurons.collect::<Vec<_>>(),
    })
}

fn text(feature: FeatureId, relations: &Relations, named: impl Fn(FeatureId) -> String) -> String {
    let mut lines = vec![
        format!("feature {feature}  {}", named(feature))
            .trim_end()
            .to_owned(),
    ];
    let of = |feature: FeatureId| format!("{:>7}  {}", feature.0, named(feature));
    if !relations.neighbours.is_empty() {
        lines.push("nearest decoder rows: cosine, feature".to_owned());
        let near = relations.neighbours.iter();
        lines.extend(near.map(|n| format!("{:>8.4}  {}", n.cosine, of(n.feature))));
    }
    if !relations.coactive.is_empty() {
        lines.push(format!(
            "active on the same tokens ({} counts): Jaccard index, tokens with both, feature",
            relations.counting
        ));
        let others = relations.coactive.iter();
        lines.extend(
            others.map(|c| format!("{:>8.4}  {:>7}  {}", c.jaccard, c.both, of(c.feature))),
        );
    }
    if !relations.neurons.is_empty() {
        lines.push("aligned neurons: cosine, neuron".to_owned());
        let neurons = relations.neurons.iter();
        lines.extend(neurons.map(|n| format!("{:>8.4}  {:>7}", n.cosine, n.neuron)));
    }
    lines.join("\n")
}
