//! `umbra steer`: continues a prompt twice from one seed, with and without edits.

mod request;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::edits::{self, EditArgs};
use super::sampling::{self, SamplingArgs};
use super::{Console, Exit, ModelArgs};
use crate::error::{Error, Result};
use crate::ids::FeatureId;
use crate::models::Finish;
use crate::progress::{Ended, Progress};
use crate::steer::{self, Change, EditSpec, Event, Outcome, Vector, What};

pub use request::{steer_line, steer_request};

/// Flags of `umbra steer`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = edits::help())]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Hook of the dictionary, such as blocks.2.hook_resid_post [default: the hook that its file names]
    #[arg(long, value_name = "NAME")]
    hook: Option<String>,
    /// Feature whose decoder row to add at every position but the first; short for --edit "add feature=I strength=C"
    #[arg(long, value_name = "I", requires_all = ["strength", "sae"])]
    feature: Option<u32>,
    /// Factor of the decoder row; a negative one steers away from the feature
    #[arg(
        long,
        value_name = "C",
        allow_negative_numbers = true,
        requires = "feature"
    )]
    strength: Option<f32>,
    #[command(flatten)]
    edits: EditArgs,
    /// Text to continue; BOS is put before it if the model's or dictionary's rule says so and the text does not begin with it
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// Runs `umbra steer`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let specs = specs(args)?;
    let hook = args.hook.as_deref();
    let (model, made) = args.edits.open_as(&specs, hook, &args.model, console)?;
    // Most passes are of one token.
    args.edits.place(&made.edits, 1, console)?;
    console.begun(model.codec(), &args.prompt)?;
    let sampling = args.sampling.sampling();
    let mut bar = console.bar("Generating");
    let mut done = 0;
    let ended = steer::run(&model, made.edits, &args.prompt, &sampling, &mut |event| {
        done += usize::from(matches!(event, Event::Token(..)));
        bar.at(Progress::new(done, 2 * sampling.tokens, "tokens"))
    })?;
    drop(bar);
    console.answer(&object((&specs, &made.units), &ended), || {
        table(ended.value())
    })?;
    Ok(Exit::from(&ended))
}

/// Returns the edit of --feature, then the others.
fn specs(args: &Args) -> Result<Vec<EditSpec>> {
    let mut specs = Vec::new();
    if let (Some(feature), Some(strength)) = (args.feature, args.strength) {
        let row = Vector::Feature(FeatureId(feature));
        specs.push(EditSpec::new(What::Add(row, strength)));
    } else if args.edits.is_empty() {
        let what = "there is no edit: give --feature with --strength, --edit or --edits";
        return Err(Error::setting("--edit", what));
    }
    specs.extend(args.edits.specs()?);
    Ok(specs)
}

fn object(
    (specs, units): (&[EditSpec], &[Option<String>]),
    ended: &Ended<Outcome, Outcome>,
) -> Value {
    let outcome = ended.value();
    let changes = |changes: &[Change]| -> Vec<Value> {
        let change = |change: &Change| json!({"id": change.id.0, "text": change.text, "before": change.before, "after": change.after});
        changes.iter().map(change).collect()
    };
    let generated = outcome.generated.as_ref();
    json!({
        "edits": specs.iter().map(EditSpec::to_string).collect::<Vec<_>>(),
        "units": units,
        "baseline": sampling::object(&outcome.baseline),
        "steered": sampling::object(&outcome.steered),
        "shift": changes(&outcome.shift),
        "kl": outcome.kl,
        "kl_generated": generated.map(|generated| generated.kl),
        "kl_by_token": generated.map(|generated| &generated.kl_by_token),
        "shift_generated": generated.map(|generated| changes(&generated.shift)),
        "definitions": {
            "kl": steer::KL,
            "kl_generated": steer::GENERATED_KL,
            "kl_by_token": "terms of kl_generated, one per token of the steered text; the first is `kl`",
            "shift": "probabilities of the next token at the prompt's end, without edits and with them",
            "shift_generated": "mean probabilities over the distributions that the steered text's tokens were drawn from",
        },
        "stopped": ended.is_stopped(),
    })
}

fn table(outcome: &Outcome) -> String {
    let mut lines = vec![
        "baseline".to_owned(),
        outcome.baseline.text.clone(),
        "\nsteered".to_owned(),
        outcome.steered.text.clone(),
        String::new(),
    ];
    for (name, written) in [
        ("baseline", &outcome.baseline),
        ("steered", &outcome.steered),
    ] {
        if let Some(Finish::Eos(token)) = written.finish {
            lines.push(format!(
                "{name} text ended by the model (EOS, token {token})"
            ));
        }
    }
    lines.push(format!(
        "next token at the prompt's end: KL(steered ‖ baseline) {:.4} nats",
        outcome.kl
    ));
    rows(&outcome.shift, &mut lines);
    if let Some(generated) = &outcome.generated {
        lines.push(format!(
            "\nnext token along the steered text (mean of {}, the untouched model reading the same text): KL(steered ‖ baseline) {:.4} nats",
            generated.kl_by_token.len(),
            generated.kl
        ));
        rows(&generated.shift, &mut lines);
    }
    lines.join("\n")
}

/// Formats probabilities before and after, a line per token.
fn rows(shift: &[Change], lines: &mut Vec<String>) {
    lines.push(format!(
        "{:<16} {:>8} {:>8} {:>9}",
        "token", "before", "after", "change"
    ));
    for Change {
        text,
        before,
        after,
        ..
    } in shift
    {
        let text = format!("{text:?}");
        lines.push(format!(
            "{text:<16} {before:>8.4} {after:>8.4} {:>+9.4}",
            after - before
        ));
    }
}
