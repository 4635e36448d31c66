//! `umbra heads`: features by attention head, attribution of a feature by head and source token, its circuit, and induction by prefix length.

mod attribute;
mod circuit;
mod induction;
mod ioi;
mod roles;
mod roles_words;
mod show;
mod survey;
mod verdict;

use super::{Console, Exit};
use crate::error::Result;
use crate::models::Model;

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
    /// List and measure the ten features of each head; on a text, rank them three ways and judge whether the head has one role or several
    Show(Box<show::Args>),
    /// Measure the share of heads with several roles, over all layers of a project with a dictionary of attn.hook_z
    Roles(roles::Args),
    /// Keep your own verdict on a head, with a note, in a project
    Verdict(verdict::Args),
    /// Attribute a feature's pre-activation at one token to heads and source tokens
    Attribute(attribute::Args),
    /// Trace a feature at one token back to the features, embeddings, MLPs and errors that make it up
    Circuit(circuit::Args),
    /// Measure every head's attention to what followed an earlier copy, by the length of the copy (1 to 9 tokens)
    Induction(induction::Args),
    /// Set features at a repeated name to 0, and replace attention there, in sentences whose answer is the other name (indirect object identification)
    Ioi(ioi::Args),
}

/// Runs `umbra heads`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    match &args.verb {
        Verb::Survey(args) => survey::run(args, console),
        Verb::Show(args) => show::run(args, console),
        Verb::Roles(args) => roles::run(args, console),
        Verb::Verdict(args) => verdict::run(args, console),
        Verb::Attribute(args) => attribute::run(args, console),
        Verb::Circuit(args) => circuit::run(args, console),
        Verb::Induction(args) => induction::run(args, console),
        Verb::Ioi(args) => ioi::run(args, console),
    }
}

/// Returns the position of the text's last token.
fn last(model: &Model, text: &str) -> Result<usize> {
    let tokens = model.codec().encode_with_bos(text)?.len();
    Ok(tokens.min(model.config().context).saturating_sub(1))
}
