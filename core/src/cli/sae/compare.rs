//! `umbra sae compare`: finds shared and unique features of two dictionaries, and measures how far matched ones are active on the same tokens.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::{
    Console, Exit, MeasuringArgs, ParentArg, SaeArgs, TextArgs, open_with_transcoder,
};
use crate::compare::{self, Comparison, Pair, SHARED, Together};
use crate::error::{Error, Result};
use crate::progress::Ended;
use crate::sae::Sae;

/// Flags of `umbra sae compare`.
#[derive(Debug, clap::Args)]
#[command(mut_arg("corpus", |arg| arg.required(false).requires("model")))]
pub(super) struct Args {
    /// First dictionary: a folder or file of any supported library, or a name on the hub
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Second dictionary
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Cosine of decoder rows from which matched features count as shared; features whose best cosine is below it are unique
    #[arg(long, value_name = "X", default_value_t = SHARED)]
    least: f32,
    /// Number of lines to print per list; --json gives all
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    #[command(flatten)]
    parent: ParentArg,
    #[command(flatten)]
    measuring: MeasuringArgs,
    #[command(flatten)]
    text: TextArgs,
}

/// Runs `umbra sae compare`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    if !(0.0..=1.0).contains(&args.least) {
        let what = format!("`{}` is not a valid cosine, give 0 to 1", args.least);
        return Err(Error::setting("--least", what));
    }
    let named = |sae: &PathBuf| SaeArgs {
        sae: sae.clone(),
        hook: None,
        parent: args.parent.clone(),
    };
    let offline = args.measuring.offline;
    let (pair, a) = match args.measuring.model() {
        Some(model) => {
            let pair = open_with_transcoder(&model, &named(&args.a), console)?;
            let a = Arc::clone(&pair.sae);
            (Some(pair), a)
        }
        None => (None, Arc::new(named(&args.a).read(offline, console)?)),
    };
    let b = named(&args.b).read(offline, console)?;
    if let (Ok(of_a), Ok(of_b)) = (a.first_output(), b.first_output())
        && of_a.hook != of_b.hook
    {
        let (of_a, of_b) = (of_a.hook, of_b.hook);
        console.note(&format!(
            "{of_a} and {of_b} are different hooks: cosines are meaningful only where both write to the same space"
        ));
    }
    let mut bar = console.bar("Comparing");
    let found = compare::compare(&a, &b, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(found) = found else {
        return Ok(Exit::Stopped);
    };
    let (mut together, mut counted, mut phrase) = (None, None, None);
    if let Some(pair) = &pair {
        let text = args.text.read(pair, offline, console)?;
        let rows = &text.rows;
        console.notes(&pair.notes_on(&b, rows));
        counted = Some((rows.mask().rule, rows.counted(), rows.left_out()));
        let mut bar = console.bar("Reading");
        let read = (&*pair.model, rows);
        let measured = compare::together((&a, &b), &found.pairs, read, &mut |at| bar.at(at))?;
        drop(bar);
        let Ended::Done(measured) = measured else {
            return Ok(Exit::Stopped);
        };
        together = Some(measured);
        phrase = Some(text.phrase);
    }
    let mut object = object(args, (&a, &b), &found, together.as_deref());
    if let Some((rule, tokens, left_out)) = counted {
        object["positions"] = json!(rule);
        object["tokens"] = tokens.into();
        object["left_out"] = left_out.into();
        object["text"] = phrase.into();
    }
    console.answer(&object, || {
        table(args, (&a, &b), &found, together.as_deref())
    })?;
    Ok(Exit::Done)
}

fn mean(best: &[Pair]) -> f64 {
    let sum: f64 = best.iter().map(|pair| f64::from(pair.cosine)).sum();
    sum / best.len().max(1) as f64
}

