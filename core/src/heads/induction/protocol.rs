//! Random sequences with a repeated prefix: 128 distinct random tokens, BOS in the place of the first; the `p` tokens from a₁ on are copied to a₂.
//!
//! a₁ is uniform in [1, t − 30] and a₂ in [a₁ + p + 1, t − p − 1], as in the script of the paper; t is 128, or the model's context where that is shorter. A head
//! that looks for the repeated prefix attends from a₂ + p − 1, the last token of the second copy, to a₁ + p, the token after the first. All prefix lengths of one
//! number share tokens, a₁ and the place of a₂ within its bounds, so that curves differ by the prefix and not by luck.

use rand::seq::index::sample;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::PREFIXES;
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::models::Model;

/// Tokens of a sequence, unless the model's context or vocabulary is smaller.
pub(super) const LENGTH: usize = 128;
/// Tokens that follow the first copy at least, in a sequence that is long enough.
const BEHIND: usize = 30;
/// Shortest sequence that holds the longest prefix twice.
const SHORTEST: usize = 2 * PREFIXES + 3;

/// Random tokens of a model and the shape of its sequences.
#[derive(Debug, Clone)]
pub struct Protocol {
    pool: Vec<TokenId>,
    bos: Option<TokenId>,
    length: usize,
    context: usize,
}

/// A sequence and the places that count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Tokens.
    pub tokens: Vec<TokenId>,
    /// Start of the first copy, a₁.
    pub first: usize,
    /// Start of the second copy, a₂.
    pub second: usize,
    /// Tokens of the copy, p.
    pub prefix: usize,
}

impl Sequence {
    /// Position that attends: the last token of the second copy.
    pub fn query(&self) -> usize {
        self.second + self.prefix - 1
    }

    /// Position that an induction head attends to: the token after the first copy.
    pub fn source(&self) -> usize {
        self.first + self.prefix
    }

    /// Token that induction predicts.
    pub fn answer(&self) -> TokenId {
        self.tokens[self.source()]
    }
}

impl Protocol {
    /// Makes sequences for `model` of all its tokens but special ones. A context or a vocabulary too small for the longest prefix is an error.
    pub fn new(model: &Model) -> Result<Self> {
        let codec = model.codec();
        let special: Vec<TokenId> = codec.special().collect();
        let all = (0..model.config().vocab).map(TokenId::from);
        let pool: Vec<TokenId> = all
            .filter(|token| codec.has(*token) && !special.contains(token))
            .collect();
        let bos = codec.bos().id;
        let context = model.config().context;
        let length = LENGTH
            .min(context)
            .min(pool.len() + usize::from(bos.is_some()));
        if length < SHORTEST {
            let what = format!(
                "a sequence for prefixes of up to {PREFIXES} tokens has {SHORTEST} or more, {} allows {length}: open a model with a longer context",
                model.name()
            );
            return Err(Error::setting("model", what));
        }
        Ok(Self {
            pool,
            bos,
            length,
            context,
        })
    }

    /// Tokens of a sequence, BOS included.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Returns sequence `number` with a prefix of `prefix` tokens (1 to 9).
    pub fn sequence(&self, seed: u64, number: usize, prefix: usize) -> Sequence {
        let prefix = prefix.clamp(1, PREFIXES);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number as u64);
        let random = self.length - usize::from(self.bos.is_some());
        let drawn = sample(&mut rng, self.pool.len(), random);
        let drawn = drawn.iter().map(|i| self.pool[i]);
        let mut tokens: Vec<TokenId> = self.bos.into_iter().chain(drawn).collect();
        let first = rng.random_range(1..=self.length.saturating_sub(BEHIND).max(1));
        let second = rng.random_range(first + prefix + 1..self.length - prefix);
        tokens.copy_within(first..first + prefix, second);
        Sequence {
            tokens,
            first,
            second,
            prefix,
        }
    }

    /// Returns a random token that `is_other` accepts, decided by `seed` and `stream`; none if there is none.
    pub(super) fn random_token(
        &self,
        (seed, stream): (u64, u64),
        is_other: impl Fn(TokenId) -> bool,
    ) -> Option<TokenId> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        let begin = rng.random_range(0..self.pool.len());
        let turned = self.pool[begin..].iter().chain(&self.pool[..begin]);
        turned.copied().find(|token| is_other(*token))
    }

    /// Returns a sentence on the sequences.
    pub fn describe(&self) -> String {
        let begun = match self.bos {
            Some(_) => "BOS first",
            None => "without BOS, which this model's texts do not have",
        };
        let shorter = if self.length == LENGTH {
            String::new()
        } else if self.length == self.context {
            format!(", shorter than {LENGTH} because the model reads no more")
        } else {
            format!(", shorter than {LENGTH} because the vocabulary has no more")
        };
        format!(
            "Sequences of {} distinct random tokens, {begun}{shorter}; 1 to {PREFIXES} tokens are repeated later in the sequence",
            self.length
        )
    }
}
