//! The sentence in Prompt by every dictionary, the sentence beside a second text, and two sets of texts told apart.

use std::sync::Arc;

use umbra_core::ids::HookPoint;
use umbra_core::prompt::{Aligned, Input, Reading};
use umbra_core::separate::{Pool, Separation};

use super::AppState;
use super::catalogue::{Dictionary, DictionaryId};
use super::jobs::JobId;
use super::load::Load;
use super::prompt::Sentence;

/// A dictionary's reading of the sentence.
#[derive(Debug)]
pub(crate) struct LayerRow {
    /// The dictionary.
    pub(crate) dictionary: DictionaryId,
    /// Its name.
    pub(crate) name: String,
    /// The hook that it reads.
    pub(crate) hook: HookPoint,
    /// Its reading.
    pub(crate) reading: Reading,
}

/// A sentence and the dictionaries that read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayersKey {
    /// The sentence.
    pub(crate) sentence: Sentence,
    /// The dictionaries, earliest hook first.
    pub(crate) dictionaries: Vec<DictionaryId>,
}

/// The sentence by every dictionary.
#[derive(Debug, Default)]
pub(crate) struct LayersState {
    /// Question that was asked last.
    pub(crate) of: Option<LayersKey>,
    /// The readings, earliest hook first; absent although asked for: the job was stopped.
    pub(crate) load: Load<Arc<Vec<LayerRow>>>,
    /// The last readings that succeeded, shown until the next arrive.
    pub(crate) last: Option<(LayersKey, Arc<Vec<LayerRow>>)>,
    /// The job, to be stopped when another sentence is asked for.
    pub(crate) job: Option<JobId>,
}

impl LayersState {
    /// The readings to show for `key`: its own, or the last ones of the same model and dictionaries.
    pub(crate) fn shown(&self, key: &LayersKey) -> Option<&Arc<Vec<LayerRow>>> {
        let (of, rows) = self.last.as_ref()?;
        let same = of.sentence.same_model(&key.sentence) && of.dictionaries == key.dictionaries;
        same.then_some(rows)
    }
}

/// Two texts and the dictionary that reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PairKey {
    /// The dictionary.
    pub(crate) dictionary: DictionaryId,
    /// The sentence.
    pub(crate) sentence: Sentence,
    /// The second text.
    pub(crate) second: Input,
}

/// Two texts, read and aligned.
#[derive(Debug)]
pub(crate) struct Beside {
    /// Readings of the sentence and of the second text.
    pub(crate) readings: [Reading; 2],
    /// Their tokens side by side, with the features that change.
    pub(crate) aligned: Aligned,
}

/// The sentence beside a second text.
#[derive(Debug, Default)]
pub(crate) struct BesideState {
    /// The second text.
    pub(crate) text: String,
    /// Question that was asked last.
    pub(crate) of: Option<PairKey>,
    /// Both texts; absent although asked for: the job was stopped.
    pub(crate) load: Load<Arc<Beside>>,
    /// The last ones that succeeded, shown until the next arrive.
    pub(crate) last: Option<(PairKey, Arc<Beside>)>,
    /// The job, to be stopped when other texts are asked for.
    pub(crate) job: Option<JobId>,
}

impl BesideState {
    /// The texts to show for `key`: its own, or the last ones of the same dictionary.
    pub(crate) fn shown(&self, key: &PairKey) -> Option<&Arc<Beside>> {
        let (of, beside) = self.last.as_ref()?;
        (of.dictionary == key.dictionary).then_some(beside)
    }
}

/// Two sets of texts, and how they are pooled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SetsForm {
    /// The texts of each set, one a line.
    pub(crate) sets: [String; 2],
    /// How the activations on a text's tokens become one number.
    pub(crate) pool: Pool,
}

impl SetsForm {
    /// Returns the texts of a set: each line that is not empty.
    pub(crate) fn texts(&self, set: usize) -> impl Iterator<Item = &str> {
        let lines = self.sets[set].lines();
        lines.filter(|line| !line.trim().is_empty())
    }
}

