//! `umbra report`: writes chosen features of an index as one HTML page or JSON.

use std::path::PathBuf;

use serde_json::json;

use super::{Console, Exit, MismatchArgs, say_fit};
use crate::error::Result;
use crate::features::Index;
use crate::fit::Fit;
use crate::formats;
use crate::project::Project;
use crate::report::{self, Choice};
use crate::whole_file;

/// Flags of `umbra report`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Index file
    #[arg(value_name = "INDEX")]
    index: PathBuf,
    /// Features: numbers (1,2,3), or top:N for the N with the largest maximum activation
    #[arg(long, value_name = "1,2,3|top:N")]
    features: String,
    /// Project whose labels to show with the features; it is not changed
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Report to write: .html or .json
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    mismatch: MismatchArgs,
}

/// Runs `umbra report`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let choice: Choice = args.features.parse()?;
    whole_file::check(&args.out)?;
    let index = Index::open(&args.index)?;
    say_fit(&Fit::of_index(index.about(), None, None), false, console)?;
    let mut labels = Vec::new();
    if let Some(folder) = &args.project {
        let (project, notes) = Project::open(folder)?;
        console.notes(&notes);
        check_labelled(args, &project, &index, console)?;
        if let Some(there) = project.labels_there()? {
            let all = there.all(&index.about().sae)?;
            labels.extend(all.into_iter().map(|label| (label.feature, label.text)));
        }
    }
    report::write(&index, &choice, &labels, &args.out)?;
    let out = args.out.display().to_string();
    console.answer_beside(&args.out, &json!({"out": out}), || out.clone())?;
    Ok(Exit::Done)
}

/// Checks that the index was built with the project's dictionary of the same name, whose labels are shown. An unreadable dictionary is not checked.
fn check_labelled(args: &Args, project: &Project, index: &Index, console: &Console) -> Result<()> {
    let named = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| *name == *index.about().sae)
    };
    let own = project.entries.iter().find(|entry| named(&entry.sae));
    let Some((sae, _)) =
        own.and_then(|entry| formats::open_among(&entry.sae, None, &project.dictionaries()).ok())
    else {
        return Ok(());
    };
    let fit = Fit::of_index(index.about(), None, Some(&sae));
    if fit.is_refused() {
        args.mismatch.check(&fit, console)?;
    }
    Ok(())
}
