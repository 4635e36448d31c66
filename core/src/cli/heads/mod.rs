//! `umbra heads`: features by attention head, attribution of a feature by head and source token, and induction by prefix length.

mod attribute;
mod induction;
mod show;
mod survey;

use super::{Console, Exit};
use crate::error::Result;

/// Flags of `umbra heads`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Measure what every head attends to and writes, over text
    Survey(survey::Args),
    /// List and measure the ten features of each head
    Show(show::Args),
    /// Attribute a feature's pre-activation at one token to heads and source tokens
    Attribute(attribute::Args),
    /// Measure every head's attention to what followed an earlier copy, by the length of the copy (1 to 9 tokens)
    Induction(induction::Args),
}

/// Runs `umbra heads`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    match &args.verb {
        Verb::Survey(args) => survey::run(args, console),
        Verb::Show(args) => show::run(args, console),
        Verb::Attribute(args) => attribute::run(args, console),
        Verb::Induction(args) => induction::run(args, console),
    }
}
