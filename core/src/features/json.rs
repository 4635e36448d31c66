//! Writes a feature's detail as one JSON object with stable keys.

use serde_json::{Value, json};

use super::{About, Detail, Example, SourceToken, Sources, TokenEffect, fold};

/// Returns an object with the keys `feature density mean min max histogram examples promoted suppressed logits unembed head_shares head_attribution decoder_norm
/// intervals`. `examples` are the strongest, with `sources` (null where the index has none): `by_token`, a part of the pre-activation for each of `tokens`, earlier
/// tokens with the largest parts in `before`, and the `sum` over the row; each interval holds the examples drawn from it. Every example has the number, from 1, that opens it in Prompt, and
/// `near_duplicate_of`, the number of the example in its list that it is folded into ([`fold`]), or null.
pub fn json(about: &About, detail: &Detail) -> Value {
    let summary = detail.summary;
    let mut next = 1 + detail.top.len();
    let intervals = detail.intervals.iter().map(|interval| {
        let first = next;
        next += interval.examples.len();
        json!({
            "from": interval.from,
            "to": interval.to,
            "share": interval.share,
            "examples": examples(&interval.examples, first),
        })
    });
    let intervals: Value = intervals.collect();
    json!({
        "feature": summary.feature.0,
        "density": summary.density,
        "mean": summary.mean,
        "min": summary.min,
        "max": summary.max,
        "decoder_norm": summary.decoder_norm,
        "histogram": {"edges": detail.histogram.edges, "counts": detail.histogram.counts},
        "examples": with_sources(examples(&detail.top, 1), detail),
        "intervals": intervals,
        "promoted": effects(&detail.promoted),
        "suppressed": effects(&detail.suppressed),
        "logits": {"edges": detail.logits.edges, "counts": detail.logits.counts},
        "unembed": about.unembed.to_string(),
        "head_shares": detail.head_shares,
        "head_attribution": detail.head_attribution,
    })
}

fn examples(examples: &[Example], first: usize) -> Value {
    let folds = fold(examples);
    let folded_into = |at: usize| {
        let fold = folds.iter().find(|fold| fold.near.contains(&at))?;
        Some(first + fold.shown)
    };
    let example = |(number, example): (usize, &Example)| {
        let ids = example.ids.iter().map(|id| id.0);
        json!({
            "example": number,
            "document": example.document,
            "title": example.title(),
            "near_duplicate_of": folded_into(number - first),
            "row": example.place.map(|place| place.row),
            "position": example.place.map(|place| place.position),
            "ids": ids.collect::<Vec<_>>(),
            "tokens": example.tokens,
            "activations": example.acts,
            "at": example.at,
            "activation": example.act(),
        })
    };
    (first..).zip(examples).map(example).collect()
}

/// Adds the sources of the strongest examples.
fn with_sources(mut examples: Value, detail: &Detail) -> Value {
    let known = detail.sources.iter().zip(&detail.top).map(Some);
    let known = known.chain(std::iter::repeat(None));
    let each = examples.as_array_mut().into_iter().flatten();
    for (example, known) in each.zip(known) {
        example["sources"] = known.map_or(Value::Null, |(of, example)| sources(of, example));
    }
    examples
}

fn sources(sources: &Sources, example: &Example) -> Value {
    let token = |source: &SourceToken| {
        json!({
            "position": source.position, "id": source.id.0, "text": source.text, "value": source.value,
        })
    };
    json!({
        "by_token": sources.window,
        "before": sources.before.iter().map(token).collect::<Value>(),
        "strongest": sources.strongest(example).as_ref().map(token),
        "sum": sources.sum,
    })
}

fn effects(effects: &[TokenEffect]) -> Value {
    let effect = |effect: &TokenEffect| json!({"id": effect.id.0, "text": effect.text, "effect": effect.effect});
    effects.iter().map(effect).collect()
}
