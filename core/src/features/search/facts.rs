//! Words of the facts that name features: those of the kind and those of the tokens.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::split;
use crate::features::facts::Facts;
use crate::ids::FeatureId;

/// Words of naming facts, each with its features in order.
#[derive(Debug, Default)]
pub(super) struct FactWords {
    features: BTreeMap<Box<str>, Vec<u32>>,
}

impl FactWords {
    /// Collects the words; none where no facts were measured.
    pub(super) fn new(facts: Option<&Facts>) -> Self {
        let mut features: BTreeMap<Box<str>, Vec<u32>> = BTreeMap::new();
        let count = facts.map_or(0, |facts| facts.features.len());
        for feature in 0..count {
            let name = facts.and_then(|facts| facts.name(FeatureId::from(feature)));
            let Some(fact) = name else { continue };
            let tokens = fact.tokens.iter().map(|token| token.text.as_str());
            for word in tokens.chain([fact.kind.name()]).flat_map(split::words) {
                let of = features.entry(word.text.into()).or_default();
                if of.last() != Some(&(feature as u32)) {
                    of.push(feature as u32);
                }
            }
        }
        Self { features }
    }

    /// Returns the features with, for each of `words`, a word that begins with it, in order.
    pub(super) fn find(&self, words: &[String]) -> Vec<u32> {
        let of = |word: &String| -> Vec<u32> {
            let from = (Bound::Included(word.as_str()), Bound::Unbounded);
            let from = self.features.range::<str, _>(from);
            let begin = from.take_while(|(found, _)| found.starts_with(word.as_str()));
            let mut of: Vec<u32> = begin.flat_map(|(_, of)| of).copied().collect();
            of.sort_unstable();
            of.dedup();
            of
        };
        let mut sets = words.iter().map(of);
        let first = sets.next().unwrap_or_default();
        sets.fold(first, |mut all, set| {
            all.retain(|feature| set.binary_search(feature).is_ok());
            all
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::facts::{Fact, FactToken, Kind};
    use crate::ids::TokenId;

    #[test]
    fn a_feature_is_found_by_the_kind_and_the_tokens_of_its_naming_fact() {
        let fact = |kind, text: &str, score| Fact {
            kind,
            tokens: vec![FactToken {
                id: TokenId(1),
                text: text.to_owned(),
            }],
            reach: 0,
            active: 9,
            holding: 9,
            both: 9,
            precision: 1.0,
            recall: Some(1.0),
            share: 1.0,
            score,
        };
        let facts = Facts {
            features: vec![
                vec![fact(Kind::On, " King", 0.9)],
                vec![fact(Kind::SentenceStart, "", 0.9)],
                vec![fact(Kind::On, " king", 0.1)],
                vec![fact(Kind::After, " kingdom", 0.5)],
            ],
            ..Facts::default()
        };
        let words = FactWords::new(Some(&facts));
        let found = |query: &[&str]| {
            let query: Vec<String> = query.iter().map(|word| (*word).to_owned()).collect();
            words.find(&query)
        };
        assert_eq!(found(&["king"]), [0, 3]);
        assert_eq!(found(&["after", "king"]), [3]);
        assert_eq!(found(&["sent"]), [1]);
        assert!(found(&["cat"]).is_empty() && found(&[]).is_empty());
        assert!(FactWords::new(None).find(&["king".to_owned()]).is_empty());
    }
}
