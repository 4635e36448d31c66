//! `umbra model lens`: shows the logit lens of a text, layer by layer.

use serde_json::{Value, json};

use super::super::{Console, Exit, ModelArgs};
use super::PromptArgs;
use super::tokens::{aligned, check_position, note_cut, tokens_object};
use crate::error::Result;
use crate::lens::{self, Guess, Lens};
use crate::progress::Ended;
use crate::prompt::NextToken;

/// Flags of `umbra model lens`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    text: PromptArgs,
    /// Number of next tokens per layer and position
    #[arg(long, value_name = "N", default_value_t = 5)]
    top: usize,
    /// Position to show in full, counted from 0 (BOS) [default: one token per layer at every position]
    #[arg(long, value_name = "P")]
    at: Option<usize>,
}

/// Runs `umbra model lens`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let model = args.model.open(console)?;
    let tokens = args.text.tokens(&model, console)?;
    let mut bar = console.bar("Reading the layers");
    let lens = lens::read(&model, &tokens, args.top.max(1), &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(lens) = lens else {
        return Ok(Exit::Stopped);
    };
    note_cut(lens.cut, lens.tokens.len(), console);
    if let Some(at) = args.at {
        check_position(at, lens.tokens.len())?;
    }
    console.answer(&object(&lens), || match args.at {
        Some(at) => column(&lens, at),
        None => table(&lens),
    })?;
    Ok(Exit::Done)
}

fn object(lens: &Lens) -> Value {
    let next = |next: &NextToken| json!({"id": next.id.0, "text": next.text, "probability": next.probability});
    let guess = |guess: &Guess| {
        let actual = guess.actual;
        json!({
            "top": guess.top.iter().map(next).collect::<Vec<_>>(),
            "actual_rank": actual.map(|actual| actual.rank),
            "actual_probability": actual.map(|actual| actual.probability),
            "entropy": guess.entropy, "kl": guess.kl,
        })
    };
    let row = |row: usize| {
        let guesses = (0..lens.tokens.len()).map(|t| guess(lens.guess(row, t)));
        json!({"hook": lens.hooks[row].to_string(), "guesses": guesses.collect::<Vec<_>>()})
    };
    json!({
        "tokens": tokens_object(&lens.tokens, &lens.texts), "left_out": lens.cut,
        "layers": (0..lens.hooks.len()).map(row).collect::<Vec<_>>(),
        "definitions": {
            "actual_rank": "rank of the text's next token, 1 for the most likely",
            "entropy": "entropy of the layer's prediction, nats",
            "kl": "KL(model's prediction ‖ layer's prediction), nats",
        },
    })
}

/// Formats one line per position and one column per layer: the most likely token and its probability.
fn table(lens: &Lens) -> String {
    let layers = 0..lens.hooks.len();
    let head = ["", "token"].map(str::to_owned).into_iter();
    let head: Vec<String> = head
        .chain(layers.clone().map(|row| lens.name(row)))
        .collect();
    let line = |(t, text): (usize, &String)| {
        let cell = |row: usize| match lens.guess(row, t).top.first() {
            Some(next) => format!("{:?} {:.2}", next.text, next.probability),
            None => String::new(),
        };
        let place = [t.to_string(), format!("{text:?}")].into_iter();
        place.chain(layers.clone().map(cell)).collect()
    };
    let lines = lens.texts.iter().enumerate().map(line);
    aligned(&std::iter::once(head).chain(lines).collect::<Vec<_>>())
}

/// Formats everything about one position, a line per layer.
fn column(lens: &Lens, at: usize) -> String {
    let following = lens.texts.get(at + 1);
    let mut lines = vec![format!(
        "after {:?} (position {at}){}",
        lens.texts[at],
        following.map_or_else(String::new, |text| format!(", where the text has {text:?}"))
    )];
    let line = |row: usize| {
        let guess = lens.guess(row, at);
        let actual = guess.actual.map_or_else(String::new, |actual| {
            format!("rank {} {:.3}", actual.rank, actual.probability)
        });
        let top = guess.top.iter();
        let top = top.map(|next| format!("{:?} {:.3}", next.text, next.probability));
        [
            lens.name(row),
            format!("KL {:.3}", guess.kl),
            format!("entropy {:.3}", guess.entropy),
            actual,
        ]
        .into_iter()
        .chain(top)
        .collect()
    };
    let rows: Vec<_> = (0..lens.hooks.len()).map(line).collect();
    lines.push(aligned(&rows));
    lines.join("\n")
}
