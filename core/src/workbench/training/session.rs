//! Folders of runs while they are trained: checked, locked, recorded, and the dictionaries saved.

use std::path::PathBuf;

use super::Trained;
use crate::error::{Error, Notes, Result};
use crate::folders::{self, Claim};
use crate::formats::{self, Precision};
use crate::progress::Ended;
use crate::runs::{Locked, Recorder};
use crate::train::{Event, Keeping, Outcome, Spec};
use crate::whole_file;
use crate::workbench::devices::Choice;

/// Runs under way, each in a locked folder.
#[derive(Debug)]
pub(super) struct Session {
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    folder: PathBuf,
    keeping: Keeping,
    recorder: Recorder,
    claim: Claim,
}

impl Session {
    /// Begins `runs` on the activations of `model`, each in the folder that its [`Keeping`] names: checks that the folder can be written, locks it, begins the
    /// record. Refuses a folder that holds anything, unless the run resumes from the checkpoint there or `overwrite` is given. A run that should resume without
    /// a checkpoint begins anew: its `resume` is taken back, and a note says so. All folders are checked before any is changed.
    pub(super) fn begin(
        runs: &mut [(Spec, Keeping)],
        model: &str,
        overwrite: bool,
    ) -> Result<(Self, Notes)> {
        let mut notes = Notes::default();
        let mut claims = Vec::new();
        for (_, keeping) in runs.iter_mut() {
            claims.push(claimed(keeping, overwrite, &mut notes)?);
        }
        let mut locked = Vec::new();
        for (folder, _) in &claims {
            match Locked::take(folder) {
                Ok(lock) => locked.push(lock),
                Err(error) => {
                    locked.into_iter().rev().for_each(Locked::undo);
                    return Err(error);
                }
            }
        }
        let mut session = Self { places: Vec::new() };
        let mut waiting = runs.iter().zip(claims).zip(locked);
        while let Some((((spec, keeping), (folder, claim)), lock)) = waiting.next() {
            let begun = if keeping.resume {
                Ok(())
            } else {
                keeping.discard()
            };
            match begun.and_then(|()| Recorder::open(lock, spec, model, keeping.resume)) {
                Ok(recorder) => session.places.push(Place {
                    folder,
                    keeping: keeping.clone(),
                    recorder,
                    claim,
                }),
                Err(error) => {
                    waiting.for_each(|(_, lock)| lock.undo());
                    session.fail(&error);
                    return Err(error);
                }
            }
        }
        Ok((session, notes))
    }

    /// Records the device of all runs.
    pub(super) fn computes_on(&mut self, device: &Choice) {
        for place in &mut self.places {
            place.recorder.computes_on(&device.compute, &device.why);
        }
    }

    /// Records an event of run `which`.
    pub(super) fn observe(&mut self, which: usize, event: &Event) {
        if let Some(place) = self.places.get_mut(which) {
            place.recorder.observe(event);
        }
    }

    /// Ends all records with the error that ended all runs.
    pub(super) fn fail(self, error: &Error) {
        for mut place in self.places {
            // The error itself is what counts.
            drop(place.recorder.end(Err(error)));
        }
    }

    /// Saves the dictionaries, ends the records, then removes the checkpoints of runs that are finished and saved. A dictionary that cannot be saved does not
    /// keep the others from it. The notes say what was saved and not tidied up.
    pub(super) fn end(
        mut self,
        outcomes: Vec<Result<Ended<Outcome, Outcome>>>,
        precision: Precision,
    ) -> (Vec<Trained>, Notes) {
        let mut notes = Notes::default();
        let mut all = Vec::new();
        for (place, outcome) in self.places.iter_mut().zip(outcomes) {
            let trained = match outcome {
                Err(error) => Trained::Failed(error),
                Ok(ended) => match formats::save(&ended.value().sae, &place.folder, precision) {
                    Ok(()) => Trained::Saved(Box::new(ended)),
                    Err(error) => Trained::Unsaved(Box::new(ended), error),
                },
            };
            let recorded = match &trained {
                Trained::Saved(ended) => place.recorder.end(Ok(ended)),
                Trained::Unsaved(_, error) | Trained::Failed(error) => {
                    place.recorder.end(Err(error))
                }
            };
            if let Err(error) = recorded {
                notes.add(format!("The run's record is not whole: {error}"));
            }
            all.push(trained);
        }
        for (place, trained) in self.places.into_iter().zip(&mut all) {
            let Trained::Saved(ended) = trained else {
                continue;
            };
            let mut tidied = place.claim.release();
            if let Ended::Done(outcome) = ended.as_mut() {
                tidied = tidied.and(place.keeping.discard());
                outcome.checkpoint = None;
            }
            if let Err(error) = tidied {
                notes.add(format!("The dictionary is saved: {error}"));
            }
        }
        (all, notes)
    }
}

/// Returns the folder of a run and what it may replace there.
pub(super) fn claimed(
    keeping: &mut Keeping,
    overwrite: bool,
    notes: &mut Notes,
) -> Result<(PathBuf, Claim)> {
    let folder = keeping.folder.clone().ok_or_else(|| {
        let what = "a run that is recorded needs a folder, name one";
        Error::setting("out", what)
    })?;
    if keeping.resume && keeping.has_checkpoint() {
        whole_file::check_folder(&folder)?;
        return Ok((folder, Claim::default()));
    }
    let claim = folders::claim(&folder, overwrite)?;
    if std::mem::take(&mut keeping.resume) {
        notes.add(format!(
            "There is no checkpoint in {}: the run begins from the beginning",
            folder.display()
        ));
    }
    Ok((folder, claim))
}
