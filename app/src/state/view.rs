//! The screens: their list, and how each is shown in rail, tabs and palette. Drawing them is for `views/`.

use serde::{Deserialize, Serialize};

use crate::theme::icons;

/// All views.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub(crate) enum ViewId {
    /// Models, dictionaries, indexes.
    Library,
    /// The table.
    Features,
    /// One feature's page.
    Feature,
    /// Features of all dictionaries on a sentence.
    Search,
    /// A sentence read.
    #[default]
    Prompt,
    /// The error.
    DarkMatter,
    /// Layer × head.
    Heads,
    /// Baseline and steered.
    Steering,
    /// Runs.
    Training,
    /// Numbers of all dictionaries, and tasks with a known answer.
    Evaluation,
    /// Two dictionaries.
    Compare,
    /// The log.
    Log,
}

/// Title, purpose and icon of a view, for rail, tabs and palette.
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
    pub(crate) const ALL: [Self; 12] = [
        Self::Library,
        Self::Features,
        Self::Feature,
        Self::Search,
        Self::Prompt,
        Self::DarkMatter,
        Self::Heads,
        Self::Steering,
        Self::Training,
        Self::Evaluation,
        Self::Compare,
        Self::Log,
    ];

    /// The nine screens of the rail, in order.
    pub(crate) const RAIL: [Self; 9] = [
        Self::Library,
        Self::Features,
        Self::Search,
        Self::Prompt,
        Self::DarkMatter,
        Self::Heads,
        Self::Steering,
        Self::Training,
        Self::Evaluation,
    ];

    /// Screens to which the first one offers a way, with the words of the button.
    pub(crate) const WAYS: [(Self, &'static str); 3] = [
        (Self::Features, "Explore features"),
        (Self::Heads, "See what the heads do"),
        (Self::Steering, "Steer the text"),
    ];

    /// Returns its title, purpose and icon.
    pub(crate) const fn about(self) -> About {
        let (title, icon, purpose) = match self {
            Self::Library => (
                "Library",
                icons::BOOKS,
                "The model, dictionaries and indexes of this project, with the loader's notes and the measured quality of each.",
            ),
            Self::Features => (
                "Features",
                icons::TABLE,
                "Every feature of the dictionary, to sort, filter and search by label, example or promoted token.",
            ),
            Self::Feature => (
                "Feature",
                icons::DIAMOND,
                "One feature: the direction it reads, the tokens where it fires, and the tokens it promotes.",
            ),
            Self::Search => (
                "Text search",
                icons::MAGNIFYING_GLASS,
                "Type a sentence to find the features that fire on it, in all open dictionaries at once.",
            ),
            Self::Prompt => (
                "Prompt",
                icons::CURSOR_TEXT,
                "Type a sentence to see the features that fire on each token, each layer's next-token predictions, and the attention of the heads.",
            ),
            Self::DarkMatter => (
                "Dark matter",
                icons::PLANET,
                "The error of the dictionary: how much it is, where, whether it is linear, what it costs, and how much of it can be got back.",
            ),
            Self::Heads => (
                "Heads",
                icons::GRID_NINE,
                "What every attention head does, the features that it writes, and where a feature's activation comes from.",
            ),
            Self::Steering => (
                "Steering",
                icons::SLIDERS_HORIZONTAL,
                "Change the model's computation by features or heads, read the baseline and the steered text side by side, and find the causes of a prediction.",
            ),
            Self::Training => (
                "Training",
                icons::CHART_LINE_UP,
                "Train a dictionary on this model's activations and watch its loss, error, sparsity and dead features.",
            ),
            Self::Evaluation => (
                "Evaluation",
                icons::GAUGE,
                "What the dictionaries are worth: their kept numbers side by side, and a task with a known answer.",
            ),
            Self::Compare => (
                "Compare",
                icons::COLUMNS,
                "Two dictionaries side by side: the features that both have, matched by decoder direction, and those that only one has.",
            ),
            Self::Log => (
                "Log",
                icons::SCROLL,
                "All jobs and messages, with times and errors.",
            ),
        };
        About {
            title,
            purpose,
            icon,
        }
    }
}
