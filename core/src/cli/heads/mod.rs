//! `umbra heads`: features by attention head, and attribution of a feature by head and source token.

mod attribute;
mod show;

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
    /// List and measure the ten features of each head
    Show(show::Args),
    /// Attribute a feature's pre-activation at one token to heads and source tokens
    Attribute(attribute::Args),
}

/// Runs `umbra heads`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    match &args.verb {
        Verb::Show(args) => show::run(args, console),
        Verb::Attribute(args) => attribute::run(args, console),
    }
}
