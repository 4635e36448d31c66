//! Compares facts with brute force over the text, and reads them back from the file.

use std::collections::BTreeSet;

use super::*;
use crate::Flow;
use crate::corpus::Rows;
use crate::features::predicate::{Predicate, lab};
use crate::features::tests::{
    CONTEXT_OF_ROWS, FEATURES, Z, brute_force, built, counts, model, rows, sae, signed,
};
use crate::features::{Index, families};
use crate::progress::Progress;
use crate::sae::Sae;

type Place = (usize, usize);

fn on(_: Progress) -> Flow {
    Flow::Continue(())
}

fn measured(sae: &Sae, index: &Index, rows: &Rows) -> Facts {
    let asked = Asked {
        text: "three pieces".to_owned(),
        fingerprint: "ab".to_owned(),
        // The index is of the dictionary without signs.
        allow_mismatch: true,
    };
    let subject = (model(), sae.by_token().unwrap());
    let ended = measure(subject, (index, rows), &asked, &mut on).unwrap();
    ended.done().unwrap()
}

/// Whether a fact holds at a place, by the words of its definition, in loops over the row.
fn holds(rows: &Rows, fact: &Fact, (row, t): Place) -> bool {
    let tokens = rows.row(row);
    let text = |t: usize| model().codec().display(tokens[t]);
    let same = |a: usize, b: usize| {
        let bos = |t: usize| tokens[t] == TokenId(0);
        rows.document_number(row, a) == rows.document_number(row, b) && !bos(a) && !bos(b)
    };
    let named = |t: usize| fact.tokens.iter().any(|token| token.id == tokens[t]);
    let fold = |t: usize| {
        let text = text(t);
        let word = text.trim_start_matches(' ');
        if word.trim().is_empty() {
            text
        } else {
            word.to_lowercase()
        }
    };
    let copies = |next: TokenId| (0..t).any(|q| fold(q) == fold(t) && tokens[q + 1] == next);
    match fact.kind {
        Kind::On => named(t),
        Kind::After => t > 0 && same(t - 1, t) && named(t - 1),
        Kind::Before => t + 1 < tokens.len() && same(t, t + 1) && named(t + 1),
        Kind::Induction => match fact.tokens.first() {
            Some(token) => copies(token.id),
            None => t + 1 < tokens.len() && same(t, t + 1) && copies(tokens[t + 1]),
        },
        Kind::InsideWord => {
            let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            t > 0
                && same(t - 1, t)
                && letter(text(t).chars().next())
                && letter(text(t - 1).chars().last())
        }
        Kind::LineBreak => text(t).contains('\n'),
        Kind::Quotes => {
            // All characters of the document's part of the row up to the token, paragraph by paragraph.
            let first = (0..=t).rev().take_while(|q| same(*q, t)).last().unwrap();
            let before: String = (first..t).map(text).collect();
            let before = before.replace(' ', "");
            let paragraph = before.rsplit("\n\n").next().unwrap();
            let number = |mark: char| paragraph.chars().filter(|c| *c == mark).count();
            number('"') % 2 == 1 || number('“') > number('”')
        }
        kind => {
            let predicate = Predicate::parse(kind.predicate().unwrap()).unwrap();
            let lexicon = crate::features::predicate::Lexicon::new(model().codec(), rows.tokens());
            let line = crate::features::predicate::Line::from_rows(rows, row);
            predicate.bind(&lexicon).holds(&line)[t]
        }
    }
}

const COMPARED: [Kind; 9] = [
    Kind::On,
    Kind::After,
    Kind::Before,
    Kind::Induction,
    Kind::InsideWord,
    Kind::LineBreak,
    Kind::Quotes,
    Kind::Capital,
    Kind::WordStart,
];

/// Counts a fact by brute force and says what differs.
fn difference(
    rows: &Rows,
    fact: &Fact,
    places: &[Place],
    active: &[(usize, usize, f32)],
) -> Option<String> {
    let holding: BTreeSet<Place> = places
        .iter()
        .copied()
        .filter(|place| holds(rows, fact, *place))
        .collect();
    let mut both = 0;
    let (mut size, mut all) = (0.0, 0.0);
    for (row, t, act) in active {
        let act = f64::from(act.abs());
        all += act;
        if holding.contains(&(*row, *t)) {
            both += 1;
            size += act;
        }
    }
    let [n, a, h, b] = [places.len(), active.len(), holding.len(), both].map(|n| n as f64);
    // Mutual information as H(F) − H(F | S), not as the sum over the four cells.
    let entropy = |p: f64| {
        let part = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
        part(p) + part(1.0 - p)
    };
    let with = |part: f64, whole: f64| {
        if whole > 0.0 {
            entropy(part / whole)
        } else {
            0.0
        }
    };
    let left = h / n * with(b, h) + (n - h) / n * with(a - b, n - h);
    let score = 1.0 - left / entropy(a / n);
    let wants = [
        ("active", fact.active as f64, a, 0.0),
        ("holding", fact.holding as f64, h, 0.0),
        ("both", fact.both as f64, b, 0.0),
        ("precision", fact.precision, b / a, 1e-12),
        ("recall", fact.recall.unwrap(), b / h, 1e-12),
        // Kept as an f32.
        ("share", fact.share, size / all, 1e-7),
        // A difference of two entropies loses digits where they are near.
        ("score", fact.score, score, 1e-9),
    ];
    wants
        .iter()
        .find(|(_, got, want, tolerance)| (got - want).abs() > *tolerance)
        .map(|(name, got, want, _)| format!("{} of {}: {got} is not {want}", name, fact.said()))
}

