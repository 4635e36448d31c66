//! `umbra ladder train`: trains dictionaries of several widths on one hook in one pass of the model. `umbra dark-matter ladder` measures them.

use std::path::PathBuf;

use super::train;
use super::{Console, Exit};
use crate::error::{Error, Result};
use crate::project::Project;
use crate::workbench::ladder;

/// Flags of `umbra ladder`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Train one dictionary for each width with equal settings and one seed, each into the folder DIR/WIDTH
    Train(Box<TrainArgs>),
}

/// Flags of `umbra ladder train`: those of `umbra train` with `--widths` in place of `--features` and `--also`.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("features", |arg| arg.hide(true)),
    mut_arg("also", |arg| arg.hide(true)),
    mut_arg("from", |arg| arg.hide(true)),
    mut_arg("out", |arg| arg.help("Folder of the ladder: each dictionary is written to DIR/WIDTH, in SAELens's format with the run's records"))
)]
struct TrainArgs {
    #[command(flatten)]
    train: train::Args,
    /// Numbers of features of the dictionaries, such as 256,512,1024,2048: two or more. A power law takes four
    #[arg(long, value_name = "N,N…", required = true, value_delimiter = ',')]
    widths: Vec<usize>,
    /// Add the dictionaries to this project
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

/// Runs `umbra ladder`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let Verb::Train(args) = &args.verb;
    let mut training = args.train.clone();
    for (flag, is_given) in [
        ("--features", training.gives("features")),
        ("--also", training.names_others()),
        ("--from", training.starts_from_one()),
    ] {
        if is_given {
            let what = "the dictionaries of a ladder differ only in --widths, omit it";
            return Err(Error::setting(flag, what));
        }
    }
    let project = args.project.as_deref().map(Project::open).transpose()?;
    training.widths.clone_from(&args.widths);
    let exit = train::run(&training, console)?;
    if let Some((mut project, notes)) = project {
        console.notes(&notes);
        let folders: Vec<PathBuf> = (args.widths.iter())
            .map(|width| ladder::folder(training.out(), *width))
            .filter(|folder| folder.is_dir())
            .collect();
        let added = ladder::join(&mut project, &folders)?;
        console.note(&format!(
            "{added} dictionaries were added to the project {}",
            project.name
        ));
    }
    Ok(exit)
}
