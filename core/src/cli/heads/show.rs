//! `umbra heads show`: lists and measures the ten features of each head.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::cli::{Console, Exit, MismatchArgs, ModelArgs, SaeArgs, open_both};
use crate::error::Result;
use crate::features::Index;
use crate::fit::Fit;
use crate::heads::{self, Among, DEFINITIONS, HeadFigures};
use crate::sae::Sae;
use crate::workbench::pair::Pair;

/// Flags of `umbra heads show`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    /// Feature index of the dictionary: restricts the lists to features that are active on its text, and adds the Jaccard index of their top tokens
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
    #[command(flatten)]
    mismatch: MismatchArgs,
}

/// Runs `umbra heads show`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let Pair { model, sae, .. } = open_both(&args.model, &args.sae, console)?;
    let index = args.index.as_deref().map(Index::open).transpose()?;
    if let Some(index) = &index {
        let fit = Fit::of_index(index.about(), Some(&model), Some(&sae));
        args.mismatch.check(&fit, console)?;
    }
    let figures = heads::figures(&model, sae.autoencoder()?, index.as_ref())?;
    console.answer(&object(&sae, &figures)?, || table(&figures))?;
    Ok(Exit::Done)
}

fn object(sae: &Sae, figures: &[HeadFigures]) -> Result<Value> {
    let of_head = |figures: &HeadFigures| {
        let features: Vec<Value> = figures
            .features
            .iter()
            .map(|(feature, share)| json!({"feature": feature.0, "share": share}))
            .collect();
        json!({
            "head": figures.head.0,
            "spread": figures.spread,
            "cosine": figures.cosine,
            "jaccard": figures.jaccard,
            "features": features,
        })
    };
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    Ok(json!({
        "sae": sae.name,
        "hook": sae.hook()?.to_string(),
        "among": figures.first().map(|figures| among(figures.among)),
        "heads": figures.iter().map(of_head).collect::<Vec<_>>(),
        "definitions": definitions,
    }))
}

fn among(among: Among) -> Value {
    let (active_only, features) = match among {
        Among::Active(active, _) => (true, active),
        Among::All(all) => (false, all),
    };
    json!({"active_only": active_only, "features": features, "note": among.describe()})
}

fn table(figures: &[HeadFigures]) -> String {
    let mut lines = vec![format!(
        "{:>4} {:>8} {:>8} {:>8}  features by share",
        "head", "spread", "cosine", "jaccard"
    )];
    for head in figures {
        let features: Vec<_> = head
            .features
            .iter()
            .map(|(feature, share)| format!("{feature} ({share:.2})"))
            .collect();
        let jaccard = head
            .jaccard
            .map_or_else(|| "–".to_owned(), |jaccard| format!("{jaccard:.3}"));
        lines.push(format!(
            "{:>4} {:>8.3} {:>8.3} {jaccard:>8}  {}",
            head.head.0,
            head.spread,
            head.cosine,
            features.join(" ")
        ));
    }
    if let Some(figures) = figures.first() {
        lines.push(format!("The features are {}", figures.among.describe()));
    }
    lines.join("\n")
}