#[test]
fn every_fact_equals_brute_force_and_a_wrong_one_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let index = built(folder.path(), Z, 1);
    let all = rows();
    let places: Vec<Place> = (0..all.len())
        .flat_map(|row| (0..CONTEXT_OF_ROWS).map(move |t| (row, t)))
        .filter(|(row, t)| counts(&all, *row, *t))
        .collect();
    for sae in [sae(Z), signed(Z)] {
        let facts = measured(&sae, &index, &all);
        assert_eq!(facts.tokens, places.len() as u64);
        assert_eq!(facts.features.len(), FEATURES);
        let active = brute_force(&sae);
        let mut seen = BTreeSet::new();
        for (feature, active) in facts.features.iter().zip(&active) {
            assert!(feature.len() <= KEPT);
            assert!(feature.windows(2).all(|two| two[0].score >= two[1].score));
            for fact in feature.iter().filter(|fact| COMPARED.contains(&fact.kind)) {
                assert_eq!(difference(&all, fact, &places, active), None);
                seen.insert(fact.kind);
            }
        }
        assert!(seen.len() >= 5, "{seen:?}");
        let (feature, fact) = (0..FEATURES)
            .find_map(|f| {
                Some((
                    f,
                    facts.features[f]
                        .iter()
                        .find(|f| COMPARED.contains(&f.kind))?,
                ))
            })
            .unwrap();
        for nudge in [
            |fact: &mut Fact| fact.both -= 1,
            |fact: &mut Fact| fact.share += 1e-6,
            |fact: &mut Fact| fact.score += 1e-6,
        ] {
            let mut wrong = fact.clone();
            nudge(&mut wrong);
            assert!(difference(&all, &wrong, &places, &active[feature]).is_some());
        }
        // The last feature is never active in the dictionary without signs.
        if active[FEATURES - 1].is_empty() {
            assert_eq!(facts.of(FeatureId::from(FEATURES - 1)), []);
        }
    }
}

#[test]
fn facts_that_are_predicates_have_the_counts_of_the_test_against_the_predicate() {
    let folder = tempfile::tempdir().unwrap();
    let index = built(folder.path(), Z, 1);
    let sae = sae(Z);
    let facts = measured(&sae, &index, &rows());
    let mut compared = 0;
    for feature in (0..FEATURES).map(FeatureId::from) {
        for fact in facts.of(feature) {
            let token = |token: &FactToken| format!("token({:?})", token.text);
            let predicate = match (fact.kind, fact.kind.predicate()) {
                (_, Some(predicate)) => predicate.to_owned(),
                (Kind::On, _) => {
                    let tokens: Vec<String> = fact.tokens.iter().map(token).collect();
                    tokens.join(" or ")
                }
                (Kind::Induction, _) if !fact.tokens.is_empty() => {
                    format!("repeats(fuzzy) and next_is({:?})", fact.tokens[0].text)
                }
                _ => continue,
            };
            let predicate = Predicate::read(&predicate).unwrap();
            let asked = lab::Asked {
                features: &[feature],
                predicate: &predicate,
                seed: 0,
            };
            let subject = (model(), sae.by_token().unwrap());
            let tested = lab::test(subject, &rows(), asked, &mut on).unwrap();
            let tested = tested.done().unwrap().remove(0);
            assert_eq!(
                [fact.active, fact.holding, fact.both],
                [tested.active, tested.holding, tested.both],
                "{}",
                fact.said()
            );
            compared += 1;
        }
        if compared > 12 {
            break;
        }
    }
    assert!(compared > 5, "{compared}");
}

