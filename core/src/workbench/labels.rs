//! Labels of a project's dictionaries: taken from files and from measured facts, and written to files.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::{Error, Notes, Result};
use crate::features::Index;
use crate::features::facts::{Fact, Facts};
use crate::ids::FeatureId;
use crate::project::{
    Given, Label, Labels, Maker, NeuronpediaPlace, Origin, Project, read_labels, write_labels,
};

/// Result of setting many labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changed {
    /// Labels before, and as they are now; none before for a feature that had none.
    pub changes: Vec<(Option<Given>, Label)>,
    /// Labels that were left out because their features have one.
    pub left_out: usize,
    /// Decisions and omissions.
    pub notes: Notes,
}

/// Name of one of a project's dictionaries, and the number of its features where it has an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dictionary {
    /// Name, under which labels are kept.
    pub name: String,
    /// Number of features.
    pub features: Option<usize>,
}

/// Finds a dictionary of `project` by its name or its folder; the only one where `asked` is none. A dictionary that is not in the project is named by a folder that exists.
pub fn dictionary(project: &Project, asked: Option<&Path>) -> Result<Dictionary> {
    let name = |path: &Path| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    };
    let entries = &project.entries;
    let names = || {
        let names: Vec<String> = entries.iter().map(|entry| name(&entry.sae)).collect();
        names.join(", ")
    };
    let asked = match (asked, entries.as_slice()) {
        (Some(asked), _) if entries.iter().any(|entry| name(&entry.sae) == name(asked)) => {
            name(asked)
        }
        (Some(asked), _) if asked.is_dir() => name(asked),
        (Some(asked), []) => {
            let what = "there is no dictionary here, and the project has none: give its folder";
            return Err(Error::input(what, asked));
        }
        (Some(asked), _) => {
            let what = format!(
                "the project has no dictionary of this name, choose one of {}",
                names()
            );
            return Err(Error::input(what, asked));
        }
        (None, [only]) => name(&only.sae),
        (None, []) => {
            let what = "the project has no dictionary: name the one whose labels are meant";
            return Err(Error::input(what, &project.folder));
        }
        (None, several) => {
            let what = format!(
                "the project has {} dictionaries, name one of {}",
                several.len(),
                names()
            );
            return Err(Error::input(what, &project.folder));
        }
    };
    let entry = entries.iter().find(|entry| name(&entry.sae) == asked);
    let index = entry.and_then(|entry| entry.index.as_deref());
    let features = match index {
        Some(index) => Some(Index::open(index)?.about().features),
        None => None,
    };
    Ok(Dictionary {
        name: asked,
        features,
    })
}

/// Reads the labels of a dictionary from a file and keeps them. Features that have a label keep it unless `replace`.
pub fn import(
    labels: &Labels,
    (dictionary, path): (&Dictionary, &Path),
    (source, replace): (Option<&str>, bool),
) -> Result<Changed> {
    let read = read_labels(path, (&dictionary.name, dictionary.features), source)?;
    let mut changed = set(labels, read.labels, replace)?;
    let mut notes = read.notes;
    notes.extend(changed.notes);
    changed.notes = notes;
    Ok(changed)
}

/// Writes the labels of a dictionary to a file, whose name decides its kind; returns how many. A dictionary without labels is an error.
pub fn export(
    labels: Option<&Labels>,
    (dictionary, path): (&str, &Path),
    place: &NeuronpediaPlace,
) -> Result<usize> {
    let all = match labels {
        Some(labels) => labels.all(dictionary)?,
        None => Vec::new(),
    };
    if all.is_empty() {
        let what = format!("is not written: no feature of {dictionary} has a label");
        return Err(Error::input(what, path));
    }
    write_labels(path, &all, place)?;
    Ok(all.len())
}

/// Returns the label that a fact gives.
pub fn from_fact(fact: &Fact) -> Given {
    Given {
        text: fact.said(),
        origin: Origin::new(Maker::Fact, &fact.figures()),
    }
}

/// Keeps the naming facts as labels of the features that have none, or only such a label. `replace` replaces all others too.
pub fn keep_facts(labels: &Labels, sae: &str, facts: &Facts, replace: bool) -> Result<Changed> {
    let named = (0..facts.features.len()).map(FeatureId::from);
    let named = named.filter_map(|feature| {
        let given = from_fact(facts.name(feature)?);
        Some(Label::new(sae, feature, given))
    });
    let own: BTreeSet<FeatureId> = labels
        .all(sae)?
        .iter()
        .filter(|label| label.origin.maker != Maker::Fact)
        .map(|label| label.feature)
        .collect();
    let (wanted, left): (Vec<Label>, Vec<Label>) =
        named.partition(|label| replace || !own.contains(&label.feature));
    let mut changed = set(labels, wanted, true)?;
    changed.left_out += left.len();
    Ok(changed)
}

/// Sets labels; features that have one keep it unless `replace`.
pub fn set(labels: &Labels, wanted: Vec<Label>, replace: bool) -> Result<Changed> {
    let names: BTreeSet<String> = wanted.iter().map(|label| label.sae.clone()).collect();
    let mut kept = BTreeSet::new();
    for name in names {
        let of = labels.all(&name)?.into_iter();
        kept.extend(of.map(|label| (label.sae, label.feature)));
    }
    let all = wanted.len();
    let has = |label: &Label| kept.contains(&(label.sae.clone(), label.feature));
    let wanted: Vec<Label> = wanted
        .into_iter()
        .filter(|label| replace || !has(label))
        .collect();
    let former = labels.put_all(&wanted)?;
    let left_out = all - wanted.len();
    let changes = former.into_iter().zip(wanted);
    let mut notes = Notes::default();
    if left_out > 0 {
        notes.add(format!(
            "Left out {left_out} labels, whose features have one already"
        ));
    }
    Ok(Changed {
        changes: changes
            .filter(|(former, label)| former.as_ref() != Some(&label.given()))
            .collect(),
        left_out,
        notes,
    })
}