/// Two sets that were told apart.
#[derive(Debug)]
pub(crate) struct Apart {
    /// The dictionary.
    pub(crate) dictionary: DictionaryId,
    /// The sets.
    pub(crate) form: SetsForm,
    /// Features that tell them apart.
    pub(crate) found: Separation,
}

/// Two sets of texts.
#[derive(Debug, Default)]
pub(crate) struct SetsState {
    /// The form.
    pub(crate) form: SetsForm,
    /// The latest answer.
    pub(crate) load: Load<Arc<Apart>>,
}

/// All of this area.
#[derive(Debug, Default)]
pub(crate) struct TextsState {
    /// The sentence by every dictionary.
    pub(crate) layers: LayersState,
    /// The sentence beside a second text.
    pub(crate) beside: BesideState,
    /// Two sets of texts.
    pub(crate) sets: SetsState,
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// The sentence is being read by every dictionary; readings arrived, failed or were stopped.
    Layers(LayersKey, Load<Arc<Vec<LayerRow>>>),
    /// The job that reads them.
    LayersJob(JobId),
    /// Another second text.
    Second(String),
    /// Two texts are being aligned; they arrived, failed or were stopped.
    Beside(PairKey, Load<Arc<Beside>>),
    /// The job that aligns them.
    BesideJob(JobId),
    /// Another form of the sets.
    Form(SetsForm),
    /// Sets are being told apart; the answer arrived, failed or was stopped.
    Sets(Load<Arc<Apart>>),
}

impl TextsState {
    /// Carries out an event. What arrives late for other texts is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Layers(of, load) => {
                let layers = &mut self.layers;
                if load.is_loading() {
                    layers.of = Some(of.clone());
                }
                if layers.of.as_ref() != Some(&of) {
                    return;
                }
                if let Load::Ready(rows) = &load {
                    layers.last = Some((of, Arc::clone(rows)));
                }
                layers.load = load;
            }
            Event::LayersJob(job) => self.layers.job = Some(job),
            Event::Second(text) => self.beside.text = text,
            Event::Beside(of, load) => {
                let beside = &mut self.beside;
                if load.is_loading() {
                    beside.of = Some(of.clone());
                }
                if beside.of.as_ref() != Some(&of) {
                    return;
                }
                if let Load::Ready(pair) = &load {
                    beside.last = Some((of, Arc::clone(pair)));
                }
                beside.load = load;
            }
            Event::BesideJob(job) => self.beside.job = Some(job),
            Event::Form(form) => self.sets.form = form,
            Event::Sets(load) => self.sets.load = load,
        }
    }
}

impl AppState {
    /// The dictionaries that can read the sentence, earliest hook first.
    pub(crate) fn readers(&self) -> Vec<&Dictionary> {
        let reads = |dictionary: &&Dictionary| {
            let pair = self.pair(dictionary.id);
            pair.is_some_and(|pair| pair.sae.by_token().is_ok() && pair.sae.reads().is_ok())
        };
        let mut readers: Vec<&Dictionary> = self.fitting().filter(reads).collect();
        readers.sort_by_key(|dictionary| dictionary.hook());
        readers
    }

    /// Question of the panel by layer; none without a sentence or a dictionary.
    pub(crate) fn layers_key(&self) -> Option<LayersKey> {
        let dictionaries: Vec<DictionaryId> = self.readers().iter().map(|d| d.id).collect();
        let sentence = self.sentence()?;
        (!dictionaries.is_empty()).then_some(LayersKey {
            sentence,
            dictionaries,
        })
    }

    /// Question of the panel of two texts; none without a sentence, a second text or a dictionary that reads here.
    pub(crate) fn pair_key(&self) -> Option<PairKey> {
        let dictionary = self.reader()??;
        let second = Input::Text(self.texts.beside.text.clone());
        let sentence = self.sentence()?;
        (!second.is_blank()).then_some(PairKey {
            dictionary,
            sentence,
            second,
        })
    }
}
