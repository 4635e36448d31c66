//! The screens: their list, and how each is shown in rail, tabs and palette. Drawing them is for `views/`.

use serde::{Deserialize, Serialize};

use crate::theme::icons;

/// All views.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub(crate) enum ViewId {
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
    /// The log.
    Log,
}

/// How a view is shown in rail, tabs, palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct About {
    /// Its name.
    pub(crate) title: &'static str,
    /// One sentence: the question it answers.
    pub(crate) purpose: &'static str,
    /// Its icon.
    pub(crate) icon: &'static str,
}

impl ViewId {
    /// Every view.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 10] = [
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
    pub(crate) const RAIL: [Self; 7] = [
        Self::Library,
        Self::Features,
        Self::Prompt,
        Self::DarkMatter,
        Self::Heads,
        Self::Steering,
        Self::Training,
    ];

    /// How it is shown.
    pub(crate) const fn about(self) -> About {
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
