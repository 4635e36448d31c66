//! `umbra steer`: a prompt continued twice from one seed, untouched and with edits in force.

use serde_json::{Value, json};

use super::edits::{self, EditArgs};
use super::sampling::{SamplingArgs, before_stop, name};
use super::{Console, Exit, ModelArgs};
use crate::error::{Error, Result};
use crate::ids::{FeatureId, TokenId};
use crate::models::{Finish, Model};
use crate::steer::{self, Change, EditSpec, Event, Outcome, Vector, What};

/// Flags of `umbra steer`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = edits::help())]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Hook of the dictionary, if its file names none or another is meant (blocks.2.hook_resid_post)
    #[arg(long, value_name = "NAME")]
    hook: Option<String>,
    /// Feature whose decoder row is added at every position but the first: short for --edit "add feature=I strength=C"
    #[arg(long, value_name = "I", requires_all = ["strength", "sae"])]
    feature: Option<u32>,
    /// How many times the row is added; negative pushes away
    #[arg(
        long,
        value_name = "C",
        allow_negative_numbers = true,
        requires = "feature"
    )]
    strength: Option<f32>,
    #[command(flatten)]
    edits: EditArgs,
    /// Text to continue; BOS is put before it if the model names one
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// Runs `umbra steer`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let specs = specs(args)?;
    let hook = args.hook.as_deref();
    let (model, edits) = args.edits.open_as(&specs, hook, &args.model, console)?;
    console.begun(model.codec(), &args.prompt)?;
    let sampling = args.sampling.sampling();
    let mut progress = console.progress("Generating", 2 * sampling.tokens as u64, "tokens");
    let mut done = 0;
    let outcome = steer::run(&model, edits, &args.prompt, &sampling, &mut |event| {
        done += u64::from(matches!(event, Event::Token(..)));
        progress.set(done, "")
    })?;
    drop(progress);
    console.answer(&object(&model, &specs, &outcome), || {
        table(&model, &outcome)
    })?;
    Ok(if outcome.stopped {
        Exit::Stopped
    } else {
        Exit::Done
    })
}

/// The feature added, then the other edits.
fn specs(args: &Args) -> Result<Vec<EditSpec>> {
    let mut specs = Vec::new();
    if let (Some(feature), Some(strength)) = (args.feature, args.strength) {
        let row = Vector::Feature(FeatureId(feature));
        specs.push(EditSpec::new(What::Add(row, strength)));
    } else if args.edits.is_empty() {
        let what = "there is none: give --feature with --strength, --edit or --edits";
        return Err(Error::setting("--edit", what));
    }
    specs.extend(args.edits.specs()?);
    Ok(specs)
}

fn object(model: &Model, specs: &[EditSpec], outcome: &Outcome) -> Value {
    let text = |tokens: &[TokenId], finish: Option<&Finish>| {
        let ids: Vec<u32> = tokens.iter().map(|id| id.0).collect();
        let text = model.codec().decode(tokens);
        json!({"tokens": ids, "text": before_stop(&text, finish), "finish": name(finish)})
    };
    let change = |change: &Change| json!({"id": change.id.0, "text": change.text, "before": change.before, "after": change.after});
    let [baseline, steered] = &outcome.ends;
    json!({
        "edits": specs.iter().map(EditSpec::to_string).collect::<Vec<_>>(),
        "baseline": text(&outcome.baseline, baseline.as_ref()),
        "steered": text(&outcome.steered, steered.as_ref()),
        "shift": outcome.shift.iter().map(change).collect::<Vec<_>>(),
        "kl": outcome.kl,
        "stopped": outcome.stopped,
    })
}

fn table(model: &Model, outcome: &Outcome) -> String {
    let text = |tokens: &[TokenId], finish: &Option<Finish>| {
        let text = model.codec().decode(tokens);
        before_stop(&text, finish.as_ref()).to_owned()
    };
    let [baseline, steered] = &outcome.ends;
    let mut lines = vec![
        "baseline".to_owned(),
        text(&outcome.baseline, baseline),
        "\nsteered".to_owned(),
        text(&outcome.steered, steered),
        format!(
            "\nnext token after the prompt: KL(steered ‖ baseline) {:.4} nats",
            outcome.kl
        ),
        format!(
            "{:<16} {:>8} {:>8} {:>9}",
            "token", "before", "after", "change"
        ),
    ];
    for Change {
        text,
        before,
        after,
        ..
    } in &outcome.shift
    {
        let text = format!("{text:?}");
        lines.push(format!(
            "{text:<16} {before:>8.4} {after:>8.4} {:>+9.4}",
            after - before
        ));
    }
    lines.join("\n")
}
