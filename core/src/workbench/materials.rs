//! Materials of edits: dictionaries, probes of their errors, mean activations of a text, other texts. Each is opened when an edit first needs it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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
use crate::steer::{self, Dial, EditSpec, Edits, Materials, Strength, TextMean, What};
use crate::text::chat::Roles;
use crate::whole_file;

/// Sources of the materials beside the dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    /// Probes of the dictionaries' errors.
    pub probes: Vec<PathBuf>,
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
            self.probes.clear();
        }
        if !edits.iter().any(EditSpec::needs_mean) {
            self.mean = None;
        }
        self
    }
}

/// A dictionary with the name by which edits name it.
#[derive(Debug, Clone)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The dictionary.
    pub sae: Arc<Sae>,
}

impl From<Arc<Sae>> for Named {
    fn from(sae: Arc<Sae>) -> Self {
        let name = sae.name.clone();
        Self { name, sae }
    }
}

/// Makes edits of one model. It keeps the mean activations that it measured, so that further edits at the same hook reuse them.
#[derive(Debug)]
pub struct Stock {
    model: Arc<Model>,
    saes: Vec<Named>,
    sources: Sources,
    roles: Option<Arc<Roles>>,
    /// By hook, by the text's fingerprint (a file that changed is measured again) and by the dictionary whose positions count.
    means: BTreeMap<(HookPoint, String, Option<String>), TextMean>,
}

/// Edits that are ready to run, and what was decided on the way.
#[derive(Debug)]
pub struct Made {
    /// The edits.
    pub edits: Edits,
    /// For each edit that names a feature, the dial of the first one it names; none where its dictionary reads whole texts.
    pub dials: Vec<Option<Dial>>,
    /// Units of each edit's number, where they differ from those of activations ([`EditSpec::units`]).
    pub units: Vec<Option<String>>,
    /// Decisions on text, BOS and probe.
    pub notes: Notes,
    /// One sentence for each mean activation: what it is over.
    pub means: Vec<String>,
    /// Dictionary of each edit, where one is open for it.
    saes: Vec<Option<Arc<Sae>>>,
}

impl Made {
    /// Returns the strength of each edit that adds a decoder row, in several units; `specs` are the edits in their written form.
    pub fn strengths(&self, specs: &[EditSpec]) -> Vec<Option<Strength>> {
        let pairs = specs.iter().zip(&self.saes);
        pairs
            .map(|(spec, sae)| spec.strength(sae.as_deref()?))
            .collect()
    }

    /// Writes the vectors that the edits add as one safetensors file; `specs` are the edits in their written form. An error if an edit adds none.
    pub fn save_vectors(&self, model: &Model, specs: &[EditSpec], path: &Path) -> Result<()> {
        let edits = specs.iter().zip(self.edits.iter()).zip(&self.saes);
        let added: Vec<steer::Added<'_>> = edits
            .map(|((spec, edit), sae)| (spec, edit, sae.as_deref()))
            .collect();
        whole_file::write_bytes(path, &steer::vector_file(model, &added)?)
    }
}

impl Stock {
    /// Creates a stock for edits of `model`; `saes` are the dictionaries whose features they name, each under another name.
    pub fn new(model: Arc<Model>, saes: impl IntoIterator<Item = Named>, sources: Sources) -> Self {
        Self {
            model,
            saes: saes.into_iter().collect(),
            sources,
            roles: None,
            means: BTreeMap::new(),
        }
    }

    /// Whether this stock is of exactly this model, these dictionaries and sources.
    pub fn is_of(&self, model: &Arc<Model>, saes: &[Named], sources: &Sources) -> bool {
        let same = |(own, other): (&Named, &Named)| {
            own.name == other.name && Arc::ptr_eq(&own.sae, &other.sae)
        };
        let same_saes = self.saes.len() == saes.len() && self.saes.iter().zip(saes).all(same);
        Arc::ptr_eq(&self.model, model) && same_saes && self.sources == *sources
    }

    /// Takes the roles of the tokens of the prompt that edits are made for next; none for plain text.
    pub fn prompted_by(&mut self, roles: Option<Arc<Roles>>) {
        self.roles = roles;
    }

