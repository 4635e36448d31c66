//! Earlier copies of each token of a row, exact and fuzzy.

use std::collections::HashMap;

use crate::corpus::Rows;
use crate::ids::TokenId;
use crate::text::TextCodec;

/// First position that counts as a copy: the first token of a row is no copy of any.
const FIRST: usize = 1;
/// No earlier copy.
const NONE: u32 = u32::MAX;

/// Latest earlier copy of each position's token, which leads to all earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copies(Vec<u32>);

impl Copies {
    /// Finds the copies in a row of which `kind` names what is equal.
    pub(super) fn new(kinds: impl Iterator<Item = u32>) -> Self {
        let mut latest: HashMap<u32, u32> = HashMap::new();
        let each = kinds.zip(0..).map(|(kind, at)| {
            if (at as usize) < FIRST {
                return NONE;
            }
            latest.insert(kind, at).unwrap_or(NONE)
        });
        Self(each.collect())
    }

    /// Iterates over the earlier copies of the token at `query`, the latest first.
    pub(super) fn of(&self, query: usize) -> impl Iterator<Item = usize> + '_ {
        let next = |at: &u32| Some(self.0[*at as usize]).filter(|at| *at != NONE);
        std::iter::successors(next(&(query as u32)), next).map(|at| at as usize)
    }
}

/// Kinds of tokens that match fuzzily: case and leading space are ignored.
#[derive(Debug)]
pub(super) struct Kinds(HashMap<TokenId, u32>);

impl Kinds {
    /// Sorts the tokens of `rows` into kinds.
    pub(super) fn new(rows: &Rows, codec: &TextCodec) -> Self {
        let mut kinds: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut of: HashMap<TokenId, u32> = HashMap::new();
        for token in rows.tokens() {
            of.entry(*token).or_insert_with(|| {
                let next = kinds.len() as u32;
                *kinds.entry(codec.folded(*token)).or_insert(next)
            });
        }
        Self(of)
    }

    /// Returns the kind of a token of these rows.
    pub(super) fn of(&self, token: TokenId) -> u32 {
        self.0.get(&token).copied().unwrap_or(NONE)
    }
}

/// Copies in one row and their number, which all heads share.
#[derive(Debug)]
pub(super) struct RowMatches {
    /// Copies of the token itself.
    pub(super) exact: Copies,
    /// Copies that may differ in case and leading space.
    pub(super) fuzzy: Copies,
}

impl RowMatches {
    pub(super) fn new(row: &[TokenId], kinds: &Kinds) -> Self {
        Self {
            exact: Copies::new(row.iter().map(|token| token.0)),
            fuzzy: Copies::new(row.iter().map(|token| kinds.of(*token))),
        }
    }
}

/// Number of queries with copies, and the weight of uniform attention on these, summed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Matched {
    /// Queries.
    pub(super) queries: u64,
    /// Σ copies / visible tokens.
    pub(super) uniform: f64,
}

impl Matched {
    /// Counts the queries of a row of `t` tokens.
    pub(super) fn new(copies: &Copies, t: usize) -> Self {
        let mut all = Self::default();
        for query in 1..t {
            let count = copies.of(query).count();
            all.queries += u64::from(count > 0);
            all.uniform += count as f64 / (query + 1) as f64;
        }
        all
    }

    pub(super) fn add(&mut self, part: Self) {
        self.queries += part.queries;
        self.uniform += part.uniform;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_lead_to_all_earlier_ones_but_the_first_position() {
        let copies = Copies::new([5, 5, 7, 5, 5].into_iter());
        let of = |query| copies.of(query).collect::<Vec<_>>();
        assert_eq!(
            [of(0), of(1), of(2), of(3), of(4)],
            [vec![], vec![], vec![], vec![1], vec![3, 1]]
        );
        let matched = Matched::new(&copies, 5);
        assert_eq!(matched.queries, 2);
        assert!((matched.uniform - (1.0 / 4.0 + 2.0 / 5.0)).abs() < 1e-12);
    }
}
