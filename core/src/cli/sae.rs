//! `umbra sae`: dictionaries as files, whatever library they are of: claims verified, activations encoded, files converted.

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
    /// Show whose files a dictionary's are, their tensors and shapes, without reading the numbers
    Info(info::Args),
    /// Say what was decided on reading a dictionary, and hold the figures that its files claim beside those measured on a model and a text
    Verify(verify::Args),
    /// List what SAELens's registry names: releases, or the dictionaries of one
    Registry(registry::Args),
    /// Encode activations of a file: dense codes [n,f] and reconstructions [n,d] as safetensors
    Encode(encode::Args),
    /// Match the features of two dictionaries by the directions they write, and say which are shared, which unique, and which are active on the same tokens
    Compare(compare::Args),
    /// Write a dictionary in another library's files, folded or unfolded on the way if asked for
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
