//! Materials of edits: a dictionary, the probe of its error, mean activations of a text, other texts. Each is opened when an edit first needs it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::text::TextRequest;
use crate::corpus::Corpus;
use crate::dark_matter::Probe;
use crate::error::{Error, Key, Notes, Result};
use crate::fit::Fit;
use crate::ids::HookPoint;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;
use crate::steer::{self, EditSpec, Edits, Materials, TextMean, What};

/// Sources of the materials beside the dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    /// Probe of the dictionary's error.
    pub probe: Option<PathBuf>,
    /// Whether to take a probe that was fitted to another dictionary or model.
    pub allow_mismatch: bool,
    /// Text whose mean activation `mean` edits put in place: its first [`MEAN_ROWS`](steer::MEAN_ROWS) rows of [`MEAN_CONTEXT`](steer::MEAN_CONTEXT) tokens. The request
    /// decides part and positions; its row length and its limit do not count.
    pub mean: Option<TextRequest>,
}

impl Sources {
    /// Keeps what `edits` need.
    #[must_use]
    pub fn needed_by(mut self, edits: &[EditSpec]) -> Self {
        if !edits.iter().any(EditSpec::needs_probe) {
            self.probe = None;
        }
        if !edits.iter().any(EditSpec::needs_mean) {
            self.mean = None;
        }
        self
    }
}

/// Makes edits of one model. It keeps the mean activations that it measured, so that further edits at the same hook reuse them.
#[derive(Debug)]
pub struct Stock {
    model: Arc<Model>,
    sae: Option<Arc<Sae>>,
    sources: Sources,
    /// By hook and by the text's fingerprint: a file that changed is measured again.
    means: BTreeMap<(HookPoint, String), TextMean>,
}

/// Edits that are ready to run, and what was decided on the way.
#[derive(Debug)]
pub struct Made {
    /// The edits.
    pub edits: Edits,
    /// Units of each edit's number, where they differ from those of activations ([`EditSpec::units`]).
    pub units: Vec<Option<String>>,
    /// Decisions on text, BOS and probe.
    pub notes: Notes,
    /// One sentence for each mean activation: what it is over.
    pub means: Vec<String>,
}

impl Stock {
    /// Creates a stock for edits of `model`; `sae` is the dictionary whose features they name.
    pub fn new(model: Arc<Model>, sae: Option<Arc<Sae>>, sources: Sources) -> Self {
        Self {
            model,
            sae,
            sources,
            means: BTreeMap::new(),
        }
    }

    /// Whether this stock is of exactly this model, dictionary and sources.
    pub fn is_of(&self, model: &Arc<Model>, sae: Option<&Arc<Sae>>, sources: &Sources) -> bool {
        let same_sae = match (&self.sae, sae) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (None, None) => true,
            _ => false,
        };
        Arc::ptr_eq(&self.model, model) && same_sae && self.sources == *sources
    }

    /// Makes the edits that `specs` describe. `observe` gets the progress of measuring a mean activation, and may stop it.
    pub fn edits(
        &mut self,
        specs: &[EditSpec],
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<Made>> {
        let mut notes = Notes::default();
        for spec in specs {
            if let What::PatchText(text) = &spec.what
                && let Some(note) = self.model.codec().bos_note(text)?
            {
                notes.add(note);
            }
        }
        let sae = self.sae.clone();
        let units = specs.iter().map(|spec| spec.units(sae.as_deref()?));
        let units = units.collect();
        let model = Arc::clone(&self.model);
        let mut opened = Opened {
            stock: self,
            probe: None,
            text: None,
            notes,
            means: Vec::new(),
            observe,
            stopped: false,
        };
        let mut edits = Vec::new();
        for spec in specs {
            match spec.resolve(&model, &mut opened) {
                Err(_) if opened.stopped => return Ok(Ended::STOPPED),
                edit => edits.push(edit?),
            }
        }
        Ok(Ended::Done(Made {
            edits: Edits::new(&model, edits)?,
            units,
            notes: opened.notes,
            means: opened.means,
        }))
    }
}

/// A stock while edits are made: what was opened for them.
struct Opened<'a> {
    stock: &'a mut Stock,
    probe: Option<Arc<Probe>>,
    /// Documents, phrase and fingerprint of the text of means.
    text: Option<(Corpus, String, String)>,
    notes: Notes,
    means: Vec<String>,
    observe: &'a mut dyn FnMut(Progress) -> Flow,
    stopped: bool,
}

impl Materials for Opened<'_> {
    fn dictionary(&mut self) -> Result<Arc<Sae>> {
        let missing = || {
            let what = "an edit by feature, or without a hook, needs a dictionary: name one, or give the edit's hook=…";
            Error::setting(Key::Sae, what)
        };
        self.stock.sae.clone().ok_or_else(missing)
    }

    fn probe(&mut self) -> Result<Arc<Probe>> {
        if let Some(probe) = &self.probe {
            return Ok(Arc::clone(probe));
        }
        let Some(path) = &self.stock.sources.probe else {
            let what = "the linear and nonlinear parts of the error need a probe of this dictionary: fit one in Dark matter and keep it";
            return Err(Error::setting(Key::Probe, what));
        };
        let mut probe = Probe::open(path)?;
        let (model, sae) = (&self.stock.model, self.stock.sae.as_deref());
        let fit = Fit::of_probe(&probe, Some(model), sae);
        if let Some(note) = fit.check(self.stock.sources.allow_mismatch)? {
            self.notes.add(note);
        }
        if let Some(sae) = sae.filter(|_| fit.is_refused()) {
            probe = probe.taken_for(model, sae);
        }
        Ok(Arc::clone(self.probe.insert(Arc::new(probe))))
    }

    fn mean(&mut self, hook: HookPoint) -> Result<Vec<f32>> {
        let Some(text) = &self.stock.sources.mean else {
            let what =
                "a mean activation is over a text: name one, or give the vector by file= and key=";
            return Err(Error::setting(Key::MeanOf, what));
        };
        if self.text.is_none() {
            let (corpus, notes) = text.open()?;
            self.notes.extend(notes);
            let fingerprint = corpus.fingerprint();
            self.text = Some((corpus, text.phrase(), fingerprint));
        }
        let (corpus, phrase, fingerprint) = self.text.as_ref().expect("it was opened above");
        let key = (hook, fingerprint.clone());
        let mean = if let Some(mean) = self.stock.means.get(&key) {
            mean.clone()
        } else {
            let pair = (&*self.stock.model, self.stock.sae.as_deref());
            let measured = steer::mean_of_text(
                pair,
                (corpus, phrase),
                text.reading.positions,
                hook,
                &mut *self.observe,
            )?;
            let Ended::Done(mean) = measured else {
                self.stopped = true;
                return Err(Error::setting(Key::MeanOf, "was stopped before its end"));
            };
            self.stock.means.insert(key, mean.clone());
            mean
        };
        if !self.means.contains(&mean.over) {
            self.means.push(mean.over);
            self.notes.extend(mean.notes);
        }
        Ok(mean.values)
    }
}
