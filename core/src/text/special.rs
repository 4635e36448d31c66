//! Special tokens, and whether BOS precedes every text.

use crate::ids::TokenId;

/// BOS policy: the token that precedes every text, prompt and row, and how it was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bos {
    /// Token, or none.
    pub id: Option<TokenId>,
    /// File and key that decided, as a phrase (`tokenizer_config.json names <|endoftext|>`).
    pub why: String,
}

/// Tokens that a tokenizer names for a role. Turn markers of chat templates are text, as in SAELens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Specials {
    /// Beginning of a text, whether or not the model's rule puts it there.
    pub bos: Option<TokenId>,
    /// End of a text.
    pub eos: Option<TokenId>,
    /// Padding of rows.
    pub pad: Option<TokenId>,
    /// Separator between two texts.
    pub separator: Option<TokenId>,
}

impl Specials {
    /// Returns all ids; one may appear twice.
    pub fn ids(&self) -> Vec<TokenId> {
        [self.bos, self.eos, self.pad, self.separator]
            .into_iter()
            .flatten()
            .collect()
    }
}