#[test]
fn facts_are_kept_in_the_index_and_come_back_equal() {
    let folder = tempfile::tempdir().unwrap();
    let index = built(folder.path(), Z, 1);
    assert_eq!(index.facts().unwrap(), None);
    let sae = sae(Z);
    let subject = (model(), sae.by_token().unwrap());
    // Families become facts about context.
    let found = families::measure(subject, &index, families::Asked::default(), &mut on).unwrap();
    let path = folder.path().join("with.sqlite");
    families::write(&index, &found.done().unwrap(), &path).unwrap();
    let index = Index::open(&path).unwrap();
    let facts = measured(&sae, &index, &rows());
    let context = facts.features.iter().flatten();
    let context: Vec<&Fact> = context.filter(|fact| fact.kind.is_context()).collect();
    assert!(!context.is_empty() && context.iter().all(|fact| fact.recall.is_none()));
    write(&index, &facts, &path).unwrap();
    let again = Index::open(&path).unwrap();
    assert_eq!(again.facts().unwrap().as_ref(), Some(&facts));
    assert!(again.families().unwrap().is_some());
    // One by one, and as names in lists.
    for feature in (0..FEATURES).map(FeatureId::from) {
        let of = again.facts_of(feature).unwrap();
        assert_eq!(of.as_deref(), Some(facts.of(feature)));
        let preview = again.previews(&[feature]).unwrap().remove(0);
        let name = facts.name(feature).map(Fact::said);
        assert_eq!(preview.fact, name);
    }
    // A text or an amount that is not the index's is marked.
    let elsewhere = |facts: Facts| {
        let path = folder.path().join("elsewhere.sqlite");
        write(&again, &facts, &path).unwrap();
        Index::open(&path).unwrap().facts_elsewhere().unwrap()
    };
    let own = Facts {
        fingerprint: index.about().corpus_fingerprint.clone(),
        tokens: index.about().tokens,
        text: "girls.txt".to_owned(),
        ..facts.clone()
    };
    assert_eq!(elsewhere(own.clone()), None);
    let less = elsewhere(Facts {
        tokens: 7,
        ..own.clone()
    });
    assert!(less.unwrap().contains("7 tokens of the index's text"));
    let other = elsewhere(Facts {
        fingerprint: "ff".repeat(32),
        ..own
    });
    let other = other.unwrap();
    assert!(other.contains("another text") && other.ends_with("girls.txt"));
    assert_eq!(
        built(folder.path(), Z, 2).facts_elsewhere().unwrap(),
        None,
        "no facts"
    );
    // Measured again, they replace the former ones.
    write(&again, &facts, &path).unwrap();
    assert_eq!(Index::open(&path).unwrap().facts().unwrap(), Some(facts));
    // A cut list is damage, not fewer facts.
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute(
            "UPDATE fact SET packed = substr(packed, 1, length(packed) / 2)",
            [],
        )
        .unwrap();
    drop(database);
    let refused = Index::open(&path).unwrap().facts().unwrap_err();
    assert!(refused.to_string().contains("damaged"), "{refused}");
}

#[test]
fn a_stopped_measurement_gives_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let index = built(folder.path(), Z, 1);
    let sae = sae(Z);
    let subject = (model(), sae.by_token().unwrap());
    let mut stop = |_: Progress| Flow::Break(());
    let ended = measure(subject, (&index, &rows()), &Asked::default(), &mut stop);
    assert!(ended.unwrap().is_stopped());
}

#[test]
fn a_fact_is_a_phrase_and_names_a_feature_where_it_is_clear() {
    let token = |text: &str| FactToken {
        id: TokenId(1),
        text: text.to_owned(),
    };
    let fact = Fact {
        kind: Kind::On,
        tokens: vec![token(" said"), token("\n")],
        reach: 0,
        active: 10,
        holding: 12,
        both: 9,
        precision: 0.9,
        recall: Some(0.75),
        share: 0.95,
        score: 0.7,
    };
    assert_eq!(fact.said(), "fires on ‹ said› or ‹⏎›");
    assert_eq!(
        fact.figures(),
        "precision 90.0 %, recall 75.0 %, 10 active tokens"
    );
    let needs = Fact {
        kind: Kind::Local,
        tokens: vec![],
        reach: 4,
        recall: None,
        score: 0.0,
        ..fact.clone()
    };
    assert_eq!(needs.said(), "needs only the last 4 tokens");
    let vague = Fact {
        score: 0.1,
        ..fact.clone()
    };
    let facts = Facts {
        features: vec![vec![fact.clone(), needs.clone()], vec![vague, needs]],
        ..Facts::default()
    };
    let [first, second] = [0, 1].map(FeatureId);
    assert_eq!(facts.name(first), Some(&fact));
    assert_eq!(facts.name(second), None);
    assert!(facts.has(first, Kind::On) && !facts.has(second, Kind::On));
    assert!(facts.has(second, Kind::Local));
    assert_eq!(facts.of(FeatureId(9)), []);
    for kind in Kind::ALL {
        assert_eq!(Kind::from_name(kind.name()), Some(kind));
        assert!(!kind.definition().is_empty());
        // A kind is written as one byte, its place in the list.
        assert_eq!(Kind::ALL[kind as usize], kind);
    }
}
