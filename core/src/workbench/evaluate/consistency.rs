//! Consistency of dictionaries across seeds: the comparison and its answer as JSON.

use serde_json::{Value, json};

use crate::benchmarks::consistency::{Consistency, Matched, Share, Spec};

pub use crate::benchmarks::consistency::{DEFINITIONS, consistency as run};

/// Pairs of features in the answer, of each pair of dictionaries.
pub const LISTED: usize = 50;

/// Returns the answer as JSON; of each pair of dictionaries the partners with the lowest cosines.
pub fn json(found: &Consistency, spec: &Spec) -> Value {
    let share = |share: &Share| json!({"least": share.least, "share": share.share.json()});
    let shares = |shares: &[Share]| shares.iter().map(share).collect::<Vec<_>>();
    let pair = |pair: &Matched| {
        let weakest = pair.partners.iter().rev().take(LISTED);
        let weakest = weakest.map(|one| json!({"a": one.a.0, "b": one.b.0, "cosine": one.cosine}));
        json!({
            "a": found.names[pair.a],
            "b": found.names[pair.b],
            "pw_mcc": pair.pw_mcc.json(),
            "bounds": pair.bounds,
            "optimal": pair.is_optimal,
            "shares": shares(&pair.shares),
            "chance": pair.chance,
            "opposed": pair.opposed,
            "matched": pair.partners.len(),
            "weakest": weakest.collect::<Vec<_>>(),
        })
    };
    let dictionaries = found.names.iter().zip(&found.features);
    let dictionaries =
        dictionaries.map(|(name, features)| json!({"name": name, "features": features}));
    json!({
        "hook": found.hook,
        "dictionaries": dictionaries.collect::<Vec<_>>(),
        "pw_mcc": found.pw_mcc.json(),
        "sd_of_pairs": found.sd_of_pairs,
        "shares": shares(&found.shares),
        "pairs": found.pairs.iter().map(pair).collect::<Vec<_>>(),
        "seed": spec.seed,
        "draws": spec.draws,
        "notes": found.notes,
        "definitions": definitions(),
    })
}

fn definitions() -> Value {
    let each = DEFINITIONS.iter();
    each.map(|(name, definition)| ((*name).to_owned(), Value::from(*definition)))
        .collect()
}
