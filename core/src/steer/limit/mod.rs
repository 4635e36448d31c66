//! Searches for the largest strength of a feature before the text breaks.
//!
//! The rule is of continuations: a strength holds while the greedy steered continuations stay likely enough under the untouched model and do not repeat themselves
//! much more than the untouched ones do. The search doubles the strength from one decoder row until the text breaks (or halves it from there until the text holds),
//! then narrows the gap between the last strength that holds and the first that breaks.

mod search;
mod section;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::search::{Found, search};
use super::sweep::{Reading, Row, Spread, Text, Writing};
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint, TokenId};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;

/// Name and definition of every figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "limit",
        "largest strength that was tried and holds; every strength that was tried beyond it breaks the text",
    ),
    (
        "perplexity",
        "median over the prompts of the perplexity of the greedy continuation under the untouched model",
    ),
    (
        "repetition",
        "mean over the prompts of the share of 3-grams of tokens in the greedy continuation that occur earlier in it",
    ),
];

/// Rule by which a text is whole, and how the search goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Largest factor between the perplexity and that of the untouched continuations.
    pub perplexity: f64,
    /// Largest excess of the repetition over that of the untouched continuations.
    pub repetition: f64,
    /// Tokens of a continuation.
    pub continuation: usize,
    /// Whether the search goes to negative strengths.
    pub downwards: bool,
    /// Relative width of the gap at which the search ends.
    pub precision: f64,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            perplexity: 4.0,
            repetition: 0.2,
            continuation: super::sweep::CONTINUATION,
            downwards: false,
            precision: 0.05,
        }
    }
}

impl Rule {
    /// Says the rule and the search in two sentences.
    pub fn said(&self) -> String {
        format!(
            "A strength holds while the median perplexity of the greedy continuations ({} tokens) under the untouched model is at most {} times that of the untouched \
             continuations, and their mean share of repeated 3-grams at most {} above theirs. The search {} from {}1 decoder row to the first strength that breaks the \
             text, then narrows the gap to {} %; a text that breaks and heals again between two doublings is not seen",
            self.continuation,
            self.perplexity,
            self.repetition,
            if self.downwards {
                "doubles downwards"
            } else {
                "doubles"
            },
            if self.downwards { "−" } else { "" },
            self.precision * 100.0
        )
    }

    fn check(&self) -> Result<()> {
        let bad = |x: f64| !x.is_finite();
        let refused = if bad(self.perplexity) || self.perplexity < 1.0 {
            ("perplexity_factor", "give a factor of 1 or more")
        } else if bad(self.repetition) || self.repetition < 0.0 {
            ("repetition_excess", "give a share of 0 or more")
        } else if self.continuation < super::sweep::GRAM {
            (
                "continuation",
                "the rule needs continuations of 3 tokens or more",
            )
        } else if !(self.precision > 0.0 && self.precision < 1.0) {
            ("precision", "give a share between 0 and 1")
        } else {
            return Ok(());
        };
        Err(Error::setting(refused.0, refused.1))
    }

    /// Whether the figures of a strength hold beside those of the untouched model.
    fn holds(&self, figures: &Figures, untouched: &Figures) -> bool {
        figures.perplexity <= self.perplexity * untouched.perplexity
            && figures.repetition <= untouched.repetition + self.repetition
    }
}

/// Figures of the continuations of all prompts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Median perplexity under the untouched model.
    pub perplexity: f64,
    /// Mean share of repeated 3-grams.
    pub repetition: f64,
}

/// One strength that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Strength.
    pub strength: f64,
    /// Figures there.
    pub figures: Figures,
    /// Whether the text holds.
    pub holds: bool,
}

/// Result of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Feature.
    pub feature: FeatureId,
    /// Hook at which its row was added.
    pub hook: HookPoint,
    /// Rule.
    pub rule: Rule,
    /// Largest strength that holds; 0 where even the smallest one tried breaks the text.
    pub limit: f64,
    /// Smallest strength beyond it that breaks the text; none where none does.
    pub breaks: Option<f64>,
    /// Figures of the untouched model.
    pub untouched: Figures,
    /// Every strength that was tried, in order.
    pub steps: Vec<Step>,
    /// Number of prompts.
    pub prompts: usize,
}

impl Limit {
    /// Says the result in one sentence.
    pub fn conclusion(&self) -> String {
        let feature = self.feature;
        let Some(breaks) = self.breaks else {
            return format!(
                "Feature {feature} breaks the text at no strength up to {}, the largest one tried",
                self.limit
            );
        };
        if self.limit == 0.0 {
            return format!(
                "Feature {feature} breaks the text at every strength tried, down to {breaks}"
            );
        }
        let written = |strength: f64| {
            let digits = format!("{strength:.4}");
            digits
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned()
        };
        format!(
            "Feature {feature} can be turned to {} before the greedy text breaks (it breaks at {}, over {} prompts); sampled text can break earlier",
            written(self.limit),
            written(breaks),
            self.prompts
        )
    }

