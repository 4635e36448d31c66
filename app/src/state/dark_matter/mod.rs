//! Dark matter: the error of the selected dictionary, one file per panel of the screen, and the question that is shown.
//!
//! # How a panel adds something
//! - **a fact**: its file here with a struct of its state, an `Event` and `apply`; a field of [`DarkMatterState`], a variant of [`Event`] and its arm.
//!   A result that takes long is a [`study::Study`].
//! - **a request**: its file in `state/requests/dark_matter/`, a line in `panels!` there, and its file in `commands/dark_matter/` with an arm in `run`.
//! - **its place on the screen**: its file in `views/dark_matter/`, drawn by `views/dark_matter/mod.rs`.

pub(crate) mod depth;
pub(crate) mod fit;
pub(crate) mod ladder;
pub(crate) mod places;
pub(crate) mod predict;
pub(crate) mod pursuit;
pub(crate) mod question;
pub(crate) mod self_test;
pub(crate) mod splice;
pub(crate) mod study;
pub(crate) mod train;

/// All panels' facts.
#[derive(Debug, Default)]
pub(crate) struct DarkMatterState {
    /// The linear probe.
    pub(crate) fit: fit::FitState,
    /// Where the error is.
    pub(crate) places: places::PlacesState,
    /// The error along depth.
    pub(crate) depth: depth::DepthState,
    /// The width ladder.
    pub(crate) ladder: ladder::LadderState,
    /// Cross-entropy with each part put back.
    pub(crate) splice: splice::SpliceState,
    /// Features chosen one by one.
    pub(crate) pursuit: pursuit::PursuitState,
    /// Predictions from other hooks.
    pub(crate) predict: predict::PredictState,
    /// The self-test of the split.
    pub(crate) self_test: self_test::SelfTestState,
    /// Dictionaries trained on the error.
    pub(crate) train: train::TrainState,
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// See [`fit::Event`].
    Fit(fit::Event),
    /// See [`places::Event`].
    Places(places::Event),
    /// See [`depth::Event`].
    Depth(depth::Event),
    /// See [`ladder::Event`].
    Ladder(ladder::Event),
    /// See [`splice::Event`].
    Splice(splice::Event),
    /// See [`pursuit::Event`].
    Pursuit(pursuit::Event),
    /// See [`predict::Event`].
    Predict(predict::Event),
    /// See [`self_test::Event`].
    SelfTest(self_test::Event),
    /// See [`train::Event`].
    Train(train::Event),
}

impl DarkMatterState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Fit(event) => self.fit.apply(event),
            Event::Places(event) => self.places.apply(event),
            Event::Depth(event) => self.depth.apply(event),
            Event::Ladder(event) => self.ladder.apply(event),
            Event::Splice(event) => self.splice.apply(event),
            Event::Pursuit(event) => self.pursuit.apply(event),
            Event::Predict(event) => self.predict.apply(event),
            Event::SelfTest(event) => self.self_test.apply(event),
            Event::Train(event) => self.train.apply(event),
        }
    }
}
