//! Tokens that differ by case or leading spaces alone.

use std::collections::HashMap;

use crate::ids::TokenId;
use crate::text::TextCodec;

/// For each token of a vocabulary, the class of tokens with its text but for case and leading spaces.
#[derive(Debug, Clone)]
pub struct Folded {
    /// Class of each token: the first token of it.
    classes: Vec<TokenId>,
}

impl Folded {
    /// Folds the first `vocab` tokens of `codec` by [`TextCodec::folded`]. A token without text stands alone.
    pub fn new(codec: &TextCodec, vocab: usize) -> Self {
        let mut first: HashMap<Vec<u8>, TokenId> = HashMap::new();
        let class = |token: TokenId| {
            let folded = codec.folded(token);
            if folded.is_empty() {
                return token;
            }
            *first.entry(folded).or_insert(token)
        };
        Self {
            classes: (0..vocab).map(TokenId::from).map(class).collect(),
        }
    }

    /// Returns the class of a token.
    pub fn class(&self, token: TokenId) -> TokenId {
        self.classes.get(token.index()).copied().unwrap_or(token)
    }

    /// Whether two tokens are of one class.
    pub fn same(&self, a: TokenId, b: TokenId) -> bool {
        self.class(a) == self.class(b)
    }
}
