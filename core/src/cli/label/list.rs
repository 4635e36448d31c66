//! `umbra label list`: lists the labels of a project.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::{Console, Exit};
use super::{line, object, open};
use crate::error::Result;
use crate::project::{Label, Maker};
use crate::workbench::labels;

/// Flags of `umbra label list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of the project, with its umbra.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// Name or folder of a dictionary [default: all]
    #[arg(long, value_name = "NAME|DIR")]
    sae: Option<PathBuf>,
    /// List only labels with words that begin with these words
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
    /// List only labels of this origin
    #[arg(long, value_enum)]
    maker: Option<MakerArg>,
}

/// Origin of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum MakerArg {
    /// A person wrote it
    Person,
    /// A measured fact
    Fact,
    /// A file
    Import,
    /// A language model
    Model,
}

impl From<MakerArg> for Maker {
    fn from(maker: MakerArg) -> Self {
        match maker {
            MakerArg::Person => Self::Person,
            MakerArg::Fact => Self::Fact,
            MakerArg::Import => Self::Import,
            MakerArg::Model => Self::Model,
        }
    }
}

/// Runs `umbra label list`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let project = open(&args.project, console)?;
    let sae = match &args.sae {
        Some(sae) => Some(labels::dictionary(&project, Some(sae))?.name),
        None => None,
    };
    let mut all: Vec<Label> = Vec::new();
    if let Some(there) = project.labels_there()? {
        all = match (&args.search, &sae) {
            (Some(words), _) => there.search(words)?,
            (None, Some(sae)) => there.all(sae)?,
            (None, None) => {
                let of = there.dictionaries()?.into_iter();
                let of = of.map(|name| there.all(&name));
                of.collect::<Result<Vec<_>>>()?.concat()
            }
        };
    }
    all.retain(|label| sae.as_ref().is_none_or(|sae| *sae == label.sae));
    let maker = args.maker.map(Maker::from);
    all.retain(|label| maker.is_none_or(|maker| maker == label.origin.maker));
    let object = json!({"labels": all.iter().map(object).collect::<Value>()});
    console.answer(&object, || {
        if all.is_empty() {
            return "no label".to_owned();
        }
        all.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Exit::Done)
}
