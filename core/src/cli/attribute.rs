//! `umbra attribute`: the causes of a prediction.

use std::num::NonZeroU64;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::chat::{self, ChatArgs};
use super::report::SectionArg;
use super::{Console, DeviceArg, Exit, ModelArgs, ParentArg, SaeArgs, open_by_token};
use crate::causes::{Causes, Components, Features, Target, causes, components, features};
use crate::error::Result;
use crate::progress::Ended;

/// Rows of features printed without `--json`.
const SHOWN: usize = 20;

/// Flags of `umbra attribute`.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "The target is the model's own number, behind the soft cap of its logits where it has one; components then sum to the target before the cap, which the answer gives as `components_target`.\n\nFeatures are ranked by exact ablation: the activation is set to 0 at its position, the dictionary's error is kept. a·grad guesses the same from one backward pass; it agrees well for small activations, and less for features that are often on, whose gradient can flip its sign on the way to 0: --integrated M averages the gradient over M points of each feature's own way and tends to the ablation as M grows (M times the work, and more). The first position is never edited and not listed.\n\nThe loss charges position p with its prediction of token p + 1, for p from 1 to the last but one, and has no components."
)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Text that the model reads; BOS is put before it if the model's or dictionary's rule says so and the text does not begin with it
    #[arg(long, value_name = "TEXT", required_unless_present_any = chat::INSTEAD, conflicts_with_all = chat::INSTEAD)]
    text: Option<String>,
    #[command(flatten)]
    chat: ChatArgs,
    /// Number whose causes are sought: `logit: A`, `logit: A - B` or `loss`. A and B are one token each and keep their leading spaces, as in "logit:  Mary -  John"; logits are at the last position
    #[arg(long, value_name = "TARGET")]
    target: String,
    /// Dictionary whose features are asked: a folder, a file, or a name on the hub [default: none, direct contributions alone]
    #[arg(long, value_name = "PATH|NAME")]
    sae: Option<PathBuf>,
    /// Hook of the dictionary, such as blocks.2.hook_resid_post [default: the hook that its file names]
    #[arg(long, value_name = "NAME", requires = "sae")]
    hook: Option<String>,
    #[command(flatten)]
    parent: ParentArg,
    /// Also average the gradient over M points between each ablated and untouched value
    #[arg(long, value_name = "M", requires = "sae")]
    integrated: Option<NonZeroU64>,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    section: SectionArg,
}

/// Runs `umbra attribute`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let (model, sae) = match &args.sae {
        Some(path) => {
            let sae = SaeArgs {
                sae: path.clone(),
                hook: args.hook.clone(),
                parent: args.parent.clone(),
            };
            let pair = open_by_token(&args.model, &sae, console)?;
            (pair.model, Some(pair.sae))
        }
        None => (std::sync::Arc::new(args.model.open(console)?), None),
    };
    let target = console.usage(Target::parse(&args.target, model.codec()))?;
    let input = args.chat.input(args.text.as_deref())?;
    let spelled = input.spelled(&model)?;
    spelled.notes.iter().for_each(|note| console.note(note));
    let tokens = spelled.tokens.as_slice();
    if spelled.cut > 0 {
        console.note(&format!(
            "The text is cut to the model's context of {} tokens, {} are cut",
            tokens.len(),
            spelled.cut
        ));
    }
    if let Some(sae) = &sae {
        args.device.place(&**sae, (tokens.len(), true), console)?;
    }
    let sae = sae.as_deref().map(crate::sae::Sae::by_token).transpose()?;
    let integrated = args.integrated.map(|points| points.get() as usize);
    let mut bar = console.bar("Ablating");
    let ended = causes(&model, sae, (tokens, target), integrated, &mut |at| {
        bar.at(at)
    })?;
    drop(bar);
    let Ended::Done(found) = ended else {
        return Ok(Exit::Stopped);
    };
    let written = target.written(model.codec());
    let mut object = object(&found, &written);
    chat::add_to(&mut object, &input, &spelled);
    args.section.write(&model, || found.section())?;
    console.answer(&object, || table(&found))?;
    Ok(Exit::Done)
}

fn object(found: &Causes, target: &str) -> Value {
    let parts = found.components.as_ref();
    let listed = parts.map(|parts| -> Vec<Value> {
        let one = |one: &crate::causes::Component| json!({"name": one.part.to_string(), "value": one.value});
        parts.parts.iter().map(one).collect()
    });
    let mut object = json!({
        "target": target,
        "target_value": found.value,
        "tokens": found.tokens.iter().zip(&found.texts).map(|(id, text)| json!({"id": id.0, "text": text})).collect::<Vec<_>>(),
        "features": [],
        "errors": [],
        "components": listed,
        "components_sum": parts.map(Components::sum),
        "components_target": parts.map(|parts| parts.target),
        "components_before_soft_cap": parts.map(|parts| parts.is_before_cap),
        "conclusion": found.conclusion(),
        "definitions": definitions(),
    });
    if let Some(found) = &found.features {
        add_features(&mut object, found);
    }
    if let Some(direct) = parts.and_then(|parts| parts.direct.as_ref()) {
        object["direct"] = json!({
            "features": direct.features.iter().map(|(feature, activation, value)| json!({"feature": feature.0, "activation": activation, "value": value})).collect::<Vec<_>>(),
            "b_dec": direct.b_dec,
            "error": direct.error,
            "sum": direct.whole,
        });
    }
    object
}

