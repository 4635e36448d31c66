//! The screens: the trait they share and the list of them all. A view reads the state, draws, and asks by commands; it computes and waits for nothing.
//!
//! # How to add a view
//! A file `views/NAME.rs` with a struct that implements [`View`], a line in [`ViewId`] and in its `about`, and a line in [`make`].
//! The frame around it (title, purpose line, scrolling is the view's own) is drawn by `shell/tiles.rs`.

pub(crate) mod actions;
pub(crate) mod chat;
pub(crate) mod compare;
pub(crate) mod dark_matter;
pub(crate) mod evaluation;
pub(crate) mod feature;
pub(crate) mod features;
pub(crate) mod heads;
pub(crate) mod library;
pub(crate) mod log;
pub(crate) mod missing;
pub(crate) mod overview;
pub(crate) mod prompt;
pub(crate) mod report;
pub(crate) mod search;
pub(crate) mod steering;
pub(crate) mod training;
pub(crate) mod view;

use self::view::View;
use crate::state::view::ViewId;

/// Makes a fresh view.
pub(crate) fn make(id: ViewId) -> Box<dyn View> {
    match id {
        ViewId::Library => Box::<library::LibraryView>::default(),
        ViewId::Features => Box::<features::FeaturesView>::default(),
        ViewId::Feature => Box::<feature::FeatureView>::default(),
        ViewId::Search => Box::<search::SearchView>::default(),
        ViewId::Prompt => Box::<prompt::PromptView>::default(),
        ViewId::DarkMatter => Box::<dark_matter::DarkMatterView>::default(),
        ViewId::Heads => Box::<heads::HeadsView>::default(),
        ViewId::Steering => Box::<steering::SteeringView>::default(),
        ViewId::Training => Box::<training::TrainingView>::default(),
        ViewId::Evaluation => Box::<evaluation::EvaluationView>::default(),
        ViewId::Compare => Box::<compare::CompareView>::default(),
        ViewId::Log => Box::<log::LogView>::default(),
    }
}
