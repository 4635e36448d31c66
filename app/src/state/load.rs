//! A value that is looked for, loading, there, or failed.

/// A value that is absent, loading, ready, or failed with a sentence.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Load<T> {
    /// Not requested.
    #[default]
    Absent,
    /// A job is at it.
    Loading,
    /// Ready.
    Ready(T),
    /// One sentence: what is wrong and the remedy.
    Failed(String),
}

impl<T> Load<T> {
    /// The value if it is there.
    pub(crate) fn ready(&self) -> Option<&T> {
        match self {
            Self::Ready(value) => Some(value),
            Self::Absent | Self::Loading | Self::Failed(_) => None,
        }
    }

    /// Why it failed.
    pub(crate) fn failure(&self) -> Option<&str> {
        match self {
            Self::Failed(sentence) => Some(sentence),
            Self::Absent | Self::Loading | Self::Ready(_) => None,
        }
    }

    /// Whether a job is at it.
    pub(crate) fn is_loading(&self) -> bool {
        matches!(self, Self::Loading)
    }

    /// Whether nobody asked for it yet.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}
