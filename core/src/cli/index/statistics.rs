//! Lines of `umbra index show` on a feature's moments, tokens, positions and relations.

use crate::features::{Detail, TokenUse};

/// Number of tokens, features or neurons on a line.
const SHOWN: usize = 8;

/// Returns the lines; none for an index that holds none of these.
pub(super) fn lines(detail: &Detail) -> Vec<String> {
    let mut lines = Vec::new();
    let summary = detail.summary;
    if let Some(moments) = summary.moments {
        lines.push(format!(
            "moments     variance {:.4}  skewness {:.3}  kurtosis {:.3}",
            moments.variance, moments.skewness, moments.kurtosis
        ));
    }
    if let Some(uses) = &detail.uses {
        let lists = [
            ("by mean     ", &uses.by_mean),
            ("by count    ", &uses.by_count),
            ("preceded by ", &uses.preceding),
        ];
        for (name, tokens) in lists.iter().filter(|(_, tokens)| !tokens.is_empty()) {
            let tokens: Vec<String> = tokens.iter().take(SHOWN).map(token).collect();
            lines.push(format!("{name}{}", tokens.join("  ")));
        }
        if summary.density > 0.0 {
            let shares = uses.by_position.iter();
            let shares: Vec<String> = shares.map(|s| format!("{:.2}", 100.0 * s)).collect();
            lines.push(format!(
                "by position {} % of tokens, {} positions each; first of a document or row: {:.1} %",
                shares.join(" "),
                uses.part,
                100.0 * uses.first_token
            ));
        }
    }
    if let Some(cosine) = summary.encoder_decoder_cosine {
        lines.push(format!("encoder     cosine {cosine:.3} with the decoder"));
    }
    let Some(relations) = &detail.relations else {
        return lines;
    };
    let neighbours = relations.neighbours.iter().take(SHOWN);
    let neighbours = neighbours.map(|n| format!("{} {:.3}", n.feature, n.cosine));
    let coactive = relations.coactive.iter().take(SHOWN);
    let coactive = coactive.map(|c| format!("{} {:.3}", c.feature, c.jaccard));
    let neurons = relations.neurons.iter().take(SHOWN);
    let neurons = neurons.map(|n| format!("{} {:+.3}", n.neuron, n.cosine));
    let lists: [(&str, Vec<String>); 3] = [
        ("neighbours  ", neighbours.collect()),
        ("coactive    ", coactive.collect()),
        ("neurons     ", neurons.collect()),
    ];
    for (name, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
        lines.push(format!("{name}{}", list.join("  ")));
    }
    if !relations.coactive.is_empty() {
        lines.push(format!(
            "            pairs and tokens counted: {}",
            relations.counting
        ));
    }
    lines
}

fn token(token: &TokenUse) -> String {
    format!("{:?} {} × {:.3}", token.text, token.count, token.mean)
}
