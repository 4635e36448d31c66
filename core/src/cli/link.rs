//! `umbra link`: writes the link to a feature of a project's dictionary, or checks one.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Console, Exit};
use crate::error::Result;
use crate::ids::FeatureId;
use crate::workbench::link::Link;

/// Flags of `umbra link`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Write the link to a feature of a dictionary of a project
    Write(WriteArgs),
    /// Check that a link is complete and fits its project and dictionary
    Check(CheckArgs),
}

#[derive(Debug, clap::Args)]
struct WriteArgs {
    /// Project whose dictionary is meant; it is not changed
    #[arg(long, value_name = "DIR")]
    project: PathBuf,
    /// Name of the dictionary in the project: the name of its folder
    #[arg(long, value_name = "NAME")]
    dictionary: String,
    /// Feature, counted from 0
    #[arg(long, value_name = "I")]
    feature: u32,
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// Link: `umbra://feature?…`
    #[arg(value_name = "LINK")]
    link: String,
}

/// Runs `umbra link`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    match &args.verb {
        Verb::Write(args) => write(args, console),
        Verb::Check(args) => check(args, console),
    }
}

fn write(args: &WriteArgs, console: &Console) -> Result<Exit> {
    let feature = FeatureId(args.feature);
    let (link, notes) = Link::new(&args.project, &args.dictionary, feature)?;
    console.notes(&notes);
    console.answer(&object(&link), || link.to_string())?;
    Ok(Exit::Done)
}

fn check(args: &CheckArgs, console: &Console) -> Result<Exit> {
    let link: Link = args.link.parse()?;
    link.check()?;
    console.answer(&object(&link), || {
        format!(
            "feature {} of {} in {}",
            link.feature,
            link.dictionary,
            link.project.display()
        )
    })?;
    Ok(Exit::Done)
}

fn object(link: &Link) -> Value {
    json!({
        "link": link.to_string(),
        "project": link.project.display().to_string(),
        "dictionary": link.dictionary,
        "fingerprint": link.fingerprint,
        "feature": link.feature.0,
    })
}
