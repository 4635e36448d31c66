//! `umbra steer`: a prompt continued twice from one seed, untouched and with c × decoder row added.

use serde_json::{Value, json};

use super::{Console, Exit, ModelArgs, SaeArgs, open_both};
use crate::error::Result;
use crate::ids::{FeatureId, TokenId};
use crate::models::{Model, Sampling};
use crate::steer::{self, Change, Event, Outcome, Steering};

/// Flags of `umbra steer`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    /// Feature whose decoder row is added at every position but the first
    #[arg(long, value_name = "I")]
    feature: u32,
    /// How many times the row is added; negative pushes away
    #[arg(long, value_name = "C", allow_negative_numbers = true)]
    strength: f32,
    /// Text to continue; BOS is put before it if the model names one
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// Tokens to generate at most, each
    #[arg(long, value_name = "N", default_value_t = 60)]
    tokens: usize,
    /// 0 picks the most likely token each time
    #[arg(long, value_name = "X", default_value_t = 0.8)]
    temperature: f64,
    /// Most likely tokens considered; 0 for all
    #[arg(long, value_name = "K", default_value_t = 40)]
    top_k: usize,
    /// Seed of both continuations
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
}

/// Runs `umbra steer`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let (model, sae) = open_both(&args.model, &args.sae, console)?;
    let steering = Steering {
        feature: FeatureId(args.feature),
        strength: args.strength,
    };
    let sampling = Sampling {
        temperature: args.temperature,
        top_p: None,
        top_k: (args.top_k > 0).then_some(args.top_k),
        seed: args.seed,
        tokens: args.tokens,
    };
    let mut progress = console.progress("Generating", 2 * args.tokens as u64, "tokens");
    let mut done = 0;
    let outcome = steer::run(
        &model,
        &sae,
        &args.prompt,
        steering,
        &sampling,
        &mut |event| {
            done += u64::from(matches!(event, Event::Token(..)));
            progress.set(done, "")
        },
    )?;
    drop(progress);
    console.answer(&object(&model, &outcome), || table(&model, &outcome))?;
    Ok(if outcome.stopped {
        Exit::Stopped
    } else {
        Exit::Done
    })
}

fn object(model: &Model, outcome: &Outcome) -> Value {
    let text = |tokens: &[TokenId]| {
        let ids: Vec<u32> = tokens.iter().map(|id| id.0).collect();
        json!({"tokens": ids, "text": model.codec().decode(tokens)})
    };
    let change = |change: &Change| json!({"id": change.id.0, "text": change.text, "before": change.before, "after": change.after});
    json!({
        "baseline": text(&outcome.baseline),
        "steered": text(&outcome.steered),
        "shift": outcome.shift.iter().map(change).collect::<Vec<_>>(),
        "kl": outcome.kl,
        "stopped": outcome.stopped,
    })
}

fn table(model: &Model, outcome: &Outcome) -> String {
    let mut lines = vec![
        "baseline".to_owned(),
        model.codec().decode(&outcome.baseline),
        "\nsteered".to_owned(),
        model.codec().decode(&outcome.steered),
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
