//! `umbra heads ioi`: which features at the repeated name a model needs to complete a sentence with the other name.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::super::{Console, Exit, ModelArgs, SaeArgs, open_both};
use crate::error::Result;
use crate::heads::ioi::{self, Corruption, DEFINITIONS, Effect, FORMAT, Ioi, Noising, Order};
use crate::ids::Layer;
use crate::progress::Ended;
use crate::workbench::pair::Pair;
use crate::workbench::two_names;

/// Features listed for people.
const LISTED: usize = 15;

/// Flags of `umbra heads ioi`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    #[arg(long, value_name = "FILE", help = format!("Prompts of your own: {FORMAT} [default: sentences from templates]"))]
    prompts: Option<PathBuf>,
    /// Number of sentences from templates, half of them naming the answer first
    #[arg(long, value_name = "N", default_value_t = ioi::PROMPTS, conflicts_with = "prompts")]
    count: usize,
    /// Seed of the sentences' names
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        conflicts_with = "prompts"
    )]
    seed: u64,
    /// Layer whose attention output is replaced at the repeated name; may be given several times [default: the dictionary's]
    #[arg(long = "layer", value_name = "L")]
    layers: Vec<u32>,
}

/// Runs `umbra heads ioi`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let Pair { model, sae, .. } = open_both(&args.model, &args.sae, console)?;
    let asked = (args.count, args.seed);
    let prompts = two_names::prompts(&model, args.prompts.as_deref(), asked)?;
    let layers: Vec<Layer> = args.layers.iter().copied().map(Layer).collect();
    let mut bar = console.bar("Sentences");
    let found = ioi::run(&model, sae.autoencoder()?, (&prompts, &layers), &mut |at| {
        bar.at(at)
    })?;
    drop(bar);
    let Ended::Done(found) = found else {
        return Ok(Exit::Stopped);
    };
    if !found.reaches_end {
        console.note(&format!(
            "{} reads {}: {}",
            found.dictionary,
            found.hook,
            ioi::OUT_OF_REACH
        ));
    }
    console.answer(&object(&found), || table(&found))?;
    Ok(Exit::Done)
}

fn object(found: &Ioi) -> Value {
    let feature = |effect: &Effect| {
        json!({
            "feature": effect.feature.0,
            "change": effect.change,
            "abba": { "change": effect.by_order[0], "alive": effect.alive[0] },
            "baba": { "change": effect.by_order[1], "alive": effect.alive[1] },
        })
    };
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    json!({
        "sae": found.dictionary,
        "hook": found.hook.to_string(),
        "reaches_end": found.reaches_end,
        "prompts": { "abba": found.prompts[0], "baba": found.prompts[1] },
        "ld": found.ld,
        "positive": found.positive,
        "features": found.features.iter().map(feature).collect::<Vec<_>>(),
        "error_term": found.error_term,
        "noising": found.noising.as_ref().map(noised),
        "definitions": definitions,
    })
}

fn noised(noising: &Noising) -> Value {
    let of = |corruption| {
        let noised = noising.of(corruption);
        json!({
            "ld": noised.ld,
            "recovered": { "zero_at_s2": noised.recovered_at_s2, "zero_everywhere": noised.recovered_everywhere },
        })
    };
    json!({
        "layers": noising.layers.iter().map(|layer| layer.0).collect::<Vec<_>>(),
        "prompts": noising.prompts,
        "clean": noising.clean,
        "zero_at_s2": noising.zero_at_s2,
        "zero_everywhere": noising.zero_everywhere,
        "corruption_a": of(Corruption::Names),
        "corruption_b": of(Corruption::And),
    })
}

fn table(found: &Ioi) -> String {
    let [abba, baba] = found.prompts;
    let mut lines = vec![
        format!(
            "{} prompts ({abba} {}, {baba} {}): logit(IO) − logit(S) is {:.3} on average and above 0 in {:.0} %",
            abba + baba,
            Order::Abba.name(),
            Order::Baba.name(),
            found.ld,
            100.0 * found.positive
        ),
        format!(
            "change with one feature of {} set to 0 at the repeated name:",
            found.dictionary
        ),
        format!(
            "{:>8} {:>8} {:>8} {:>8} {:>12}",
            "feature", "change", "ABBA", "BABA", "active in"
        ),
    ];
    let share = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format!("{v:.3}"));
    lines.extend(found.features.iter().take(LISTED).map(|effect| {
        format!(
            "{:>8} {:>8.3} {:>8} {:>8} {:>12}",
            effect.feature,
            effect.change,
            share(effect.by_order[0]),
            share(effect.by_order[1]),
            format!("{} + {}", effect.alive[0], effect.alive[1])
        )
    }));
    lines.push(format!("{:>8} {:>8.3}", "error", found.error_term));
    let Some(noising) = &found.noising else {
        lines.push("No noising: no prompt allows both corruptions".to_owned());
        return lines.join("\n");
    };
    let layers: Vec<String> = noising.layers.iter().map(Layer::to_string).collect();
    lines.push(format!(
        "\nattn_out of layer {} replaced at the repeated name, {} prompts:",
        layers.join(" and "),
        noising.prompts
    ));
    for (what, ld) in [
        ("clean", noising.clean),
        ("zero at S2", noising.zero_at_s2),
        ("zero everywhere", noising.zero_everywhere),
    ] {
        lines.push(format!("{what:<34} {ld:>8.3}"));
    }
    let percent = |value: Option<f64>| {
        value.map_or_else(|| "–".to_owned(), |v| format!("{:.0} %", 100.0 * v))
    };
    for (what, corruption) in [
        ("A, other names and more words", Corruption::Names),
        ("B, alongside for and", Corruption::And),
    ] {
        let noised = noising.of(corruption);
        lines.push(format!(
            "{what:<34} {:>8.3}  recovered {} from zero at S2, {} from zero everywhere",
            noised.ld,
            percent(noised.recovered_at_s2),
            percent(noised.recovered_everywhere)
        ));
    }
    lines.join("\n")
}
