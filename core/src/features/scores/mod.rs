//! Steering scores of a dictionary's features: what each does to the next token of random contexts. They are kept in the index of the dictionary;
//! `crate::steer` measures them, and this module knows their meaning and their file.

mod file;
mod section;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

pub use self::file::write;
use crate::ids::FeatureId;

/// Strengths, in multiples of the mean length of the residual stream.
pub const STRENGTHS: [f64; 4] = [0.5, 1.0, 2.0, 4.0];
/// Place in [`STRENGTHS`] of the strength that lists show.
pub const SHOWN: usize = 1;

/// Name, title and definition of the figures of one strength.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "effect",
        "largest over the vocabulary of the mean change of a logit when the feature's direction, as long as the mean residual norm times the strength, is added at the last position of random contexts in which the feature is silent there; logits are less their mean over the vocabulary, unless the model caps them",
    ),
    (
        "kl",
        "mean over those contexts of KL(steered ‖ untouched) of the next token, nats",
    ),
    (
        "selectivity",
        "mean change of the logits of the feature's own ten promoted tokens less the mean absolute change of all logits: above 0 where steering moves the tokens that the weights promise",
    ),
    (
        "wins",
        "share of those contexts in which the feature's most promoted token becomes the most likely next token",
    ),
];

/// Figures of one strength.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Effect {
    /// Largest over the vocabulary of the mean logit change.
    pub effect: f64,
    /// Mean KL(steered ‖ untouched), nats.
    pub kl: f64,
    /// Mean change of the feature's own tokens less the mean absolute change; none at a hook without direct effects on logits.
    pub selectivity: Option<f64>,
    /// Share of contexts in which the first own token becomes the most likely one; none as before.
    pub wins: Option<f64>,
}

/// Score of one feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Feature.
    pub feature: FeatureId,
    /// Contexts in which it was silent and that were used.
    pub contexts: u32,
    /// Figures by strength of [`STRENGTHS`].
    pub effects: [Effect; STRENGTHS.len()],
}

/// Everything that decides scores beside model and dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// Contexts that are drawn.
    pub contexts: usize,
    /// Tokens of a context at most.
    pub tokens: usize,
    /// Seed of the draw.
    pub seed: u64,
    /// Text, as a phrase.
    pub text: String,
    /// Hex SHA-256 of the text.
    pub fingerprint: String,
}

/// Scores of a dictionary's features.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// Settings.
    pub asked: Asked,
    /// Mean length of the residual stream in the contexts: the unit of strengths.
    pub norm: f64,
    /// Features that are active on the index's text: those to be scored.
    pub live: usize,
    /// Scores by feature number; features without one are missing.
    pub scores: Vec<Score>,
}

impl Scores {
    /// Returns the score of `feature`, if it has one.
    pub fn of(&self, feature: FeatureId) -> Option<&Score> {
        let at = (self.scores).binary_search_by_key(&feature, |score| score.feature);
        at.ok().map(|at| &self.scores[at])
    }

    /// Whether every live feature has a score.
    pub fn is_whole(&self) -> bool {
        self.scores.len() >= self.live
    }

    /// Returns the median of a figure at place `at` of [`STRENGTHS`]; none where no feature has it.
    pub fn median(&self, at: usize, figure: fn(&Effect) -> Option<f64>) -> Option<f64> {
        let values = self
            .scores
            .iter()
            .filter_map(|score| figure(&score.effects[at]));
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            odd if odd % 2 == 1 => Some(values[middle]),
            _ => Some(f64::midpoint(values[middle - 1], values[middle])),
        }
    }

    /// Returns the share of features whose most promoted token becomes the most likely one in more than half of the contexts, at place `at` of [`STRENGTHS`].
    pub fn winners(&self, at: usize) -> Option<f64> {
        let wins = self
            .scores
            .iter()
            .filter_map(|score| score.effects[at].wins);
        let (all, winners) = wins.fold((0, 0), |(all, winners), wins| {
            (all + 1, winners + usize::from(wins > 0.5))
        });
        (all > 0).then(|| winners as f64 / all as f64)
    }

    /// Says the result in one sentence.
    pub fn conclusion(&self) -> String {
        let part = if self.is_whole() {
            format!("{} live features", self.scores.len())
        } else {
            format!(
                "{} of {} live features so far",
                self.scores.len(),
                self.live
            )
        };
        let Some(effect) = self.median(SHOWN, |effect| Some(effect.effect)) else {
            return "No feature has a steering score yet".to_owned();
        };
        let kl = self
            .median(SHOWN, |effect| Some(effect.kl))
            .unwrap_or_default();
        let beside = match (
            self.median(SHOWN, |effect| effect.selectivity),
            self.winners(SHOWN),
        ) {
            (Some(selectivity), Some(winners)) => format!(
                ", median selectivity {selectivity:+.3}, and the most promoted token wins for {:.1} % of them",
                100.0 * winners
            ),
            _ => String::new(),
        };
        format!(
            "At strength {} the median feature moves a logit by {effect:.3} at {kl:.4} nats of KL over {part}{beside}",
            STRENGTHS[SHOWN]
        )
    }
}

impl Score {
    /// Returns an object: the feature, its contexts, and the figures by strength.
    pub fn json(&self) -> Value {
        let effects = STRENGTHS
            .iter()
            .zip(&self.effects)
            .map(|(strength, effect)| {
                json!({
                    "strength": strength,
                    "effect": effect.effect,
                    "kl": effect.kl,
                    "selectivity": effect.selectivity,
                    "wins": effect.wins,
                })
            });
        json!({
            "feature": self.feature.0,
            "contexts": self.contexts,
            "effects": effects.collect::<Vec<_>>(),
        })
    }
}

impl Scores {
    /// Returns the result as an object.
    pub fn json(&self) -> Value {
        let definitions: Map<String, Value> = DEFINITIONS
            .iter()
            .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
            .collect();
        json!({
            "contexts": self.asked.contexts,
            "context_tokens": self.asked.tokens,
            "seed": self.asked.seed,
            "text": self.asked.text,
            "strengths": STRENGTHS,
            "mean_residual_norm": self.norm,
            "live": self.live,
            "scored": self.scores.len(),
            "features": self.scores.iter().map(Score::json).collect::<Vec<_>>(),
            "winners": (0..STRENGTHS.len()).map(|at| self.winners(at)).collect::<Vec<_>>(),
            "definitions": definitions,
            "conclusion": self.conclusion(),
        })
    }
}
