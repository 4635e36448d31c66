//! Two texts aligned token by token, and the features that change.

use serde_json::{Value, json};

use crate::prompt::{Aligned, Reading, Step};

/// Number of features in the answer.
const MOST: usize = 50;

/// Number of features printed without `--json`.
const SHOWN: usize = 20;

/// The answer to programs.
pub(super) fn object(aligned: &Aligned, (one, other): (&Reading, &Reading)) -> Value {
    let token = |reading: &Reading, at: Option<usize>| {
        at.map(|t| json!({"position": t, "id": reading.tokens[t].0, "text": reading.texts[t]}))
    };
    let step = |(step, change): (&Step, &f32)| json!({"a": token(one, step.one), "b": token(other, step.other), "change": change});
    let steps: Vec<Value> = aligned
        .steps
        .iter()
        .zip(&aligned.changes)
        .map(step)
        .collect();
    let features: Vec<Value> = aligned
        .features
        .iter()
        .take(MOST)
        .map(|one| {
            json!({
                "feature": one.feature.0,
                "change": one.change,
                "step": one.step,
                "sum": one.sum,
                "a": one.one,
                "b": one.other,
            })
        })
        .collect();
    json!({"steps": steps, "features": features, "changed": aligned.features.len()})
}

/// The answer to people.
pub(super) fn table(aligned: &Aligned, (one, other): (&Reading, &Reading)) -> String {
    let text = |reading: &Reading, at: Option<usize>| {
        at.map_or_else(|| "–".to_owned(), |t| format!("{:?}", reading.texts[t]))
    };
    let mut lines = vec![format!("{:>4} {:<20} {:<20} {:>9}", "", "a", "b", "change")];
    for (number, (step, change)) in aligned.steps.iter().zip(&aligned.changes).enumerate() {
        let (a, b) = (text(one, step.one), text(other, step.other));
        lines.push(format!("{number:>4} {a:<20} {b:<20} {change:>9.3}"));
    }
    lines.push(String::new());
    let title = format!(
        "{:>8} {:>9} {:>9} {:>9}  largest change at",
        "feature", "change", "max a", "max b"
    );
    lines.push(title);
    for difference in aligned.features.iter().take(SHOWN) {
        let step = aligned.steps[difference.step];
        lines.push(format!(
            "{:>8} {:>+9.3} {:>9.3} {:>9.3}  {} {} → {}",
            difference.feature.to_string(),
            difference.change,
            difference.one,
            difference.other,
            difference.step,
            text(one, step.one),
            text(other, step.other),
        ));
    }
    let beyond = aligned.features.len().saturating_sub(SHOWN);
    if beyond > 0 {
        lines.push(format!("and {beyond} features that change less"));
    }
    lines.join("\n")
}
