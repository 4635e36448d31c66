//! `umbra label set`: sets or removes the label of a feature, or takes the clear facts of an index as labels.

use std::path::PathBuf;

use super::super::{Console, Exit};
use super::{OfArgs, answer};
use crate::error::{Error, Result};
use crate::features::Index;
use crate::ids::FeatureId;
use crate::project::{Given, Label};
use crate::workbench::labels::{self, Changed};

/// Flags of `umbra label set`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("how").required(true).args(["text", "facts"]))]
pub(super) struct Args {
    #[command(flatten)]
    of: OfArgs,
    /// Feature, counted from 0
    #[arg(long, value_name = "I", required_unless_present = "facts")]
    feature: Option<u32>,
    /// Label; an empty one removes the label
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Index with measured facts: takes the naming fact of the feature, or of every feature without --feature, for features that have no label yet
    #[arg(long, value_name = "INDEX")]
    facts: Option<PathBuf>,
    /// Replace labels of other origin with the facts too
    #[arg(long, requires = "facts")]
    overwrite: bool,
}

/// Runs `umbra label set`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let (project, dictionary) = args.of.open(console)?;
    let sae = &dictionary.name;
    if let (Some(feature), Some(features)) = (args.feature, dictionary.features)
        && feature as usize >= features
    {
        let what = format!("feature {feature} does not exist, {sae} has {features} features");
        return Err(Error::setting("--feature", what));
    }
    let changed = match (&args.facts, &args.text, args.feature) {
        (Some(path), ..) => {
            let index = Index::open(path)?;
            let mut facts = index.facts()?.ok_or_else(|| {
                let what = "the index holds no facts: measure them with `umbra index facts`";
                Error::input(what, path)
            })?;
            if let Some(features) = dictionary.features.filter(|f| *f != facts.features.len()) {
                let what = format!(
                    "the index has facts about {} features and {sae} has {features}: give the index of this dictionary",
                    facts.features.len()
                );
                return Err(Error::input(what, path));
            }
            if let Some(only) = args.feature {
                for (feature, facts) in facts.features.iter_mut().enumerate() {
                    if feature != only as usize {
                        facts.clear();
                    }
                }
            }
            labels::keep_facts(&project.labels()?, sae, &facts, args.overwrite)?
        }
        (None, Some(text), Some(feature)) => {
            let label = Label::new(sae, FeatureId(feature), Given::from(text.as_str()));
            let former = project.labels()?.put(&label)?;
            Changed {
                changes: vec![(former, label)],
                ..Changed::default()
            }
        }
        _ => Changed::default(),
    };
    answer(&changed, sae, console)
}
