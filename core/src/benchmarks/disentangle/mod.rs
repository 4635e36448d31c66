//! Disentangling: whether a few features of an entity's token carry one attribute of it and no other (RAVEL, Huang et al. 2024, arXiv 2402.17700; figures of
//! SAEBench 0.6.0, `ravel`).
//!
//! A question is a prompt that names an entity and asks for one attribute of it: "Then Tom smiled because" asks for the gender, "When Tom and Mary went to the
//! garden, Mary gave a letter to" for the name. Only questions that the model answers rightly, with the right token as its most likely next one, are used.
//!
//! For an attribute A with its features F and a pair of questions, base and source, the code of the base at its entity's last token gets the values of F from the
//! code of the source at its entity's last token, is decoded, and takes the place of the activation. The error of the dictionary is left out, as in SAEBench, or
//! kept.
//! - **cause**: share of pairs that ask for A with different answers, after which the base gets the source's answer.
//! - **isolation**: share of pairs that ask for another attribute with different answers, after which the base keeps its own.
//! - **disentanglement**: mean of both. The figure of a dictionary is the mean over attributes.
//!
//! Features: on the questions that build, logistic regressions with an L1 penalty tell each value of A from the others by the code at the entity; a feature's score
//! is its largest weight in size, for one standard deviation of its activation. F is the first k by score, k a power of two with the best disentanglement on pairs of
//! building questions. Figures are of pairs of testing questions. SAEBench learns a mask by gradient descent in place of this choice, and compares generated text.

mod lines;
mod patch;
mod people;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use self::patch::{Entities, Patch};
use super::estimate::{Bootstrap, DRAWS, Estimate};
use super::regression::{Columns, Examples};
use crate::error::{Error, Result};
use crate::ids::{FeatureId, TokenId};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Autoencoder;

pub use self::lines::{FORMAT, from_lines};
pub use self::people::{QUESTIONS, from_people};

/// Known questions of an attribute, at least.
pub const LEAST_KNOWN: usize = 20;
/// Features of an attribute, at most.
pub const MOST_FEATURES: usize = 256;
/// Pairs on which a number of features is tried, at most, of either kind.
const TRIED: usize = 100;
/// Factor of the sizes of weights in the mean loss that scores features.
const PENALTY: f64 = 0.01;

/// Prompt that asks for an attribute of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Text.
    pub text: String,
    /// Its tokens, BOS included where the model's texts have one.
    pub tokens: Vec<TokenId>,
    /// Position of the entity's last token.
    pub position: usize,
    /// Entity.
    pub entity: String,
    /// Attribute that is asked for, as an index of [`Questions::attributes`].
    pub attribute: usize,
    /// First token of the right answer.
    pub answer: TokenId,
}

/// Questions on entities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Questions {
    /// Names of the attributes.
    pub attributes: Vec<String>,
    /// Questions.
    pub questions: Vec<Question>,
}

/// Settings of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spec {
    /// Share of questions that test.
    pub test_share: f64,
    /// Pairs that test cause, and pairs that test isolation, at most, of each attribute.
    pub pairs: usize,
    /// Whether the error of the dictionary is kept.
    pub keeps_error: bool,
    /// Seed of the split, the pairs and the bootstrap.
    pub seed: u64,
    /// Draws of the bootstrap.
    pub draws: usize,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            test_share: 0.3,
            pairs: 500,
            keeps_error: false,
            seed: 0,
            draws: DRAWS,
        }
    }
}

/// Cause and isolation of one edit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Share of pairs that take the source's answer.
    pub cause: Estimate,
    /// Share of pairs that ask for another attribute and keep their answer.
    pub isolation: Estimate,
    /// Mean of both.
    pub disentanglement: Estimate,
}

/// A number of features tried on building questions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tried {
    /// Number of features.
    pub features: usize,
    /// Cause.
    pub cause: f64,
    /// Isolation.
    pub isolation: f64,
}

