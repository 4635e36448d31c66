//! `umbra model generate`: a prompt continued, streamed, with or without edits.

use serde_json::json;

use crate::cli::edits::{self, EditArgs};
use crate::cli::sampling::{SamplingArgs, before_stop, name};
use crate::cli::{Console, Exit, ModelArgs};
use crate::error::Result;
use crate::ids::TokenId;
use crate::steer;

/// Flags of `umbra model generate`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = edits::help())]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Text to continue; BOS is put before it if the model names one
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    edits: EditArgs,
}

/// Runs `umbra model generate`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let (model, edits) = args.edits.open(&args.model, console)?;
    console.begun(model.codec(), &args.prompt)?;
    let prompt = model.codec().encode_with_bos(&args.prompt)?;
    super::check_tokens(&prompt, &model)?;
    let sampling = args.sampling.sampling();
    let mut shown = Shown::new(&sampling.stop);
    let mut written = Vec::new();
    let mut failed = None;
    let mut observe = |token| {
        written.push(token);
        if !console.json() {
            let piece = shown.piece(&model.codec().decode(&written), false);
            failed = failed.take().or(console.stream(&piece).err());
        }
        console.flow()
    };
    let (tokens, finish) = steer::generate(&model, &prompt, edits, &sampling, &mut observe)?;
    if let Some(error) = failed {
        return Err(error);
    }
    let text = model.codec().decode(&tokens);
    let text = before_stop(&text, finish.as_ref());
    if console.json() {
        let ids: Vec<u32> = tokens.iter().map(|token: &TokenId| token.0).collect();
        let object = json!({"tokens": ids, "text": text, "finish": name(finish.as_ref())});
        console.answer(&object, String::new)?;
    } else {
        let rest = shown.piece(text, true);
        console.stream(&format!("{rest}\n"))?;
    }
    Ok(if console.stopped() {
        Exit::Stopped
    } else {
        Exit::Done
    })
}

/// What of a growing text is on the terminal.
struct Shown {
    bytes: usize,
    stops: Vec<String>,
}

impl Shown {
    fn new(stops: &[String]) -> Self {
        Self {
            bytes: 0,
            stops: stops.to_vec(),
        }
    }

    /// The next piece of `text` that can be shown. A character may need several tokens, and a stop string too: what may become one stays back
    /// until the text is `ended`.
    fn piece(&mut self, text: &str, ended: bool) -> String {
        let mut whole = text;
        if !ended {
            whole = whole.trim_end_matches('\u{FFFD}');
            let begins = |stop: &String| {
                let lengths = (1..=stop.len()).filter(|n| stop.is_char_boundary(*n));
                lengths.filter(|n| whole.ends_with(&stop[..*n])).max()
            };
            let back = self.stops.iter().filter_map(begins).max().unwrap_or(0);
            whole = &whole[..whole.len() - back];
        }
        let piece = whole.get(self.bytes..).unwrap_or_default().to_owned();
        self.bytes = self.bytes.max(whole.len());
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_become_a_stop_string_stays_back() {
        let mut shown = Shown::new(&["\n\nThe".to_owned()]);
        assert_eq!(shown.piece("One day", false), "One day");
        assert_eq!(shown.piece("One day \u{FFFD}", false), " ");
        assert_eq!(shown.piece("One day é\n", false), "é");
        assert_eq!(shown.piece("One day é\n\n", false), "");
        assert_eq!(shown.piece("One day é\n\nA", false), "\n\nA");
        assert_eq!(shown.piece("One day é\n\nA\n\nTh", false), "");
        assert_eq!(shown.piece("One day é\n\nA", true), "");
    }
}
