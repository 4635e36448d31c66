//! Blocks of a text for the bootstrap: documents where there are enough of them, else runs of rows.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::Rows;

/// Number of blocks at most.
pub const BLOCKS: usize = 64;

/// Number of documents from which on blocks are documents.
const DOCUMENTS: usize = 16;

/// Parts of a text that are drawn with replacement as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    /// Block of each token of the rows, `[n]`.
    of_token: Vec<u32>,
    count: usize,
    documents: Option<usize>,
}

impl Blocks {
    /// Splits the text of `rows`: into groups of documents that follow each other where it has 16 documents or more, else into runs of rows.
    pub fn new(rows: &Rows) -> Self {
        let t = rows.context().max(1);
        let documents: Vec<u32> = rows.document_numbers().to_vec();
        let mut distinct = documents.clone();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() < DOCUMENTS {
            let count = rows.len().min(BLOCKS);
            let of_row = |row: usize| (row * count / rows.len().max(1)) as u32;
            return Self {
                of_token: (0..rows.len() * t).map(|token| of_row(token / t)).collect(),
                count,
                documents: None,
            };
        }
        let count = distinct.len().min(BLOCKS);
        let block = |document: u32| {
            let rank = distinct.partition_point(|other| *other < document);
            (rank * count / distinct.len()) as u32
        };
        Self {
            of_token: documents.into_iter().map(block).collect(),
            count,
            documents: Some(distinct.len()),
        }
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Block of token `token`, counted over all rows.
    pub fn of_token(&self, token: usize) -> usize {
        self.of_token[token] as usize
    }

    /// Says what a block is.
    pub fn said(&self) -> String {
        match self.documents {
            Some(documents) if documents == self.count => format!("{documents} documents"),
            Some(documents) => format!("{} groups of the {documents} documents", self.count),
            None => format!("{} runs of rows", self.count),
        }
    }
}

/// Draws of blocks with replacement, shared by all figures that are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resampled {
    /// Blocks of each draw, `[draws][blocks]`.
    draws: Vec<Vec<u32>>,
}

impl Resampled {
    /// Draws `draws` times as many blocks as there are.
    pub fn new(blocks: usize, draws: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = || {
            (0..blocks)
                .map(|_| rng.random_range(0..blocks as u32))
                .collect()
        };
        Self {
            draws: (0..draws).map(|_| draw()).collect(),
        }
    }

    /// Number of draws.
    pub fn len(&self) -> usize {
        self.draws.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.draws.is_empty()
    }

    /// How often each block is in draw `draw`, `[blocks]`.
    pub fn weights(&self, draw: usize) -> Vec<u32> {
        let mut weights = vec![0; self.draws[draw].len()];
        for block in &self.draws[draw] {
            weights[*block as usize] += 1;
        }
        weights
    }

    /// Returns draws from the blocks of draw `draw`: blocks that are drawn from a sample instead of the text.
    #[must_use]
    pub fn within(&self, draw: usize) -> Self {
        let sample = &self.draws[draw];
        let again = |draw: &Vec<u32>| draw.iter().map(|at| sample[*at as usize]).collect();
        Self {
            draws: self.draws.iter().map(again).collect(),
        }
    }
}

/// Returns the 95 % interval of the figures of many draws, as percentiles; none of no draws.
pub fn interval(mut drawn: Vec<f64>) -> Option<[f64; 2]> {
    drawn.sort_by(f64::total_cmp);
    let last = drawn.len().checked_sub(1)?;
    let at = |share: f64| drawn[(share * last as f64).round() as usize];
    Some([at(0.025), at(0.975)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_documents_where_there_are_enough_of_them() {
        let tokens = |n: usize| {
            (0..n)
                .map(|id| crate::ids::TokenId(id as u32))
                .collect::<Vec<_>>()
        };
        let few = Rows::new(2, tokens(12), vec![0; 12], vec!["one".to_owned()]);
        let blocks = Blocks::new(&few);
        assert_eq!(
            (blocks.len(), blocks.said().as_str()),
            (6, "6 runs of rows")
        );
        assert_eq!(
            [0, 1, 2, 11].map(|token| blocks.of_token(token)),
            [0, 0, 1, 5]
        );
        let documents: Vec<u32> = (0..40).map(|token| token / 2).collect();
        let names = (0..20).map(|name| name.to_string()).collect();
        let many = Blocks::new(&Rows::new(2, tokens(40), documents, names));
        assert_eq!((many.len(), many.said().as_str()), (20, "20 documents"));
        assert_eq!(many.of_token(39), 19);
        let draws = Resampled::new(6, 3, 1);
        assert_eq!(draws.weights(1).iter().sum::<u32>(), 6);
        // Draws from a draw hold only its blocks.
        let of = draws.weights(0);
        for draw in 0..3 {
            let again = draws.within(0).weights(draw);
            assert!(
                again
                    .iter()
                    .zip(&of)
                    .all(|(again, of)| *again == 0 || *of > 0),
                "{again:?} {of:?}"
            );
        }
    }
}
