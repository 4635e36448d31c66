//! `umbra dark-matter splice`: what each part of the error costs the model.

use serde_json::{Map, Value, json};

use super::TwoTexts;
use super::several::{Several, SeveralArgs};
use crate::cli::{Console, DeviceArg, Exit, ModelArgs};
use crate::dark_matter::splice::{Costs, DEFINITIONS, Spliced};
use crate::error::{Error, Result};
use crate::eval;
use crate::progress::Ended;
use crate::workbench::error_parts;
use crate::workbench::text::Text;

/// Flags of `umbra dark-matter splice`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    several: SeveralArgs,
    #[command(flatten)]
    texts: TwoTexts,
    /// Fit on at most about this many counted tokens, evenly spaced in the text [default: all]
    #[arg(long, value_name = "N")]
    tokens: Option<usize>,
    /// Measure on at most about this many counted tokens, evenly spaced in the text [default: all]
    #[arg(long, value_name = "N")]
    measured: Option<usize>,
    /// Seed of the swaps between tokens and of the draws for intervals
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    device: DeviceArg,
}

/// Runs `umbra dark-matter splice`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let of = args.several.open(&args.model, console)?;
    let texts = texts(args, &of, console)?;
    let at_once = eval::tokens_at_once(&of.pair.model, &texts[1].rows);
    for sae in &of.saes {
        args.device.place(&**sae, (at_once, true), console)?;
    }
    let mut bar = console.bar("Splicing");
    let (model, saes) = (&*of.pair.model, of.saes.as_slice());
    let costs = error_parts::costs(model, saes, &texts, args.seed, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(costs) = costs else {
        return Ok(Exit::Stopped);
    };
    for note in &costs.notes {
        console.note(note);
    }
    if let Some(project) = &of.project {
        let made = (&texts, args.seed);
        error_parts::keep(project, error_parts::SPLICE, (model, saes), made, &costs)?;
    }
    console.answer(&object(&costs)?, || table(&costs))?;
    Ok(Exit::Done)
}

fn texts(args: &Args, of: &Several, console: &Console) -> Result<[Text; 2]> {
    let read = (&*of.pair.model, &*of.pair.sae);
    let [mut fit, mut held_out] = args.texts.read(read, args.model.offline, console)?;
    for other in &of.saes[1..] {
        console.notes(&of.pair.notes_on(other, &held_out.rows));
    }
    for (text, most) in [(&mut fit, args.tokens), (&mut held_out, args.measured)] {
        if let Some(most) = most {
            text.rows = text.rows.sample(most);
        }
    }
    Ok([fit, held_out])
}

/// Returns the figures under their keys: of one dictionary, or of each in a list.
fn object(costs: &Costs) -> Result<Value> {
    let unwritable = |cause: serde_json::Error| Error::Numeric {
        what: format!("the costs cannot be written as JSON: {cause}"),
    };
    let one = |spliced: &Spliced| -> Result<Value> {
        let mut value = serde_json::to_value(spliced).map_err(unwritable)?;
        value["removed"] = json!({"linear": spliced.ce_nonlinear, "nonlinear": spliced.ce_linear});
        value["conclusion"] = spliced.conclusion().into();
        Ok(value)
    };
    let mut value = serde_json::to_value(costs).map_err(unwritable)?;
    let all = costs.dictionaries.iter().map(one);
    let all: Vec<Value> = all.collect::<Result<_>>()?;
    value["conclusion"] = costs.conclusion().into();
    if let [Value::Object(one)] = all.as_slice()
        && let Some(value) = value.as_object_mut()
    {
        value.remove("dictionaries");
        value.extend(one.clone());
    } else {
        value["dictionaries"] = all.into();
    }
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    value["definitions"] = definitions.into();
    Ok(value)
}

fn table(costs: &Costs) -> String {
    let mut lines = Vec::new();
    for one in &costs.dictionaries {
        lines.push(format!(
            "{} ({}, {} features)",
            one.sae, one.hook, one.features
        ));
        lines.push(format!(
            "{:<34} {:>9} {:>10} {:>20} {:>10} {:>9} {:>9}",
            "in place of the activation",
            "CE",
            "recovered",
            "interval",
            "of length",
            "of R²",
            "FVU"
        ));
        lines.extend(rows(one));
        lines.push(String::new());
    }
    lines.push(format!(
        "{} predictions; fitted on {} activations, measured on {} held out; {}; intervals of 95 % over {}",
        costs.dictionaries.first().map_or(0, |one| one.tokens),
        costs.fit_tokens,
        costs.held_out_tokens,
        costs.positions.said(None),
        costs.blocks,
    ));
    lines.push(costs.conclusion());
    lines.join("\n")
}

/// Lines of one dictionary.
fn rows(one: &Spliced) -> Vec<String> {
    let share = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
    let interval = |ends: Option<[f64; 2]>| {
        ends.map_or("–".to_owned(), |[low, high]| {
            format!("{low:.3} to {high:.3}")
        })
    };
    let line = |name: &str, ce: f64, [recovered, interval, length, r2, fvu]: [String; 5]| {
        format!("{name:<34} {ce:>9.4} {recovered:>10} {interval:>20} {length:>10} {r2:>9} {fvu:>9}")
    };
    let bare = |fvu: Option<f64>| {
        let none = || "–".to_owned();
        [none(), none(), none(), none(), share(fvu)]
    };
    let part = |which: usize| {
        let pick = |linear: f64, rest: f64| [linear, rest][which];
        let intervals = [
            one.recovered_interval.linear,
            one.recovered_interval.nonlinear,
        ];
        [
            share([one.recovered.linear, one.recovered.nonlinear][which]),
            interval(intervals[which]),
            share(Some(pick(one.norm_share.linear, one.norm_share.nonlinear))),
            share(Some(pick(one.r2_share.linear, one.r2_share.nonlinear))),
            share(Some(pick(one.fvu.linear, one.fvu.nonlinear))),
        ]
    };
    vec![
        line("nothing (clean)", one.ce_clean, bare(None)),
        line("x̂", one.ce_sae, bare(Some(one.fvu.sae))),
        line("x̂ + linear = x − nonlinear", one.ce_linear, part(0)),
        line("x̂ + nonlinear = x − linear", one.ce_nonlinear, part(1)),
        line(
            "x, linear of another token",
            one.ce_swapped.linear,
            bare(None),
        ),
        line(
            "x, nonlinear of another token",
            one.ce_swapped.nonlinear,
            bare(None),
        ),
        line("zeros", one.ce_zero, bare(None)),
    ]
}
