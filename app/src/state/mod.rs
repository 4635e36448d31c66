//! Everything the window shows, as plain data, one file per area. [`AppState::apply`] is the only writer; views read.
//!
//! # How an area adds something
//! - **a fact that changes**: a field in the area's struct (`state/AREA.rs`), a variant in its `Event`, an arm in its `apply(state, event)`.
//!   `apply` sees the whole state, so an event may also touch a neighbour (a new dictionary clears the selected feature).
//! - **something a person asks for**: see `commands/mod.rs`. **Something long**: see `jobs.rs`.

pub mod attention;
pub mod catalogue;
pub mod compare;
pub mod dark_matter;
pub mod features;
pub mod fit;
pub mod heads;
pub mod history;
pub mod jobs;
pub mod lens;
pub mod log;
pub mod opening;
pub mod path;
pub mod places;
pub mod project;
pub mod prompt;
pub mod selection;
pub mod settings;
pub mod steering;
pub mod training;

/// Something that is looked for, on its way, there, or failed with a sentence.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Load<T> {
    /// Nobody asked for it.
    #[default]
    Absent,
    /// A job is at it.
    Loading,
    /// There.
    Ready(T),
    /// One sentence: what is wrong and the remedy.
    Failed(String),
}

impl<T> Load<T> {
    /// The value if it is there.
    pub fn ready(&self) -> Option<&T> {
        match self {
            Self::Ready(value) => Some(value),
            Self::Absent | Self::Loading | Self::Failed(_) => None,
        }
    }

    /// Why it failed.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Failed(sentence) => Some(sentence),
            Self::Absent | Self::Loading | Self::Ready(_) => None,
        }
    }

    /// Whether a job is at it.
    pub fn is_loading(&self) -> bool {
        matches!(self, Self::Loading)
    }

    /// Whether nobody asked for it yet.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// All that views read.
#[derive(Debug, Default)]
pub struct AppState {
    /// Where the demo and the program's own folders are.
    pub places: places::Places,
    /// The open project, its labels, recent ones.
    pub project: project::ProjectState,
    /// Model, dictionaries, indexes and how loading them went.
    pub catalogue: catalogue::Catalogue,
    /// The dialog that opens a model.
    pub opening: opening::OpeningState,
    /// The window's own question for a path.
    pub path: path::PathState,
    /// What is selected now, across all screens.
    pub selection: selection::Selection,
    /// Table and pages of the selected dictionary's features.
    pub features: features::FeaturesState,
    /// The sentence in Prompt and its reading.
    pub prompt: prompt::PromptState,
    /// Its logit lens.
    pub lens: lens::LensState,
    /// Attention patterns on it.
    pub attention: attention::AttentionState,
    /// Training runs.
    pub training: training::TrainingState,
    /// Two dictionaries side by side.
    pub compare: compare::CompareState,
    /// Dark matter lab.
    pub dark_matter: dark_matter::DarkMatterState,
    /// Heads lab.
    pub heads: heads::HeadsState,
    /// Steering lab.
    pub steering: steering::SteeringState,
    /// Long work: running and lately ended.
    pub jobs: jobs::JobsState,
    /// Notifications and the log.
    pub log: log::LogState,
    /// What can be undone and redone.
    pub history: history::HistoryState,
    /// What a person set and what survives a restart.
    pub settings: settings::Settings,
}

/// Everything that can change the state.
#[derive(Debug)]
pub enum Event {
    /// See [`project::Event`].
    Project(project::Event),
    /// See [`catalogue::Event`].
    Catalogue(catalogue::Event),
    /// See [`opening::Event`].
    Opening(opening::Event),
    /// See [`path::Event`].
    Path(path::Event),
    /// See [`selection::Event`].
    Selection(selection::Event),
    /// See [`features::Event`].
    Features(features::Event),
    /// See [`prompt::Event`].
    Prompt(prompt::Event),
    /// See [`lens::Event`].
    Lens(lens::Event),
    /// See [`attention::Event`].
    Attention(attention::Event),
    /// See [`training::Event`].
    Training(training::Event),
    /// See [`compare::Event`].
    Compare(compare::Event),
    /// See [`dark_matter::Event`].
    DarkMatter(dark_matter::Event),
    /// See [`heads::Event`].
    Heads(heads::Event),
    /// See [`steering::Event`].
    Steering(steering::Event),
    /// See [`jobs::Event`].
    Jobs(jobs::Event),
    /// See [`log::Event`].
    Log(log::Event),
    /// See [`history::Event`].
    History(history::Event),
    /// See [`settings::Event`].
    Settings(settings::Event),
}

impl AppState {
    /// Carries out one event. The only writer of the state.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Project(event) => project::apply(self, event),
            Event::Catalogue(event) => catalogue::apply(self, event),
            Event::Opening(event) => opening::apply(self, event),
            Event::Path(event) => path::apply(self, event),
            Event::Selection(event) => selection::apply(self, event),
            Event::Features(event) => features::apply(self, event),
            Event::Prompt(event) => prompt::apply(self, event),
            Event::Lens(event) => lens::apply(self, event),
            Event::Attention(event) => attention::apply(self, event),
            Event::Training(event) => training::apply(self, event),
            Event::Compare(event) => compare::apply(self, event),
            Event::DarkMatter(event) => dark_matter::apply(self, event),
            Event::Heads(event) => heads::apply(self, event),
            Event::Steering(event) => steering::apply(self, event),
            Event::Jobs(event) => jobs::apply(self, event),
            Event::Log(event) => log::apply(self, event),
            Event::History(event) => history::apply(self, event),
            Event::Settings(event) => settings::apply(self, event),
        }
    }

    /// The loaded model.
    pub fn model(&self) -> Option<&catalogue::LoadedModel> {
        self.catalogue.model.ready()
    }

    /// The sentence in Prompt with the model that reads it, if there are both.
    pub fn sentence(&self) -> Option<prompt::Sentence> {
        let model = &self.model()?.model;
        Some(prompt::Sentence::new(self.prompt.input()?, model))
    }

    /// The selected dictionary's entry, loaded or not.
    pub fn dictionary(&self) -> Option<&catalogue::Dictionary> {
        self.catalogue.get(self.selection.dictionary?)
    }

    /// The label of a feature of the selected dictionary.
    pub fn label(&self, feature: umbra_core::ids::FeatureId) -> Option<&str> {
        self.project.label(&self.dictionary()?.name, feature)
    }

    /// The token at which a feature of a dictionary is strongest, if that dictionary's table is read.
    pub fn top_token(
        &self,
        dictionary: catalogue::DictionaryId,
        feature: umbra_core::ids::FeatureId,
    ) -> Option<&str> {
        let table = self.features.table.ready();
        let table = table.filter(|table| table.dictionary == dictionary)?;
        Some(table.top_tokens.get(feature.index())?)
    }
}
