//! The screens: the trait they share and the list of them all. A view reads the state, draws, and asks by commands; it computes and waits for nothing.
//!
//! # How to add a view
//! A file `views/NAME.rs` with a struct that implements [`View`], a line in [`ViewId`], and its lines in `ViewId::make` and `ViewId::about`.
//! The frame around it (title, purpose line, scrolling is the view's own) is drawn by `shell/tiles.rs`.

pub mod compare;
pub mod dark_matter;
pub mod feature;
pub mod features;
pub mod heads;
pub mod library;
pub mod log;
pub mod prompt;
pub mod steering;
pub mod training;

use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use umbra_core::sae::Sae;

use crate::commands::library::{Command as Library, Pick};
use crate::commands::{Commands, dictionary, navigation, opening};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::opening::Kind;
use crate::theme::{Theme, icons};
use crate::widgets::empty_state::failure_state;

/// One screen.
pub trait View: Debug {
    /// Draws it below its title and purpose line.
    fn ui(&mut self, ui: &mut egui::Ui, state: &AppState, commands: &mut Commands);

    /// Draws the right inspector while this view is active; `false` if it has nothing to add to what the selection says.
    fn inspector_ui(
        &mut self,
        _ui: &mut egui::Ui,
        _state: &AppState,
        _commands: &mut Commands,
    ) -> bool {
        false
    }
}

/// Says on a screen that works without a dictionary that none reads here, why, and what can be done all the same; nothing where one does.
pub(crate) fn without_dictionary_ui(
    ui: &mut egui::Ui,
    state: &AppState,
    still: &str,
    commands: &mut Commands,
) {
    let Some(None) = state.reader() else {
        return;
    };
    if let Some(why) = state.misfit() {
        misfit_ui(ui, state, &format!("{why}. Without it, {still}."), commands);
        return;
    }
    let failed = state.dictionary().and_then(|d| d.load.failure());
    let words = match failed {
        Some(why) => format!("The dictionary did not load: {why}. Without it, {still}."),
        None => format!("No dictionary is open: {still}, features need one."),
    };
    ui.horizontal_wrapped(|ui| {
        ui.label(egui::RichText::new(words).color(Theme::of(ui).ink.secondary));
        if ui.button("Open a dictionary…").clicked() {
            commands.send(opening::Command::Show(Kind::Dictionary));
        }
    });
}

/// One sentence that the index is of another dictionary or model, and the ways on.
pub(crate) fn foreign_index_ui(
    ui: &mut egui::Ui,
    id: DictionaryId,
    why: &str,
    commands: &mut Commands,
) {
    let title = "The index is not of this dictionary and model";
    if failure_state(ui, title, why, Some("Build index")) {
        commands.send(dictionary::Command::BuildIndex(id));
    }
    ui.vertical_centered(|ui| {
        if ui.button("Open an index…").clicked() {
            commands.send(Library::Pick(Pick::Index));
        }
    });
}

/// One sentence that the selected dictionary belongs to another model, and the ways on.
pub(crate) fn misfit_ui(
    ui: &mut egui::Ui,
    state: &AppState,
    sentence: &str,
    commands: &mut Commands,
) {
    let theme = Theme::of(ui);
    ui.horizontal_top(|ui| {
        ui.label(crate::theme::icon(icons::WARNING).color(theme.warning));
        ui.vertical(|ui| {
            if let Some(dictionary) = state.dictionary() {
                let title = format!("{} does not fit the open model", dictionary.name);
                ui.label(crate::theme::body_strong(title));
            }
            ui.add(egui::Label::new(sentence).wrap());
            ui.horizontal_wrapped(|ui| {
                if let Some(other) = state.fitting().next()
                    && ui.button(format!("Use {}", other.name)).clicked()
                {
                    commands.send(navigation::Command::SelectDictionary(other.id));
                }
                if ui.button("Open a dictionary…").clicked() {
                    commands.send(opening::Command::Show(Kind::Dictionary));
                }
                if ui.button("Open a model…").clicked() {
                    commands.send(opening::Command::Show(Kind::Model));
                }
            });
        });
    });
}

