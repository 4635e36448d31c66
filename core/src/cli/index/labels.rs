//! Labels of a project beside an index.

use std::path::PathBuf;

use super::super::Console;
use crate::error::{Error, Result};
use crate::features::facts::{Fact, Facts};
use crate::features::filter::Filter;
use crate::features::{Index, Name};
use crate::ids::FeatureId;
use crate::project::{Label, Project};

/// The project whose labels are read.
#[derive(Debug, clap::Args)]
pub(super) struct LabelArgs {
    /// Project whose labels are read
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

impl LabelArgs {
    /// Reads the labels of the index's dictionary; none without a project.
    pub(super) fn read(&self, index: &Index, console: &Console) -> Result<LabelsRead> {
        let mut labels: Vec<Label> = Vec::new();
        if let Some(folder) = &self.project {
            let (project, notes) = Project::open(folder)?;
            console.notes(&notes);
            if let Some(there) = project.labels_there()? {
                labels = there.all(&index.about().sae)?;
            }
        }
        labels.sort_by_key(|label| label.feature);
        Ok(LabelsRead(labels))
    }

    /// Whether a project is named.
    pub(super) fn has_project(&self) -> bool {
        self.project.is_some()
    }
}

/// Refuses a filter that asks for labels where no project is named: an index holds none, so the filter would keep nothing, or everything.
pub(in crate::cli) fn check_labels(filter: &Filter, has_project: bool) -> Result<()> {
    if has_project || !filter.asks_for_labels() {
        return Ok(());
    }
    let what =
        "the filter asks for labels, which a project keeps: name the folder of one with --project";
    Err(Error::setting("--where", what))
}

/// Labels by feature, ascending.
#[derive(Debug, Default)]
pub(super) struct LabelsRead(Vec<Label>);

impl LabelsRead {
    /// Returns features with their labels, ascending.
    pub(super) fn pairs(&self) -> Vec<(FeatureId, &str)> {
        let pairs = self.0.iter().map(|l| (l.feature, l.text.as_str()));
        pairs.collect()
    }

    /// Returns the label of a feature.
    pub(super) fn of(&self, feature: FeatureId) -> Option<&str> {
        let at = self.0.binary_search_by_key(&feature, |label| label.feature);
        at.ok().map(|at| self.0[at].text.as_str())
    }

    /// Returns the name of a feature: its label, the measured fact that names it, or its strongest token.
    pub(super) fn name(
        &self,
        feature: FeatureId,
        (top_tokens, facts): (&[String], Option<&Facts>),
    ) -> String {
        let token = top_tokens.get(feature.index()).map(String::as_str);
        let fact = facts.and_then(|facts| facts.name(feature)).map(Fact::said);
        let name = match (self.of(feature), token.filter(|token| !token.is_empty())) {
            (Some(label), _) => Name::labelled(label),
            (None, Some(token)) => Name::of_token(token),
            (None, None) => Name::default(),
        };
        name.with_fact(fact.as_deref()).to_string()
    }
}