fn add_features(object: &mut Value, found: &Features) {
    let feature = |one: &crate::causes::FeatureCause| {
        let mut value = json!({
            "feature": one.feature.0,
            "position": one.position,
            "activation": one.activation,
            "ablation": one.ablation,
            "gradient": one.gradient,
        });
        if let Some(integrated) = one.integrated {
            value["integrated"] = json!(integrated);
        }
        value
    };
    let error = |one: &crate::causes::ErrorCause| {
        let mut value =
            json!({"position": one.position, "ablation": one.ablation, "gradient": one.gradient});
        if let Some(integrated) = one.integrated {
            value["integrated"] = json!(integrated);
        }
        value
    };
    object["hook"] = json!(found.hook.to_string());
    object["dictionary"] = json!(found.dictionary);
    object["features"] = found.features.iter().map(feature).collect();
    object["errors"] = found.errors.iter().map(error).collect();
    object["b_dec"] = json!(found.b_dec);
    object["gradient_sum"] = json!(found.gradient_sum);
    let agreement = found.agreement;
    object["correlation"] = json!({
        "median_activation": agreement.median,
        "low": agreement.low,
        "all": agreement.all,
        "integrated": agreement.integrated,
    });
}

fn definitions() -> Value {
    let all = features::DEFINITIONS.iter().chain(components::DEFINITIONS);
    let mut definitions: serde_json::Map<String, Value> = all
        .map(|(name, meaning)| ((*name).to_owned(), json!(meaning)))
        .collect();
    definitions.insert(
        "target_value".to_owned(),
        json!("the target of the untouched run by the model's own logits, behind their soft cap where the model has one"),
    );
    Value::Object(definitions)
}

fn table(found: &Causes) -> String {
    let mut lines = vec![format!("{} is {:.4}", found.said, found.value)];
    if let Some(features) = &found.features {
        features_table(found, features, &mut lines);
    }
    if let Some(parts) = &found.components {
        components_table(parts, &mut lines);
    }
    lines.push(String::new());
    lines.push(found.conclusion());
    lines.join("\n")
}

fn features_table(found: &Causes, features: &Features, lines: &mut Vec<String>) {
    let integrated = features
        .features
        .first()
        .is_some_and(|one| one.integrated.is_some());
    let last = if integrated { "  integrated" } else { "" };
    lines.push(format!(
        "\n{:>9} {:>8} {:<16} {:>10} {:>10} {:>10}{last}",
        "feature", "position", "token", "activation", "ablation", "a·grad"
    ));
    let row =
        |feature: String, position: usize, activation: String, numbers: (f64, f64, Option<f64>)| {
            let token = format!("{:?}", found.texts[position]);
            let last = numbers
                .2
                .map_or(String::new(), |value| format!("  {value:>+10.4}"));
            format!(
                "{feature:>9} {position:>8} {token:<16} {activation:>10} {:>+10.4} {:>+10.4}{last}",
                numbers.0, numbers.1
            )
        };
    for one in features.features.iter().take(SHOWN) {
        let activation = format!("{:.3}", one.activation);
        let numbers = (one.ablation, one.gradient, one.integrated);
        lines.push(row(
            one.feature.to_string(),
            one.position,
            activation,
            numbers,
        ));
    }
    let by_size = |a: &&crate::causes::ErrorCause, b: &&crate::causes::ErrorCause| {
        a.ablation.abs().total_cmp(&b.ablation.abs())
    };
    if let Some(one) = features.errors.iter().max_by(by_size) {
        let numbers = (one.ablation, one.gradient, one.integrated);
        lines.push(row(
            "error".to_owned(),
            one.position,
            String::new(),
            numbers,
        ));
    }
    let said = |r: Option<f64>| r.map_or("undefined".to_owned(), |r| format!("{r:.3}"));
    let agreement = features.agreement;
    let by_integrals = if integrated {
        format!("; of integrated gradients {}", said(agreement.integrated))
    } else {
        String::new()
    };
    lines.push(format!(
        "correlation of a·grad with ablation: {} up to the median activation of {:.3}, {} over all {} features{by_integrals}",
        said(agreement.low),
        agreement.median,
        said(agreement.all),
        features.features.len()
    ));
}

fn components_table(parts: &Components, lines: &mut Vec<String>) {
    lines.push(format!("\n{:<18} {:>10}", "component", "direct"));
    for one in &parts.parts {
        lines.push(format!("{:<18} {:>+10.4}", one.part.to_string(), one.value));
    }
    let cap = if parts.is_before_cap {
        " before the soft cap"
    } else {
        ""
    };
    lines.push(format!(
        "{:<18} {:>+10.4}  (the target{cap} is {:.4})",
        "sum",
        parts.sum(),
        parts.target
    ));
}
