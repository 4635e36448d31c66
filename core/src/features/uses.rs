//! Tokens and positions on which a feature is active.

use super::Counting;
use crate::ids::TokenId;

/// A token of the vocabulary, and the activations of a feature there.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenUse {
    /// Token.
    pub id: TokenId,
    /// Token as shown.
    pub text: String,
    /// Number of tokens of this id on which the feature is active.
    pub count: u64,
    /// Mean activation over these.
    pub mean: f64,
}

/// Tokens and positions on which a feature is active.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Uses {
    /// Tokens with the largest mean activation among those with a count of at least [`super::LEAST_COUNT`], largest first.
    pub by_mean: Vec<TokenUse>,
    /// Tokens on which it is active most often, most often first.
    pub by_count: Vec<TokenUse>,
    /// Tokens that stand right before tokens on which it is active, most often first; `mean` is over the activations after them.
    pub preceding: Vec<TokenUse>,
    /// How these tokens were counted.
    pub counting: Counting,
    /// Share of the counted tokens of each part of the row on which it is active, first part first; the parts are of equal length ([`Uses::part`]).
    pub by_position: Vec<f64>,
    /// Number of positions of a part.
    pub part: usize,
    /// Share of its active tokens that are the first counted token of a document or row.
    pub first_token: f64,
}
