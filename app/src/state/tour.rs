//! The tour of five steps: feature, label, own sentence, head, steering. Drawn by `shell/tour.rs`; the step is a setting.

use serde::{Deserialize, Serialize};

use crate::state::view::ViewId;
use crate::widgets::anchor::Anchor;

/// How far the tour is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Tour {
    /// Never begun: it begins when the demo opens for the first time.
    #[default]
    Unseen,
    /// At a step.
    At(Step),
    /// Walked to its end: its closing word is shown.
    Closing,
    /// Finished or closed; Help begins it again.
    Ended,
}

impl Tour {
    /// Heading of the closing word.
    pub(crate) const CLOSING: &'static str = "That was the tour";

    /// Words on what comes next.
    pub(crate) const NEXT: &'static str =
        "Help explains every screen, Ctrl+K finds features and actions, and ? lists the keys.";

    /// The first step.
    pub(crate) const FIRST: Self = Self::At(Step::Feature);
}

/// A step of the tour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Open the page of a feature.
    Feature,
    /// Label it.
    Label,
    /// Read a sentence of one's own.
    Sentence,
    /// Choose an attention head.
    Head,
    /// Steer the text.
    Steer,
}

/// Words of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    /// Name of the step.
    pub(crate) title: &'static str,
    /// Task, and its point.
    pub(crate) text: &'static str,
    /// Sentence for a person who has done it.
    pub(crate) done: &'static str,
}

impl Step {
    /// All, in order.
    pub(crate) const ALL: [Self; 5] = [
        Self::Feature,
        Self::Label,
        Self::Sentence,
        Self::Head,
        Self::Steer,
    ];

    /// Returns its place in the tour, from 0.
    pub(crate) fn at(self) -> usize {
        Self::ALL.iter().position(|step| *step == self).unwrap_or(0)
    }

    /// The step before it.
    pub(crate) fn before(self) -> Option<Self> {
        Self::ALL.get(self.at().checked_sub(1)?).copied()
    }

    /// The step after it.
    pub(crate) fn after(self) -> Option<Self> {
        Self::ALL.get(self.at() + 1).copied()
    }

    /// The screen on which it is done.
    pub(crate) const fn view(self) -> ViewId {
        match self {
            Self::Feature | Self::Sentence => ViewId::Prompt,
            Self::Label => ViewId::Feature,
            Self::Head => ViewId::Heads,
            Self::Steer => ViewId::Steering,
        }
    }

    /// The widget that it speaks of.
    pub(crate) const fn anchor(self) -> Anchor {
        match self {
            Self::Feature => Anchor::Feature,
            Self::Label => Anchor::Label,
            Self::Sentence => Anchor::Sentence,
            Self::Head => Anchor::Head,
            Self::Steer => Anchor::Steer,
        }
    }

    /// Returns its words.
    pub(crate) const fn words(self) -> Words {
        let (title, text, done) = match self {
            Self::Feature => (
                "Meet a feature",
                "The dictionary explains each token by a few features. Click a feature to open its page.",
                "This page shows where the feature fires.",
            ),
            Self::Label => (
                "Give it a label",
                "Read the examples. Write what the lit tokens share, and press Enter.",
                "The label now names the feature on every screen.",
            ),
            Self::Sentence => (
                "Try your own sentence",
                "Type a sentence. Its colours follow every key press.",
                "The features of your sentence are lit.",
            ),
            Self::Head => (
                "Ask which head wrote it",
                "Attention heads write features. Choose a cell to see what that head does and writes.",
                "This page shows what the head attends to, and its features.",
            ),
            Self::Steer => (
                "Steer the text",
                "The selected feature is added while the model writes. Run it, and compare both texts.",
                "Baseline and steered text stand side by side.",
            ),
        };
        Words { title, text, done }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_one_another_in_both_directions() {
        for pair in Step::ALL.windows(2) {
            assert_eq!(pair[0].after(), Some(pair[1]));
            assert_eq!(pair[1].before(), Some(pair[0]));
        }
        assert_eq!(Step::Feature.before(), None);
        assert_eq!(Step::Steer.after(), None);
        assert_eq!(Tour::FIRST, Tour::At(Step::ALL[0]));
    }
}
