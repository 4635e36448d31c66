//! `umbra dark-matter splice`: what each part of the error costs the model.

use serde_json::{Value, json};

use super::TwoTexts;
use super::several::{Several, SeveralArgs, with_definitions};
use crate::cli::{Console, DeviceArg, Exit, ModelArgs};
use crate::dark_matter::splice::{Costs, DEFINITIONS, Spliced};
use crate::error::Result;
use crate::eval;
use crate::progress::Ended;
use crate::workbench::error_parts::{self, Study};
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
        error_parts::keep(project, Study::Splice, (model, saes), made, &costs)?;
    }
    console.answer(&object(&costs)?, || table(&costs))?;
    Ok(Exit::Done)
}

fn texts(args: &Args, of: &Several, console: &Console) -> Result<[Text; 2]> {
    let read = (&*of.pair.model, &*of.pair.sae);
    let [fit, held_out] = args.texts.read(read, args.model.offline, console)?;
    for other in &of.saes[1..] {
        console.notes(&of.pair.notes_on(other, &held_out.rows));
    }
    Ok([fit.sampled(args.tokens), held_out.sampled(args.measured)])
}

/// Returns the figures under their keys: of one dictionary, or of each in a list.
fn object(costs: &Costs) -> Result<Value> {
    let mut value = with_definitions(costs, DEFINITIONS)?;
    value["conclusion"] = costs.conclusion().into();
    let all = value["dictionaries"].as_array_mut().into_iter().flatten();
    for (one, spliced) in all.zip(&costs.dictionaries) {
        one["removed"] = json!({"linear": spliced.ce_nonlinear, "nonlinear": spliced.ce_linear});
        one["ce_recovered_zero"] = spliced.ce_recovered_zero().into();
        one["conclusion"] = spliced.conclusion().into();
    }
    if let ([_], Value::Object(value)) = (costs.dictionaries.as_slice(), &mut value)
        && let Some(Value::Array(all)) = value.remove("dictionaries")
    {
        let one = all.into_iter().filter_map(|one| match one {
            Value::Object(one) => Some(one),
            _ => None,
        });
        value.extend(one.flatten());
    }
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
        lines.push(format!(
            "x̂ keeps {:.1} % of the cross-entropy between zeros and the clean model",
            100.0 * one.ce_recovered_zero()
        ));
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
        // The hat of x̂ takes no room.
        let wide = 34 + name.matches('\u{302}').count();
        format!(
            "{name:<wide$} {ce:>9.4} {recovered:>10} {interval:>20} {length:>10} {r2:>9} {fvu:>9}"
        )
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
