//! `umbra heads show`: lists and measures the ten features of each head; on a text, ranks them three ways and judges whether a head has one role.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::roles_words;
use crate::cli::{Console, Exit, MismatchArgs, ModelArgs, SaeArgs, TextArgs, open_both};
use crate::error::{Error, Result};
use crate::features::Index;
use crate::fit::Fit;
use crate::heads::features::{self, FeatureRow, HeadFeatures, Ranking, with_effects};
use crate::heads::roles::{self, Settings, Study};
use crate::heads::{self, Among, DEFINITIONS, HeadFigures};
use crate::ids::Head;
use crate::progress::Ended;
use crate::sae::Sae;
use crate::workbench::pair::Pair;
use crate::workbench::roles as workbench;

/// Flags of `umbra heads show`.
#[derive(Debug, clap::Args)]
#[command(mut_arg("corpus", |arg| arg.required(false)))]
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
    /// Show this head alone, counted from 0 [default: all]
    #[arg(long, value_name = "H")]
    head: Option<u32>,
    /// Text that ranks a head's features by attribution and causal effect, and gives the verdicts.
    #[command(flatten)]
    text: TextArgs,
    #[command(flatten)]
    study: StudyArgs,
}

/// Flags of a study of roles.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct StudyArgs {
    /// Rows of the text in which heads are ablated and features are taken out, evenly spaced
    #[arg(long, value_name = "N", default_value_t = Settings::default().sampled_rows)]
    sampled_rows: usize,
    /// Draws of the bootstrap, and draws of random features for each head
    #[arg(long, value_name = "N", default_value_t = Settings::default().draws)]
    draws: usize,
    /// Seed of the draws
    #[arg(long, value_name = "SEED", default_value_t = Settings::default().seed)]
    seed: u64,
}

impl StudyArgs {
    /// Returns the settings.
    pub(super) fn settings(self) -> Settings {
        Settings {
            sampled_rows: self.sampled_rows,
            draws: self.draws,
            seed: self.seed,
        }
    }
}

/// Runs `umbra heads show`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let pair = open_both(&args.model, &args.sae, console)?;
    let Pair { model, sae, .. } = &pair;
    let index = args.index.as_deref().map(Index::open).transpose()?;
    if let Some(index) = &index {
        let fit = Fit::of_index(index.about(), Some(model), Some(sae));
        args.mismatch.check(&fit, console)?;
    }
    let heads = model.config().heads;
    if let Some(head) = args.head.filter(|head| *head as usize >= heads) {
        let what = format!(
            "{head} is not a head of the model, which has heads 0 to {}",
            heads - 1
        );
        return Err(Error::setting("head", what));
    }
    let mut figures = heads::figures(model, sae.autoencoder()?, index.as_ref())?;
    let wanted = |head: Head| args.head.is_none_or(|wanted| wanted == head.0);
    figures.retain(|figures| wanted(figures.head));
    let studied = if args.text.corpus.corpus.is_empty() {
        None
    } else {
        let Some(study) = study(args, &pair, index.as_ref(), console)? else {
            return Ok(Exit::Stopped);
        };
        Some(study)
    };
    let studied = studied.as_ref();
    console.answer(&object(sae, &figures, studied)?, || {
        let mut lines = vec![table(&figures)];
        lines.extend(studied.map(|study| study_table(study, &wanted)));
        lines.join("\n\n")
    })?;
    Ok(Exit::Done)
}

