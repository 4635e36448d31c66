//! Requests for the survey of all heads.

use umbra_core::workbench::passes::Amount;

use crate::state::heads::survey::{Asked, PatternOf};

/// Requests of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Read the survey that is kept with the project.
    Look,
    /// Ask how much text a survey reads.
    Ask,
    /// Change the answer to that question.
    Answer(Asked),
    /// Close the question.
    Close,
    /// Count the tokens of the project's held-out text.
    Count,
    /// Survey all heads, ablate each on so many rows if there is a number, and keep the result with the project.
    Run(Amount, Option<usize>),
    /// Compute the pattern of a context.
    Pattern(PatternOf),
}