    /// Returns the dictionary of this name, without a name the only one; an error names those that are open.
    pub fn dictionary(&self, name: Option<&str>) -> Result<&Named> {
        let names = || {
            let names: Vec<&str> = self.saes.iter().map(|of| of.name.as_str()).collect();
            names.join(", ")
        };
        let what = match (name, self.saes.as_slice()) {
            (None, [only]) => return Ok(only),
            (_, []) => {
                "an edit by feature, or without a hook, needs a dictionary: name one, or give the edit's hook=…".to_owned()
            }
            (None, _) => format!(
                "several dictionaries are open ({}): every edit by feature, or without a hook, names its own, as in sae={}",
                names(),
                self.saes[0].name
            ),
            (Some(name), all) => match all.iter().find(|of| of.name == name) {
                Some(of) => return Ok(of),
                None => format!("no open dictionary is called `{name}`, there is {}", names()),
            },
        };
        Err(Error::setting(Key::Sae, what))
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
        let saes = specs.iter().map(|spec| {
            let of = self.dictionary(spec.sae.as_deref()).ok()?;
            Some(Arc::clone(&of.sae))
        });
        let saes: Vec<Option<Arc<Sae>>> = saes.collect();
        let units = specs.iter().zip(&saes);
        let units = units
            .map(|(spec, sae)| spec.units(sae.as_deref()?))
            .collect();
        let dials = specs
            .iter()
            .zip(&saes)
            .map(|(spec, sae)| Dial::new(Arc::clone(sae.as_ref()?), spec.feature()?).ok());
        let dials = dials.collect();
        let model = Arc::clone(&self.model);
        let mut opened = Opened {
            stock: self,
            probes: BTreeMap::new(),
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
            dials,
            units,
            notes: opened.notes,
            means: opened.means,
            saes,
        }))
    }
}

/// A stock while edits are made: what was opened for them.
struct Opened<'a> {
    stock: &'a mut Stock,
    /// By the name of its dictionary.
    probes: BTreeMap<String, Arc<Probe>>,
    /// Documents, phrase and fingerprint of the text of means.
    text: Option<(Corpus, String, String)>,
    notes: Notes,
    means: Vec<String>,
    observe: &'a mut dyn FnMut(Progress) -> Flow,
    stopped: bool,
}

impl Materials for Opened<'_> {
    fn dictionary(&mut self, name: Option<&str>) -> Result<Arc<Sae>> {
        let of = self.stock.dictionary(name)?;
        Ok(Arc::clone(&of.sae))
    }

    fn probe(&mut self, name: Option<&str>) -> Result<Arc<Probe>> {
        let Named { name, sae } = self.stock.dictionary(name)?.clone();
        if let Some(probe) = self.probes.get(&name) {
            return Ok(Arc::clone(probe));
        }
        let paths = &self.stock.sources.probes;
        let opened: Result<Vec<Probe>> = paths.iter().map(|path| Probe::open(path)).collect();
        let (opened, model) = (opened?, &self.stock.model);
        let fit = |probe: &Probe| Fit::of_probe(probe, Some(model), Some(&sae));
        // One of several is of this dictionary; a single one is taken or refused as it is.
        let own = opened.iter().position(|probe| !fit(probe).is_refused());
        let Some(mut probe) = opened.into_iter().nth(own.unwrap_or(0)) else {
            let what = "the linear and nonlinear parts of the error need a probe of this dictionary: fit one in Dark matter and keep it";
            return Err(Error::setting(Key::Probe, what));
        };
        let fit = fit(&probe);
        if let Some(note) = fit.check(self.stock.sources.allow_mismatch)? {
            self.notes.add(note);
        }
        if fit.is_refused() {
            probe = probe.taken_for(model, &sae);
        }
        let probe = Arc::new(probe);
        self.probes.insert(name, Arc::clone(&probe));
        Ok(probe)
    }

    fn roles(&self) -> Option<Arc<Roles>> {
        self.stock.roles.clone()
    }

    fn mean(&mut self, hook: HookPoint, name: Option<&str>) -> Result<Vec<f32>> {
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
        let of = match name {
            Some(_) => Some(self.stock.dictionary(name)?),
            None => self.stock.saes.first(),
        };
        let key = (hook, fingerprint.clone(), of.map(|of| of.name.clone()));
        let mean = if let Some(mean) = self.stock.means.get(&key) {
            mean.clone()
        } else {
            let pair = (&*self.stock.model, of.map(|of| &*of.sae));
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
