//! Roles of heads as JSON and as lines of text, for the verbs of `umbra heads` that print them.

use serde_json::{Value, json};

use crate::heads::roles::{
    Agreement, Cluster, EXPLAINED, FalsePositives, HeadRoles, JOINED, Judged, LayerRoles, RULE,
    ShareOfHeads,
};
use crate::project::Verdict;

/// Returns what a layer was studied on, and the rule.
pub(super) fn layer(roles: &LayerRoles) -> Value {
    let by = roles.heads.first().map(|head| &head.by);
    let cuts: Vec<Value> = (by.into_iter().flatten().zip(roles.at_cut))
        .map(|(judged, at_cut)| {
            json!({
                "criterion": judged.criterion.key(), "distance": judged.criterion.distance(), "cut": judged.cut, "random_draws_with_a_shape": at_cut,
            })
        })
        .collect();
    json!({
        "tokens": roles.tokens, "blocks": roles.blocks, "sampled_rows": roles.sampled_rows, "cuts": cuts, "rule": RULE, "joined": JOINED, "least_explained": EXPLAINED,
    })
}

/// Returns the roles of a head.
pub(super) fn head(roles: &HeadRoles) -> Value {
    let features: Vec<u32> = roles.features.iter().map(|feature| feature.0).collect();
    let parts = roles.parts;
    json!({
        "verdict": roles.verdict.key(), "why": roles.why(), "features": features, "cosines": roles.cosines,
        "peak_overlap": roles.peak_overlap, "before_overlap": roles.before_overlap, "false_positives": false_positives(roles.false_positives),
        "explained": {"listed": parts.listed, "others": parts.others, "bias": parts.bias, "error": parts.error},
        "by": roles.by.iter().map(|by| judged(roles, by)).collect::<Vec<_>>(),
    })
}

fn judged(roles: &HeadRoles, judged: &Judged) -> Value {
    let cluster = |cluster: &Cluster| {
        let members: Vec<u32> = cluster
            .members
            .iter()
            .map(|at| roles.features[*at].0)
            .collect();
        json!({
            "features": members, "tokens": cluster.tokens, "explained": cluster.explained,
            "rise": cluster.rise.map(|rise| json!({"mean": rise.mean, "interval": [rise.low, rise.high], "tokens": rise.tokens})),
        })
    };
    json!({
        "criterion": judged.criterion.key(), "cut": judged.cut, "verdict": judged.verdict.key(),
        "false_positives": false_positives(judged.false_positives), "clusters": judged.clusters.iter().map(cluster).collect::<Vec<_>>(),
    })
}

fn false_positives(found: FalsePositives) -> Value {
    json!({"draws": found.draws, "one": found.one, "several": found.several, "rate": found.rate()})
}

/// Returns the share of polysemantic heads by a criterion.
pub(super) fn share(share: &ShareOfHeads) -> Value {
    let [several, one, unsure] = share.counts;
    let interval = |(low, high): (f64, f64)| json!([low, high]);
    json!({
        "criterion": share.criterion.map_or("both", |criterion| criterion.key()), "heads": share.heads, "several": several, "one": one, "unsure": unsure,
        "share": share.several, "by_chance": share.by_chance, "over_heads": interval(share.over_heads), "over_text": share.over_text.map(interval), "share_not_one": share.not_one,
    })
}

/// Returns the agreement with a person's verdicts.
pub(super) fn agreement(found: &Agreement) -> Value {
    let rows = Verdict::ALL.iter().zip(found.counts);
    let counts = rows.map(|(measured, row)| {
        let cells = Verdict::ALL.iter().zip(row);
        let cells = cells.map(|(own, count)| (own.key().to_owned(), json!(count)));
        (measured.key().to_owned(), Value::Object(cells.collect()))
    });
    json!({"heads": found.heads, "share": found.share, "kappa": found.kappa, "counts": Value::Object(counts.collect())})
}

/// Says what a layer was studied on.
pub(super) fn text(roles: &LayerRoles) -> String {
    let mut lines = vec![format!(
        "{} tokens; {} rows with a head ablated; the bootstrap draws {}",
        roles.tokens, roles.sampled_rows, roles.blocks
    )];
    let by = roles.heads.first().map(|head| &head.by);
    for judged in by.into_iter().flatten() {
        lines.push(match judged.cut {
            Some(cut) => format!(
                "clusters by {} at distance {cut}",
                judged.criterion.phrase()
            ),
            None => format!(
                "no cut by {} keeps random features from looking like a verdict",
                judged.criterion.phrase()
            ),
        });
    }
    lines.push(format!("{RULE}. {JOINED}"));
    lines.join("\n")
}

/// Formats the roles of a head.
pub(super) fn lines(roles: &HeadRoles) -> String {
    let parts = roles.parts;
    let mut lines = vec![
        roles.why(),
        format!(
            "on ten random live features: {} of {} draws one role, {} several roles",
            roles.false_positives.one, roles.false_positives.draws, roles.false_positives.several
        ),
        format!(
            "output explained: the ten features {:.3}, other features {:.3}, decoder bias {:.3}, error {:.3}",
            parts.listed, parts.others, parts.bias, parts.error
        ),
    ];
    if parts.is_little() {
        lines.push(format!(
            "the ten features explain less than {:.0} % of what the head writes: they say little about it",
            100.0 * EXPLAINED
        ));
    }
    for judged in &roles.by {
        for group in judged.groups() {
            let members: Vec<String> = group
                .members
                .iter()
                .map(|at| roles.features[*at].to_string())
                .collect();
            let rise = group.rise.map_or_else(
                || "silent in the sampled rows".to_owned(),
                |rise| {
                    format!(
                        "ablation {:+.4} [{:+.4}, {:+.4}] on {} tokens",
                        rise.mean, rise.low, rise.high, rise.tokens
                    )
                },
            );
            lines.push(format!(
                "  by {}: features {} ({:?}), explain {:.3}, {rise}",
                judged.criterion.phrase(),
                members.join(" "),
                group.tokens,
                group.explained
            ));
        }
    }
    lines.join("\n")
}

/// Says the share of polysemantic heads by a criterion.
pub(super) fn share_line(share: &ShareOfHeads) -> String {
    let [several, one, unsure] = share.counts;
    let criterion = share
        .criterion
        .map_or("both criteria", |criterion| criterion.phrase());
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let over_text = share.over_text.map_or_else(String::new, |(low, high)| {
        format!(", over the text {} to {}", percent(low), percent(high))
    });
    format!(
        "by {criterion}: {several} of {} heads have several roles ({}; interval over heads {} to {}{over_text}; by chance {}), {one} one role, {unsure} cannot be told; not one role: {}",
        share.heads,
        percent(share.several),
        percent(share.over_heads.0),
        percent(share.over_heads.1),
        percent(share.by_chance),
        percent(share.not_one)
    )
}

/// Says how far the measured verdicts agree with a person's.
pub(super) fn agreement_line(found: &Agreement) -> String {
    let kappa = found
        .kappa
        .map_or_else(|| "–".to_owned(), |kappa| format!("{kappa:.2}"));
    format!(
        "agreement with your verdicts on {} heads: {:.0} %, Cohen's kappa {kappa}",
        found.heads,
        100.0 * found.share
    )
}
