//! Figures of a head that take no survey: of its ten features, and of its attention on the sentence in Prompt.

use umbra_core::attention::{self, HeadGlance};
use umbra_core::heads::DEFINITIONS;

/// A figure of a head's features, or of its attention on the sentence in Prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Figure {
    /// Mean 1/Σ share².
    #[default]
    Spread,
    /// Mean pairwise cosine through `W_O`.
    Cosine,
    /// Mean Jaccard of top tokens.
    Jaccard,
    /// Mean weight on the token before.
    Previous,
    /// Mean weight on the first token.
    First,
    /// Mean entropy.
    Entropy,
}

impl Figure {
    /// Those of attention, in the order of the picker.
    pub(crate) const OF_ATTENTION: [Self; 3] = [Self::Previous, Self::First, Self::Entropy];

    /// Key of the survey's figure that is the same over more text.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Spread => "spread",
            Self::Cosine => "cosine",
            Self::Jaccard => "jaccard",
            Self::Previous => "previous",
            Self::First => "first",
            Self::Entropy => "entropy",
        }
    }

    /// Its name on screen.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Spread => "Spread",
            Self::Cosine => "Cosine",
            Self::Jaccard => "Jaccard index",
            Self::Previous => "Previous token",
            Self::First => "First token",
            Self::Entropy => "Entropy",
        }
    }

    /// Name with the unit, at the scale.
    pub(crate) fn scale(self) -> &'static str {
        match self {
            Self::Spread => "Spread (heads)",
            Self::Cosine => "Cosine",
            Self::Jaccard => "Jaccard index",
            Self::Previous => "Weight on the token before",
            Self::First => "Weight on the first token",
            Self::Entropy => "Entropy (nats)",
        }
    }

    /// Its definition.
    pub(crate) fn definition(self) -> &'static str {
        let key = self.key();
        let mut all = DEFINITIONS.iter().chain(&attention::DEFINITIONS);
        let found = all.find(|(name, _)| *name == key);
        found.map_or("", |(_, definition)| definition)
    }

    /// A figure of a head's attention.
    pub(crate) fn of_glance(self, glance: &HeadGlance) -> Option<f64> {
        match self {
            Self::Previous => Some(glance.previous.into()),
            Self::First => Some(glance.first.into()),
            Self::Entropy => Some(glance.entropy.into()),
            Self::Spread | Self::Cosine | Self::Jaccard => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_a_definition() {
        for figure in Figure::OF_ATTENTION.into_iter().chain([
            Figure::Spread,
            Figure::Cosine,
            Figure::Jaccard,
        ]) {
            assert!(!figure.definition().is_empty(), "{}", figure.title());
        }
    }
}
