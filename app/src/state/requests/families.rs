//! Requests for families, steering scores and correlations of features, and for tests of predicates.

use crate::state::catalogue::DictionaryId;
use crate::state::families::Key;

/// Requests of this area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Measure which family each feature of a dictionary belongs to, and keep the result in its index.
    Measure(DictionaryId),
    /// Score the steering of every feature of a dictionary on held-out text, and keep the scores in its index.
    Score(DictionaryId),
    /// Measure correlations of a dictionary's features on held-out text, and keep them in its index.
    Correlate(DictionaryId),
    /// Put a predicate into the field.
    Predicate(String),
    /// Test a feature against a predicate over held-out text.
    Test(Key),
}
