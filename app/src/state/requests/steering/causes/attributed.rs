//! Requests of the panels on features and parts.

use umbra_core::ids::TokenId;

use crate::state::catalogue::DictionaryId;

/// Text, target and dictionary of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inputs {
    /// The text.
    pub(crate) text: String,
    /// The target as it is written.
    pub(crate) target: String,
    /// Dictionary whose features are asked; none asks parts alone.
    pub(crate) dictionary: Option<DictionaryId>,
}

/// Requests of the panels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Look for the result kept with the project.
    Look,
    /// Measure integrated gradients too, or not.
    Integrate(bool),
    /// List a feature at every position, or only where it moves the target most.
    Every(bool),
    /// Compute the result and keep it with the project.
    Find(Inputs),
    /// Compute the next tokens of a text.
    Next(String),
    /// Choose rows of the features' table.
    Choose(Vec<u64>),
    /// Put edits into the stack that set these features of the result to 0 where they are active, by their rank.
    Ablate(Vec<u64>),
    /// Show the tab on tokens of a text with the logit of a token as target.
    Explain(Vec<TokenId>, TokenId),
}
