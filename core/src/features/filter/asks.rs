//! Facts and labels that the conditions of a filter ask for: which fact of a feature meets them, and whether labels are needed, which an index does not hold.

use rayon::prelude::*;

use super::{Columns, Condition, Expression, Filter, Place};
use crate::features::facts::{Fact, Kind};
use crate::features::search::Matcher;
use crate::ids::FeatureId;

/// Words of a condition `fact:`.
#[derive(Debug)]
pub(super) struct OfFact {
    /// The words as the name of a kind is written.
    name: String,
    matcher: Matcher,
}

impl OfFact {
    pub(super) fn new(words: &str) -> Self {
        Self {
            name: words.trim().to_lowercase().replace([' ', '_'], "-"),
            matcher: Matcher::new(words),
        }
    }

    /// Whether the fact is clear and of this kind, or holds the words.
    pub(super) fn holds(&self, fact: &Fact) -> bool {
        fact.is_clear() && (fact.kind.name() == self.name || self.matcher.matches(&fact.said()))
    }

    fn is_kind(&self) -> bool {
        Kind::from_name(&self.name).is_some()
    }
}

impl Filter {
    /// Whether a condition is about labels, which a project keeps.
    pub fn asks_for_labels(&self) -> bool {
        let mut asks = false;
        self.each(&mut |condition| {
            asks |= matches!(
                condition,
                Condition::Labelled
                    | Condition::Words {
                        place: Place::Label,
                        ..
                    }
            );
        });
        asks
    }

    /// Whether a condition asks for a fact that features have.
    pub fn asks_for_facts(&self) -> bool {
        !self.facts().is_empty()
    }

    /// Returns the best clear fact of `feature` that a condition asks for; none where there is none.
    pub fn fact_of<'a>(&self, columns: &'a Columns, feature: FeatureId) -> Option<&'a Fact> {
        let asked: Vec<OfFact> = self.facts().into_iter().map(OfFact::new).collect();
        let mut facts = columns.facts.as_ref()?.of(feature).iter();
        facts.find(|fact| asked.iter().any(|asked| asked.holds(fact)))
    }

    /// Returns a sentence for the words of each condition `fact:` that name no kind of fact, and whether some clear fact of the index holds them. Where none does,
    /// they are most likely mistyped.
    pub fn other_than_kinds(&self, columns: &Columns) -> Vec<(String, bool)> {
        let mut words = Vec::new();
        self.each(&mut |condition| {
            if let Condition::Fact(text) = condition {
                words.push(text.as_str());
            }
        });
        let Some(facts) = &columns.facts else {
            return Vec::new();
        };
        let sentence = |words: &str| {
            let asked = OfFact::new(words);
            if asked.is_kind() {
                return None;
            }
            let features = facts.features.par_iter();
            let held = features.any(|facts| facts.iter().any(|fact| asked.holds(fact)));
            Some(if held {
                let what = format!(
                    "`{words}` is no kind of fact: features are kept one of whose clear facts holds it"
                );
                (what, true)
            } else {
                let kinds = Kind::ALL.map(Kind::name).join(", ");
                let what = format!(
                    "the filter asks for the fact `{words}`, which is no kind of fact and stands in no clear fact of the index: the kinds are {kinds}"
                );
                (what, false)
            })
        };
        words.into_iter().filter_map(sentence).collect()
    }

    /// Returns the words of the conditions `fact:` that are not negated.
    fn facts(&self) -> Vec<&str> {
        fn walk<'a>(expression: &'a Expression, negated: bool, found: &mut Vec<&'a str>) {
            match expression {
                Expression::All(parts) | Expression::Any(parts) => {
                    for part in parts {
                        walk(part, negated, found);
                    }
                }
                Expression::Not(part) => walk(part, !negated, found),
                Expression::Is(Condition::Fact(words)) if !negated => found.push(words),
                Expression::Is(_) => {}
            }
        }
        let mut found = Vec::new();
        if let Some(root) = &self.root {
            walk(root, false, &mut found);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::facts::{FactToken, Facts};
    use crate::ids::TokenId;

    fn fact(kind: Kind, text: &str, score: f64) -> Fact {
        Fact {
            kind,
            tokens: vec![FactToken {
                id: TokenId(1),
                text: text.to_owned(),
            }],
            reach: 0,
            active: 10,
            holding: 20,
            both: 8,
            precision: 0.8,
            recall: Some(0.4),
            share: 0.8,
            score,
        }
    }

    fn columns() -> Columns {
        let features = vec![
            vec![
                fact(Kind::On, " queen", 0.6),
                fact(Kind::Induction, " king", 0.5),
                fact(Kind::After, " hare", 0.1),
            ],
            vec![fact(Kind::On, " king", 0.6)],
        ];
        let mut columns = Columns::new(vec![], vec![]);
        columns.facts = Some(Facts {
            features,
            ..Facts::default()
        });
        columns
    }

    #[test]
    fn the_fact_that_a_filter_asks_for_is_found_among_better_ones() {
        let columns = columns();
        let kind = |filter: &str, feature: u32| {
            let filter = Filter::parse(filter).unwrap();
            let fact = filter.fact_of(&columns, FeatureId(feature));
            fact.map(|fact| fact.kind)
        };
        assert_eq!(kind("fact:induction", 0), Some(Kind::Induction));
        assert_eq!(kind("fact:queen", 0), Some(Kind::On));
        assert_eq!(kind("not not fact:king", 0), Some(Kind::Induction));
        assert_eq!(kind("density<1 and (#3 or fact:king)", 1), Some(Kind::On));
        for without in ["", "not fact:king", "fact!=king", "fact:after", "fact:hare"] {
            assert_eq!(kind(without, 0), None, "{without}");
        }
        let asks = |filter: &str| Filter::parse(filter).unwrap().asks_for_facts();
        assert!(asks("fact:on") && !asks("not fact:on") && !asks("#3"));
    }

    #[test]
    fn a_mistyped_kind_is_told_from_words_of_facts() {
        let said = |filter: &str| Filter::parse(filter).unwrap().other_than_kinds(&columns());
        assert_eq!(said("fact:induction and not fact:sentence-start"), []);
        let [(what, held)] = &said("fact:inductoin")[..] else {
            panic!("one sentence");
        };
        assert!(!held && what.contains("`inductoin`") && what.contains("sentence-start"));
        let [(what, held)] = &said("fact:king")[..] else {
            panic!("one sentence");
        };
        assert!(*held && what.contains("`king` is no kind"), "{what}");
        // A fact that is not clear keeps no feature.
        assert!(!said("fact:hare")[0].1);
        let bare = Columns::default();
        let filter = Filter::parse("fact:foo").unwrap();
        assert_eq!(filter.other_than_kinds(&bare), []);
    }

    #[test]
    fn conditions_on_labels_are_known() {
        let asks = |filter: &str| Filter::parse(filter).unwrap().asks_for_labels();
        for filter in ["label:king", "is:labelled", "is:unlabelled", "#3 or name:a"] {
            assert!(asks(filter), "{filter}");
        }
        for filter in ["", "king", "fires:king and is:dead"] {
            assert!(!asks(filter), "{filter}");
        }
    }
}
