//! Contexts of real text in which a head's behaviour is strongest. A few for each head and behaviour are held while the text is read, so memory does not grow
//! with it.

use serde::{Deserialize, Serialize};

use super::role::Role;
use crate::ids::TokenId;

/// Contexts kept for a head.
pub const PER_HEAD: usize = 6;
/// Longest context, tokens.
pub const LONGEST: usize = 48;
/// Tokens after the query in a context.
const AFTER: usize = 7;
/// Tokens before the query that every context shows, as far as the row has them.
pub(super) const REACH: usize = LONGEST - AFTER - 1;

/// Kind of attention of which examples are kept.
pub type Behaviour = Role;

/// A context in which a head's behaviour shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadExample {
    /// Row of the text.
    pub row: u32,
    /// Position of the first token within the row.
    pub from: u32,
    /// Tokens of the context.
    pub tokens: Vec<TokenId>,
    /// Index of the query within the context.
    pub query: u32,
    /// Attention of the query to the tokens up to its own, `[query + 1]`, rounded to thousandths; what is missing to 1 lies before the context.
    pub attention: Vec<f32>,
    /// Weight that the behaviour has here beyond that of uniform attention.
    pub strength: f32,
}

/// Contexts of one head.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HeadExamples {
    /// Behaviour that they show: the head's role, or the one whose mean is the largest beyond uniform attention.
    pub behaviour: Option<Behaviour>,
    /// Contexts, the strongest first; their query tokens differ.
    pub contexts: Vec<HeadExample>,
}

/// Query at which a behaviour is strongest in one row.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Peak {
    pub(super) query: usize,
    /// Beyond uniform attention; 0 where there is none.
    pub(super) strength: f64,
}

impl Peak {
    /// Takes `query` if its weight is beyond that of the queries before.
    pub(super) fn offer(&mut self, query: usize, strength: f64) {
        if strength > self.strength {
            *self = Self { query, strength };
        }
    }
}

impl HeadExample {
    /// Cuts the context around `peak` out of a row with its pattern `[t, t]`.
    pub(super) fn new(row: usize, tokens: &[TokenId], pattern: &[f32], peak: Peak) -> Self {
        let t = tokens.len();
        let query = peak.query;
        let to = (query + 1 + AFTER).min(t);
        let from = to.saturating_sub(LONGEST);
        let attention = &pattern[query * t + from..=query * t + query];
        Self {
            row: row as u32,
            from: from as u32,
            tokens: tokens[from..to].to_vec(),
            query: (query - from) as u32,
            attention: attention.iter().map(|a| thousandths(*a)).collect(),
            strength: thousandths(peak.strength as f32),
        }
    }

    /// Token of the query.
    pub fn token(&self) -> Option<TokenId> {
        self.tokens.get(self.query as usize).copied()
    }
}

fn thousandths(value: f32) -> f32 {
    (value * 1000.0).round() / 1000.0
}

/// Strongest contexts of one behaviour of one head.
#[derive(Debug, Clone, Default)]
pub(super) struct Strongest(Vec<HeadExample>);

impl Strongest {
    /// Strength that a context must exceed to be taken.
    pub(super) fn floor(&self) -> f32 {
        if self.0.len() < PER_HEAD {
            return 0.0;
        }
        self.0.last().map_or(0.0, |last| last.strength)
    }

    /// Takes `example` if it is among the strongest; of those with one query token the strongest, of equals the first.
    pub(super) fn offer(&mut self, example: HeadExample) {
        if example.strength <= self.floor() {
            return;
        }
        let token = example.token();
        if let Some(at) = self.0.iter().position(|kept| kept.token() == token) {
            if self.0[at].strength >= example.strength {
                return;
            }
            self.0.remove(at);
        }
        let at = (self.0).partition_point(|kept| kept.strength >= example.strength);
        self.0.insert(at, example);
        self.0.truncate(PER_HEAD);
    }

    pub(super) fn into_contexts(self) -> Vec<HeadExample> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(token: u32, strength: f32) -> HeadExample {
        HeadExample {
            row: 0,
            from: 0,
            tokens: vec![TokenId(token)],
            query: 0,
            attention: vec![1.0],
            strength,
        }
    }

    #[test]
    fn the_strongest_of_different_tokens_are_kept() {
        let mut strongest = Strongest::default();
        for (token, strength) in [(1, 0.2), (2, 0.9), (1, 0.5), (1, 0.4), (3, 0.0)] {
            strongest.offer(example(token, strength));
        }
        for token in 10..16 {
            strongest.offer(example(token, 0.3));
        }
        let kept: Vec<_> = strongest
            .into_contexts()
            .iter()
            .map(|kept| (kept.token().unwrap().0, kept.strength))
            .collect();
        let want = [
            (2, 0.9),
            (1, 0.5),
            (10, 0.3),
            (11, 0.3),
            (12, 0.3),
            (13, 0.3),
        ];
        assert_eq!(kept, want);
    }

    #[test]
    fn a_context_holds_the_query_and_what_it_attends_to() {
        let tokens: Vec<TokenId> = (0..100).map(TokenId).collect();
        let mut pattern = vec![0.0; 100 * 100];
        pattern[60 * 100 + 59] = 0.75;
        pattern[60 * 100 + 2] = 0.25;
        let peak = Peak {
            query: 60,
            strength: 0.7,
        };
        let example = HeadExample::new(3, &tokens, &pattern, peak);
        assert_eq!((example.row, example.tokens.len()), (3, LONGEST));
        assert_eq!(example.token(), Some(TokenId(60)));
        assert_eq!(example.attention.len(), example.query as usize + 1);
        assert_eq!(example.attention[example.query as usize - 1], 0.75);
        assert_eq!(example.attention.iter().sum::<f32>(), 0.75);
    }
}