fn object(
    args: &Args,
    (a, b): (&Sae, &Sae),
    found: &Comparison,
    together: Option<&[Together]>,
) -> Value {
    let with = |pair: &Pair, figures: Option<&Together>| {
        let mut value = json!({ "a": pair.a.0, "b": pair.b.0, "cosine": pair.cosine });
        if let Some(figures) = figures {
            value["correlation"] = figures.correlation.into();
            value["jaccard"] = figures.jaccard.into();
            value["active_a"] = figures.active_a.into();
            value["active_b"] = figures.active_b.into();
        }
        value
    };
    let each = found.pairs.iter().enumerate();
    let pairs: Vec<Value> = each
        .map(|(i, pair)| with(pair, together.and_then(|all| all.get(i))))
        .collect();
    let list =
        |pairs: &[Pair]| -> Vec<Value> { pairs.iter().map(|pair| with(pair, None)).collect() };
    json!({
        "a": args.a, "b": args.b, "features_a": a.features(), "features_b": b.features(), "least": args.least,
        "shared": found.shared(args.least).len(), "pairs": pairs,
        "unique_to_a": list(&found.unique_to_a(args.least)), "unique_to_b": list(&found.unique_to_b(args.least)),
        "best_of_a": list(&found.best_of_a), "best_of_b": list(&found.best_of_b),
        "mean_best_of_a": mean(&found.best_of_a), "mean_best_of_b": mean(&found.best_of_b),
        "text": Value::Null,
        "definitions": {
            "cosine": "of decoder rows, with its sign",
            "pairs": "one-to-one, greedy: the largest cosine first, then the largest of the rest, down to 0",
            "best": "the feature of the other dictionary with the largest cosine; several may have the same",
            "shared": "one-to-one pairs whose cosine is at least `least`",
            "unique": "features whose best cosine is below `least`",
            "correlation": "Pearson's, of the two activations over the positions that count, 0 where a feature is not active",
            "jaccard": "tokens on which both are active over tokens on which either is",
        },
    })
}

fn table(
    args: &Args,
    (a, b): (&Sae, &Sae),
    found: &Comparison,
    together: Option<&[Together]>,
) -> String {
    let (own_a, own_b) = (found.unique_to_a(args.least), found.unique_to_b(args.least));
    let mut lines = vec![
        format!(
            "A {} features · mean best cosine {:.3} · {} unique  {}",
            a.features(),
            mean(&found.best_of_a),
            own_a.len(),
            args.a.display()
        ),
        format!(
            "B {} features · mean best cosine {:.3} · {} unique  {}",
            b.features(),
            mean(&found.best_of_b),
            own_b.len(),
            args.b.display()
        ),
        format!(
            "{} of {} one-to-one pairs are shared (cosine ≥ {})",
            found.shared(args.least).len(),
            found.pairs.len(),
            args.least
        ),
        String::new(),
    ];
    let head = format!("{:>8} {:>8} {:>8}", "A", "B", "cosine");
    lines.push(match together {
        Some(_) => format!("{head} {:>12} {:>8}", "correlation", "Jaccard"),
        None => head,
    });
    for (i, pair) in found.pairs.iter().take(args.top).enumerate() {
        let mut line = format!("{:>8} {:>8} {:>8.4}", pair.a.0, pair.b.0, pair.cosine);
        if let Some(figures) = together.and_then(|all| all.get(i)) {
            // Untrained features keep their initial direction: equal across runs of one seed, and never active.
            let silent = figures.active_a == 0 || figures.active_b == 0;
            let more = if silent {
                format!(" {:>12} {:>8}", "silent", "")
            } else {
                format!(" {:>12.4} {:>8.4}", figures.correlation, figures.jaccard)
            };
            line.push_str(&more);
        }
        lines.push(line);
    }
    for (name, own, of_a) in [("A", own_a, true), ("B", own_b, false)] {
        if own.is_empty() {
            continue;
        }
        let shown = own.iter().take(args.top).map(|pair| {
            let feature = if of_a { pair.a } else { pair.b };
            format!("{} ({:.2})", feature.0, pair.cosine)
        });
        let shown: Vec<String> = shown.collect();
        lines.push(format!(
            "\nunique to {name}, each with its best cosine: {}",
            shown.join(", ")
        ));
    }
    lines.join("\n")
}