    /// Returns the result as an object.
    pub fn json(&self) -> Value {
        let figures =
            |of: &Figures| json!({"perplexity": of.perplexity, "repetition": of.repetition});
        let steps = self.steps.iter().map(|step| {
            json!({
                "strength": step.strength,
                "perplexity": step.figures.perplexity,
                "repetition": step.figures.repetition,
                "holds": step.holds,
            })
        });
        let definitions: serde_json::Map<String, Value> = DEFINITIONS
            .iter()
            .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
            .collect();
        json!({
            "feature": self.feature.0,
            "hook": self.hook.to_string(),
            "limit": self.limit,
            "breaks": self.breaks,
            "untouched": figures(&self.untouched),
            "steps": steps.collect::<Vec<_>>(),
            "prompts": self.prompts,
            "rule": self.rule.said(),
            "perplexity_factor": self.rule.perplexity,
            "repetition_excess": self.rule.repetition,
            "continuation": self.rule.continuation,
            "definitions": definitions,
            "conclusion": self.conclusion(),
        })
    }
}

/// Searches for the largest strength of `feature` that holds by `rule` on `prompts` (token ids, BOS included by the caller).
pub fn largest_strength(
    (model, sae): (&Model, ByToken<'_>),
    feature: FeatureId,
    prompts: &[Vec<TokenId>],
    rule: &Rule,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Limit>> {
    rule.check()?;
    if prompts.iter().all(Vec::is_empty) {
        let what = "there is none, give at least one line of text";
        return Err(Error::setting("prompts", what));
    }
    let row = Row::new(model, sae, feature)?;
    let readings: Vec<Reading<'_>> = prompts
        .iter()
        .map(|prompt| Reading::new(model, row.hook(), prompt))
        .collect::<Result<_>>()?;
    let mut tried = 0;
    let mut steps = Vec::new();
    let mut untouched = None;
    let mut stopped = false;
    let sign = if rule.downwards { -1.0 } else { 1.0 };
    let found = search(rule.precision, &mut |sizes| {
        let strengths: Vec<f64> = sizes.iter().map(|size| sign * size).collect();
        let writing = Writing::new(&strengths, rule.continuation);
        let mut texts: Vec<Vec<Text>> = vec![Vec::new(); 1 + strengths.len()];
        for (at, reading) in readings.iter().enumerate() {
            let all = search::ROUNDS * readings.len();
            stopped |= observe(Progress::new((tried + at).min(all), all, "texts")).is_break();
            if stopped {
                return Ok(None);
            }
            let (_, written) = reading.at(&row, &writing)?;
            for (of, text) in texts.iter_mut().zip(written) {
                of.push(text);
            }
        }
        tried += readings.len();
        let mut figures = texts.iter().map(|texts| figures(texts));
        let before = figures.next().flatten().ok_or_else(too_long)?;
        untouched = Some(before);
        let mut holding = Vec::new();
        for (strength, figures) in strengths.iter().zip(figures) {
            let figures = figures.ok_or_else(too_long)?;
            let holds = rule.holds(&figures, &before);
            steps.push(Step {
                strength: *strength,
                figures,
                holds,
            });
            holding.push(holds);
        }
        Ok(Some(holding))
    })?;
    let (Some(Found { holds, breaks }), Some(untouched)) = (found, untouched) else {
        return Ok(Ended::STOPPED);
    };
    Ok(Ended::Done(Limit {
        feature,
        hook: row.hook(),
        rule: *rule,
        limit: sign * holds,
        breaks: breaks.map(|breaks| sign * breaks),
        untouched,
        steps,
        prompts: prompts.len(),
    }))
}

fn too_long() -> Error {
    let what = "none leaves room for a continuation of three tokens in the model's context, give shorter ones";
    Error::setting("prompts", what)
}

/// Summarises the continuations of one strength; none where none is long enough.
fn figures(texts: &[Text]) -> Option<Figures> {
    let perplexity = Spread::new(texts.iter().filter_map(|text| text.perplexity).collect())?;
    // A text that ends within two tokens repeats nothing.
    let repetition = texts.iter().map(|text| text.repetition.unwrap_or(0.0));
    Some(Figures {
        perplexity: perplexity.median,
        repetition: repetition.sum::<f64>() / texts.len() as f64,
    })
}
