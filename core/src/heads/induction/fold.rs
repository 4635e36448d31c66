//! Tokens that differ by case or a leading space alone.

use std::collections::HashMap;

use crate::ids::TokenId;
use crate::text::TextCodec;

/// For each token of a vocabulary, the class of tokens with its text but for case and one leading space.
#[derive(Debug, Clone)]
pub struct Folded {
    /// Class of each token: the first token of it.
    classes: Vec<TokenId>,
}

impl Folded {
    /// Folds the first `vocab` tokens of `codec`. A token without text, and one whose text is no whole character, stands alone.
    pub fn new(codec: &TextCodec, vocab: usize) -> Self {
        let mut first: HashMap<String, TokenId> = HashMap::new();
        let class = |token: TokenId| match folded(codec, token) {
            Some(text) => *first.entry(text).or_insert(token),
            None => token,
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

/// Returns the text of a token in lower case without one leading space; none where nothing is left or the bytes are no text.
fn folded(codec: &TextCodec, token: TokenId) -> Option<String> {
    let text = String::from_utf8(codec.bytes(token)).ok()?;
    let text = text.strip_prefix(' ').unwrap_or(&text);
    (!text.is_empty()).then(|| text.to_lowercase())
}
