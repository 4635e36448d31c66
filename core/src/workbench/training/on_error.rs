//! Training on the error of a dictionary: finds the linear map that tells the parts of the error apart, and has a run read one of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Source, another_model};
use crate::capture;
use crate::dark_matter::{self, FIT_PER_DIMENSION, Predictor, Probe};
use crate::dims::Matrix;
use crate::error::{Error, Key, Notes, Result};
use crate::fit::Fit;
use crate::formats;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::{ErrorOf, ErrorPart, Sae};
use crate::train::{CHECKPOINT, Keeping, Spec};

/// Part of a parent's error that a training run reads.
#[derive(Debug, Clone, PartialEq)]
pub struct OnError {
    /// Part.
    pub part: ErrorPart,
    /// Parent.
    pub parent: Arc<Sae>,
    /// Folder or file of the parent, which the child's files name.
    pub path: PathBuf,
    /// Probe that holds the linear map; none: fitted on the training text, or that of the checkpoint to resume from.
    pub probe: Option<PathBuf>,
}

impl OnError {
    /// Checks that the parent belongs to the source's model; notes where it may not.
    pub fn check(&self, source: &Source<'_>) -> Result<Notes> {
        let mut notes = Notes::default();
        self.parent.autoencoder()?;
        let said = match source {
            Source::Text(model, _) => Fit::judge(model, &self.parent).check(false)?,
            Source::Store(store) => {
                store.width(self.parent.hook()?)?;
                another_model(&self.parent, store)
            }
        };
        if let Some(note) = said {
            notes.add(note);
        }
        Ok(notes)
    }

    /// Finds the linear map, if the part needs one, and has `runs` read the part of the error. A map comes from the checkpoint that the first run resumes from,
    /// else from the probe, else from a fit on the training text with the positions of the first run. The notes say which.
    pub fn apply(
        &self,
        source: &Source<'_>,
        runs: &mut [(Spec, Keeping)],
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<Notes>> {
        let mut notes = self.check(source)?;
        let Some(first) = runs.first() else {
            return Ok(Ended::Done(notes));
        };
        let map = if self.part.needs_map() {
            match self.map(source, first, (observe, &mut notes))? {
                Ended::Done(map) => Some(map),
                Ended::Stopped(()) => return Ok(Ended::STOPPED),
            }
        } else {
            None
        };
        let of = ErrorOf::new(Arc::clone(&self.parent), self.part, map, &self.path)?;
        notes.add(format!("Training reads {}", of.said()));
        let of = Arc::new(of);
        for (spec, _) in runs {
            spec.facts.extend(facts(&of));
            spec.on = Some(Arc::clone(&of));
            spec.validate()?;
        }
        Ok(Ended::Done(notes))
    }

    fn map(
        &self,
        source: &Source<'_>,
        (spec, keeping): &(Spec, Keeping),
        (observe, notes): (&mut dyn FnMut(Progress) -> Flow, &mut Notes),
    ) -> Result<Ended<Matrix>> {
        if let Some(map) = self.map_of_checkpoint(keeping) {
            notes.add("The linear map of the error is that of the checkpoint");
            return Ok(Ended::Done(map));
        }
        let model = match source {
            Source::Text(model, _) => Some(*model),
            Source::Store(_) => None,
        };
        if let Some(path) = &self.probe {
            let probe = Probe::open(path)?;
            if let Some(note) = Fit::of_probe(&probe, model, Some(&self.parent)).check(false)? {
                notes.add(note);
            }
            let predictor = &probe.facts.predictor;
            if *predictor != Predictor::Activation {
                let what = format!(
                    "predicts from {predictor}, the part that is trained on is predicted from the activation: fit another probe"
                );
                return Err(Error::input(what, path));
            }
            notes.add(format!(
                "The linear map of the error is that of the probe in {}",
                path.display()
            ));
            return Ok(Ended::Done(probe.weights));
        }
        let Source::Text(model, text) = source else {
            let what = format!(
                "a store holds no model to fit the linear map of {}'s error with: fit a probe first and name it by {}",
                self.parent.name,
                Key::Probe
            );
            return Err(Error::setting(Key::Probe, what));
        };
        let rows = text.rows.clone().by(spec.positions);
        let rows = rows.with_separate_documents(spec.separate_documents);
        let model = &*capture::reader(model, &rows)?;
        let fit = rows.sample(FIT_PER_DIMENSION * self.parent.width());
        let autoencoder = [self.parent.autoencoder()?];
        let fitted = dark_matter::linear_maps(model, &autoencoder, &fit, observe)?;
        let Ended::Done(mut maps) = fitted else {
            return Ok(Ended::STOPPED);
        };
        let map = maps.pop().ok_or_else(|| {
            let what = "no linear map was fitted, give more text";
            Error::setting("training text", what)
        })?;
        notes.add(format!(
            "The linear map of the error is fitted on {} activations of the training text",
            map.tokens
        ));
        if map.ridge > 0.0 {
            notes.add(format!(
                "The activations do not span their space; a ridge of {:.0e} of each dimension's mean square was added",
                map.ridge
            ));
        }
        Ok(Ended::Done(map.weights))
    }

    /// Returns the map of the checkpoint that a run resumes from, if that read this part of this parent's error.
    fn map_of_checkpoint(&self, keeping: &Keeping) -> Option<Matrix> {
        let folder = keeping.folder.as_deref().filter(|_| keeping.resume)?;
        let place = folder.join(CHECKPOINT);
        let (child, _) =
            formats::open_among(&place, None, std::slice::from_ref(&self.path)).ok()?;
        let of = child.error_of?;
        let is_same = of.part() == self.part && **of.parent() == *self.parent;
        of.map().filter(|_| is_same).cloned()
    }
}

/// Facts that records and metadata hold of the part that is read.
fn facts(of: &ErrorOf) -> [(String, Value); 2] {
    [
        ("trained_on".to_owned(), Value::from(of.said())),
        (
            "parent".to_owned(),
            json!({ "name": of.parent().name, "fingerprint": of.parent_fingerprint(), "part": of.part().name() }),
        ),
    ]
}

/// Returns what the record of the run in `folder` says that it read in place of activations, as a phrase.
pub fn trained_on(data: &serde_json::Map<String, Value>) -> Option<&str> {
    data.get("trained_on")?.as_str()
}

/// Returns the probe that a project keeps of the dictionary `name`, if its fingerprint is that of `parent`.
pub fn kept_probe(path: Option<PathBuf>, parent: &Sae) -> Option<PathBuf> {
    let is_of = |path: &Path| {
        let probe = Probe::open(path).ok()?;
        (probe.sae_fingerprint == parent.fingerprint()).then_some(())
    };
    path.filter(|path| is_of(path).is_some())
}