/// Result for one attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// Name.
    pub name: String,
    /// Questions asked, and questions the model answers rightly.
    pub questions: [usize; 2],
    /// Features that are exchanged, best first.
    pub features: Vec<FeatureId>,
    /// Numbers of features tried.
    pub tried: Vec<Tried>,
    /// Number of test pairs of cause, and of isolation.
    pub pairs: [usize; 2],
    /// Scores of the features.
    pub scores: Scores,
    /// Scores of exchanging the whole activation: cause is the most that an edit of this token can do, isolation what an edit without choice spoils.
    pub whole: Scores,
}

/// Result for a dictionary.
#[derive(Debug, Clone, PartialEq)]
pub struct Disentangling {
    /// Name of the dictionary.
    pub dictionary: String,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Means over attributes.
    pub scores: Scores,
    /// Means over attributes for the whole activation.
    pub whole: Scores,
}

/// Pair of questions, by index.
type Exchange = (usize, usize);

/// Pairs that ask for an attribute, and pairs that ask for others.
#[derive(Debug, Clone, Default)]
struct Pairs {
    cause: Vec<Exchange>,
    isolation: Vec<Exchange>,
}

/// Measures how well the features of `sae` take the attributes of `questions` apart. Attributes that the model does not know are an error. `observe` gets
/// attributes done.
pub fn disentangle(
    model: &Model,
    sae: Autoencoder<'_>,
    (questions, spec): (&Questions, &Spec),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Disentangling>> {
    check(questions, spec)?;
    crate::formats::check_hooks(&sae, model)?;
    let total = questions.attributes.len() + 1;
    if observe(Progress::new(0, total, "attributes")).is_break() {
        return Ok(Ended::STOPPED);
    }
    let entities = Entities::new(model, sae, &questions.questions)?;
    let known = known(questions, &entities, model)?;
    let parts = split(questions, &known, spec);
    let mut attributes = Vec::new();
    let mut outcomes = Vec::new();
    for at in 0..questions.attributes.len() {
        if observe(Progress::new(at + 1, total, "attributes")).is_break() {
            return Ok(Ended::STOPPED);
        }
        let study = Study {
            questions,
            entities: &entities,
            parts: &parts,
            spec,
        };
        let (attribute, outcome) = study.attribute(at, &known)?;
        attributes.push(attribute);
        outcomes.push(outcome);
    }
    let over = |whole: usize| {
        let part = |of: usize| {
            outcomes
                .iter()
                .map(move |one: &[[Vec<f64>; 2]; 2]| one[whole][of].as_slice())
        };
        scores(
            &part(0).collect::<Vec<_>>(),
            &part(1).collect::<Vec<_>>(),
            spec,
        )
    };
    Ok(Ended::Done(Disentangling {
        dictionary: sae.name.clone(),
        scores: over(0)?,
        whole: over(1)?,
        attributes,
    }))
}

fn check(questions: &Questions, spec: &Spec) -> Result<()> {
    if questions.attributes.len() < 2 {
        let what = format!(
            "the questions ask for {}: give two attributes or more, one is isolated from the others",
            questions
                .attributes
                .first()
                .map_or("nothing", String::as_str)
        );
        return Err(Error::setting("questions", what));
    }
    if !(spec.test_share > 0.0 && spec.test_share < 1.0) {
        let what = format!(
            "{} is no share of questions that test: give a number between 0 and 1",
            spec.test_share
        );
        return Err(Error::setting("test share", what));
    }
    if spec.pairs < 2 {
        let what = format!("{} pairs give no interval: give 2 or more", spec.pairs);
        return Err(Error::setting("pairs", what));
    }
    Ok(())
}

/// Returns the questions of each attribute that the model answers rightly.
fn known(questions: &Questions, entities: &Entities<'_>, model: &Model) -> Result<Vec<Vec<usize>>> {
    let mut known = vec![Vec::new(); questions.attributes.len()];
    let all = questions.questions.iter().enumerate();
    for (at, question) in all {
        if entities.answers[at] == question.answer {
            known[question.attribute].push(at);
        }
    }
    for (attribute, known) in known.iter().enumerate() {
        let asked = questions
            .questions
            .iter()
            .filter(|one| one.attribute == attribute)
            .count();
        let answers: BTreeSet<TokenId> = known
            .iter()
            .map(|at| questions.questions[*at].answer)
            .collect();
        if known.len() < LEAST_KNOWN || answers.len() < 2 {
            let what = format!(
                "{} answers {} of {asked} questions for {} rightly, with {} different answers: this model does not know the attribute, or give more questions (at least {LEAST_KNOWN} right ones and two answers)",
                model.name(),
                known.len(),
                questions.attributes[attribute],
                answers.len()
            );
            return Err(Error::setting("questions", what));
        }
    }
    Ok(known)
}

/// Splits the known questions of each attribute into those that build and those that test.
fn split(questions: &Questions, known: &[Vec<usize>], spec: &Spec) -> [Vec<Vec<usize>>; 2] {
    let mut chance = ChaCha8Rng::seed_from_u64(spec.seed);
    let mut parts = [Vec::new(), Vec::new()];
    for known in known {
        let mut order = known.clone();
        order.shuffle(&mut chance);
        let cut = ((1.0 - spec.test_share) * order.len() as f64) as usize;
        let test = order.split_off(cut.clamp(1, known.len() - 1));
        parts[0].push(order);
        parts[1].push(test);
    }
    debug_assert_eq!(parts[0].len(), questions.attributes.len());
    parts
}

fn scores(cause: &[&[f64]], isolation: &[&[f64]], spec: &Spec) -> Result<Scores> {
    let bootstrap = Bootstrap {
        draws: spec.draws,
        seed: spec.seed,
    };
    let of = |groups: &[&[f64]]| {
        Estimate::from_groups(groups, bootstrap).ok_or_else(|| {
            let what = "no two testing questions for an attribute have different answers: give more questions";
            Error::setting("questions", what)
        })
    };
    Ok(Scores {
        cause: of(cause)?,
        isolation: of(isolation)?,
        disentanglement: of(&[cause, isolation].concat())?,
    })
}

/// Outcomes of the test pairs, 1 where the edit did what it should: of the features and of the whole activation, cause and isolation.
type Outcomes = [[Vec<f64>; 2]; 2];

struct Study<'a> {
    questions: &'a Questions,
    entities: &'a Entities<'a>,
    parts: &'a [Vec<Vec<usize>>; 2],
    spec: &'a Spec,
}

