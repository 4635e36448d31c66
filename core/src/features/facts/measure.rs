//! Measures facts about all features of a dictionary in one pass over a text.

use std::collections::HashMap;

use super::candidates::{NAMING_TOKENS, Suggested, suggested};
use super::places::{OfRow, PLACES, Places, predicates};
use super::{Fact, FactToken, Facts, JOINED, KEPT, Kind, LEAST_ACTIVE, LEAST_BOTH, LEAST_SCORE};
use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::features::families::{self, Family, Measured};
use crate::features::predicate::Lexicon;
use crate::features::{Index, pass};
use crate::fit::Fit;
use crate::ids::TokenId;
use crate::latents::Latents;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;
use crate::text::TextCodec;

/// Least gain of score for which a fact joins another token.
const GAIN: f64 = 0.01;

/// Settings of the measurement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// Text, as a phrase.
    pub text: String,
    /// Hex SHA-256 of the text.
    pub fingerprint: String,
    /// Whether an index of another dictionary or model is taken.
    pub allow_mismatch: bool,
}

/// Measures facts about every feature at the positions of `rows` that count. `index` suggests tokens, and its families, where it has them, become facts about
/// context. An index of another dictionary or model is an error, and so is one of the first version, which holds no rows.
pub fn measure(
    (model, sae): (&Model, ByToken<'_>),
    (index, rows): (&Index, &Rows),
    asked: &Asked,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Facts>> {
    Fit::of_index(index.about(), Some(model), Some(&sae)).check(asked.allow_mismatch)?;
    index.check_features(&sae)?;
    if index.about().is_older() {
        let what = "the index is an older version and holds only excerpts of its text: build it again to measure facts";
        return Err(Error::input(what, index.path()));
    }
    let suggested = suggested(index, model)?;
    let lexicon = Lexicon::new(model.codec(), rows.tokens());
    let predicates = predicates();
    let places = Places::new(&predicates, &lexicon);
    let mut counts = Counts::new(suggested);
    let mut visit = |of: &[(u32, u32)], latents: &Latents| {
        let mut token = 0;
        for of_row in of.chunk_by(|a, b| a.0 == b.0) {
            let row = of_row[0].0 as usize;
            let statements = places.of_row(rows, row);
            for (_, position) in of_row {
                let at = At::new(rows.row(row), &statements, *position as usize);
                counts.add(&at, (latents, token));
                token += 1;
            }
        }
    };
    if pass::each((model, sae), rows, &mut visit, observe)?.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let mut features = counts.facts(model.codec());
    if let Some(families) = index.families()? {
        for (facts, measured) in features.iter_mut().zip(&families.features) {
            facts.extend(of_family(measured));
        }
    }
    Ok(Ended::Done(Facts {
        text: asked.text.clone(),
        fingerprint: asked.fingerprint.clone(),
        tokens: counts.tokens,
        features,
    }))
}

/// Returns the fact about the context that a feature needs; none where its family is neither or its strongest examples contradict each other.
fn of_family(measured: &Measured) -> Option<Fact> {
    let reach = measured.reach?;
    let kind = match (measured.family()?, reach.reach()) {
        (Family::Unclear, _) => return None,
        (Family::Local, _) => Kind::Local,
        (Family::Induction, Some(reach)) if reach <= families::LOCAL => Kind::Local,
        (Family::Induction | Family::LongRange, _) => Kind::LongContext,
    };
    let last = families::LAST;
    let at = reach
        .reach()
        .and_then(|reach| last.iter().position(|last| *last == reach));
    let kept = reach.kept[at.unwrap_or(last.len() - 1)];
    let enough = reach.reach().unwrap_or(0);
    let examples = u64::from(reach.examples);
    Some(Fact::of_context(kind, enough, examples, kept as f32))
}

/// A token of the text with the statements that hold at it.
struct At<'a> {
    statements: &'a OfRow,
    position: usize,
    /// The token, the one before it and the one behind it.
    beside: [Option<TokenId>; 3],
}

impl<'a> At<'a> {
    fn new(row: &[TokenId], statements: &'a OfRow, position: usize) -> Self {
        let beside = &statements.beside;
        let neighbours = [
            Some(position),
            beside.before(position),
            beside.behind(position),
        ];
        Self {
            beside: neighbours.map(|at| at.map(|at| row[at])),
            statements,
            position,
        }
    }

    fn followers(&self) -> &'a [TokenId] {
        &self.statements.followers[self.position]
    }
}