/// Studies the layer on the text and measures the causal effects at the heads that are shown; none where it was stopped.
fn study(
    args: &Args,
    pair: &Pair,
    index: Option<&Index>,
    console: &Console,
) -> Result<Option<Study>> {
    let text = args.text.read(pair, args.model.offline, console)?;
    let rows = &text.rows;
    let settings = args.study.settings();
    let mut bar = console.bar("Studying the heads");
    let found = workbench::study(pair, (rows, index), &settings, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(mut study) = found else {
        return Ok(None);
    };
    let mut bar = console.bar("Taking features out");
    for head in &mut study.features {
        if args.head.is_some_and(|wanted| wanted != head.head.0) {
            continue;
        }
        let measured = workbench::causal(pair, (rows, head), &settings, &mut |at| bar.at(at))?;
        let Ended::Done(measured) = measured else {
            return Ok(None);
        };
        with_effects(head, &measured);
    }
    Ok(Some(study))
}

fn object(sae: &Sae, figures: &[HeadFigures], study: Option<&Study>) -> Result<Value> {
    let of_head = |figures: &HeadFigures| {
        let features: Vec<Value> = figures
            .features
            .iter()
            .map(|(feature, share)| json!({"feature": feature.0, "share": share}))
            .collect();
        let mut head = json!({
            "head": figures.head.0,
            "spread": figures.spread,
            "cosine": figures.cosine,
            "jaccard": figures.jaccard,
            "features": features,
        });
        if let Some(study) = study {
            let at = figures.head.index();
            ranked(&mut head, &study.features[at]);
            head["roles"] = roles_words::head(&study.roles.heads[at]);
        }
        head
    };
    let mut definitions: Map<String, Value> = said(DEFINITIONS);
    let mut value = json!({
        "sae": sae.name,
        "hook": sae.hook()?.to_string(),
        "among": figures.first().map(|figures| among(figures.among)),
        "heads": figures.iter().map(of_head).collect::<Vec<_>>(),
    });
    if let Some(study) = study {
        definitions.extend(said(features::DEFINITIONS));
        definitions.extend(said(roles::DEFINITIONS));
        value["text"] = roles_words::layer(&study.roles);
    }
    value["definitions"] = Value::Object(definitions);
    Ok(value)
}

pub(super) fn said(definitions: &[(&str, &str)]) -> Map<String, Value> {
    let each = definitions.iter();
    each.map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect()
}

/// Puts the rankings of a head into its object.
fn ranked(value: &mut Value, head: &HeadFeatures) {
    let row = |row: &FeatureRow| {
        json!({
            "feature": row.feature.0, "share": row.share, "attribution": row.attribution, "attribution_share": row.attribution_share,
            "active": row.active, "causal": row.effect.map(|effect| effect.rise), "causal_tokens": row.effect.map(|effect| effect.tokens),
            "place": {"share": row.places[0], "attribution": row.places[1], "causal": row.places[2]},
            "pearson": row.correlation.pearson, "spearman": row.correlation.spearman,
        })
    };
    let by = |ranking: Ranking| {
        let rows = head.by(ranking);
        let ids: Vec<u32> = rows.iter().map(|row| row.feature.0).collect();
        (ranking.key().to_owned(), json!(ids))
    };
    value["live"] = json!(head.live);
    value["table"] = head.rows.iter().map(row).collect();
    value["by"] = Value::Object(Ranking::ALL.into_iter().map(by).collect());
    value["correlation"] =
        json!({"pearson": head.correlation.pearson, "spearman": head.correlation.spearman});
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

fn study_table(study: &Study, wanted: &dyn Fn(Head) -> bool) -> String {
    let mut lines = vec![roles_words::text(&study.roles)];
    for (features, roles) in study.features.iter().zip(&study.roles.heads) {
        if wanted(features.head) {
            lines.push(format!("\nhead {}", features.head.0));
            lines.push(rankings_table(features));
            lines.push(roles_words::lines(roles));
        }
    }
    lines.join("\n")
}

fn rankings_table(head: &HeadFeatures) -> String {
    let mut lines = vec![format!(
        "{:>8} {:>7} {:>12} {:>7} {:>10}   places by share, attribution, causal effect",
        "feature", "share", "attribution", "share", "causal"
    )];
    for row in &head.rows {
        let causal = row
            .effect
            .map_or_else(|| "–".to_owned(), |effect| format!("{:+.4}", effect.rise));
        let places = row
            .places
            .map(|place| place.map_or_else(|| "–".to_owned(), |place| place.to_string()));
        lines.push(format!(
            "{:>8} {:>7.3} {:>12.1} {:>7.3} {causal:>10}   {}",
            row.feature.0,
            row.share,
            row.attribution,
            row.attribution_share,
            places.join(", ")
        ));
    }
    let r = |r: Option<f64>| r.map_or_else(|| "–".to_owned(), |r| format!("{r:.3}"));
    lines.push(format!(
        "decoder share and attribution share over {} live features: Pearson {}, Spearman {}",
        head.live,
        r(head.correlation.pearson),
        r(head.correlation.spearman)
    ));
    lines.join("\n")
}
