//! Recursive attribution with the dictionaries that a person has: which of them take part, and what was decided.

use std::sync::Arc;

use super::pair::Pair;
use crate::error::{Error, Notes, Result};
use crate::heads::circuit::{self, Circuit, Settings};
use crate::ids::{FeatureId, HookPoint};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::prompt::Input;
use crate::sae::Sae;

/// A model and the dictionaries of a trace. All are shared, so a clone is cheap.
#[derive(Debug, Clone)]
pub struct Tracer {
    model: Arc<Model>,
    dictionaries: Vec<Arc<Sae>>,
}

impl Tracer {
    /// Takes the dictionary of `pair`, whose features are explained, and all of `others`; an error if one cannot take part. The notes say what was decided.
    pub fn new(pair: &Pair, others: &[Arc<Sae>]) -> Result<(Self, Notes)> {
        circuit::check(&pair.model, &pair.sae)?;
        let mut tracer = Self::of_pair(pair);
        let mut notes = Notes::default();
        for other in others {
            let reader = tracer.admit(other)?;
            notes.extend(reader);
        }
        Ok((tracer, notes))
    }

    /// Takes the dictionary of `pair`, whose features are explained, and those of `others` that can take part; of several at one hook the first. The notes name the
    /// rest with their reasons.
    pub fn from_fitting(pair: &Pair, others: &[Arc<Sae>]) -> Result<(Self, Notes)> {
        circuit::check(&pair.model, &pair.sae)?;
        let mut tracer = Self::of_pair(pair);
        let mut notes = Notes::default();
        for other in others.iter().filter(|other| !Arc::ptr_eq(other, &pair.sae)) {
            match tracer.admit(other) {
                Ok(said) => notes.extend(said),
                Err(why) => notes.add(format!("{} is left out: {why}", other.name)),
            }
        }
        Ok((tracer, notes))
    }

    fn of_pair(pair: &Pair) -> Self {
        Self {
            model: Arc::clone(&pair.model),
            dictionaries: vec![Arc::clone(&pair.sae)],
        }
    }

    /// Adds a dictionary; an error if it cannot take part.
    fn admit(&mut self, other: &Arc<Sae>) -> Result<Notes> {
        let hook = circuit::check(&self.model, other)?;
        if let Some(first) = self.at(hook) {
            let what = format!("{} and {} both read it: choose one", first.name, other.name);
            return Err(Error::hook(hook, what));
        }
        let mut notes = Pair::new(&self.model, other).check()?;
        let with_bos = self.model.codec().bos().id.is_some();
        if other
            .provenance
            .prepend_bos
            .is_some_and(|trained| trained != with_bos)
        {
            // The pair's own note speaks of a model that reads for this dictionary alone.
            notes = Notes::default();
            let [trained, read] = if with_bos {
                ["without", "with"]
            } else {
                ["with", "without"]
            };
            notes.add(format!(
                "{} was trained {trained} BOS and is read {read} it here, as {} is",
                other.name, self.dictionaries[0].name
            ));
        }
        self.dictionaries.push(Arc::clone(other));
        Ok(notes)
    }

    fn at(&self, hook: HookPoint) -> Option<&Arc<Sae>> {
        let reads = |sae: &&Arc<Sae>| sae.provenance.hook == Some(hook);
        self.dictionaries.iter().find(reads)
    }

    /// The model, as it reads for the first dictionary.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Dictionaries, that of the explained feature first.
    pub fn dictionaries(&self) -> &[Arc<Sae>] {
        &self.dictionaries
    }

    /// Traces `feature` of the first dictionary at token `at`. See [`circuit::trace`].
    pub fn trace(
        &self,
        input: &Input,
        target: (FeatureId, usize),
        settings: &Settings,
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<Circuit>> {
        let read = self.dictionaries.iter().map(|sae| sae.autoencoder());
        let read: Vec<_> = read.collect::<Result<_>>()?;
        circuit::trace(&self.model, &read, input, target, settings, observe)
    }
}
