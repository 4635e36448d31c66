//! Tokens with a role of their own, and whether one of them precedes every text.

use crate::ids::TokenId;

/// Whether a beginning-of-sequence token precedes every text, prompt and row, and how that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bos {
    /// The token, or none.
    pub id: Option<TokenId>,
    /// The file and key that decided, as a phrase for the output (`tokenizer_config.json names <|endoftext|>`).
    pub why: String,
}

/// The tokens that a tokenizer names for a role. Turn marks of chat templates are none of these, as in SAELens: they are text to a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Specials {
    /// Begins a text; named, whether or not the model's rule puts it there.
    pub bos: Option<TokenId>,
    /// Ends a text.
    pub eos: Option<TokenId>,
    /// Fills up rows.
    pub pad: Option<TokenId>,
    /// Stands between two texts.
    pub separator: Option<TokenId>,
}

impl Specials {
    /// All of them, perhaps one more than once.
    pub fn ids(&self) -> Vec<TokenId> {
        [self.bos, self.eos, self.pad, self.separator]
            .into_iter()
            .flatten()
            .collect()
    }
}
