//! Contexts with the largest and the smallest unexplained share, held in bounded memory while a text is read.

use super::Example;
use crate::corpus::Rows;
use crate::dark_matter::ErrorNorms;
use crate::ids::TokenId;
use crate::models::Model;

/// Number of contexts at either end.
pub const KEPT: usize = 24;
/// Tokens of the excerpt before the example's token, and behind it.
const BEFORE: usize = 24;
const AFTER: usize = 8;

/// Place with an unexplained share.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub(super) row: usize,
    pub(super) position: usize,
    pub(super) token: TokenId,
    pub(super) share: f64,
    pub(super) norms: ErrorNorms,
    /// Shares at the tokens of the excerpt.
    pub(super) around: Vec<f32>,
}

/// Range of positions that an excerpt around `position` shows, in a row of `context` tokens.
pub(super) fn excerpt(position: usize, context: usize) -> std::ops::Range<usize> {
    position.saturating_sub(BEFORE)..(position + AFTER + 1).min(context)
}

/// Contexts at one end, the most extreme first; their tokens differ.
#[derive(Debug, Clone)]
pub(super) struct Extremes {
    kept: Vec<Candidate>,
    /// 1 for the largest shares, −1 for the smallest.
    sign: f64,
}

impl Extremes {
    /// Creates an empty list of the largest shares (`sign` 1) or the smallest (−1).
    pub(super) fn new(sign: f64) -> Self {
        Self {
            kept: Vec::new(),
            sign,
        }
    }

    /// Takes a place if its share is among the most extreme; of places with one token the most extreme, of equals the first. Calls `candidate` only if it is
    /// taken.
    pub(super) fn offer(
        &mut self,
        (token, share): (TokenId, f64),
        candidate: impl FnOnce() -> Candidate,
    ) {
        let score = self.sign * share;
        let scored = |kept: &Candidate| self.sign * kept.share;
        let same = self.kept.iter().position(|kept| kept.token == token);
        let rival = match same {
            Some(at) => Some(at),
            None if self.kept.len() == KEPT => Some(KEPT - 1),
            None => None,
        };
        if let Some(rival) = rival {
            if scored(&self.kept[rival]) >= score {
                return;
            }
            self.kept.remove(rival);
        }
        let sign = self.sign;
        let at = (self.kept).partition_point(|kept| sign * kept.share >= score);
        self.kept.insert(at, candidate());
    }

    /// Returns the contexts as examples of `rows`.
    pub(super) fn examples(self, model: &Model, rows: &Rows) -> Vec<Example> {
        let examples = self.kept.into_iter().map(|kept| {
            let shown = excerpt(kept.position, rows.context());
            let row = rows.row(kept.row);
            let texts = row[shown.clone()].iter();
            Example {
                document: rows.document(kept.row, kept.position).to_owned(),
                row: kept.row as u32,
                position: kept.position as u32,
                ids: row[..shown.end].to_vec(),
                apart: rows.separates_documents(),
                from: shown.start as u32,
                texts: texts.map(|id| model.codec().display(*id)).collect(),
                shares: kept.around,
                share: kept.share as f32,
                norms: kept.norms,
            }
        });
        examples.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(sign: f64, places: &[(u32, f64)]) -> Vec<(u32, f64)> {
        let mut extremes = Extremes::new(sign);
        for (position, (token, share)) in places.iter().enumerate() {
            let token = TokenId(*token);
            extremes.offer((token, *share), || Candidate {
                row: 0,
                position,
                token,
                share: *share,
                norms: ErrorNorms::default(),
                around: Vec::new(),
            });
        }
        let kept = extremes.kept.iter();
        kept.map(|kept| (kept.token.0, kept.share)).collect()
    }

    #[test]
    fn the_most_extreme_places_of_different_tokens_are_kept() {
        let places = [(1, 0.5), (2, 0.9), (1, 0.7), (1, 0.6), (3, 0.1)];
        assert_eq!(offered(1.0, &places), [(2, 0.9), (1, 0.7), (3, 0.1)]);
        assert_eq!(offered(-1.0, &places), [(3, 0.1), (1, 0.5), (2, 0.9)]);
        let many: Vec<(u32, f64)> = (0..200).map(|i| (i, f64::from(i * 7 % 200))).collect();
        let kept = offered(1.0, &many);
        let want: Vec<f64> = (0..KEPT).map(|i| 199.0 - i as f64).collect();
        assert_eq!(kept.iter().map(|kept| kept.1).collect::<Vec<_>>(), want);
    }

    #[test]
    fn an_excerpt_lies_around_its_token() {
        assert_eq!(excerpt(3, 100), 0..12);
        assert_eq!(excerpt(50, 100), 26..59);
        assert_eq!(excerpt(98, 100), 74..100);
    }
}
