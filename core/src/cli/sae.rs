//! `umbra sae`: inspects, verifies, converts and compares dictionary files of any library, and encodes activations.

mod compare;
mod convert;
mod encode;
mod info;
mod registry;
mod verify;

use super::{Console, Exit};
use crate::error::Result;

/// Flags of `umbra sae`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show a dictionary's format, tensors and shapes, without reading the weights
    Info(info::Args),
    /// Print the loader's notes on a dictionary, and compare the figures that its files claim with figures measured on a model and a text
    Verify(verify::Args),
    /// Search SAELens's registry: list releases, or the dictionaries of one
    Registry(registry::Args),
    /// Encode activations from a file: writes dense codes [n,f] and reconstructions [n,d] as safetensors
    Encode(encode::Args),
    /// Match features of two dictionaries by their decoder directions: shared features, unique ones, and those active on the same tokens
    Compare(compare::Args),
    /// Convert a dictionary to another library's files, with optional folding into the weights
    Convert(convert::Args),
}

/// Runs `umbra sae`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    match &args.verb {
        Verb::Info(args) => info::run(args, console),
        Verb::Verify(args) => verify::run(args, console),
        Verb::Registry(args) => registry::run(args, console),
        Verb::Encode(args) => encode::run(args, console),
        Verb::Compare(args) => compare::run(args, console),
        Verb::Convert(args) => convert::run(args, console),
    }
}
