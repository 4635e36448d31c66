//! Steering scores as a section of a report.

use super::{DEFINITIONS, Effect, SHOWN, STRENGTHS, Scores};
use crate::section::{Cell, Section, Table};

/// Features that are listed.
const LISTED: usize = 20;

impl Scores {
    /// Returns the scores as a section: medians by strength, and the features that move the next token most.
    pub fn section(&self) -> Section {
        let mut medians = Table::new(
            "Medians over features, by strength",
            &[
                "Strength",
                "Effect",
                "KL (nats)",
                "Selectivity",
                "Features whose token wins",
            ],
        );
        for (at, strength) in STRENGTHS.iter().enumerate() {
            medians = medians.row([
                (*strength).into(),
                self.median(at, |effect| Some(effect.effect)).into(),
                self.median(at, |effect| Some(effect.kl)).into(),
                self.median(at, |effect| effect.selectivity).into(),
                self.winners(at).into(),
            ]);
        }
        let mut order: Vec<_> = self.scores.iter().collect();
        let effect = |score: &super::Score| score.effects[SHOWN].effect;
        order.sort_by(|a, b| effect(b).total_cmp(&effect(a)));
        let mut first = Table::new(
            format!(
                "Features with the largest effects at strength {}",
                STRENGTHS[SHOWN]
            ),
            &["Feature", "Effect", "KL (nats)", "Selectivity", "Wins"],
        );
        for score in order.into_iter().take(LISTED) {
            let Effect {
                effect,
                kl,
                selectivity,
                wins,
            } = score.effects[SHOWN];
            first = first.row([
                Cell::from(score.feature.index()),
                effect.into(),
                kl.into(),
                selectivity.into(),
                wins.into(),
            ]);
        }
        Section::new("Steering by every feature", self.conclusion())
            .setting("Contexts", self.asked.contexts)
            .setting("Tokens of a context", self.asked.tokens)
            .setting("Seed", self.asked.seed)
            .setting("Text", &self.asked.text)
            .setting("Mean residual norm", self.norm)
            .figure(medians)
            .figure(first)
            .define(DEFINITIONS)
    }
}
