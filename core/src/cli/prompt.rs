//! `umbra prompt`: the strongest features of each token of one text.

use serde_json::{Value, json};

use super::{Console, Exit, ModelArgs, SaeArgs, open_both};
use crate::error::Result;
use crate::prompt::{self, Reading};

/// Features listed per token.
const MOST: usize = 10;
/// Of these, shown per token without `--json`.
const SHOWN: usize = 5;

/// Flags of `umbra prompt`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    /// Text to read; BOS is put before it if the model names one
    #[arg(long, value_name = "TEXT")]
    text: String,
}

/// Runs `umbra prompt`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let (model, sae) = open_both(&args.model, &args.sae, console)?;
    let reading = prompt::read(&model, sae.autoencoder()?, &args.text, 0)?;
    if reading.cut > 0 {
        let kept = reading.tokens.len();
        console.note(&format!(
            "The text is cut to the model's context of {kept} tokens, {} are left out",
            reading.cut
        ));
    }
    console.answer(&object(&reading), || table(&reading))?;
    Ok(Exit::Done)
}

fn object(reading: &Reading) -> Value {
    let token = |t: usize| {
        let features: Vec<Value> = reading
            .strongest(t, MOST)
            .into_iter()
            .map(|(feature, activation)| json!({"feature": feature.0, "activation": activation}))
            .collect();
        json!({"id": reading.tokens[t].0, "text": reading.texts[t], "features": features})
    };
    json!({"tokens": (0..reading.tokens.len()).map(token).collect::<Vec<_>>()})
}

fn table(reading: &Reading) -> String {
    let line = |(t, text): (usize, &String)| {
        let features: Vec<_> = reading
            .strongest(t, SHOWN)
            .into_iter()
            .map(|(feature, activation)| format!("{feature}: {activation:.3}"))
            .collect();
        format!("{t:>4} {text:<16?}  {}", features.join("  "))
    };
    let lines: Vec<_> = reading.texts.iter().enumerate().map(line).collect();
    lines.join("\n")
}