/// Active tokens at which a statement holds, and the activation there, by size.
#[derive(Debug, Clone, Copy, Default)]
struct Both {
    tokens: u64,
    size: f64,
}

impl Both {
    fn add(&mut self, size: f64) {
        self.tokens += 1;
        self.size += size;
    }
}

/// Running counts of one feature.
#[derive(Debug)]
struct OfFeature {
    all: Both,
    places: [Both; PLACES.len()],
    /// By kind of [`NAMING_TOKENS`].
    named: [Vec<(TokenId, Both)>; NAMING_TOKENS.len()],
}

impl OfFeature {
    fn new(suggested: Suggested) -> Self {
        Self {
            all: Both::default(),
            places: [Both::default(); PLACES.len()],
            named: suggested.map(|tokens| {
                let tokens = tokens.into_iter().map(|token| (token, Both::default()));
                tokens.collect()
            }),
        }
    }

    fn add(&mut self, at: &At<'_>, size: f64) {
        self.all.add(size);
        for place in at.statements.held[at.position].each() {
            self.places[place].add(size);
        }
        let [on, after, before, induction] = &mut self.named;
        for (named, token) in [on, after, before].into_iter().zip(at.beside) {
            let found = named.iter_mut().find(|(id, _)| Some(*id) == token);
            if let Some((_, both)) = found {
                both.add(size);
            }
        }
        for (target, both) in induction {
            if at.followers().binary_search(target).is_ok() {
                both.add(size);
            }
        }
    }
}

/// Counts over the text.
#[derive(Debug)]
struct Counts {
    tokens: u64,
    places: [u64; PLACES.len()],
    /// Tokens at which each statement about a token holds, by kind of [`NAMING_TOKENS`].
    named: [HashMap<TokenId, u64>; NAMING_TOKENS.len()],
    features: Vec<OfFeature>,
}

impl Counts {
    fn new(suggested: Vec<Suggested>) -> Self {
        let mut named: [HashMap<TokenId, u64>; NAMING_TOKENS.len()] = Default::default();
        for of in &suggested {
            for (named, tokens) in named.iter_mut().zip(of) {
                named.extend(tokens.iter().map(|token| (*token, 0)));
            }
        }
        Self {
            tokens: 0,
            places: [0; PLACES.len()],
            named,
            features: suggested.into_iter().map(OfFeature::new).collect(),
        }
    }

    fn add(&mut self, at: &At<'_>, (latents, token): (&Latents, usize)) {
        self.tokens += 1;
        for place in at.statements.held[at.position].each() {
            self.places[place] += 1;
        }
        let [on, after, before, induction] = &mut self.named;
        for (named, token) in [on, after, before].into_iter().zip(at.beside) {
            if let Some(count) = token.and_then(|token| named.get_mut(&token)) {
                *count += 1;
            }
        }
        for token in at.followers() {
            if let Some(count) = induction.get_mut(token) {
                *count += 1;
            }
        }
        for i in latents.range(token) {
            let size = f64::from(latents.acts[i].abs());
            if size > 0.0 {
                self.features[latents.features[i] as usize].add(at, size);
            }
        }
    }

    fn facts(&self, codec: &TextCodec) -> Vec<Vec<Fact>> {
        let of = |feature: &OfFeature| self.of(feature, codec);
        self.features.iter().map(of).collect()
    }

    fn of(&self, feature: &OfFeature, codec: &TextCodec) -> Vec<Fact> {
        if feature.all.tokens < LEAST_ACTIVE {
            return Vec::new();
        }
        let mut facts = Vec::new();
        for ((kind, holding), both) in PLACES.iter().zip(self.places).zip(feature.places) {
            facts.push(self.fact(*kind, feature, (holding, both)));
        }
        for (at, kind) in NAMING_TOKENS.into_iter().enumerate() {
            let frequent = |(_, both): &&(TokenId, Both)| both.tokens >= LEAST_BOTH;
            let of: Vec<Named> = feature.named[at]
                .iter()
                .filter(frequent)
                .map(|(token, both)| Named {
                    token: *token,
                    holding: self.named[at].get(token).copied().unwrap_or(0),
                    both: *both,
                })
                .collect();
            facts.extend(self.joined(kind, feature, of, codec));
        }
        facts.retain(|fact| fact.both >= LEAST_BOTH && fact.score >= LEAST_SCORE);
        facts.sort_by(|a, b| b.score.total_cmp(&a.score));
        facts.truncate(KEPT);
        facts
    }