/// Where Neuronpedia shows a dictionary's features, if SAELens's registry names its place there.
pub fn neuronpedia(sae: &Sae) -> Option<String> {
    let id = sae.provenance.other.get("neuronpedia_id")?.as_str()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let is_place = !id.is_empty() && id.chars().all(plain);
    is_place.then(|| format!("https://www.neuronpedia.org/{id}"))
}

/// All views.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum ViewId {
    /// Models, dictionaries, indexes.
    #[default]
    Library,
    /// The table.
    Features,
    /// One feature's page.
    Feature,
    /// A sentence read.
    Prompt,
    /// The error.
    DarkMatter,
    /// Layer × head.
    Heads,
    /// Baseline and steered.
    Steering,
    /// Runs.
    Training,
    /// Two dictionaries.
    Compare,
    /// What happened.
    Log,
}

/// How a view is shown in rail, tabs, palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub title: &'static str,
    /// One sentence: the question it answers.
    pub purpose: &'static str,
    /// Its icon.
    pub icon: &'static str,
}

impl ViewId {
    /// Every view.
    pub const ALL: [Self; 10] = [
        Self::Library,
        Self::Features,
        Self::Feature,
        Self::Prompt,
        Self::DarkMatter,
        Self::Heads,
        Self::Steering,
        Self::Training,
        Self::Compare,
        Self::Log,
    ];

    /// The seven screens of the rail, in order.
    pub const RAIL: [Self; 7] = [
        Self::Library,
        Self::Features,
        Self::Prompt,
        Self::DarkMatter,
        Self::Heads,
        Self::Steering,
        Self::Training,
    ];

    /// A fresh view.
    pub fn make(self) -> Box<dyn View> {
        match self {
            Self::Library => Box::<library::LibraryView>::default(),
            Self::Features => Box::<features::FeaturesView>::default(),
            Self::Feature => Box::<feature::FeatureView>::default(),
            Self::Prompt => Box::<prompt::PromptView>::default(),
            Self::DarkMatter => Box::<dark_matter::DarkMatterView>::default(),
            Self::Heads => Box::<heads::HeadsView>::default(),
            Self::Steering => Box::<steering::SteeringView>::default(),
            Self::Training => Box::<training::TrainingView>::default(),
            Self::Compare => Box::<compare::CompareView>::default(),
            Self::Log => Box::<log::LogView>::default(),
        }
    }

    /// How it is shown.
    pub const fn about(self) -> About {
        let (title, icon, purpose) = match self {
            Self::Library => (
                "Library",
                icons::BOOKS,
                "The model, dictionaries and indexes of this project, what the loader decided about each, and how good they measured.",
            ),
            Self::Features => (
                "Features",
                icons::TABLE,
                "Every feature of the dictionary, to sort, filter and search by label, example or promoted token.",
            ),
            Self::Feature => (
                "Feature",
                icons::DIAMOND,
                "What one feature reads, where it fires, and what it makes the model say.",
            ),
            Self::Prompt => (
                "Prompt",
                icons::CURSOR_TEXT,
                "Type a sentence and see which features light up on each token, what each layer would say next, and where the heads look.",
            ),
            Self::DarkMatter => (
                "Dark matter",
                icons::PLANET,
                "What the dictionary leaves unexplained, token by token, and how much of it a linear probe predicts.",
            ),
            Self::Heads => (
                "Heads",
                icons::GRID_NINE,
                "Which attention heads write which features, how focused each head is, and where a feature's activation came from.",
            ),
            Self::Steering => (
                "Steering",
                icons::SLIDERS_HORIZONTAL,
                "Change what the model computes, feature by feature or head by head, and read the baseline and the steered text side by side.",
            ),
            Self::Training => (
                "Training",
                icons::CHART_LINE_UP,
                "Train a dictionary on this model's activations and watch its loss, error, sparsity and dead features.",
            ),
            Self::Compare => (
                "Compare",
                icons::COLUMNS,
                "Two dictionaries side by side: the features that both have, by the directions they write, and those that only one has.",
            ),
            Self::Log => (
                "Log",
                icons::SCROLL,
                "Everything that was done, how long it took, and what went wrong.",
            ),
        };
        About {
            title,
            purpose,
            icon,
        }
    }
}
