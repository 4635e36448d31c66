//! Search by text: what is known of each dictionary that is searched (its index and its labels), found by the project around it or given.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pair::{Pair, together};
use crate::error::{Error, Key, Notes, Result};
use crate::features::fires::{Fires, Searched, fires};
use crate::features::{Index, Name, Preview, Rarity};
use crate::fit::{Fit, Verdict};
use crate::ids::FeatureId;
use crate::models::Model;
use crate::progress::{Ended, Flow};
use crate::project::{Label, Project};
use crate::prompt::Input;
use crate::sae::Sae;

/// A dictionary to search with what is known of it.
#[derive(Debug)]
pub struct Subject {
    /// Dictionary.
    pub sae: Arc<Sae>,
    /// Place of its files.
    pub path: PathBuf,
    /// Its index, if one was found.
    pub index: Option<Index>,
    /// Its labels.
    pub labels: Vec<Label>,
}

impl Subject {
    /// Takes a dictionary whose files are at `path`, with the index and the labels that the nearest project around `path` names. An index of another dictionary
    /// or model, or one that cannot be read, is left out with a note.
    pub fn new(model: &Model, sae: &Arc<Sae>, path: &Path) -> (Self, Notes) {
        match Project::around(path) {
            Some(project) => Self::from_project(&project, model, (sae, path)),
            None => (Self::bare(sae, path), Notes::default()),
        }
    }

    /// Takes a dictionary whose files are at `path`, of which nothing is known.
    fn bare(sae: &Arc<Sae>, path: &Path) -> Self {
        Self {
            sae: Arc::clone(sae),
            path: path.to_path_buf(),
            index: None,
            labels: Vec::new(),
        }
    }

    /// Takes a dictionary whose files are at `path`, with the labels that `project` keeps for its name and the index that it names for its place; see [`Self::new`].
    pub fn from_project(
        project: &Project,
        model: &Model,
        (sae, path): (&Arc<Sae>, &Path),
    ) -> (Self, Notes) {
        let mut notes = Notes::default();
        let mut subject = Self::bare(sae, path);
        match project.labels_there().and_then(|labels| {
            labels.map_or_else(|| Ok(Vec::new()), |labels| labels.all(&sae.name))
        }) {
            Ok(labels) => subject.labels = labels,
            Err(why) => notes.add(format!("Read without labels: {why}")),
        }
        let here = |entry: &&crate::project::Entry| same(&entry.sae, path);
        let entry = project.entries.iter().find(here);
        if let Some(file) = entry.and_then(|entry| entry.index.as_deref()) {
            match fitting(file, model, sae) {
                Ok((index, said)) => {
                    subject.index = Some(index);
                    notes.extend(said);
                }
                Err(why) => notes.add(format!("Read without the index of {}: {why}", sae.name)),
            }
        }
        (subject, notes)
    }

    /// Returns the density and the maximum of every feature; none without an index.
    pub fn rarity(&self) -> Result<Option<Rarity>> {
        let index = self.index.as_ref();
        index
            .map(|index| Ok(Rarity::new(&index.summaries()?)))
            .transpose()
    }

    /// Returns the label of a feature, if it has one.
    pub fn label(&self, feature: FeatureId) -> Option<&str> {
        let label = self.labels.iter().find(|label| label.feature == feature);
        label.map(|label| label.text.as_str())
    }

    /// Returns the names of features, in their order: the label, else a clear fact, else the place at which the index saw it peak; empty where neither is known.
    pub fn names(&self, features: &[FeatureId]) -> Result<Vec<String>> {
        let previews = match &self.index {
            Some(index) => index.previews(features)?,
            None => vec![Preview::default(); features.len()],
        };
        let name = |(feature, preview): (&FeatureId, &Preview)| {
            Name::new(self.label(*feature), preview.peak.as_ref())
                .with_fact(preview.fact.as_deref())
                .to_string()
        };
        Ok(features.iter().zip(&previews).map(name).collect())
    }
}

/// Gives the index at each of `paths` to the dictionary that it was built with; an error if one belongs to none of them.
pub fn assign(model: &Model, subjects: &mut [Subject], paths: &[PathBuf]) -> Result<Notes> {
    let mut notes = Notes::default();
    for path in paths {
        let index = Index::open(path)?;
        let judged: Vec<Fit> = subjects
            .iter()
            .map(|subject| Fit::of_index(index.about(), Some(model), Some(&subject.sae)))
            .collect();
        let proven = judged.iter().position(|fit| fit.verdict == Verdict::Proven);
        let named =
            |at: &usize| !judged[*at].is_refused() && subjects[*at].sae.name == index.about().sae;
        let at = proven.or_else(|| (0..subjects.len()).find(named));
        let Some(at) = at else {
            let what = format!(
                "the index belongs to {}, which is none of the dictionaries: choose that dictionary too, or leave the index out",
                index.about().sae
            );
            return Err(Error::input(what, path));
        };
        if let Some(note) = judged[at].check(false)? {
            notes.add(note);
        }
        subjects[at].index = Some(index);
    }
    Ok(notes)
}

/// Reads `input` through `model` and finds the features of all `subjects` that fire on it, best by maximum first; see [`fires`].
pub fn search(
    model: &Model,
    input: &Input,
    subjects: &[Subject],
    observe: &mut dyn FnMut() -> Flow,
) -> Result<Ended<Fires>> {
    let rarities: Result<Vec<Option<Rarity>>> = subjects.iter().map(Subject::rarity).collect();
    let rarities = rarities?;
    let searched: Vec<Searched<'_>> = (subjects.iter().zip(&rarities))
        .map(|(subject, rarity)| Searched {
            sae: &subject.sae,
            rarity: rarity.as_ref(),
        })
        .collect();
    fires(model, input, &searched, observe)
}

