//! Shows a run while it trains, and what it made.

use serde_json::{Value, json};

use super::Saved;
use crate::cli::{Bar, Console};
use crate::progress::{Flow, Progress};
use crate::train::Event;

/// The activations that each run has seen.
pub(super) struct Seen {
    pub(super) by_run: Vec<u64>,
    pub(super) in_all: u64,
}

impl Seen {
    fn progress(&self) -> Progress {
        Progress {
            done: self.by_run.iter().sum(),
            total: self.in_all,
            unit: "activations",
        }
    }
}

/// Shows an event of run `which`, named where there are several.
pub(super) fn show(
    event: Event,
    (which, name): (usize, Option<String>),
    seen: &mut Seen,
    bar: &mut Bar<'_>,
    console: &Console,
) -> Flow {
    let named = |text: &str| match &name {
        Some(name) => format!("{name}: {text}"),
        None => text.to_owned(),
    };
    match event {
        Event::Note(note) | Event::Fault(note) => console.note(&named(&note)),
        Event::Failed(why) => console.note(&named(&format!("failed, the others continue: {why}"))),
        Event::Progress(at) if at.step > 0 => {
            let figures = format!(
                "loss {:.4} FVU {:.4} L0 {:.1} dead {:.1} %",
                at.loss,
                at.fvu,
                at.l0,
                100.0 * at.dead_fraction
            );
            seen.by_run[which] = at.tokens_seen;
            return bar.at_with(seen.progress(), &named(&figures));
        }
        Event::Progress(_) => return bar.at_with(seen.progress(), "gathering activations"),
        Event::Snapshot(_) | Event::Firing(_) => {}
    }
    console.flow()
}

/// Builds the answer of one dictionary for scripts.
pub(super) fn object(Saved { spec, out, ended }: &Saved) -> Value {
    let outcome = ended.value();
    json!({
        "out": out,
        "variant": spec.kind(),
        "selection": outcome.sae.selection.describe(),
        "steps": outcome.last.step,
        "tokens_seen": outcome.tokens_seen,
        "l0": outcome.last.l0,
        "fvu": outcome.last.fvu,
        "loss": outcome.last.loss,
        "inference_l0": outcome.last.inference_l0,
        "inference_fvu": outcome.last.inference_fvu,
        "checkpoint": outcome.checkpoint,
        "dead_fraction": outcome.last.dead_fraction,
        "stopped": ended.is_stopped(),
    })
}

/// Lays the answer of one dictionary out for people.
pub(super) fn table(Saved { out, ended, .. }: &Saved) -> String {
    let outcome = ended.value();
    let last = outcome.last;
    let mut lines = vec![
        out.display().to_string(),
        format!("selection   {}", outcome.sae.selection.describe()),
        format!("tokens seen {:>10}", outcome.tokens_seen),
        format!("L0          {:>10.3}  over the last steps", last.l0),
        format!("FVU         {:>10.5}  over the last steps", last.fvu),
    ];
    if let (Some(l0), Some(fvu)) = (last.inference_l0, last.inference_fvu) {
        lines.push(format!("L0 in use   {l0:>10.3}  under the selection above"));
        lines.push(format!(
            "FVU in use  {fvu:>10.5}  under the selection above"
        ));
    }
    lines.push(format!(
        "dead        {:>10.5}  share silent at the end",
        last.dead_fraction
    ));
    lines.join("\n")
}
