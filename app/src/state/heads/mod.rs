//! Heads: one file per panel of the screen's three steps, and the step that is shown.
//!
//! # How a panel adds something
//! - **a fact**: its file here with a struct of its state, an `Event` and `apply`; a field of [`HeadsState`], a variant of [`Event`] and its arm.
//! - **a request**: its file in `state/requests/heads/`, a line in `panels!` there, and its file in `commands/heads/` with an arm in `run`.
//! - **its place on the screen**: its file in `views/heads/{map,head,why}/`, drawn by the `mod.rs` of the step.

pub(crate) mod attribution;
pub(crate) mod circuit;
pub(crate) mod features;
pub(crate) mod induction;
pub(crate) mod map;
pub(crate) mod roles;
pub(crate) mod step;
pub(crate) mod survey;

use umbra_core::ids::{Head, Layer};

/// Returns the short name of a head, as people write it.
pub(crate) fn name((layer, head): (Layer, Head)) -> String {
    format!("L{layer}H{head}")
}

/// All panels' facts.
#[derive(Debug, Default)]
pub(crate) struct HeadsState {
    /// The ten features of each head.
    pub(crate) features: features::FeaturesState,
    /// Studies of heads on text, and the person's verdicts.
    pub(crate) roles: roles::RolesState,
    /// The attribution of one feature at one token.
    pub(crate) attribution: attribution::AttributionState,
    /// The trace of one feature at one token.
    pub(crate) circuit: circuit::CircuitState,
    /// The induction lab.
    pub(crate) induction: induction::InductionState,
    /// The survey of all heads.
    pub(crate) survey: survey::SurveyState,
    /// Appearance of the map.
    pub(crate) map: map::MapState,
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// See [`features::Event`].
    Features(features::Event),
    /// See [`roles::Event`].
    Roles(roles::Event),
    /// See [`attribution::Event`].
    Attribution(attribution::Event),
    /// See [`circuit::Event`].
    Circuit(circuit::Event),
    /// See [`induction::Event`].
    Induction(induction::Event),
    /// See [`survey::Event`].
    Survey(survey::Event),
    /// The map looks like this from now on.
    Map(map::MapState),
}

impl HeadsState {
    /// Nothing known of any head; the map looks as before.
    pub(super) fn forget(&mut self) {
        let map = std::mem::take(&mut self.map);
        *self = Self {
            map,
            ..Self::default()
        };
    }

    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Features(event) => self.features.apply(event),
            Event::Roles(event) => self.roles.apply(event),
            Event::Attribution(event) => self.attribution.apply(event),
            Event::Circuit(event) => self.circuit.apply(event),
            Event::Induction(event) => self.induction.apply(event),
            Event::Survey(event) => self.survey.apply(event),
            Event::Map(map) => self.map = map,
        }
    }
}
