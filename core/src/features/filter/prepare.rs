//! A filter joined with what is known of the features: decides for each, and orders those that are kept.

use rayon::prelude::*;

use super::asks::OfFact;
use super::columns::NONE;
use super::{Column, Columns, Condition, Expression, Filter, Interval, Key, Place, Sort};
use crate::features::families::{Family, Measured};
use crate::features::search::Matcher;
use crate::features::{Hit, Words};
use crate::ids::FeatureId;

/// Features that [`Words`] found for the texts of a filter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answers {
    texts: Vec<(String, Vec<Hit>)>,
}

impl Answers {
    /// Searches for each of `texts` ([`Filter::texts`]), in labels too.
    pub fn new(words: &Words, texts: &[String], labels: &[(FeatureId, &str)]) -> Self {
        let answer = |text: &String| (text.clone(), words.search(text, labels));
        Self {
            texts: texts.iter().map(answer).collect(),
        }
    }

    /// Creates answers that are known already.
    pub fn from_hits(texts: Vec<(String, Vec<Hit>)>) -> Self {
        Self { texts }
    }

    /// Returns the features found for `text`, best first; none if it was not searched for.
    pub fn to(&self, text: &str) -> Option<&[Hit]> {
        let found = self.texts.iter().find(|(searched, _)| searched == text);
        found.map(|(_, hits)| hits.as_slice())
    }

    /// Returns the features found for the first text, best first.
    pub fn first(&self) -> &[Hit] {
        self.texts.first().map_or(&[], |(_, hits)| hits.as_slice())
    }
}

/// Everything that filters and orders depend on.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Quantities of the features.
    pub columns: &'a Columns,
    /// Labels by feature, ascending.
    pub labels: &'a [(FeatureId, &'a str)],
    /// Features found for the filter's texts. A text without an answer matches labels and numbers alone.
    pub answers: &'a Answers,
}

/// A filter that can be asked about each feature.
#[derive(Debug)]
pub struct Prepared<'a> {
    known: Known<'a>,
    root: Option<Node>,
    /// Features found for the words by which they are ordered.
    ranked: &'a [Hit],
}

#[derive(Debug)]
enum Node {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Set(Vec<bool>),
    Compare(Column, Interval),
    Head(Option<u32>),
    Family(Family),
    Dead,
}

impl Filter {
    /// Joins the filter with what is known.
    pub fn prepare<'a>(&self, known: Known<'a>) -> Prepared<'a> {
        let phrase = self.phrase();
        Prepared {
            root: self.root.as_ref().map(|root| known.node(root)),
            ranked: phrase
                .and_then(|phrase| known.answers.to(phrase))
                .unwrap_or_default(),
            known,
        }
    }
}

impl Known<'_> {
    fn node(&self, expression: &Expression) -> Node {
        let all = |parts: &[Expression]| parts.iter().map(|part| self.node(part)).collect();
        match expression {
            Expression::All(parts) => Node::All(all(parts)),
            Expression::Any(parts) => Node::Any(all(parts)),
            Expression::Not(part) => Node::Not(Box::new(self.node(part))),
            Expression::Is(condition) => self.condition(condition),
        }
    }

    fn condition(&self, condition: &Condition) -> Node {
        match condition {
            Condition::Numbers(ranges) => {
                let mut set = vec![false; self.columns.features()];
                for (first, last) in ranges {
                    let end = (*last as usize + 1).min(set.len());
                    if let Some(part) = set.get_mut(*first as usize..end) {
                        part.fill(true);
                    }
                }
                Node::Set(set)
            }
            Condition::Compare { column, within } => Node::Compare(*column, *within),
            // A head of another layer is none of this hook.
            Condition::Head { layer, head } => {
                let here =
                    layer.is_none_or(|layer| self.columns.layer.is_none_or(|l| l.0 == layer));
                Node::Head(Some(*head).filter(|_| here))
            }
            Condition::Family(family) => Node::Family(*family),
            Condition::Dead => Node::Dead,
            Condition::Labelled => {
                Node::Set(self.set(self.labels.iter().map(|(feature, _)| *feature)))
            }
            Condition::Fact(words) => Node::Set(self.with_fact(words)),
            Condition::Words { place, words } => Node::Set(self.with_words(*place, words)),
        }
    }

    fn set(&self, features: impl IntoIterator<Item = FeatureId>) -> Vec<bool> {
        let mut set = vec![false; self.columns.features()];
        for feature in features {
            if let Some(entry) = set.get_mut(feature.index()) {
                *entry = true;
            }
        }
        set
    }

    /// Features one of whose clear facts is of the kind `words`, or holds the words.
    fn with_fact(&self, words: &str) -> Vec<bool> {
        let asked = OfFact::new(words);
        let all = self.columns.features();
        let Some(facts) = &self.columns.facts else {
            return vec![false; all];
        };
        let holds = |i: usize| {
            let mut facts = facts.of(FeatureId::from(i)).iter();
            facts.any(|fact| asked.holds(fact))
        };
        (0..all).into_par_iter().map(holds).collect()
    }

    fn with_words(&self, place: Place, words: &str) -> Vec<bool> {
        let answer = self.answers.to(words);
        let hits = answer.unwrap_or_default().iter();
        let found = hits.filter(|hit| match place {
            Place::Anywhere => true,
            Place::Peaks => hit.peaks > 0,
            Place::Examples => hit.examples > 0,
            Place::Promoted => hit.promotes.is_some(),
            Place::Suppressed => hit.suppresses.is_some(),
            Place::Label => false,
        });
        let mut set = self.set(found.map(|hit| hit.feature));
        if place == Place::Label || (place == Place::Anywhere && answer.is_none()) {
            let matcher = Matcher::new(words);
            let labelled = self.labels.par_iter();
            let matching = labelled.filter(|(_, label)| matcher.matches(label));
            let matching: Vec<FeatureId> = matching.map(|(feature, _)| *feature).collect();
            for feature in matching {
                if let Some(entry) = set.get_mut(feature.index()) {
                    *entry = true;
                }
            }
        }
        let number = words.trim().parse::<usize>().ok();
        if let Some(entry) = number.and_then(|number| set.get_mut(number))
            && place == Place::Anywhere
        {
            *entry = true;
        }
        set
    }
}

