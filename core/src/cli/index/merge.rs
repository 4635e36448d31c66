//! `umbra index merge`: merges indexes of one dictionary over different rows or texts.

use std::path::PathBuf;

use super::super::{Console, Exit};
use super::build::{OverwriteArg, answer};
use crate::error::Result;
use crate::features::{self, Index};
use crate::folders::claim_file;

/// Flags of `umbra index merge`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Index files of one dictionary, two or more
    #[arg(value_name = "FILE", required = true, num_args = 2..)]
    indexes: Vec<PathBuf>,
    /// Index file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    overwrite: OverwriteArg,
}

/// Runs `umbra index merge`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    claim_file(&args.out, args.overwrite.overwrite)?;
    let indexes = args.indexes.iter().map(|path| Index::open(path));
    let indexes: Vec<Index> = indexes.collect::<Result<_>>()?;
    let mut bar = console.bar("Merging");
    let merged = features::merge(&indexes, &args.out, &mut |at| bar.at(at))?;
    drop(bar);
    let Some(notes) = merged.done() else {
        return Ok(Exit::Stopped);
    };
    console.notes(&notes);
    let (object, line) = answer(&Index::open(&args.out)?)?;
    console.answer(&object, || line)?;
    Ok(Exit::Done)
}
