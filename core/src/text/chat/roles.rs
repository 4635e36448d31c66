//! Roles of tokens: the message that each token of an encoded chat belongs to.

use std::ops::Range;

use super::ASSISTANT;
use super::skeleton::Turn;

/// Place of a token in a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Role of its message as the caller named it; `assistant` for the beginning of the answer.
    pub role: String,
    /// Number of its message, from 0; the beginning of the answer counts as the message after the last one. None for a turn that the template adds by itself.
    pub message: Option<usize>,
    /// Whether the token is the template's own text and not content of the message.
    pub is_marker: bool,
}

/// Role of each token of a prompt, in order. A marker (`<|im_start|>user`) belongs to the turn that it opens or closes; a token that holds the end of a marker
/// and the beginning of a content belongs to the content. Text of the template outside all turns has no role, nor has BOS unless every turn opens with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    places: Vec<Option<Place>>,
    messages: usize,
    unknown: Option<String>,
}

impl Roles {
    /// Gives each token the turn in which its last byte lies; `spans` are the bytes of the tokens.
    pub(super) fn new(turns: &[Turn], spans: &[Range<usize>]) -> Self {
        let place = |span: &Range<usize>| {
            let last = span.end.checked_sub(1).filter(|_| !span.is_empty())?;
            let at = turns.partition_point(|turn| turn.bytes.end <= last);
            turns.get(at)?.place.clone()
        };
        let messages = turns.iter().filter_map(|turn| turn.place.as_ref()?.message);
        Self {
            places: spans.iter().map(place).collect(),
            messages: messages.max().map_or(0, |last| last + 1),
            unknown: None,
        }
    }

    /// Makes roles of `tokens` tokens that are not known, because of `why`.
    pub fn unknown(tokens: usize, why: impl Into<String>) -> Self {
        Self {
            places: vec![None; tokens],
            messages: 0,
            unknown: Some(why.into()),
        }
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Place of the token at position `t`; none outside all turns.
    pub fn place(&self, t: usize) -> Option<&Place> {
        self.places.get(t)?.as_ref()
    }

    /// Whether the token at position `t` belongs to a message of `role`.
    pub fn has(&self, t: usize, role: &str) -> bool {
        self.place(t).is_some_and(|place| place.role == role)
    }

    /// Whether the token at position `t` belongs to message `n`, from 0.
    pub fn is_of(&self, t: usize, n: usize) -> bool {
        self.place(t).is_some_and(|place| place.message == Some(n))
    }

    /// Returns the place of every token that is generated behind the prompt: the assistant's answer, in the turn that the template opened for it.
    pub fn answer(&self) -> Place {
        let last = self.places.iter().rev().flatten().next();
        let opened = last.filter(|place| place.role == ASSISTANT && place.is_marker);
        let message = opened.and_then(|place| place.message);
        Place {
            role: ASSISTANT.to_owned(),
            message: message.or(Some(self.messages)),
            is_marker: false,
        }
    }

    /// Reason why roles are unknown, if they are.
    pub fn why_unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }

    /// Returns the roles that occur, each once, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for place in self.places.iter().flatten() {
            if !names.contains(&place.role.as_str()) {
                names.push(&place.role);
            }
        }
        names
    }

    /// Returns the roles of the first `tokens` tokens, of a prompt that was cut.
    pub fn truncate(&mut self, tokens: usize) {
        self.places.truncate(tokens);
    }
}