impl Prepared<'_> {
    /// Whether the filter keeps `feature`.
    pub fn keeps(&self, feature: FeatureId) -> bool {
        self.root
            .as_ref()
            .is_none_or(|root| self.holds(root, feature))
    }

    fn holds(&self, node: &Node, feature: FeatureId) -> bool {
        let columns = self.known.columns;
        match node {
            Node::All(parts) => parts.iter().all(|part| self.holds(part, feature)),
            Node::Any(parts) => parts.iter().any(|part| self.holds(part, feature)),
            Node::Not(part) => !self.holds(part, feature),
            Node::Set(set) => set.get(feature.index()).copied().unwrap_or_default(),
            Node::Compare(column, within) => {
                let value = columns.value(*column, feature);
                value.is_some_and(|value| within.holds(value))
            }
            Node::Head(head) => head.is_some() && columns.head(feature).map(|h| h.head) == *head,
            Node::Family(family) => {
                columns.measured(feature).and_then(Measured::family) == Some(*family)
            }
            Node::Dead => {
                let summary = columns.summaries.get(feature.index());
                summary.is_some_and(|summary| summary.density == 0.0)
            }
        }
    }

    /// Returns the features that the filter keeps, by number.
    pub fn kept(&self) -> Vec<FeatureId> {
        let all = 0..self.known.columns.features() as u32;
        if self.root.is_none() {
            return all.map(FeatureId).collect();
        }
        let kept = all.into_par_iter().map(FeatureId);
        kept.filter(|feature| self.keeps(*feature)).collect()
    }

    /// Returns the features that the filter keeps, in the order of `sort`. Linear in the number of features once a column was sorted by before.
    pub fn sorted(&self, sort: &Sort) -> Vec<FeatureId> {
        let mut rows = self.kept();
        // Stable sorts from the least important key to the most important one.
        for key in sort.keys.iter().rev() {
            let keys = match key.column {
                Column::Name => self.names(key.descending),
                Column::Relevance => self.relevance(key.descending),
                _ => self.known.columns.keys(*key),
            };
            rows = counted(&rows, &keys);
        }
        rows
    }

    /// Labelled features by label, then all others by the token at which they peak, whatever the direction; those without a name last.
    fn names(&self, descending: bool) -> Vec<u32> {
        let columns = self.known.columns;
        let column = Column::Name;
        let mut keys = columns.keys(Key { column, descending });
        let features = keys.len();
        let mut labelled: Vec<(String, FeatureId)> = self
            .known
            .labels
            .par_iter()
            .filter(|(feature, _)| feature.index() < features)
            .map(|(feature, text)| (text.to_lowercase(), *feature))
            .collect();
        labelled.par_sort();
        if descending {
            labelled.reverse();
        }
        let labels = labelled.chunk_by(|a, b| a.0 == b.0);
        let groups: Vec<&[(String, FeatureId)]> = labels.collect();
        for key in keys.iter_mut().filter(|key| **key != NONE) {
            *key += groups.len() as u32;
        }
        for (group, key) in groups.into_iter().zip(0..) {
            for (_, feature) in group {
                keys[feature.index()] = key;
            }
        }
        keys
    }

    /// Features as the search ranks them, then those that only their label or number brings in.
    fn relevance(&self, descending: bool) -> Vec<u32> {
        let mut keys = vec![NONE; self.known.columns.features()];
        let most = self.ranked.len() as u32;
        for (hit, place) in self.ranked.iter().zip(0..) {
            if let Some(key) = keys.get_mut(hit.feature.index()) {
                *key = if descending { place } else { most - place };
            }
        }
        keys
    }
}

/// Sorts features by their keys, smallest first; features of equal keys keep their order.
fn counted(rows: &[FeatureId], keys: &[u32]) -> Vec<FeatureId> {
    let known = keys.iter().filter(|key| **key != NONE).max();
    let last = known.map_or(0, |most| *most as usize + 1);
    let place = |feature: &FeatureId| (keys[feature.index()] as usize).min(last);
    let mut ends = vec![0_usize; last + 2];
    for feature in rows {
        ends[place(feature) + 1] += 1;
    }
    for at in 1..ends.len() {
        ends[at] += ends[at - 1];
    }
    let mut sorted = vec![FeatureId::default(); rows.len()];
    for feature in rows {
        let at = &mut ends[place(feature)];
        sorted[*at] = *feature;
        *at += 1;
    }
    sorted
}