    /// Joins tokens, each time the one with the largest gain, while the score rises; tokens of induction are not joined, since several may be next at one place.
    fn joined(
        &self,
        kind: Kind,
        feature: &OfFeature,
        mut left: Vec<Named>,
        codec: &TextCodec,
    ) -> Option<Fact> {
        let most = if kind == Kind::Induction { 1 } else { JOINED };
        let mut best: Option<Fact> = None;
        let mut so_far = (0, Both::default());
        let mut tokens: Vec<FactToken> = Vec::new();
        while tokens.len() < most && !left.is_empty() {
            let with = |named: &Named| {
                let both = Both {
                    tokens: so_far.1.tokens + named.both.tokens,
                    size: so_far.1.size + named.both.size,
                };
                (so_far.0 + named.holding, both)
            };
            let facts = left
                .iter()
                .map(|named| self.fact(kind, feature, with(named)));
            let next = facts.enumerate().reduce(|best, next| {
                if next.1.score > best.1.score {
                    next
                } else {
                    best
                }
            });
            let (at, fact) = next?;
            let before = best.as_ref().map_or(f64::NEG_INFINITY, |best| best.score);
            if fact.score < before + GAIN {
                break;
            }
            so_far = with(&left[at]);
            let named = left.remove(at);
            tokens.push(FactToken {
                id: named.token,
                text: codec.display(named.token),
            });
            best = Some(fact);
        }
        best.map(|fact| Fact { tokens, ..fact })
    }

    fn fact(&self, kind: Kind, feature: &OfFeature, (holding, both): (u64, Both)) -> Fact {
        let counts = [self.tokens, feature.all.tokens, holding, both.tokens];
        let share = both.size / feature.all.size;
        Fact::from_counts(kind, Vec::new(), counts, share as f32)
    }
}

/// A token of one kind with its counts.
struct Named {
    token: TokenId,
    holding: u64,
    both: Both,
}

/// Returns I(F; S) / H(F) from the numbers of all tokens, of those on which the feature is active, of those with the statement and of those with both; 0 where the
/// feature does not fire more often with the statement.
pub(super) fn score([all, active, holding, both]: [u64; 4]) -> f64 {
    let [n, a, h, b] = [all, active, holding, both].map(|count| count as f64);
    if b * n <= a * h || active >= all {
        return 0.0;
    }
    let part = |joint: f64, of: f64, with: f64| {
        if joint > 0.0 {
            joint / n * (joint * n / (of * with)).ln()
        } else {
            0.0
        }
    };
    let shared = part(b, a, h)
        + part(a - b, a, n - h)
        + part(h - b, n - a, h)
        + part(n - a - h + b, n - a, n - h);
    let entropy = -(a / n * (a / n).ln() + (n - a) / n * ((n - a) / n).ln());
    (shared / entropy).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_one_for_the_same_tokens_and_none_for_unrelated_ones() {
        assert!((score([1000, 10, 10, 10]) - 1.0).abs() < 1e-12);
        assert_eq!(score([1000, 10, 100, 1]), 0.0);
        assert_eq!(score([1000, 100, 500, 10]), 0.0);
        assert_eq!(score([10, 10, 5, 5]), 0.0);
        // By hand: 4 tokens, the feature on 1, the statement on 2 of them: I = H(1/4) − 1/2·H(1/2) over H(1/4).
        let entropy = |p: f64| -(p * p.ln() + (1.0 - p) * (1.0 - p).ln());
        let want = 1.0 - 0.5 * entropy(0.5) / entropy(0.25);
        assert!((score([4, 1, 2, 1]) - want).abs() < 1e-12);
        // A rarer statement that always holds tells more.
        assert!(score([1000, 5, 20, 5]) > score([1000, 5, 700, 5]));
    }
}
