//! A mistake in the text of a filter or an order, with its place.

use std::fmt;
use std::ops::Range;

use crate::error::Error;

/// A mistake in the text of a filter or an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Problem and remedy, as a clause.
    pub what: String,
    /// Bytes of the text that are wrong; empty where something is missing.
    pub at: Range<usize>,
    /// The text.
    pub text: String,
}

impl Fault {
    pub(super) fn new(text: &str, at: Range<usize>, what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            at,
            text: text.to_owned(),
        }
    }

    /// Returns the text with a line below it that points at the mistake.
    pub fn pointed(&self) -> String {
        let shown = |bytes: Range<usize>| {
            let part = self.text.get(bytes).unwrap_or_default();
            part.chars().count()
        };
        let before = shown(0..self.at.start);
        let marks = shown(self.at.clone()).max(1);
        let text = self.text.replace(['\n', '\t'], " ");
        format!("{text}\n{}{}", " ".repeat(before), "^".repeat(marks))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.what, self.pointed())
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::setting("filter", fault.to_string())
    }
}
