//! Questions of the tab Causes, a panel each.

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Question {
    /// Features as causes.
    #[default]
    Features,
    /// Direct contributions.
    Parts,
    /// Patching between two texts.
    Where,
    /// The smallest set of edits.
    Least,
}

impl Question {
    /// All, in order.
    pub(crate) const ALL: [Self; 4] = [Self::Features, Self::Parts, Self::Where, Self::Least];

    /// Its words on screen.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Features => "Which features?",
            Self::Parts => "Which parts write it?",
            Self::Where => "Where does it matter?",
            Self::Least => "What is the least edit?",
        }
    }

    /// Says how it is answered.
    pub(crate) fn help(self) -> &'static str {
        match self {
            Self::Features => {
                "Every active feature is set to 0 in turn, and ranked by what that does to the target"
            }
            Self::Parts => {
                "Embeddings, heads, MLPs and biases add up to the target at the last position"
            }
            Self::Where => {
                "Places and paths are taken from this text into a second one, one at a time"
            }
            Self::Least => {
                "Features are edited one after another, the best one first, until the prediction is another"
            }
        }
    }
}
