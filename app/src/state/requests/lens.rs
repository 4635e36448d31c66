//! Requests for the logit lens of the sentence in Prompt.

/// Requests of this area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Read the sentence through the lens; what is under way of another sentence stops.
    Read,
}
