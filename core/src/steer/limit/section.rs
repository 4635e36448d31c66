//! The largest strength as a section of a report.

use super::{DEFINITIONS, Limit};
use crate::section::{Section, Table};

impl Limit {
    /// Returns the search as a section: its rule, and every strength that was tried.
    pub fn section(&self) -> Section {
        let mut tried = Table::new(
            "Strengths that were tried, ascending",
            &["Strength", "Perplexity", "Repetition", "Text"],
        );
        let mut steps: Vec<_> = self.steps.iter().collect();
        steps.sort_by(|a, b| a.strength.total_cmp(&b.strength));
        for step in steps {
            tried = tried.row([
                step.strength.into(),
                step.figures.perplexity.into(),
                step.figures.repetition.into(),
                if step.holds { "holds" } else { "breaks" }.into(),
            ]);
        }
        Section::new(
            format!("Largest strength of feature {}", self.feature),
            self.conclusion(),
        )
        .sentence(self.rule.said())
        .setting("Hook", self.hook)
        .setting("Prompts", self.prompts)
        .setting(
            "Perplexity of the untouched text",
            self.untouched.perplexity,
        )
        .setting(
            "Repetition of the untouched text",
            self.untouched.repetition,
        )
        .figure(tried)
        .define(DEFINITIONS)
    }
}
