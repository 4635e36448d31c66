//! Everything the window shows, as plain data, one file per area. [`AppState::apply`] is the only writer; views read.
//!
//! # How an area adds something
//! - **a fact that changes**: a field in the area's struct (`state/AREA.rs`), a variant in its `Event`, an arm in its `apply(&mut self, event)`.
//!   An event that touches a neighbouring area (a new dictionary clears the selected feature) is carried out by a file in `state/apply/`.
//! - **something a person asks for**: see `requests/mod.rs`. **Something long**: see `jobs.rs`.

mod apply;
pub(crate) mod attention;
pub(crate) mod catalogue;
pub(crate) mod compare;
pub(crate) mod dark_matter;
pub(crate) mod devices;
pub(crate) mod evaluation;
pub(crate) mod families;
pub(crate) mod features;
pub(crate) mod fit;
pub(crate) mod heads;
pub(crate) mod history;
pub(crate) mod jobs;
pub(crate) mod kept;
pub(crate) mod labels;
pub(crate) mod layout;
pub(crate) mod lens;
mod load;
pub(crate) mod log;
mod naming;
pub(crate) mod opening;
pub(crate) mod passes;
pub(crate) mod path;
pub(crate) mod places;
pub(crate) mod project;
pub(crate) mod prompt;
mod reading;
pub(crate) mod requests;
pub(crate) mod resume;
pub(crate) mod search;
pub(crate) mod selection;
pub(crate) mod settings;
pub(crate) mod steering;
pub(crate) mod texts;
pub(crate) mod tour;
pub(crate) mod training;
pub(crate) mod view;

use umbra_core::ids::{Head, Layer};

pub(crate) use load::Load;

/// All that views read.
#[derive(Debug, Default)]
pub(crate) struct AppState {
    /// Folders of the demo and of the program.
    pub(crate) places: places::Places,
    /// The open project, its labels, recent ones.
    pub(crate) project: project::ProjectState,
    /// Model, dictionaries, indexes and how loading them went.
    pub(crate) catalogue: catalogue::Catalogue,
    /// The dialog that opens a model.
    pub(crate) opening: opening::OpeningState,
    /// The question how much text an evaluation or an index reads.
    pub(crate) passes: passes::PassesState,
    /// The window's own question for a path.
    pub(crate) path: path::PathState,
    /// The selection, shared by all screens.
    pub(crate) selection: selection::Selection,
    /// State that waits for its dictionary.
    pub(crate) resume: resume::ResumeState,
    /// Table and pages of the selected dictionary's features.
    pub(crate) features: features::FeaturesState,
    /// Families of features, and tests of predicates.
    pub(crate) families: families::FamiliesState,
    /// Facts being measured, and the question to a language model.
    pub(crate) labels: labels::LabelsState,
    /// The sentence in Prompt and its reading.
    pub(crate) prompt: prompt::PromptState,
    /// The sentence by every dictionary, beside a second text, and two sets of texts.
    pub(crate) texts: texts::TextsState,
    /// The features of all dictionaries on it.
    pub(crate) search: search::SearchState,
    /// Its logit lens.
    pub(crate) lens: lens::LensState,
    /// Attention patterns on it.
    pub(crate) attention: attention::AttentionState,
    /// Worth of dictionaries: kept numbers, and a task with a known answer.
    pub(crate) evaluation: evaluation::EvaluationState,
    /// Training runs.
    pub(crate) training: training::TrainingState,
    /// Two dictionaries side by side.
    pub(crate) compare: compare::CompareState,
    /// Dark matter lab.
    pub(crate) dark_matter: dark_matter::DarkMatterState,
    /// Heads lab.
    pub(crate) heads: heads::HeadsState,
    /// Steering lab.
    pub(crate) steering: steering::SteeringState,
    /// The devices that compute.
    pub(crate) devices: devices::DevicesState,
    /// Long work: running and lately ended.
    pub(crate) jobs: jobs::JobsState,
    /// Notifications and the log.
    pub(crate) log: log::LogState,
    /// Changes to undo and redo.
    pub(crate) history: history::HistoryState,
    /// Settings; they survive a restart.
    pub(crate) settings: settings::Settings,
}

/// Everything that can change the state.
#[derive(Debug)]
pub(crate) enum Event {
    /// See [`project::Event`].
    Project(project::Event),
    /// See [`catalogue::Event`].
    Catalogue(catalogue::Event),
    /// See [`opening::Event`].
    Opening(opening::Event),
    /// See [`passes::Event`].
    Passes(passes::Event),
    /// See [`path::Event`].
    Path(path::Event),
    /// See [`selection::Event`].
    Selection(selection::Event),
    /// See [`resume::Event`].
    Resume(resume::Event),
    /// See [`features::Event`].
    Features(features::Event),
    /// See [`families::Event`].
    Families(families::Event),
    /// See [`labels::Event`].
    Labels(labels::Event),
    /// See [`prompt::Event`].
    Prompt(prompt::Event),
    /// See [`texts::Event`].
    Texts(texts::Event),
    /// See [`search::Event`].
    Search(search::Event),
    /// See [`lens::Event`].
    Lens(lens::Event),
    /// See [`attention::Event`].
    Attention(attention::Event),
    /// See [`evaluation::Event`].
    Evaluation(evaluation::Event),
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
    /// See [`devices::Event`].
    Devices(devices::Event),
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
    /// The loaded model.
    pub(crate) fn model(&self) -> Option<&catalogue::LoadedModel> {
        self.catalogue.model.ready()
    }

    /// The sentence in Prompt with the model that reads it, if there are both.
    pub(crate) fn sentence(&self) -> Option<prompt::Sentence> {
        let model = &self.model()?.model;
        Some(prompt::Sentence::new(self.prompt.input()?, model))
    }

    /// The selected dictionary's entry, loaded or not.
    pub(crate) fn dictionary(&self) -> Option<&catalogue::Dictionary> {
        self.catalogue.get(self.selection.dictionary?)
    }

    /// Whether the loaded model has this head.
    pub(crate) fn has_head(&self, (layer, head): (Layer, Head)) -> bool {
        self.model().is_some_and(|loaded| {
            let config = loaded.model.config();
            layer.index() < config.layers && head.index() < config.heads
        })
    }

    /// The selected head, if the loaded model has it.
    pub(crate) fn head(&self) -> Option<(Layer, Head)> {
        self.selection.head.filter(|head| self.has_head(*head))
    }

    /// The label of a feature of the selected dictionary.
    pub(crate) fn label(&self, feature: umbra_core::ids::FeatureId) -> Option<&str> {
        self.project.label(&self.dictionary()?.name, feature)
    }
}
