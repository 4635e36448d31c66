//! One text read through a model and a dictionary: tokens, their features, what comes next.

use crate::error::Result;
use crate::ids::{FeatureId, TokenId};
use crate::models::Model;
use crate::sae::{Latents, Sae};

/// A probable next token.
#[derive(Debug, Clone, PartialEq)]
pub struct NextToken {
    /// The token.
    pub id: TokenId,
    /// As shown.
    pub text: String,
    /// Its probability.
    pub probability: f32,
}

/// A text as a model and a dictionary see it.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Tokens, BOS included.
    pub tokens: Vec<TokenId>,
    /// Their display forms.
    pub texts: Vec<String>,
    /// Latents of every token.
    pub latents: Latents,
    /// Per token, the probable next ones, most likely first.
    pub next: Vec<Vec<NextToken>>,
}

impl Reading {
    /// The strongest features at position `t`, strongest first, at most `most`.
    pub fn strongest(&self, t: usize, most: usize) -> Vec<(FeatureId, f32)> {
        unimplemented!("{t} {most}")
    }
}

/// Reads `text` (cut to the model's context) through model and dictionary; `most_next` next tokens are kept per position.
pub fn read(model: &Model, sae: &Sae, text: &str, most_next: usize) -> Result<Reading> {
    unimplemented!("{} {} {text} {most_next}", model.name(), sae.name)
}
