//! Studies of heads on text: rankings, roles and causal effects by dictionary; the person's verdicts on heads.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use umbra_core::heads::features::{Effect, HeadFeatures, with_effects};
use umbra_core::heads::roles::{LayerRoles, Study};
use umbra_core::ids::{Head, Layer};
use umbra_core::project::HeadVerdict;

use crate::state::catalogue::DictionaryId;
use crate::state::load::Load;

/// Study of the heads of one layer.
#[derive(Debug, Clone)]
pub(crate) struct Studied {
    /// The study.
    pub(crate) study: Arc<Study>,
    /// Rankings, with the causal effects that were measured since.
    pub(crate) features: Vec<HeadFeatures>,
    /// Phrase for the text.
    pub(crate) text: String,
}

impl Studied {
    /// Roles of the layer's heads.
    pub(crate) fn roles(&self) -> &LayerRoles {
        &self.study.roles
    }
}

/// Place of the person's verdicts: folder of the project, fingerprint of the model.
pub(crate) type Place = (PathBuf, String);

/// Facts of the panels.
#[derive(Debug, Default)]
pub(crate) struct RolesState {
    /// Study of each `hook_z` dictionary.
    pub(crate) studies: BTreeMap<DictionaryId, Load<Studied>>,
    /// Heads whose causal effects are being measured, or why they could not be.
    pub(crate) effects: BTreeMap<(DictionaryId, Head), Load<()>>,
    /// Counts what was measured; a key for memos.
    pub(crate) revision: u64,
    /// Place of the verdicts that were read last.
    pub(crate) own_of: Option<Place>,
    /// The person's verdicts.
    pub(crate) own: BTreeMap<(Layer, Head), HeadVerdict>,
}

impl RolesState {
    /// Returns the study of a dictionary's layer, if it was made.
    pub(crate) fn study(&self, of: DictionaryId) -> Option<&Studied> {
        self.studies.get(&of)?.ready()
    }
}

/// Changes of the panels.
#[derive(Debug)]
pub(crate) enum Event {
    /// A layer is being studied, was or could not be.
    Study(DictionaryId, Load<Studied>),
    /// Causal effects of a head's features are being measured, were or could not be.
    Effects((DictionaryId, Head), Load<Vec<Option<Effect>>>),
    /// The person's verdicts were read.
    Own(Place, Vec<HeadVerdict>),
    /// The person set a verdict.
    Set(HeadVerdict),
}

impl RolesState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        self.revision += 1;
        match event {
            Event::Study(of, load) => {
                if matches!(load, Load::Ready(_)) {
                    self.effects.retain(|(dictionary, _), _| *dictionary != of);
                }
                self.studies.insert(of, load);
            }
            Event::Effects(of, load) => {
                let (dictionary, head) = of;
                let kept = match load {
                    Load::Ready(effects) => {
                        let study = self.studies.get_mut(&dictionary);
                        if let Some(Load::Ready(studied)) = study
                            && let Some(rows) = studied.features.get_mut(head.index())
                            && rows.rows.len() == effects.len()
                        {
                            with_effects(rows, &effects);
                        }
                        Load::Ready(())
                    }
                    Load::Absent => Load::Absent,
                    Load::Loading => Load::Loading,
                    Load::Failed(why) => Load::Failed(why),
                };
                self.effects.insert(of, kept);
            }
            Event::Own(place, verdicts) => {
                self.own_of = Some(place);
                let each = verdicts.into_iter();
                self.own = each.map(|own| ((own.layer, own.head), own)).collect();
            }
            Event::Set(own) => {
                let of = (own.layer, own.head);
                if own.verdict.is_none() && own.note.is_empty() {
                    self.own.remove(&of);
                } else {
                    self.own.insert(of, own);
                }
            }
        }
    }
}
