//! Flags of the commands that study several dictionaries of one model.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::cli::{Console, ModelArgs, ParentArg, SaeArgs, open_both};
use crate::error::{Error, Result};
use crate::project::Project;
use crate::sae::Sae;
use crate::workbench::error_parts;
use crate::workbench::pair::Pair;

/// `--sae`, once or several times, and `--project`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct SeveralArgs {
    /// Dictionary: a folder or file of any supported library, or a name on the hub; repeat it for several [default: all of --project]
    #[arg(long, value_name = "PATH|NAME", required_unless_present = "project")]
    sae: Vec<PathBuf>,
    /// Hook of the dictionaries, such as blocks.2.hook_resid_post [default: the hook that each file names]
    #[arg(long, value_name = "NAME")]
    hook: Option<String>,
    #[command(flatten)]
    parent: ParentArg,
    /// Keep the result with this project, where the window shows it
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

/// Dictionaries of one model.
pub(super) struct Several {
    /// The model and the first dictionary, which decides how texts are read.
    pub(super) pair: Pair,
    /// All dictionaries.
    pub(super) saes: Vec<Arc<Sae>>,
    /// Project to keep the result with.
    pub(super) project: Option<Project>,
}

impl SeveralArgs {
    /// Opens model and dictionaries; an error if one does not fit the model.
    pub(super) fn open(&self, model: &ModelArgs, console: &Console) -> Result<Several> {
        let project = self.project.as_deref().map(Project::open).transpose()?;
        let project = project.map(|(project, notes)| {
            console.notes(&notes);
            project
        });
        let named = |sae: &PathBuf| SaeArgs {
            sae: sae.clone(),
            hook: self.hook.clone(),
            parent: self.parent.clone(),
        };
        let of_project = project.as_ref().and_then(|project| project.entries.first());
        let first = self.sae.first().or(of_project.map(|entry| &entry.sae));
        let first = first.ok_or_else(|| {
            Error::setting(
                "--sae",
                "the project has no dictionary: give one, or train one first",
            )
        })?;
        let pair = open_both(model, &named(first), console)?;
        let mut saes = vec![Arc::clone(&pair.sae)];
        for path in self.sae.iter().skip(1) {
            let sae = Arc::new(named(path).read(model.offline, console)?);
            sae.autoencoder()?;
            console.notes(&Pair::new(&pair.model, &sae).check()?);
            saes.push(sae);
        }
        if let (true, Some(project)) = (self.sae.is_empty(), &project) {
            let (all, notes) = error_parts::dictionaries(project, &pair);
            console.notes(&notes);
            saes = all;
        }
        Ok(Several {
            pair,
            saes,
            project,
        })
    }
}

/// Returns a result as JSON with the definitions of its figures.
pub(super) fn with_definitions(
    result: &impl Serialize,
    definitions: &[(&str, &str)],
) -> Result<Value> {
    let mut value = serde_json::to_value(result).map_err(|cause| Error::Numeric {
        what: format!("the result cannot be written as JSON: {cause}"),
    })?;
    let definitions = definitions.iter();
    let definitions: Map<String, Value> = definitions
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    value["definitions"] = definitions.into();
    Ok(value)
}
