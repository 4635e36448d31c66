//! Tasks whose answer is known, and how well dictionaries approximate, control and explain a model on them (Makelov, Lange and Nanda 2024, arXiv 2405.08366).
//!
//! A [`Task`] is a list of prompts. Each has a right and a wrong answer, one token each, values of *attributes* (which name is the answer, which name is repeated,
//! which comes first), and named positions. Of each attribute there is a *counterfactual*: the prompt with that attribute alone changed.
//!
//! The first half of a task builds: means, directions of supervised dictionaries, F1 scores. The second half tests. Every edit is computed from the clean run and
//! put in at all places together; no edit sees what another did.
//!
//! | part | what it holds |
//! |---|---|
//! | [`ioi`] | indirect object identification: names, templates, counterfactuals |
//! | [`lines`] | tasks of a person, one JSON object a line |
//! | [`site`] | places that are edited: hook, heads, named position |
//! | [`activations`] | values at the places, of the prompts and of their counterfactuals |
//! | [`supervised`] | dictionaries made from the attributes, without training |
//! | [`edits`] | edits by a dictionary: agnostic, by interpretation, supervised; their magnitude |
//! | [`scores`] | F1 scores of features against predicates of the prompts |
//! | [`passes`] | runs of a prompt with many edits |
//! | [`test`] | the three tests of one dictionary and of several |
//! | [`gpt2_small`] | heads of GPT-2 small that name the indirect object |
//! | [`heads`] | heads found by the effect of mean ablation |

pub mod activations;
pub mod edits;
pub mod gpt2_small;
pub mod heads;
pub mod ioi;
pub mod lines;
pub mod passes;
pub mod scores;
pub mod site;
pub mod supervised;
pub mod test;

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::models::Model;

/// Fewest prompts of a task: two that build and two that test.
pub const LEAST: usize = 4;

/// Prompt of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Text.
    pub text: String,
    /// Its tokens, BOS included where the model's texts have one.
    pub tokens: Vec<TokenId>,
    /// Token that the model should give next.
    pub right: TokenId,
    /// Token that it should not.
    pub wrong: TokenId,
    /// Value of each attribute, in the task's order.
    pub values: Vec<String>,
    /// Position of each name in the task's order, counted from the first token.
    pub positions: Vec<usize>,
    /// For each edited attribute, in the task's order, the prompt with that attribute changed; none where the task has no such prompt.
    pub counterfactuals: Vec<Option<Counterfactual>>,
}

/// Prompt that differs from another in one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counterfactual {
    /// Tokens, as many as the prompt has.
    pub tokens: Vec<TokenId>,
    /// Value of each attribute, in the task's order.
    pub values: Vec<String>,
    /// Position of each name, in the task's order.
    pub positions: Vec<usize>,
}

/// Prompts with known answers, attributes and positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Name.
    pub name: String,
    /// Names of the attributes that have counterfactuals and directions; each prompt has a value of each, these first.
    pub attributes: Vec<String>,
    /// Names of further attributes, which predicates may use but nothing edits.
    pub derived: Vec<String>,
    /// Names of the positions.
    pub positions: Vec<String>,
    /// Prompts.
    pub prompts: Vec<Prompt>,
}

impl Task {
    /// Checks that every prompt has the task's attributes and positions, fits the model, and that its counterfactuals are aligned with it.
    pub fn check(&self, model: &Model) -> Result<()> {
        if self.prompts.len() < LEAST {
            let what = format!(
                "{} has {} prompts: give at least {LEAST}, half build and half test",
                self.name,
                self.prompts.len()
            );
            return Err(Error::setting("prompts", what));
        }
        let context = model.config().context;
        for (number, prompt) in self.prompts.iter().enumerate() {
            let wrong = |what: String| {
                let what = format!("prompt {} (“{}”) {what}", number + 1, prompt.text);
                Err(Error::setting("prompts", what))
            };
            if prompt.tokens.len() > context {
                return wrong(format!(
                    "has {} tokens, {} reads {context}: shorten it",
                    prompt.tokens.len(),
                    model.name()
                ));
            }
            if prompt.right == prompt.wrong {
                return wrong("has one token as right and as wrong answer".to_owned());
            }
            let names = self.attributes.len() + self.derived.len();
            let (values, positions) = (prompt.values.len(), prompt.positions.len());
            if values != names || positions != self.positions.len() {
                return wrong(format!(
                    "has {values} attributes and {positions} positions, the task {names} and {}",
                    self.positions.len()
                ));
            }
            let others = prompt.counterfactuals.iter().flatten();
            let all = others.map(|other| (&other.positions, &other.tokens));
            for (positions, tokens) in all.chain([(&prompt.positions, &prompt.tokens)]) {
                if tokens.len() != prompt.tokens.len() {
                    return wrong(format!(
                        "has {} tokens and a counterfactual of {}: they must be aligned",
                        prompt.tokens.len(),
                        tokens.len()
                    ));
                }
                if positions.iter().any(|at| *at >= tokens.len()) {
                    return wrong("has a position behind its last token".to_owned());
                }
            }
        }
        Ok(())
    }

    /// Returns the number of prompts that build; the others test.
    pub fn building(&self) -> usize {
        self.prompts.len() / 2
    }

    /// Returns the prompts that build.
    pub fn builds(&self) -> &[Prompt] {
        &self.prompts[..self.building()]
    }

    /// Returns the prompts that test.
    pub fn tests(&self) -> &[Prompt] {
        &self.prompts[self.building()..]
    }

    /// Returns the names of all attributes, the edited ones first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.attributes
            .iter()
            .chain(&self.derived)
            .map(String::as_str)
    }

    /// Returns the index of an attribute, or an error that lists them.
    pub fn attribute(&self, name: &str) -> Result<usize> {
        self.names().position(|known| known == name).ok_or_else(|| {
            let names: Vec<&str> = self.names().collect();
            let what = format!("`{name}` is none, the task has {}", names.join(", "));
            Error::setting("attribute", what)
        })
    }

    /// Returns the values that an attribute has among the prompts that build, sorted, with the number of prompts of each.
    pub fn counts(&self, attribute: usize) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for prompt in self.builds() {
            *counts.entry(prompt.values[attribute].as_str()).or_default() += 1;
        }
        counts
    }
}