/// Pairs that one pass of the model reads together.
#[derive(Debug, Clone)]
pub struct Readable {
    /// The model as it reads for them.
    pub model: Arc<Model>,
    /// Their places among all.
    pub kept: Vec<usize>,
    /// Places of the others, with the reason why each was left out.
    pub left_out: Vec<(usize, String)>,
}

/// Chooses the pairs that one pass of the model can read: each joins if it fits its model and names no other processing than those before it. An error if there
/// is none.
pub fn readable(pairs: &[Pair]) -> Result<Readable> {
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    let mut chosen: Vec<Pair> = Vec::new();
    for (at, pair) in pairs.iter().enumerate() {
        chosen.push(pair.clone());
        match together(&chosen) {
            Ok(_) => kept.push(at),
            Err(why) => {
                chosen.pop();
                left_out.push((at, why.to_string()));
            }
        }
    }
    match (chosen.is_empty(), left_out.first()) {
        (true, Some((_, why))) => Err(Error::setting(Key::Sae, why.clone())),
        _ => Ok(Readable {
            model: together(&chosen)?.0,
            kept,
            left_out,
        }),
    }
}

/// Opens an index that fits, with a note where that is not proven.
fn fitting(path: &Path, model: &Model, sae: &Sae) -> Result<(Index, Notes)> {
    let index = Index::open(path)?;
    let mut notes = Notes::default();
    if let Some(note) = Fit::of_index(index.about(), Some(model), Some(sae)).check(false)? {
        notes.add(note);
    }
    Ok((index, notes))
}

/// Whether two paths name one place.
fn same(a: &Path, b: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().ok();
    a == b || whole(a).is_some_and(|a| Some(a) == whole(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Flow;

    fn demo(part: &str) -> PathBuf {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo");
        demo.join(part)
    }

    fn opened(model: &Model, name: &str) -> Subject {
        let path = demo("saes").join(name);
        let (sae, _) = Sae::open(&path).unwrap();
        let (subject, notes) = Subject::new(model, &Arc::new(sae), &path);
        assert!(notes.is_empty(), "{notes:?}");
        subject
    }

    #[test]
    fn a_dictionary_of_a_project_brings_its_index_and_others_none() {
        let (model, _) = Model::open(&demo("model")).unwrap();
        let known = opened(&model, "attn-0");
        assert_eq!(known.index.as_ref().unwrap().about().sae, "attn-0");
        let names = known.names(&[FeatureId(62)]).unwrap();
        assert!(names[0].contains('['), "{names:?}");
        assert!(opened(&model, "ladder-256").index.is_none());
        // Outside any project.
        let folder = tempfile::tempdir().unwrap();
        known.sae.save(folder.path()).unwrap();
        let (alone, notes) = Subject::new(&model, &known.sae, folder.path());
        assert!(alone.index.is_none() && notes.is_empty());
        assert_eq!(alone.names(&[FeatureId(62)]).unwrap(), [""]);
    }

    #[test]
    fn dictionaries_of_one_pass_are_kept_and_others_named() {
        let (model, _) = Model::open(&demo("model")).unwrap();
        let model = Arc::new(model);
        let sae = opened(&model, "attn-0").sae;
        let mut foreign = (*sae).clone();
        foreign.provenance.hook = "blocks.99.hook_resid_post".parse().ok();
        let foreign = Arc::new(foreign);
        let pairs = |saes: &[&Arc<Sae>]| -> Vec<Pair> {
            saes.iter().map(|sae| Pair::new(&model, sae)).collect()
        };
        let read = readable(&pairs(&[&foreign, &sae, &sae])).unwrap();
        assert_eq!((read.kept, read.left_out.len()), (vec![1, 2], 1));
        assert!(
            read.left_out[0].1.contains("blocks.99"),
            "{:?}",
            read.left_out
        );
        let none = readable(&pairs(&[&foreign])).unwrap_err().to_string();
        assert!(none.contains("blocks.99"), "{none}");
        assert!(readable(&[]).is_err());
    }

    #[test]
    fn an_index_goes_to_its_dictionary_or_is_refused() {
        let (model, _) = Model::open(&demo("model")).unwrap();
        let mut both = [opened(&model, "attn-0"), opened(&model, "ladder-256")];
        both[0].index = None;
        let of = |name: &str| demo("indexes").join(name);
        let notes = assign(&model, &mut both, &[of("attn-0.sqlite")]).unwrap();
        assert!(notes.is_empty() && both[0].index.is_some() && both[1].index.is_none());
        let refused = assign(&model, &mut both, &[of("attn-1.sqlite")]).unwrap_err();
        assert!(
            refused.to_string().contains("belongs to attn-1"),
            "{refused}"
        );
        let found = search(&model, &"The king said".into(), &both, &mut || {
            Flow::Continue(())
        });
        let found = found.unwrap().done().unwrap().found;
        let ranked = |dictionary| {
            let of = found.iter().filter(|one| one.dictionary == dictionary);
            of.filter(|one| one.tf_idf.is_some()).count()
        };
        assert!(ranked(0) > 0 && ranked(1) == 0);
    }
}
