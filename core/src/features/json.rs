//! Writes a feature's detail as one JSON object with stable keys.

use serde_json::{Value, json};

use super::{
    About, Coactive, Detail, Example, Neighbour, Neuron, Relations, SourceToken, Sources,
    TokenEffect, TokenUse, Uses, Written, fold,
};

/// Returns an object with the keys `feature density mean min max variance skewness kurtosis histogram log_histogram examples promoted suppressed logits unembed
/// head_shares head_attribution decoder_norm encoder_decoder_cosine top_tokens frequent_tokens preceding_tokens by_position first_token neighbours coactive neurons
/// counting intervals written`; those that an older index lacks are null. `written` has an object for each hook that a cross-layer transcoder's feature writes, and is
/// empty elsewhere. `examples` are the strongest, with `sources` (null where the index has none): `by_token`, a part of the pre-activation for each of `tokens`, earlier
/// tokens with the largest parts in `before`, and the `sum` over the row; and with `loss_effect` ([`Detail::loss_effects`], null where there is none); each interval holds the examples drawn from it. Every example has the number, from 1, that opens it in Prompt, and
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
    let mut object = json!({
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
        "written": detail.written.iter().map(written).collect::<Value>(),
        "head_attribution": detail.head_attribution,
    });
    let object_of = [
        statistics(detail),
        uses(detail.uses.as_ref()),
        relations(detail.relations.as_ref()),
    ];
    for (key, value) in object_of.into_iter().flatten() {
        object[key] = value;
    }
    object
}

/// A key and its value.
type Pair = (&'static str, Value);

fn statistics(detail: &Detail) -> Vec<Pair> {
    let moments = detail.summary.moments;
    let sizes = &detail.log_histogram;
    vec![
        ("variance", json!(moments.map(|m| m.variance))),
        ("skewness", json!(moments.map(|m| m.skewness))),
        ("kurtosis", json!(moments.map(|m| m.kurtosis))),
        (
            "encoder_decoder_cosine",
            json!(detail.summary.encoder_decoder_cosine),
        ),
        (
            "log_histogram",
            json!({"edges": sizes.edges, "counts": sizes.counts}),
        ),
    ]
}

fn uses(uses: Option<&Uses>) -> Vec<Pair> {
    let token = |token: &TokenUse| json!({"id": token.id.0, "text": token.text, "count": token.count, "mean": token.mean});
    let list = |of: fn(&Uses) -> &Vec<TokenUse>| {
        uses.map_or(Value::Null, |uses| of(uses).iter().map(token).collect())
    };
    let by_position = uses.map(|uses| json!({"positions": uses.part, "shares": uses.by_position}));
    vec![
        ("top_tokens", list(|uses| &uses.by_mean)),
        ("frequent_tokens", list(|uses| &uses.by_count)),
        ("preceding_tokens", list(|uses| &uses.preceding)),
        ("by_position", json!(by_position)),
        ("first_token", json!(uses.map(|uses| uses.first_token))),
    ]
}

fn relations(relations: Option<&Relations>) -> Vec<Pair> {
    let Some(relations) = relations else {
        let keys = ["neighbours", "coactive", "neurons", "counting"];
        return keys.map(|key| (key, Value::Null)).into();
    };
    let neighbour = |n: &Neighbour| json!({"feature": n.feature.0, "cosine": n.cosine});
    let coactive =
        |c: &Coactive| json!({"feature": c.feature.0, "jaccard": c.jaccard, "both": c.both});
    let neuron = |n: &Neuron| json!({"neuron": n.neuron, "cosine": n.cosine});
    vec![
        (
            "neighbours",
            relations.neighbours.iter().map(neighbour).collect(),
        ),
        (
            "coactive",
            relations.coactive.iter().map(coactive).collect(),
        ),
        ("neurons", relations.neurons.iter().map(neuron).collect()),
        ("counting", json!(relations.counting.to_string())),
    ]
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

/// Adds the sources of the strongest examples, and their effects on the loss.
fn with_sources(mut examples: Value, detail: &Detail) -> Value {
    let known = detail.sources.iter().zip(&detail.top).map(Some);
    let known = known.chain(std::iter::repeat(None));
    let each = examples.as_array_mut().into_iter().flatten();
    let effects = detail.loss_effects.iter().copied().map(Some);
    let effects = effects.chain(std::iter::repeat(None));
    for ((example, known), effect) in each.zip(known).zip(effects) {
        example["sources"] = known.map_or(Value::Null, |(of, example)| sources(of, example));
        example["loss_effect"] = json!(effect.filter(|effect| effect.is_finite()));
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

fn written(written: &Written) -> Value {
    let neighbour = |of: &Neighbour| json!({"feature": of.feature.0, "cosine": of.cosine});
    json!({
        "hook": written.hook.to_string(),
        "norm": written.norm,
        "promoted": effects(&written.promoted),
        "suppressed": effects(&written.suppressed),
        "neighbours": written.neighbours.iter().map(neighbour).collect::<Value>(),
    })
}

fn effects(effects: &[TokenEffect]) -> Value {
    let effect = |effect: &TokenEffect| json!({"id": effect.id.0, "text": effect.text, "effect": effect.effect});
    effects.iter().map(effect).collect()
}
