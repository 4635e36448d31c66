//! `umbra heads induction`: attention of every head to what followed an earlier copy, by the length of the copy; on random sequences and on text.

use serde_json::{Map, Value, json};

use super::super::{Console, Exit, ModelArgs, TextArgs};
use crate::error::Result;
use crate::heads::induction::{
    self, Curve, DEFINITIONS, OnText, Options, PREFIXES, Synthetic, TextHead, TextOptions,
};
use crate::models::Model;
use crate::progress::Ended;

/// Heads listed for people.
const LISTED: usize = 12;

/// Flags of `umbra heads induction`.
#[derive(Debug, clap::Args)]
#[command(mut_arg("corpus", |arg| arg.required(false)))]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Random sequences of each prefix length
    #[arg(long, value_name = "N", default_value_t = Options::default().sequences)]
    sequences: usize,
    /// Seed of the random tokens
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Measure on this text too
    #[command(flatten)]
    text: TextArgs,
    /// Attention above which a token and a source of --corpus count as a pair
    #[arg(long, value_name = "SHARE", default_value_t = TextOptions::default().threshold, requires = "corpus")]
    threshold: f64,
    /// Most pairs of each head in which the token two before the source is replaced
    #[arg(long, value_name = "N", default_value_t = TextOptions::default().replaced, requires = "corpus")]
    replaced: usize,
}

/// Runs `umbra heads induction`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let model = args.model.open(console)?;
    let options = Options {
        sequences: args.sequences,
        seed: args.seed,
    };
    options.check()?;
    let mut bar = console.bar("Random sequences");
    let found = induction::synthetic(&model, &options, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(found) = found else {
        return Ok(Exit::Stopped);
    };
    let Ended::Done(text) = on_text(args, &model, console)? else {
        return Ok(Exit::Stopped);
    };
    console.answer(&object(&found, text.as_ref()), || {
        table(&found, text.as_ref())
    })?;
    Ok(Exit::Done)
}

fn on_text(args: &Args, model: &Model, console: &Console) -> Result<Ended<Option<OnText>>> {
    if args.text.corpus.corpus.is_empty() {
        return Ok(Ended::Done(None));
    }
    let request = args.text.request(args.model.offline, console)?;
    let text = request.read(model, None)?;
    console.notes(&text.said());
    let options = TextOptions {
        threshold: args.threshold,
        replaced: args.replaced,
        seed: args.seed,
    };
    let mut bar = console.bar("Text");
    let found = induction::on_text(model, &text.rows, &options, &mut |at| bar.at(at))?;
    Ok(found.map(Some))
}

fn object(found: &Synthetic, text: Option<&OnText>) -> Value {
    let of_head = |curve: &Curve| {
        let mut value = json!({
            "layer": curve.layer.0,
            "head": curve.head.0,
            "by_prefix": curve.by_prefix,
            "error_by_prefix": curve.error_by_prefix,
            "dla_by_prefix": curve.dla_by_prefix,
        });
        if let Some(of) = text.and_then(|text| text.of(curve.layer, curve.head)) {
            value["text"] = on_text_of(of);
        }
        value
    };
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    let mut value = json!({
        "protocol": found.protocol,
        "sequences": found.options.sequences,
        "seed": found.options.seed,
        "length": found.length,
        "heads": found.curves.iter().map(of_head).collect::<Vec<_>>(),
        "definitions": definitions,
    });
    if let Some(text) = text {
        value["text"] = json!({
            "rows": text.rows,
            "tokens": text.tokens,
            "threshold": text.options.threshold,
        });
    }
    value
}

fn on_text_of(of: &TextHead) -> Value {
    json!({
        "strong": of.strong(),
        "prefix_counts": of.prefix_counts,
        "induction_share": of.induction_share(),
        "replaced": of.replaced.map(|replaced| json!({
            "pairs": replaced.pairs,
            "before": replaced.before,
            "after": replaced.after,
        })),
    })
}

fn table(found: &Synthetic, text: Option<&OnText>) -> String {
    let numbers: String = (1..=PREFIXES).map(|p| format!(" {p:>5}")).collect();
    let mut lines = vec![
        format!(
            "{} sequences of each prefix length. {}",
            found.options.sequences, found.protocol
        ),
        format!(
            "attention to the right source, by prefix length; logit effect at 1 and {PREFIXES}"
        ),
        format!("{:<8}{numbers} {:>8} {:>8}", "head", "effect 1", "effect 9"),
    ];
    let strongest = found.strongest();
    for curve in strongest.iter().take(LISTED) {
        let shares: String = curve
            .by_prefix
            .iter()
            .map(|v| format!(" {v:>5.3}"))
            .collect();
        lines.push(format!(
            "{:<8}{shares} {:>8.3} {:>8.3}",
            name(curve),
            curve.dla_by_prefix[0],
            curve.dla_by_prefix[PREFIXES - 1]
        ));
    }
    if strongest.len() > LISTED {
        let rest = strongest.len() - LISTED;
        lines.push(format!(
            "{rest} heads with less attention are left out; --json has all"
        ));
    }
    if let Some(text) = text {
        lines.push(String::new());
        lines.extend(text_table(&strongest, text));
    }
    lines.join("\n")
}

fn text_table(strongest: &[&Curve], text: &OnText) -> Vec<String> {
    let mut lines = vec![
        format!(
            "on {} rows of text: pairs with attention above {}, share that continues a copy, attention before and after the copy is cut to one token",
            text.rows, text.options.threshold
        ),
        format!(
            "{:<8} {:>8} {:>6} {:>7} {:>7} {:>7}",
            "head", "pairs", "share", "changed", "before", "after"
        ),
    ];
    for curve in strongest.iter().take(LISTED) {
        let Some(of) = text.of(curve.layer, curve.head) else {
            continue;
        };
        let share = of
            .induction_share()
            .map_or_else(|| "–".to_owned(), |share| format!("{share:.3}"));
        let changed = of.replaced.map_or_else(
            || format!("{:>7} {:>7} {:>7}", 0, "–", "–"),
            |r| format!("{:>7} {:>7.3} {:>7.3}", r.pairs, r.before, r.after),
        );
        lines.push(format!(
            "{:<8} {:>8} {share:>6} {changed}",
            name(curve),
            of.strong()
        ));
    }
    lines
}

fn name(curve: &Curve) -> String {
    format!("L{}H{}", curve.layer, curve.head)
}
