//! A feature's detail as one JSON object, under the keys that scripts rely on.

use serde_json::{Value, json};

use super::{Detail, Example, TokenEffect};

/// `feature density mean max histogram examples promoted suppressed logits head_shares`, and beside these `decoder_norm` and `intervals`. `examples` are
/// the strongest; those drawn from each interval are with it.
pub fn json(detail: &Detail) -> Value {
    let summary = detail.summary;
    let intervals = detail.intervals.iter().map(|interval| {
        json!({
            "from": interval.from,
            "to": interval.to,
            "share": interval.share,
            "examples": examples(&interval.examples),
        })
    });
    json!({
        "feature": summary.feature.0,
        "density": summary.density,
        "mean": summary.mean,
        "max": summary.max,
        "decoder_norm": summary.decoder_norm,
        "histogram": {"edges": detail.histogram.edges, "counts": detail.histogram.counts},
        "examples": examples(&detail.top),
        "intervals": intervals.collect::<Value>(),
        "promoted": effects(&detail.promoted),
        "suppressed": effects(&detail.suppressed),
        "logits": {"edges": detail.logits.edges, "counts": detail.logits.counts},
        "head_shares": detail.head_shares,
    })
}

fn examples(examples: &[Example]) -> Value {
    let example = |example: &Example| {
        let ids = example.ids.iter().map(|id| id.0);
        json!({
            "document": example.document,
            "ids": ids.collect::<Vec<_>>(),
            "tokens": example.tokens,
            "activations": example.acts,
            "at": example.at,
            "activation": example.act(),
        })
    };
    examples.iter().map(example).collect()
}

fn effects(effects: &[TokenEffect]) -> Value {
    let effect = |effect: &TokenEffect| json!({"id": effect.id.0, "text": effect.text, "effect": effect.effect});
    effects.iter().map(effect).collect()
}