impl Study<'_> {
    fn attribute(&self, at: usize, known: &[Vec<usize>]) -> Result<(Attribute, Outcomes)> {
        let seed = self.spec.seed.wrapping_mul(1_000).wrapping_add(at as u64);
        let build = self.pairs(0, at, (TRIED, seed));
        let test = self.pairs(1, at, (self.spec.pairs, seed));
        let order = self.ranked(at)?;
        let mut tried = Vec::new();
        let mut size = 1;
        while size <= order.len() {
            let [cause, isolation] = self.outcomes(&build, &Patch::Features(&order[..size]))?;
            tried.push(Tried {
                features: size,
                cause: mean(&cause),
                isolation: mean(&isolation),
            });
            size *= 2;
        }
        let mut best: Option<(usize, f64)> = None;
        for one in &tried {
            let score = one.cause + one.isolation;
            if best.is_none_or(|(_, before)| score > before) {
                best = Some((one.features, score));
            }
        }
        let features = order[..best.map_or(0, |(size, _)| size)].to_vec();
        let outcomes = [
            self.outcomes(&test, &Patch::Features(&features))?,
            self.outcomes(&test, &Patch::Whole)?,
        ];
        let scored = |of: &[Vec<f64>; 2]| scores(&[&of[0]], &[&of[1]], self.spec);
        let asked = self
            .questions
            .questions
            .iter()
            .filter(|one| one.attribute == at);
        let attribute = Attribute {
            name: self.questions.attributes[at].clone(),
            questions: [asked.count(), known[at].len()],
            features,
            tried,
            pairs: [test.cause.len(), test.isolation.len()],
            scores: scored(&outcomes[0])?,
            whole: scored(&outcomes[1])?,
        };
        Ok((attribute, outcomes))
    }

    /// Draws pairs of questions of one part: each question of the attribute as a base with a source of another answer, and as many of other attributes.
    fn pairs(&self, part: usize, attribute: usize, (most, seed): (usize, u64)) -> Pairs {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let mut of = |asked: usize| -> Vec<Exchange> {
            let all = &self.parts[part][asked];
            let mut bases = all.clone();
            bases.shuffle(&mut chance);
            let answer = |at: usize| self.questions.questions[at].answer;
            let pair = |base: usize| {
                let others: Vec<usize> = all
                    .iter()
                    .copied()
                    .filter(|at| answer(*at) != answer(base))
                    .collect();
                others.choose(&mut chance).map(|source| (base, *source))
            };
            bases.into_iter().filter_map(pair).collect()
        };
        let mut cause = of(attribute);
        cause.truncate(most);
        let others = (0..self.questions.attributes.len()).filter(|other| *other != attribute);
        let mut isolation: Vec<Exchange> = others.flat_map(&mut of).collect();
        isolation.shuffle(&mut chance);
        isolation.truncate(cause.len().max(2));
        Pairs { cause, isolation }
    }

    /// Whether each pair of cause takes the source's answer, and each of isolation keeps the base's.
    fn outcomes(&self, pairs: &Pairs, patch: &Patch<'_>) -> Result<[Vec<f64>; 2]> {
        let answer = |at: usize| self.questions.questions[at].answer;
        let run = |pairs: &[Exchange], wanted: &dyn Fn(&Exchange) -> TokenId| -> Result<Vec<f64>> {
            let answers = self.entities.patched(pairs, patch, self.spec.keeps_error)?;
            let right = pairs
                .iter()
                .zip(answers)
                .map(|(pair, answer)| f64::from(u8::from(answer == wanted(pair))));
            Ok(right.collect())
        };
        Ok([
            run(&pairs.cause, &|(_, source)| answer(*source))?,
            run(&pairs.isolation, &|(base, _)| answer(*base))?,
        ])
    }

    /// Returns the features that tell the values of an attribute apart on building questions, best first.
    fn ranked(&self, attribute: usize) -> Result<Vec<FeatureId>> {
        let all: Vec<usize> = self.parts[0].concat();
        let questions = &self.questions.questions;
        let mut values: BTreeMap<&str, TokenId> = BTreeMap::new();
        for at in &self.parts[0][attribute] {
            values.insert(&questions[*at].entity, questions[*at].answer);
        }
        // Every building question on an entity whose value is known.
        let rows: Vec<usize> = all
            .into_iter()
            .filter(|at| values.contains_key(questions[*at].entity.as_str()))
            .collect();
        let answers: Vec<TokenId> = rows
            .iter()
            .map(|at| values[questions[*at].entity.as_str()])
            .collect();
        let columns = Columns::new(&self.entities.latents, &rows, self.entities.sae.features());
        let mut counts: BTreeMap<TokenId, usize> = BTreeMap::new();
        for answer in &answers {
            *counts.entry(*answer).or_default() += 1;
        }
        let told: Vec<TokenId> = counts
            .into_iter()
            .filter(|(_, count)| *count >= 2 && *count < rows.len())
            .map(|(answer, _)| answer)
            .collect();
        let weights: Vec<Vec<f64>> = told
            .par_iter()
            .map(|value| {
                let is_of: Vec<bool> = answers.iter().map(|answer| answer == value).collect();
                let of = is_of.iter().filter(|is| **is).count() as f64;
                columns.fitted(Examples {
                    x: &[],
                    width: 0,
                    is_of: &is_of,
                    weights: [(is_of.len() as f64 - of) / of, 1.0],
                    penalty: PENALTY,
                })
            })
            .collect::<Result<_>>()?;
        let score = |feature: usize| {
            let largest = weights
                .iter()
                .fold(0.0_f64, |most, of| most.max(of[feature].abs()));
            if largest == 0.0 {
                return 0.0;
            }
            largest * deviation(&columns.dense(feature, rows.len()))
        };
        let scores = (0..self.entities.sae.features()).map(|feature| (feature, score(feature)));
        let mut scores: Vec<(usize, f64)> = scores.filter(|(_, score)| *score > 0.0).collect();
        scores.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        scores.truncate(MOST_FEATURES);
        Ok(scores
            .into_iter()
            .map(|(feature, _)| FeatureId::from(feature))
            .collect())
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    (squares / values.len().max(1) as f64).sqrt()
}
