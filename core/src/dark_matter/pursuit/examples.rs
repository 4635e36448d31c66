//! Tokens at which pursuit picks a feature and the encoder does not, the strongest of each feature. A few are held while the text is read, so memory does not grow
//! with it.

use serde::{Deserialize, Serialize};

use crate::corpus::Rows;
use crate::ids::{FeatureId, TokenId};

/// Tokens kept for a feature.
pub const PER_FEATURE: usize = 8;
/// Features whose tokens are kept with their contexts, those missed most.
pub const FEATURES_WITH_EXAMPLES: usize = 2048;
/// Tokens of a context before and after the one it is about.
const AROUND: (usize, usize) = (20, 6);

/// Token at which pursuit picks a feature and the encoder does not, with its context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Missed {
    /// Row of the text.
    pub row: u32,
    /// Position within the row.
    pub position: u32,
    /// Weight that pursuit gives the feature.
    pub weight: f32,
    /// Pre-activation of the feature, with which the encoder leaves it out.
    pub pre_activation: f32,
    /// Index of the token within the context.
    pub at: u32,
    /// Tokens of the context.
    pub tokens: Vec<TokenId>,
}

/// Tokens at which one feature is missed, the strongest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MissedExamples {
    /// The feature.
    pub feature: FeatureId,
    /// The tokens.
    pub tokens: Vec<Missed>,
}

/// Token without its context.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) row: u32,
    pub(super) position: u32,
    pub(super) weight: f32,
    pub(super) pre_activation: f32,
}

/// Strongest tokens of one feature, the strongest first; of equals the first in the text.
#[derive(Debug, Clone, Default)]
pub(super) struct Strongest(Vec<Place>);

impl Strongest {
    /// Whether a token of this weight would be kept.
    pub(super) fn takes(&self, weight: f32) -> bool {
        self.0.len() < PER_FEATURE || self.0.last().is_some_and(|last| weight > last.weight)
    }

    /// Takes a token if it is among the strongest.
    pub(super) fn offer(&mut self, place: Place) {
        if !self.takes(place.weight) {
            return;
        }
        let at = self.0.partition_point(|kept| kept.weight >= place.weight);
        self.0.insert(at, place);
        self.0.truncate(PER_FEATURE);
    }

    /// Cuts the contexts out of `rows`.
    pub(super) fn with_contexts(&self, feature: FeatureId, rows: &Rows) -> MissedExamples {
        let tokens = self.0.iter().map(|place| {
            let (row, position) = (place.row as usize, place.position as usize);
            let from = position.saturating_sub(AROUND.0);
            let to = (position + 1 + AROUND.1).min(rows.context());
            Missed {
                row: place.row,
                position: place.position,
                weight: place.weight,
                pre_activation: place.pre_activation,
                at: (position - from) as u32,
                tokens: rows.row(row)[from..to].to_vec(),
            }
        });
        MissedExamples {
            feature,
            tokens: tokens.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_are_kept_with_what_stands_around_them() {
        let mut strongest = Strongest::default();
        for i in 0..40_u32 {
            let place = Place {
                row: i % 2,
                position: i,
                weight: ((i * 7) % 40) as f32,
                pre_activation: -1.0,
            };
            strongest.offer(place);
        }
        let tokens: Vec<TokenId> = (0..80).map(TokenId).collect();
        let rows = Rows::new(40, tokens, vec![0; 80], vec!["a".to_owned()]);
        let kept = strongest.with_contexts(FeatureId(5), &rows);
        let weights: Vec<f32> = kept.tokens.iter().map(|token| token.weight).collect();
        assert_eq!(weights, [39.0, 38.0, 37.0, 36.0, 35.0, 34.0, 33.0, 32.0]);
        for missed in &kept.tokens {
            let own = missed.tokens[missed.at as usize];
            assert_eq!(own, TokenId(missed.row * 40 + missed.position));
            assert!(missed.tokens.len() <= 1 + AROUND.0 + AROUND.1);
        }
    }
}
