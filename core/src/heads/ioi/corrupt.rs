//! The two corruptions of the noising experiment, on tokens: with other names and more words around them, or without "and".

use super::prompts::Prompt;
use crate::error::Result;
use crate::ids::TokenId;
use crate::models::Model;

/// Words put before the sentence.
const BEFORE: &str = "It was a nice day. ";
/// Words put before the comma or full stop.
const FILLER: &str = " while the weather was nice";
/// Word put in place of "and".
const INSTEAD: &str = " alongside";

/// A change of the sentence that a corrupted run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corruption {
    /// Other names, words before the sentence and in it; "and" stays between the names.
    Names,
    /// Another word in place of "and", nothing else.
    And,
}

/// Tokens of a corrupted sentence and the position of S2 in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Corrupted {
    pub(super) tokens: Vec<TokenId>,
    pub(super) s2: usize,
}

/// Corrupts a prompt; `others` are the tokens of the names put in place of IO and S. None where the prompt lacks the place that is changed, or would be longer than the model reads.
pub(super) fn corrupted(
    model: &Model,
    prompt: &Prompt,
    corruption: Corruption,
    others: [TokenId; 2],
) -> Result<Option<Corrupted>> {
    let codec = model.codec();
    let begun = usize::from(prompt.tokens.first().copied() == codec.bos().id);
    let (at, put, dropped) = match corruption {
        Corruption::Names => (prompt.stop, codec.encode(FILLER)?, 0),
        Corruption::And => (prompt.and, codec.encode(INSTEAD)?, 1),
    };
    let Some(at) = at else {
        return Ok(None);
    };
    let mut tokens = prompt.tokens.clone();
    if corruption == Corruption::Names {
        for token in &mut tokens {
            if let Some(which) = prompt.name_of(*token) {
                *token = others[which];
            }
        }
    }
    let mut s2 = prompt.s2 + put.len() - dropped;
    tokens.splice(at..at + dropped, put);
    if corruption == Corruption::Names {
        let before = codec.encode(BEFORE)?;
        s2 += before.len();
        tokens.splice(begun..begun, before);
    }
    let fits = tokens.len() <= model.config().context;
    Ok(fits.then_some(Corrupted { tokens, s2 }))
}
