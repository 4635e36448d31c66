//! `umbra heads`: lists and measures the ten features of each head; attributes one feature by head and source token.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{Console, Exit, MismatchArgs, ModelArgs, SaeArgs, open_both};
use crate::error::Result;
use crate::features::Index;
use crate::fit::Fit;
use crate::heads::{self, Among, Attribution, DEFINITIONS, HeadFigures};
use crate::ids::FeatureId;
use crate::models::Model;
use crate::prompt::Input;
use crate::sae::Sae;
use crate::workbench::pair::Pair;

/// Flags of `umbra heads`.
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
    /// Text in which to attribute --feature
    #[arg(long, value_name = "TEXT", requires = "feature")]
    text: Option<String>,
    /// Feature whose pre-activation to attribute to heads and source tokens
    #[arg(long, value_name = "I", requires = "text")]
    feature: Option<u32>,
    /// Position of the token at which to attribute, counted from 0 (BOS) [default: the last]
    #[arg(long, value_name = "P", requires = "text")]
    at: Option<usize>,
}

/// Runs `umbra heads`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let Pair { model, sae, .. } = open_both(&args.model, &args.sae, console)?;
    let index = args.index.as_deref().map(Index::open).transpose()?;
    if let Some(index) = &index {
        let fit = Fit::of_index(index.about(), Some(&model), Some(&sae));
        args.mismatch.check(&fit, console)?;
    }
    let figures = heads::figures(&model, sae.autoencoder()?, index.as_ref())?;
    if let Some(text) = &args.text {
        console.begun(model.codec(), text)?;
    }
    let attribution = attribution(args, &model, &sae)?;
    let value = object(&sae, &figures, attribution.as_ref())?;
    console.answer(&value, || table(&figures, attribution.as_ref()))?;
    Ok(Exit::Done)
}

/// Attribution with its feature and position.
struct Found {
    feature: FeatureId,
    at: usize,
    attribution: Attribution,
}

fn attribution(args: &Args, model: &Model, sae: &Sae) -> Result<Option<Found>> {
    let (Some(text), Some(feature)) = (&args.text, args.feature) else {
        return Ok(None);
    };
    let last = || -> Result<usize> {
        let tokens = model.codec().encode_with_bos(text)?.len();
        Ok(tokens.min(model.config().context).saturating_sub(1))
    };
    let at = args.at.map_or_else(last, Ok)?;
    let feature = FeatureId(feature);
    let attribution = heads::attribute(
        model,
        sae.autoencoder()?,
        &Input::Text(text.clone()),
        feature,
        at,
    )?;
    Ok(Some(Found {
        feature,
        at,
        attribution,
    }))
}

fn object(sae: &Sae, figures: &[HeadFigures], found: Option<&Found>) -> Result<Value> {
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
    let mut value = json!({
        "sae": sae.name,
        "hook": sae.hook()?.to_string(),
        "among": figures.first().map(|figures| among(figures.among)),
        "heads": figures.iter().map(of_head).collect::<Vec<_>>(),
        "definitions": definitions,
    });
    if let Some(Found {
        feature,
        at,
        attribution,
    }) = found
    {
        let rows: Vec<&[f32]> = attribution.by_head_and_source.iter_rows().collect();
        value["attribution"] = json!({
            "feature": feature.0,
            "at": at,
            "tokens": attribution.texts,
            "by_head_and_source": rows,
            "by_head": attribution.by_head(),
            "by_source": attribution.by_source(),
            "pre_activation": attribution.pre_activation,
            "decoder_bias": attribution.decoder_bias,
            "encoder_bias": attribution.encoder_bias,
            "residue": attribution.residue(),
            "tolerance": attribution.tolerance(),
        });
    }
    Ok(value)
}

fn among(among: Among) -> Value {
    let (active_only, features) = match among {
        Among::Active(active, _) => (true, active),
        Among::All(all) => (false, all),
    };
    json!({"active_only": active_only, "features": features, "note": among.describe()})
}

fn table(figures: &[HeadFigures], found: Option<&Found>) -> String {
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
    if let Some(found) = found {
        lines.push(attribution_table(found));
    }
    lines.join("\n")
}

fn attribution_table(found: &Found) -> String {
    let attribution = &found.attribution;
    let mut lines = vec![format!(
        "\nfeature {} at token {} {:?}: pre-activation {:.4}",
        found.feature, found.at, attribution.texts[found.at], attribution.pre_activation
    )];
    let by_source = attribution.by_source();
    for (source, (text, value)) in attribution.texts.iter().zip(by_source).enumerate() {
        if source <= found.at {
            let text = format!("{text:?}");
            lines.push(format!("{source:>4} {text:<16} {value:>10.4}"));
        }
    }
    for (head, value) in attribution.by_head().iter().enumerate() {
        lines.push(format!("{:<21} {value:>10.4}", format!("head {head}")));
    }
    lines.push(format!(
        "sum − (pre-activation + {:.4} − {:.4}) = {:.1e}, rounding allows {:.1e}",
        attribution.decoder_bias,
        attribution.encoder_bias,
        attribution.residue(),
        attribution.tolerance()
    ));
    lines.join("\n")
}
