//! `umbra evaluate`: dictionaries tested on tasks whose answer is known, on labelled text, on first letters, against each other, and on toys.

mod absorption;
mod consistency;
mod core;
mod disentangle;
mod ioi;
mod occlusion;
mod oversplit;
mod probe;
mod result_files;
mod rows;

use super::{Console, Exit};
use crate::error::Result;

/// Flags of `umbra evaluate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Test dictionaries on indirect object identification: do they approximate, control and explain how the model names the right person?
    Ioi(Box<ioi::Args>),
    /// Test dictionaries as `ioi` does, on prompts of your own with labelled attributes
    Task(Box<ioi::TaskArgs>),
    /// Measure the core metrics of SAEBench: loss recovered and KL, reconstruction, shrinkage, sparsity
    Core(Box<core::Args>),
    /// Probe labelled texts: sparse probing, removal of a spurious correlation, targeted probe perturbation
    Probe(Box<probe::Args>),
    /// Measure absorption: words on which the features of their first letter, or of a label of your own, are silent since another feature stands in
    Absorption(Box<absorption::Args>),
    /// Measure disentangling (RAVEL): do a few features carry one attribute of an entity, and no other?
    Disentangle(Box<disentangle::Args>),
    /// Measure how far the features of dictionaries of several seeds are found again by each other
    Consistency(Box<consistency::Args>),
    /// Measure whether large attributes hide small ones from dictionaries, on a toy or on a model
    Occlusion(Box<occlusion::Args>),
    /// Measure into how many features dictionaries split a binary attribute, on a toy or on a model
    Oversplit(Box<oversplit::Args>),
}

/// Runs `umbra evaluate`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    match &args.verb {
        Verb::Ioi(args) => ioi::run(args, console),
        Verb::Task(args) => ioi::run_task(args, console),
        Verb::Core(args) => core::run(args, console),
        Verb::Probe(args) => probe::run(args, console),
        Verb::Absorption(args) => absorption::run(args, console),
        Verb::Disentangle(args) => disentangle::run(args, console),
        Verb::Consistency(args) => consistency::run(args, console),
        Verb::Occlusion(args) => occlusion::run(args, console),
        Verb::Oversplit(args) => oversplit::run(args, console),
    }
}
