//! `umbra model generate`: continues a prompt and streams the text, with or without edits.

use crate::cli::chat::{self, ChatArgs};
use crate::cli::edits::{self, EditArgs};
use crate::cli::sampling::{SamplingArgs, object};
use crate::cli::{Console, Exit, ModelArgs};
use crate::error::Result;
use crate::steer;

/// Flags of `umbra model generate`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = edits::help())]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Text to continue; BOS is put before it if the model's or dictionary's rule says so and the text does not begin with it
    #[arg(long, value_name = "TEXT", required_unless_present_any = chat::INSTEAD, conflicts_with_all = chat::INSTEAD)]
    prompt: Option<String>,
    #[command(flatten)]
    chat: ChatArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    edits: EditArgs,
}

/// Runs `umbra model generate`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let input = args.chat.input(args.prompt.as_deref())?;
    let (model, edits) = args.edits.open((1, Some(&input)), &args.model, console)?;
    let spelled = chat::spelled(&input, &model, console)?;
    super::check_tokens(&spelled.tokens, &model)?;
    let model = &*input.reader(&model)?;
    let sampling = args.sampling.sampling();
    let mut streamed = 0;
    let mut failed = None;
    let mut observe = |_, piece: &str| {
        streamed += piece.len();
        failed = failed.take().or(console.stream(piece).err());
        console.flow()
    };
    let ended = steer::generate(model, &spelled.tokens, edits, &sampling, &mut observe)?;
    let written = ended.value();
    if let Some(error) = failed {
        return Err(error);
    }
    if console.json() {
        let mut object = object(written);
        chat::add_to(&mut object, &input, &spelled);
        console.answer(&object, String::new)?;
    } else {
        // The end of the text, which was held back for stop strings.
        let rest = written.text.get(streamed..).unwrap_or_default();
        console.stream(&format!("{rest}\n"))?;
    }
    Ok(Exit::from(&ended))
}
